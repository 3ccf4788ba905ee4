"""Asks both hosts for what the checks look at. Changes nothing but a probe file, which it removes."""

import json
import secrets
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from hosts import reach
from hosts.domain_xml import Domain
from hosts.errors import DomainNotFound, HostError
from hosts.models import Host, VirtualMachine
from migrations_app.preflight.checks import Facts, Folder

ASK_S = 15.0
"""How long one host may take for one question before the check says that it did not answer."""
PEER_TRUST_S = 600.0
"""How long a proof that the source reaches the destination is believed: it costs a whole ssh login."""
_peers: dict[tuple[str, str], float] = {}

WRITE_PROBE = """
for folder; do
  findmnt -J -T "$folder" -o TARGET,SOURCE,FSTYPE | tr -d '\\n'; echo
  printf %s "$TOKEN" 2>/dev/null >"$folder/.kvmconsole-probe-$TOKEN" && echo written || echo refused
done
"""
READ_PROBE = """
for folder; do
  findmnt -J -T "$folder" -o TARGET,SOURCE,FSTYPE 2>/dev/null | tr -d '\\n'; echo
  cat "$folder/.kvmconsole-probe-$TOKEN" 2>/dev/null || printf absent; echo
done
"""
REMOVE_PROBE = 'for folder; do rm -f -- "$folder/.kvmconsole-probe-$TOKEN"; done'
LIST_LINKS = 'ls /sys/class/net; echo --; for path; do test -e "$path" || echo "$path"; done'


def gather(*, vm: VirtualMachine, source: Host, destination: Host) -> Facts:
    """Ask both hosts, at the same time where one question does not need the other's answer. Never raises HostError."""
    facts = Facts(
        vm_name=vm.name, source=source.name, destination=destination.name, maintenance=destination.maintenance
    )
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="preflight") as pool:
        peer = pool.submit(_peer_error, source, destination)
        at_source = pool.submit(_ask_source, facts, vm, source)
        info = pool.submit(_info, destination)
        facts, source_uuid = at_source.result()
        if facts.domain is None:
            return replace(facts, destination_error=_error_of(info))
        storage = pool.submit(_folders, facts.domain, source, destination)
        links = pool.submit(_links, facts.domain, destination)
        facts = _ask_destination(facts, vm, destination, source_uuid)
        if not facts.destination_error:
            found, missing = links.result()
            facts = replace(facts, links=found, missing_files=missing, folders=storage.result())
            facts = replace(facts, peer_error=peer.result() if not facts.same_machine else "")
        return facts


def _error_of(future: "Future[Any]") -> str:
    try:
        future.result()
    except HostError as error:
        return str(error)
    return ""


def _info(host: Host) -> Any:
    with reach.libvirt(host, timeout_s=ASK_S) as connection:
        return connection.info(timeout_s=ASK_S)


def _ask_source(facts: Facts, vm: VirtualMachine, source: Host) -> tuple[Facts, str]:
    try:
        with reach.libvirt(source, timeout_s=ASK_S) as connection:
            info = connection.info(timeout_s=ASK_S)
            facts = replace(facts, source_libvirt=info.libvirt_version)
            guest = connection.guest(str(vm.uuid), timeout_s=ASK_S)
            state, _ = guest.state(timeout_s=ASK_S)
            job = state == "running" and guest.job_stats(timeout_s=ASK_S).kind in ("bounded", "unbounded")
            domain = Domain.parse(guest.xml(timeout_s=ASK_S))
            return replace(facts, state=str(state), job=job, domain=domain), info.host_uuid
    except DomainNotFound:
        return replace(facts, source_error=f"it does not know {vm.name} any more; refresh the host"), ""
    except HostError as error:
        return replace(facts, source_error=str(error)), ""


def _ask_destination(facts: Facts, vm: VirtualMachine, destination: Host, source_uuid: str) -> Facts:
    assert facts.domain
    try:
        with reach.libvirt(destination, timeout_s=ASK_S) as connection:
            info = connection.info(timeout_s=ASK_S)
            facts = replace(
                facts,
                destination_libvirt=info.libvirt_version,
                same_machine=info.host_uuid == source_uuid,
                memory_free_mib=connection.free_memory_mib(timeout_s=ASK_S),
                networks=frozenset(connection.networks(timeout_s=ASK_S)),
            )
            facts = _other_domains(facts, vm, connection)
            facts = _machine(facts, facts.domain, connection)
            return facts
    except HostError as error:
        return replace(facts, destination_error=str(error))


def _other_domains(facts: Facts, vm: VirtualMachine, connection: Any) -> Facts:
    for summary in connection.domain_names(timeout_s=ASK_S):
        if summary.uuid == str(vm.uuid):
            facts = replace(facts, known_at_destination=str(summary.state))
        elif summary.name == vm.name:
            facts = replace(facts, other_of_same_name=summary.uuid)
    return facts


