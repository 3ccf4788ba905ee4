"""What mount(8), umount(8) and showmount(8) say, in an admin's words. Pure: text in, error out.

Their exit codes tell little (32: it failed), so text is all there is: mount.nfs's sayings are in nfs-utils'
utils/mount/error.c and in strerror(3), the same in every version since 2010; the far side speaks the C locale.
"""

import re

from hosts.errors import CommandFailed, HostError, NameUnresolved, Refused, TimedOut, Unreachable, Unsupported
from hosts.nfs import NfsSource

KILLED = 137
"""What `timeout -s KILL` ends with: 128 + SIGKILL."""

_MOUNT: tuple[tuple[str, type[HostError], str, str], ...] = (
    (
        r"access denied by server|Operation not permitted by server",
        Refused,
        "{server} does not let {host} mount {path}",
        "On {server}, add the address of {host} to that line of /etc/exports and run: exportfs -ra",
    ),
    (
        r"reason given by server: No such file|mounting .* failed.*No such file",
        Refused,
        "{server} does not offer {path} to {host}",
        "Ask it what it exports, and to whom: showmount -e {server}. NFS 4 says this too of a path that others may mount.",
    ),
    (
        r"resolve|Name or service not known|Temporary failure in name resolution",
        NameUnresolved,
        "{host} can't resolve the name {server}",
        "Use the server's IP address, or add the name to DNS or to /etc/hosts of {host}.",
    ),
    (
        r"Connection refused",
        Unreachable,
        "No NFS server answers on {server}",
        "On {server}: systemctl start nfs-server",
    ),
    (
        r"No route to host|Network is unreachable|Host is down",
        Unreachable,
        "{host} has no route to {server}",
        "Check the address, and the network and firewall between the two.",
    ),
    (
        r"timed out",
        TimedOut,
        "{server} did not answer {host}",
        "Check that the server is up and that TCP port 2049 is open between the two.",
    ),
    (
        r"Protocol not supported|requested NFS version or transport protocol is not supported",
        Unsupported,
        "{server} does not speak the NFS version that was asked for",
        "Try the options without vers=, or with vers=3.",
    ),
    (
        r"incorrect mount option|[Bb]ad option(?!; for several)|Invalid argument",
        Refused,
        "{host} does not accept these mount options",
        "Correct the options; man 5 nfs lists them.",
    ),
    (
        r"for several filesystems|unknown filesystem type|No such device|mount\.nfs.*not found",
        Unsupported,
        "{host} can't mount NFS at all",
        "Install its NFS client (apt install nfs-common) and see that its kernel has the module: modprobe nfs",
    ),
    (
        r"must be superuser|only root|Permission denied|Operation not permitted",
        Refused,
        "The login on {host} may not mount",
        "The console's ssh login must be root for mounts.",
    ),
    (
        r"[Ss]tale file handle",
        Refused,
        "{path} was removed or exported anew on {server}",
        "Unmount it, then mount it again.",
    ),
)
_SHOWMOUNT: tuple[tuple[str, type[HostError], str, str], ...] = (
    (
        r"Program not registered|Port mapper failure(?!.*[Tt]imed out)|Connection refused"
        r"|clnt_create: RPC: Unable to (?:receive|send)(?!.*(?:No route|unreachable|[Tt]imed out))",
        Unsupported,
        "{server} does not say what it exports",
        "It may serve NFS version 4 only, or no NFS. If you know the path, type it.",
    ),
    (r"Unknown host|resolve", NameUnresolved, "The name {server} does not resolve", "Use the server's IP address."),
    (
        r"[Tt]imed out",
        TimedOut,
        "{server} did not answer",
        "Check that it is up and that ports 111 and 20048 are open to it.",
    ),
    (r"No route|unreachable", Unreachable, "There is no route to {server}", "Check the address and the network."),
    (
        r"not found|No such file",
        Unsupported,
        "The command showmount is missing on {host}",
        "Install it: apt install nfs-common",
    ),
)


def explain_mount(*, returncode: int, stderr: str, source: NfsSource, host: str, limit_s: float) -> HostError:
    """The error that a failed mount stands for; an unknown saying is passed on as it is."""
    words = {"server": source.server, "path": source.path, "host": host}
    if returncode == KILLED:
        message = "{server} did not answer {host} within " + f"{limit_s:g} seconds; nothing was mounted"
        return _error(TimedOut, message, "Check that the server is up and that TCP port 2049 is open.", stderr, words)
    if "temporarily unavailable" in stderr and re.search("[a-z]", source.server):
        # All that mount.nfs says of a name for which no name server answers (measured, nfs-utils 2.6.2).
        stderr = f"{stderr.strip()} (Failed to resolve server {source.server})"
    for pattern, error, message, hint in _MOUNT:
        if re.search(pattern, stderr):
            return _error(error, message, hint, stderr, words)
    return CommandFailed(["mount", "-t", "nfs", str(source)], returncode, stderr, host=host)


def explain_unmount(*, returncode: int, stderr: str, target: str, host: str, limit_s: float) -> HostError:
    """The error that a failed unmount stands for. What fuser says of the processes is part of `stderr`."""
    words = {"target": target, "host": host}
    if returncode == KILLED:
        message = (
            "{target} could not be unmounted on {host} within " + f"{limit_s:g} seconds: its server does not answer"
        )
        return _error(TimedOut, message, "Bring the server back, or run on the host: umount -f {target}", stderr, words)
    if "busy" in stderr:
        users = processes(stderr)
        by = f" by {', '.join(users)}" if users else ""
        hint = "Stop these processes first." if users else "Find the processes on the host with: fuser -vm {target}"
        return _error(Refused, "{target} is in use on {host}" + by, hint, stderr, words)
    return CommandFailed(["umount", target], returncode, stderr, host=host)


def explain_showmount(*, returncode: int, stderr: str, server: str, host: str) -> HostError:
    """The error that a failed showmount stands for; `host` is where it ran."""
    for pattern, error, message, hint in _SHOWMOUNT:
        if re.search(pattern, stderr):
            return _error(error, message, hint, stderr, {"server": server, "host": host})
    return CommandFailed(["showmount", "-e", server], returncode, stderr, host=host)


def processes(fuser: str) -> list[str]:
    """From `fuser -vm`: "qemu-system-x86 (1234)" for each process; the kernel's own line is left out."""
    found = re.findall(r"^\S*:?\s+\S+\s+(\d+)\s+\S+\s+(\S+)$", fuser, re.MULTILINE)
    return [f"{command} ({pid})" for pid, command in found]


def _error(error: type[HostError], message: str, hint: str, stderr: str, words: dict[str, str]) -> HostError:
    host = words["host"]
    return error(f"{message.format(**words)}.", host=host, hint=hint.format(**words), raw=stderr.strip())
