"""What an NFS server says of itself, and which hosts and VMs need one of its exports."""

import re
from dataclasses import asdict
from typing import Any

from django.utils import timezone

from hosts import live, mounts, nfs_exports, reach, ssh
from hosts.errors import HostError
from hosts.host_uri import validate_ssh_target
from hosts.models import Mount, NfsServer, Placement
from hosts.models.inventory import ACTIVE_STATES
from hosts.mounts.users import is_below
from hosts.nfs import NfsSource
from hosts.nfs_servers import scripts

LOOK_TIMEOUT_S = 30.0
_PART = re.compile(r"^=== ([a-z]+) ===\n", re.MULTILINE)


def run(server: NfsServer, argv: list[str], *, timeout_s: float, check: bool = True, input: str | None = None) -> Any:
    """Run an argument list on the server by ssh. Raises HostError that names it."""
    target = ssh.SshTarget(address=validate_ssh_target(server.ssh), keyring=reach.keyring(), host=server.name)
    return ssh.run(target, argv, timeout_s=timeout_s, check=check, input=input)


def check_server(server: NfsServer) -> NfsServer:
    """Ask the server and store what it says; where it does not answer, its row says why and keeps its last facts."""
    try:
        server.facts = look(server) if server.ssh else offered(server)
        server.error = server.hint = ""
    except HostError as error:
        server.error, server.hint = str(error), error.hint
    server.checked = timezone.now()
    NfsServer.objects.filter(pk=server.pk).update(
        facts=server.facts, error=server.error, hint=server.hint, checked=server.checked
    )
    live.publish("storage")
    return server


def look(server: NfsServer) -> dict[str, Any]:
    """All that one login tells. Raises HostError."""
    return facts_of(run(server, scripts.argv(scripts.LOOK), timeout_s=LOOK_TIMEOUT_S).stdout)


def offered(server: NfsServer) -> dict[str, Any]:
    """What `showmount -e` tells of a server that nobody can log in to. Raises HostError."""
    rows = mounts.exports(server.address)
    found = [
        {"path": row.path, "client": client, "options": "", "ours": False}
        for row in rows
        for client in row.clients.split(",")
    ]
    return {"is_serving": True, "exports": found, "by_showmount": True}


def facts_of(text: str) -> dict[str, Any]:
    """The answer of scripts.LOOK as the row keeps it."""
    _, *pieces = _PART.split(text)
    parts = dict(zip(pieces[::2], pieces[1::2], strict=True))
    services = parts.get("services", "")
    units = {name: {"active": active, "enabled": enabled} for name, active, enabled in _units(services)}
    threads = re.search(r"^threads (\d+)$", services, re.MULTILINE)
    try:
        ours, foreign = {rule.path for rule in nfs_exports.parse_file(parts.get("file", ""))}, ""
    except HostError as error:
        ours, foreign = set(), str(error)
    return {
        "is_serving": bool(threads and int(threads[1])),
        "threads": int(threads[1]) if threads else 0,
        "has_exportfs": "program exportfs" in services,
        "mountd": "process mountd" in services,
        "rpcbind": "process rpcbind" in services,
        "systemd": "manager systemd" in services,
        "units": units,
        "firewall": _after("firewall", services),
        "selinux": (_after("selinux", services) or "").strip(),
        "versions": list(nfs_exports.parse_versions(parts.get("versions", ""))),
        "exports": [
            {**asdict(found), "ours": found.path in ours}
            for found in nfs_exports.parse_exportfs(parts.get("exports", ""))
        ],
        "foreign": foreign,
        "clients": [
            asdict(found)
            for found in (
                *nfs_exports.parse_clients(parts.get("clients", "")),
                *nfs_exports.parse_rmtab(parts.get("rmtab", "")),
            )
        ],
    }


def problems(facts: dict[str, Any]) -> list[dict[str, str]]:
    """What hosts will stumble over, in words, each with its fix."""
    if facts.get("by_showmount"):
        return []
    found = []
    if not facts.get("has_exportfs"):
        found.append(("No NFS server is installed.", "apt install nfs-kernel-server (dnf install nfs-utils)"))
    elif not facts.get("is_serving"):
        found.append(("The NFS server is stopped: hosts that have its shares mounted wait.", "Start the services."))
    if facts.get("is_serving") and not facts.get("rpcbind"):
        text = "rpcbind does not run: NFS 3 and showmount can't work; NFS 4 does without it."
        found.append((text, "systemctl enable --now rpcbind.socket, or mount with vers=4.2 only."))
    if facts.get("is_serving") and not facts.get("mountd"):
        found.append(("rpc.mountd does not run: no host can mount anything new.", "systemctl restart nfs-server"))
    allowed = facts.get("firewall")
    if allowed is not None and "nfs" not in allowed.split():
        fix = "firewall-cmd --permanent --add-service=nfs --add-service=mountd --add-service=rpc-bind; firewall-cmd --reload"
        found.append(("firewalld lets no NFS through.", fix))
    units = facts.get("units") or {}
    if facts.get("is_serving") and units and units.get("nfs-server", {}).get("enabled") == "disabled":
        found.append(("The NFS server does not start by itself after a restart.", "systemctl enable nfs-server"))
    if facts.get("foreign"):
        found.append((facts["foreign"], "Move that line to /etc/exports."))
    return [{"text": text, "fix": fix} for text, fix in found]


def users_of(server: NfsServer, path: str) -> tuple[list[str], list[str]]:
    """Who needs the export at `path`: hosts that have it (or a folder in it) mounted, and VMs that run from there."""
    on, running = [], []
    for mount in Mount.objects.select_related("host").filter(kind__startswith="nfs"):
        try:
            source = NfsSource.parse(mount.source)
        except HostError:
            continue
        inside = source.path == path or source.path.startswith(f"{path}/")
        if not mount.is_mounted or not inside or source.server not in names_of(server):
            continue
        on.append(mount.host.name)
        rows = Placement.objects.filter(host=mount.host, present=True, state__in=ACTIVE_STATES).select_related("vm")
        running += [
            f"{row.vm.name} on {mount.host.name}"
            for row in rows
            if is_below([disk.get("source") for disk in row.facts.get("disks", [])], mount.target)
        ]
    return sorted(set(on)), sorted(set(running))


def names_of(server: NfsServer) -> set[str]:
    """Under which names hosts may have mounted from it."""
    names = {server.address, server.name}
    if server.ssh:
        names.add(validate_ssh_target(server.ssh).hostname)
    return names


def _units(services: str) -> list[tuple[str, str, str]]:
    lines = re.findall(r"^unit (\S+) ?(\S*) ?(\S*)$", services, re.MULTILINE)
    return [(name, active, enabled) for name, active, enabled in lines]


def _after(word: str, services: str) -> str | None:
    found = re.search(rf"^{word} ?(.*)$", services, re.MULTILINE)
    return found[1] if found else None
