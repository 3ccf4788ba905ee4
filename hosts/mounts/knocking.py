"""A server that gave no answer is asked at its ports, from where it was wanted: service, firewall and machine told apart."""

from hosts import nfs_ports, reach, ssh, tcp_ports
from hosts.errors import HostError, NameUnresolved, TimedOut, Unreachable, Unsupported
from hosts.models import Host
from hosts.mounts.messages import explain_mount
from hosts.nfs import NfsSource, parse_options

KNOCK_TIMEOUT_S = 3 * tcp_ports.CONNECT_S + 15.0
"""The script ends by itself within 6 s; a login over ssh may take the rest."""


def knock(via: Host | None, server: str) -> nfs_ports.Knock | None:
    """What `via` (None: this machine) hears of the server's ports; None where it can't try."""
    argv = nfs_ports.argv(server)
    try:
        if via is None:
            done = ssh.run(None, argv, timeout_s=KNOCK_TIMEOUT_S)
        else:
            done = reach.run(via, argv, timeout_s=KNOCK_TIMEOUT_S, check=False)
    except HostError:
        return None
    return nfs_ports.read(done.stdout)


def why_mount_failed(
    *, returncode: int, stderr: str, host: Host, source: NfsSource, options: str, limit_s: float
) -> HostError:
    """The error that a failed mount stands for: what mount.nfs said, or what the server's ports tell where that is silence."""
    error = explain_mount(returncode=returncode, stderr=stderr, source=source, host=host.name, limit_s=limit_s)
    return why_unmounted(error, host=host, source=source, options=options)


def why_unmounted(error: HostError, *, host: Host, source: NfsSource, options: str) -> HostError:
    """`error` of a mount, in other words where it was silence or a closed port and the ports tell more."""
    if isinstance(error, NameUnresolved) or not isinstance(error, (Unreachable, TimedOut)):
        return error
    found = knock(host, source.server)
    if not found:
        return error
    asked = parse_options(options)
    version = asked.get("vers") or asked.get("nfsvers") or ""
    told = nfs_ports.explain_mount(found, server=source.server, host=host.name, version_3=version == "3")
    told.raw = error.raw
    return told


def why_unlisted(error: HostError, *, via: Host | None, server: str, where: str) -> HostError:
    """The same for `showmount`; `where` names what asked."""
    if isinstance(error, NameUnresolved) or not isinstance(error, (Unreachable, TimedOut, Unsupported)):
        return error
    found = knock(via, server)
    if not found:
        return error
    told = nfs_ports.explain_listing(found, server=server, host=where)
    told.raw = error.raw
    return told


def why_silent(host: Host, source: str) -> str:
    """Why a share that is mounted gives no answer, with the fix; "" where the ports tell nothing."""
    try:
        server = NfsSource.parse(source).server
    except HostError:
        return ""
    found = knock(host, server)
    if not found:
        return ""
    told = nfs_ports.explain_mount(found, server=server, host=host.name)
    return f"{told} {told.hint}"