def _machine(facts: Facts, domain: Domain | None, connection: Any) -> Facts:
    assert domain
    where = {
        "emulator": domain.emulator,
        "arch": domain.arch,
        "machine": domain.machine,
        "domain_type": domain.domain_type,
    }
    try:
        connection.domain_capabilities(**where, timeout_s=ASK_S)
    except HostError as error:
        return replace(facts, capabilities_error=error.raw or str(error))
    if not domain.cpu_xml:
        return replace(facts, cpu="identical")
    try:
        verdict, text = connection.compare_cpu(domain.cpu_xml, **where, timeout_s=ASK_S)
        return replace(facts, cpu=verdict, cpu_text=text)
    except HostError as error:
        return replace(facts, cpu="unknown", cpu_text=error.raw or str(error))


def _peer_error(source: Host, destination: Host) -> str:
    """Let the source itself ask the destination's libvirt, as a peer-to-peer migration will."""
    key = (source.uri, destination.uri_for_peers)
    if time.monotonic() - _peers.get(key, float("-inf")) < PEER_TRUST_S:
        return ""
    argv = ["timeout", "12", "virsh", "-c", destination.uri_for_peers, "hostname"]
    try:
        result = reach.run(source, argv, timeout_s=ASK_S, check=False)
    except HostError as error:
        return str(error)
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        return lines[-1] if lines else "no answer within 12 s"
    _peers[key] = time.monotonic()
    return ""


def disk_folders(domain: Domain) -> list[str]:
    """The folders in which the domain's writable and readable images lie, backing chains included."""
    images = {
        path for disk in domain.disks if disk.type == "file" for path in (disk.source, *disk.backing_chain) if path
    }
    return sorted({str(PurePosixPath(path).parent) for path in images})


def _folders(domain: Domain, source: Host, destination: Host) -> tuple[Folder, ...]:
    """Write a probe file into each disk folder on the source and read it on the destination."""
    folders = disk_folders(domain)
    token = secrets.token_hex(8)

    def script(host: Host, text: str) -> list[str]:
        argv = ["env", f"TOKEN={token}", "timeout", "10", "sh", "-c", text, "kvmconsole", *folders]
        return reach.run(host, argv, timeout_s=ASK_S, check=False).stdout.splitlines()

    try:
        written = script(source, WRITE_PROBE)
        try:
            read = script(destination, READ_PROBE)
        finally:
            script(source, REMOVE_PROBE)
    except HostError as error:
        return tuple(Folder(path=path, problem=f"it could not be proven, {error}") for path in folders)
    lines = zip(folders, _pairs(written), _pairs(read), strict=False)
    found = [_folder(path, at_source, at_destination, token) for path, at_source, at_destination in lines]
    unanswered = [Folder(path=path, problem="a host took too long to look at it") for path in folders[len(found) :]]
    return (*found, *unanswered)


def _pairs(lines: list[str]) -> list[tuple[str, str]]:
    return list(zip(lines[::2], lines[1::2], strict=False))


def _folder(path: str, at_source: tuple[str, str], at_destination: tuple[str, str], token: str) -> Folder:
    source_mount, source_kind = _mount(at_source[0])
    destination_mount, destination_kind = _mount(at_destination[0])
    problem = ""
    if at_source[1] != "written":
        problem = "no probe file can be written on the source (read-only, full, or root is squashed)"
    elif at_destination[1] != token:
        problem = f"a file written there on the source does not appear on the destination ({destination_mount or 'nothing'} there)"
    return Folder(path, source_mount, source_kind, destination_mount, destination_kind, not problem, problem)


def _mount(line: str) -> tuple[str, str]:
    """Source and type of the file system, from findmnt's JSON."""
    try:
        entry = json.loads(line)["filesystems"][0]
    except (ValueError, KeyError, IndexError):
        return "", ""
    return entry.get("source") or "", entry.get("fstype") or ""


def _links(domain: Domain, destination: Host) -> tuple[frozenset[str] | None, tuple[str, ...]]:
    """The network devices of the destination, and which disk images it does not see."""
    paths = [disk.source for disk in domain.disks if disk.type == "file" and disk.source]
    argv = ["timeout", "10", "sh", "-c", LIST_LINKS, "kvmconsole", *paths]
    try:
        lines = reach.run(destination, argv, timeout_s=ASK_S, check=False).stdout.splitlines()
    except HostError:
        return None, ()
    if "--" not in lines:
        return None, ()
    cut = lines.index("--")
    return frozenset(lines[:cut]), tuple(lines[cut + 1 :])
