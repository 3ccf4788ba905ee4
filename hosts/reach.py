"""How to reach a host: its libvirt connection and its shell."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from threading import Lock, Thread

from django.conf import settings

from hosts import ssh
from hosts.errors import HostError
from hosts.host_uri import HostUri, validate_ssh_target
from hosts.libvirt_client.connection import Connection, Target, open_connection
from hosts.models import Host
from hosts.ping import Prober

IDLE_PER_HOST, IDLE_S = 12, 120.0
"""Connections kept open for the next caller: four migrations at once need two each, their checks and ends some more.
Opening one over ssh takes half a second and a tenth of a CPU second at either end. What nobody wanted for so long is closed
at the next use of any."""
LOOK_EVERY_S = 5.0
PROBE_LIMIT_S = 86_400.0
"""A probe on a host ends by itself after a day, whatever happens to the console."""


@dataclass(frozen=True, slots=True)
class _Idle:
    connection: Connection
    since: float = field(default_factory=time.monotonic)


_idle: dict[tuple[str, str], list[_Idle]] = defaultdict(list)
_lock = Lock()
_looked = 0.0


@cache
def keyring() -> ssh.SshKeyring:
    """The console's own ssh key and known hosts, in the data folder."""
    return ssh.SshKeyring(settings.DATA_DIR / "ssh")


def target(host: Host) -> Target:
    """Where and how libvirt is reached."""
    uri = HostUri.parse(host.uri, allow_test=True)
    command = str(keyring().wrapper) if uri.transport == "ssh" else None
    return Target(name=host.name, uri=uri.text, ssh_command=command)


def open_own(host: Host, *, timeout_s: float = 10) -> Connection:
    """A connection of one's own, for events or a long migration; the caller closes it."""
    return open_connection(target(host), timeout_s=timeout_s)


@contextmanager
def libvirt(host: Host, *, timeout_s: float = 10) -> Iterator[Connection]:
    """Borrow an open connection. One on which a call timed out or that broke is closed, not given back."""
    key = (host.name, host.uri)
    connection = _borrow(key) or open_own(host, timeout_s=timeout_s)
    try:
        yield connection
    finally:
        _keep(key, connection)
        _close_unwanted()


def warm(host: Host, *, timeout_s: float = 10) -> None:
    """Open one more connection for later, in the background, unless two lie ready; a login over ssh takes a while."""
    key = (host.name, host.uri)
    wanted = target(host)

    def work() -> None:
        try:
            connection = open_connection(wanted, timeout_s=timeout_s)
        except HostError:
            return  # whoever needs it asks again, and says why
        _keep(key, connection)

    with _lock:
        ready = len(_idle[key])
    if ready < 2:
        Thread(target=work, name=f"warm {host.name}", daemon=True).start()


def _keep(key: tuple[str, str], connection: Connection) -> None:
    """For the next caller, or closed where it is of no use or enough lie ready."""
    alive = connection.is_alive()
    with _lock:
        keep = alive and len(_idle[key]) < IDLE_PER_HOST
        if keep:
            _idle[key].append(_Idle(connection))
    if not keep:
        connection.close()


def _close_unwanted() -> None:
    """The newest is borrowed first, so the oldest are those that nobody needs. Looked at every few seconds: of hundreds of
    hosts each of hundreds of threads would otherwise wait for one that looks at all of them."""
    global _looked
    now = time.monotonic()
    if now - _looked < LOOK_EVERY_S:
        return
    _looked, limit = now, now - IDLE_S
    with _lock:
        old = [idle for kept in _idle.values() for idle in kept if idle.since < limit]
        for key, kept in _idle.items():
            _idle[key] = [idle for idle in kept if idle.since >= limit]
    for idle in old:
        idle.connection.close()


def _borrow(key: tuple[str, str]) -> Connection | None:
    while True:
        with _lock:
            if not _idle[key]:
                return None
            connection = _idle[key].pop().connection
        if connection.is_alive():
            return connection
        connection.close()


def forget(host: Host) -> None:
    """Close the idle connections to `host`, after its address changed or it was removed."""
    with _lock:
        gone = [idle for key in list(_idle) if key[0] == host.name for idle in _idle.pop(key)]
    for idle in gone:
        idle.connection.close()


def shell(host: Host) -> ssh.SshTarget | None:
    """Where commands run; None means on this machine."""
    address = validate_ssh_target(host.ssh) if host.ssh else HostUri.parse(host.uri, allow_test=True).ssh_target
    return ssh.SshTarget(address=address, keyring=keyring()) if address else None


def run(host: Host, argv: list[str], *, timeout_s: float, check: bool = True, input: str | None = None) -> ssh.Result:
    """Run an argument list on `host`. Raises CommandFailed (with `check`), TimedOut, Unreachable and kin."""
    try:
        return ssh.run(shell(host), argv, timeout_s=timeout_s, check=check, input=input)
    except HostError as error:
        error.host = error.host or host.name
        raise


def stream(host: Host, argv: list[str], *, silence_s: float, on_line: Callable[[str], None]) -> ssh.Result:
    """Run on `host` what takes long, line by line; it ends with this process, or when `on_line` raises. See ssh.stream."""
    try:
        return ssh.stream(shell(host), argv, silence_s=silence_s, on_line=on_line)
    except HostError as error:
        error.host = error.host or host.name
        raise


def prober(host: Host, argv: list[str], *, interval_s: float, limit_s: float = PROBE_LIMIT_S) -> Prober:
    """A program that probes from `host` and prints ping's lines; it ends when it is stopped, when this process or the ssh
    connection ends, and after `limit_s`."""
    watched = ["sh", "-c", WHILE_WATCHED, "kvmconsole", f"{limit_s:g}", *argv]
    return Prober(ssh.argv_for(shell(host), watched), interval_s=interval_s)


WHILE_WATCHED = """
limit=$1; shift
trap : TERM
timeout "$limit" "$@" </dev/null & program=$!
{ while kill -0 "$program"; do sleep 1; done; kill -KILL $$; } </dev/null >/dev/null 2>&1 & watcher=$!
cat >/dev/null 2>&1
kill "$watcher" "$program" 2>/dev/null
"""
"""Standard input closes with the connection: then the program is ended, where ssh alone would let it run on. The program's
own end is the shell's, by the one signal that nobody ignores: under nohup SIGHUP did nothing."""
