"""Why an NFS server gives no answer, from what its ports say to the host that asks: text in, an error with its fix out. Pure.

A service that does not run refuses (RST); a firewall drops, which shows as silence, or rejects with an ICMP error, which the
kernel hands on as "No route to host"; a machine that is off does not answer ping either.
"""

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from hosts import tcp_ports
from hosts.errors import HostError, TimedOut, Unreachable, Unsupported
from hosts.tcp_ports import OPEN, SILENT

NFS, RPCBIND = 2049, 111
REFUSED, REJECTED = "refused", "rejected"

KNOCK = (
    r"""
limit=$2 host=$(timeout "$2" getent ahosts "$1" | head -n 1 | cut -d' ' -f1)
shift 2
command -v bash >/dev/null && [ -n "$host" ] || { echo unable; exit 0; }
echo "source $(ip -o route get "$host" 2>/dev/null | sed -n 's/.* src \([^ ]*\).*/\1/p')"
{ ping -n -q -c 1 -W "$limit" "$host" >/dev/null 2>&1 && echo "ping answered"; } &
"""
    + tcp_ports.TRY
)
"""Arguments: the server, seconds, ports. Answered within twice those seconds, whatever the server does."""


@dataclass(frozen=True, slots=True)
class Knock:
    """What a host heard of a server. `source` is the host's own address towards it, "" where it is not known."""

    source: str = ""
    pinged: bool = False
    ports: Mapping[int, str] = field(default_factory=dict)

    @property
    def is_up(self) -> bool:
        """Whether anything came back of the machine itself."""
        return self.pinged or any(how in (OPEN, REFUSED) for how in self.ports.values())


def argv(server: str) -> list[str]:
    """The argument list that asks; `server` is a name or an address, and no more than data in it."""
    return ["sh", "-c", KNOCK, "kvmconsole", server, str(tcp_ports.CONNECT_S), str(NFS), str(RPCBIND)]


def read(output: str) -> Knock | None:
    """What KNOCK said; None where the host could not try."""
    words = dict(line.partition(" ")[::2] for line in output.splitlines())
    ports = {port: _kind(how) for port, how in tcp_ports.read(output)}
    if "unable" in words or NFS not in ports:
        return None
    source = ""
    with suppress(ValueError):
        source = str(ipaddress.ip_address(words.get("source", "").strip()))
    return Knock(source=source, pinged="ping" in words, ports=ports)


def explain_mount(knock: Knock, *, server: str, host: str, version_3: bool = False) -> HostError:
    """Why nothing can be mounted from `server` on `host`, or what is mounted gives no answer."""
    nfs, rpcbind = knock.ports[NFS], knock.ports.get(RPCBIND, SILENT)
    if nfs == OPEN and version_3 and rpcbind != OPEN:
        return _no_rpcbind(knock, server, host, f"{server} can't be mounted from with NFS 3")
    if nfs == OPEN:
        return TimedOut(
            f"{server} takes connections from {host} at TCP port {NFS}, but its NFS server gives no answer.",
            host=host,
            hint=f"It may have just started: for 90 s it waits for its old clients. Else look on {server} whether its disks "
            "hang: systemctl status nfs-server; journalctl -k",
        )
    return _no_nfs(knock, server, host)


def explain_listing(knock: Knock, *, server: str, host: str) -> HostError:
    """Why `server` does not tell `host` what it exports, which takes rpcbind and rpc.mountd beside NFS itself."""
    nfs, rpcbind = knock.ports[NFS], knock.ports.get(RPCBIND, SILENT)
    if nfs == OPEN and rpcbind == OPEN:
        return Unsupported(
            f"{server} does not say what it exports: NFS and rpcbind take connections from {host}, rpc.mountd does not answer.",
            host=host,
            hint=f"On {server}: systemctl restart nfs-server. Where a firewall is in between, let mountd through too: "
            f"{_allow(knock.source, 'mountd')} If you know the path, type it: NFS 4 needs TCP port {NFS} only.",
        )
    if nfs == OPEN:
        return _no_rpcbind(knock, server, host, f"{server} does not say what it exports")
    return _no_nfs(knock, server, host)


def _no_rpcbind(knock: Knock, server: str, host: str, what: str) -> HostError:
    without = f"Or type the path and mount it with vers=4.2, which needs TCP port {NFS} only; that is open."
    if knock.ports.get(RPCBIND) == REFUSED:
        why, fix = "rpcbind does not run there", f"On {server}: systemctl enable --now rpcbind.socket."
    else:
        why = f"a firewall keeps {host} from its TCP port {RPCBIND} (rpcbind)"
        fix = f"On {server}: {_allow(knock.source, 'rpc-bind', 'mountd')}"
    return Unsupported(f"{what}: {why}.", host=host, hint=f"{fix} {without}")


def _no_nfs(knock: Knock, server: str, host: str) -> HostError:
    how, allow = knock.ports[NFS], _allow(knock.source, "nfs")
    if how == REFUSED:
        return Unreachable(
            f"No NFS server answers on {server}: the machine is up and refuses TCP port {NFS}.",
            host=host,
            hint=f"On {server}: systemctl enable --now nfs-server. If it runs already, let {host} through: {allow}",
        )
    if how in (SILENT, REJECTED) and knock.is_up:
        does = "drops" if how == SILENT else "rejects"
        return Unreachable(
            f"A firewall {does} what {host} sends to TCP port {NFS} of {server}; the machine itself is up.",
            host=host,
            hint=f"On {server}, or on what lies between, let {knock.source or host} through to that port: {allow}",
        )
    if how in (SILENT, REJECTED):
        return Unreachable(
            f"{server} gives {host} no sign of life: neither to ping nor at the TCP ports {NFS} and {RPCBIND}.",
            host=host,
            hint="See that it is switched on and that this is its address, then the network between the two. "
            f"If other hosts reach it, a firewall drops all that comes from {knock.source or host}: {allow}",
        )
    return Unreachable(
        f"{host} can't reach TCP port {NFS} of {server}: {how}.",
        host=host,
        hint="Check the address, and the network between the two.",
    )


def _kind(how: str) -> str:
    """strerror(3) in the C locale: ECONNREFUSED comes of RST (or of ICMP port unreachable), EHOSTUNREACH of the other ICMP
    errors, or of no machine at that address."""
    if how in (OPEN, SILENT):
        return how
    said = how.removeprefix("refused").strip()
    known = {"Connection refused": REFUSED, "No route to host": REJECTED, "Connection timed out": SILENT}
    return known.get(said, said or REFUSED)


def _allow(source: str, *services: str) -> str:
    """Commands that let NFS through, for `source` alone where it is known. Never those that open everything."""
    if source:
        family = "ipv6" if ":" in source else "ipv4"
        rules = [
            f"--add-rich-rule='rule family={family} source address={source} service name={name} accept'"
            for name in services
        ]
        ports = {"nfs": NFS, "rpc-bind": RPCBIND, "mountd": 20048}
        plain = " && ".join(f"ufw allow proto tcp from {source} to any port {ports[name]}" for name in services)
    else:
        rules, plain = [f"--add-service={name}" for name in services], ""
    firewalld = f"firewall-cmd --permanent {' '.join(rules)} && firewall-cmd --reload"
    return f"{firewalld} (or {plain})." if plain else f"{firewalld}."
