"""One connection to a host's libvirtd: opened with a time limit, kept alive, and dropped once a call does not return."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Container, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar
from urllib.parse import quote, urlencode

import libvirt

from hosts.errors import TimedOut, Unreachable
from hosts.host_uri import HostUri
from hosts.libvirt_client import domain_list, host_info, pool, unanswered
from hosts.libvirt_client.domain import ACT_TIMEOUT_S, Guest
from hosts.libvirt_client.domain_list import DomainName, DomainState
from hosts.libvirt_client.errors import libvirt_errors
from hosts.libvirt_client.event_loop import start_event_loop
from hosts.libvirt_client.host_info import CpuVerdict, HostInfo
from hosts.libvirt_client.pool import Pool, Volume
from hosts.libvirt_client.worker import Worker
from hosts.new_domain_xml import Kind

__all__ = ["Connection", "DomainName", "DomainState", "HostInfo", "Target", "open_connection"]

log = logging.getLogger(__name__)
T = TypeVar("T")

CALL_TIMEOUT_S = 15.0
LIST_TIMEOUT_S = 30.0
"""For what makes a call per guest or volume: 500 guests took 0.4 s."""
INFO_TIMEOUT_S = 60.0
"""libvirtd's first look at its QEMU programs takes 20 to 60 s on a slow host."""
CLOSE_TIMEOUT_S = 2.0
KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 5, 3
"""A host that is silent is given up after 5 * (3 + 1) s: libvirt then closes the connection and calls in it fail."""
# virConnectCloseReason, in libvirt's order from 0
_CLOSE_REASONS = ("error", "end of file", "keepalive timeout", "closed by us")


@dataclass(frozen=True, slots=True)
class Target:
    """Where libvirtd is. `name` is the host's name in messages, `ssh_command` the program for qemu+ssh."""

    name: str
    uri: str
    ssh_command: str | None = None

    def full_uri(self) -> str:
        """With the parameters that are ours to set. Raises InvalidInput(field="uri")."""
        uri = HostUri.parse(self.uri, allow_test=True)
        if uri.transport != "ssh":
            return uri.text
        # no_tty: ssh never asks for a password or about a key (docs/uri.rst)
        parameters = {"no_tty": "1"} | ({"command": self.ssh_command} if self.ssh_command else {})
        # libvirt reads %20 as a blank, but not +
        return f"{uri.text}?{urlencode(parameters, quote_via=quote)}"


def open_connection(target: Target, *, timeout_s: float) -> Connection:
    """Connect, or say why not: InvalidInput, NameUnresolved, ConnectionRefused, HostKeyUnknown, HostKeyChanged,
    AuthenticationRefused, LibvirtNotRunning, TimedOut, Unreachable, HostError."""
    uri = target.full_uri()
    if not unanswered.may_try(uri):
        raise TimedOut(f"{target.name} takes connections but does not answer", host=target.name)
    start_event_loop()
    worker = Worker(f"libvirt {target.name}")
    opening = worker.submit(lambda: _open(uri))
    try:
        with libvirt_errors(host=target.name):
            return Connection(opening.result(timeout_s), target, worker)
    except TimeoutError as error:
        opening.add_done_callback(_close_late)
        unanswered.note(uri, opening)
        raise TimedOut(f"{target.name} did not answer within {timeout_s:g} s", host=target.name) from error
    finally:
        if not opening.done() or opening.exception():
            worker.stop()


class Connection:
    """An open connection, usable from any thread: calls are made one after the other in its own thread.

    Every call has a time limit. One that passes it raises TimedOut and breaks the connection, since what hangs in it
    would hold up all that follows; get a new one then. Use as a context manager, or `close` it.
    """

    def __init__(self, raw: libvirt.virConnect, target: Target, worker: Worker) -> None:
        self._raw, self._target, self._worker = raw, target, worker
        self._lock = threading.Lock()
        self._broken = ""
        self._is_closed = False
        self._on_close: list[Callable[[str], None]] = []
        self._before_close: list[Callable[[], None]] = [raw.unregisterCloseCallback]
        with suppress(libvirt.libvirtError):  # the test driver has no close callback
            raw.registerCloseCallback(self._note_close, None)

    @property
    def host(self) -> str:
        """The host's name, for messages."""
        return self._target.name

    @property
    def uri(self) -> str:
        """The libvirt URI, as the admin wrote it."""
        return self._target.uri

    @property
    def raw(self) -> libvirt.virConnect:
        """libvirt's own object, for this package only."""
        return self._raw

    def call(self, function: Callable[[], T], *, timeout_s: float, vm: str = "") -> T:
        """What `function`, which calls libvirt, returns. Raises TimedOut, Unreachable, or what libvirt's error means."""
        self.require_alive()
        future = self._worker.submit(function)
        try:
            with libvirt_errors(host=self.host, vm=vm):
                return future.result(timeout_s)
        except TimeoutError as error:
            future.cancel()
            self._broken = f"a call did not return within {timeout_s:g} s"
            raise TimedOut(f"{self.host} did not answer within {timeout_s:g} s", host=self.host, vm=vm) from error

    def is_alive(self) -> bool:
        """Whether it may be used on; asks nobody."""
        return not self._broken and not self._is_closed and bool(self._raw.isAlive())

    def require_alive(self) -> None:
        """Raises Unreachable if it is broken or closed."""
        if not self.is_alive():
            why = self._broken or ("it was closed" if self._is_closed else "libvirtd is gone")
            raise Unreachable(f"The connection to {self.host} is broken: {why}", host=self.host)

    def on_close(self, callback: Callable[[str], None]) -> None:
        """Call `callback(reason)` once the other side closes or keepalive gives up; from libvirt's thread, so be quick."""
        self._on_close.append(callback)

    def before_close(self, function: Callable[[], None]) -> None:
        """Call `function` in this connection's own thread when it is closed, whether it is broken or not."""
        self._before_close.append(function)

    def close(self) -> None:
        """Close, at the latest in the background once a hanging call returns. A second call does nothing.

        libvirt lets go of it with the last Guest that came from it.
        """
        with self._lock:
            if self._is_closed:
                return
            was_alive = self.is_alive()
            self._is_closed = True
        closing = self._worker.submit(self._close_raw)
        self._worker.stop()
        if was_alive:
            with suppress(TimeoutError):
                closing.result(CLOSE_TIMEOUT_S)

    def info(self, *, known: tuple[str, str] = ("", ""), timeout_s: float = INFO_TIMEOUT_S) -> HostInfo:
        """Six calls, or five where the host still has the UUID in `known`: then the host name beside it is believed."""
        return self.call(lambda: host_info.read_info(self._raw, known=known), timeout_s=timeout_s)

    def hostname(self, *, timeout_s: float = CALL_TIMEOUT_S) -> str:
        """What the host calls itself."""
        return self.call(lambda: str(self._raw.getHostname()), timeout_s=timeout_s)

    def free_memory_mib(self, *, timeout_s: float = CALL_TIMEOUT_S) -> int:
        """What guests can still get, page cache included: two calls."""
        return self.call(lambda: host_info.read_free_mib(self._raw), timeout_s=timeout_s)

    def domains(
        self, *, definitions: Container[str] | None = None, timeout_s: float = LIST_TIMEOUT_S
    ) -> list[DomainState]:
        """All guests, with the definitions of those whose UUID is in `definitions` (None: of all)."""
        return self.call(lambda: domain_list.read_all(self._raw, definitions), timeout_s=timeout_s)

    def domain_names(self, *, timeout_s: float = CALL_TIMEOUT_S) -> list[DomainName]:
        """All guests without their definitions, in one call."""
        return self.call(lambda: domain_list.read_names(self._raw), timeout_s=timeout_s)

    def domain_state(self, uuid: str, *, timeout_s: float = CALL_TIMEOUT_S) -> DomainState:
        """One guest. Raises DomainNotFound."""

        def read() -> DomainState:
            return domain_list.read_one(self._raw.lookupByUUIDString(uuid))

        return self.call(read, timeout_s=timeout_s, vm=f"VM {uuid}")

    def guest(self, uuid: str, *, timeout_s: float = CALL_TIMEOUT_S) -> Guest:
        """Raises DomainNotFound."""
        raw = self.call(lambda: self._raw.lookupByUUIDString(uuid), timeout_s=timeout_s, vm=f"VM {uuid}")
        return Guest(self, raw)

    def find_by_name(self, name: str, *, timeout_s: float = CALL_TIMEOUT_S) -> Guest:
        """Raises DomainNotFound."""
        return Guest(self, self.call(lambda: self._raw.lookupByName(name), timeout_s=timeout_s, vm=name))

    def define(self, xml: str, *, validate: bool = False, timeout_s: float = ACT_TIMEOUT_S) -> Guest:
        """Make this definition the persistent one; of a running guest, from its next start on.

        `validate`: refuse what libvirt's schema does not know, which it would leave out without a word.
        """
        flags = libvirt.VIR_DOMAIN_DEFINE_VALIDATE if validate else 0
        return Guest(self, self.call(lambda: self._raw.defineXMLFlags(xml, flags), timeout_s=timeout_s))

    def pools(self, *, timeout_s: float = LIST_TIMEOUT_S) -> list[Pool]:
        return self.call(lambda: pool.read_pools(self._raw), timeout_s=timeout_s)

    def volumes(self, pool_name: str, *, timeout_s: float = LIST_TIMEOUT_S) -> list[Volume]:
        """The volumes of an active pool, as of its last refresh. Raises PoolNotFound."""
        return self.call(lambda: pool.read_volumes(self._raw, pool_name), timeout_s=timeout_s)

    def volume_allocation_bytes(self, pool_name: str, volume: str, *, timeout_s: float = CALL_TIMEOUT_S) -> int:
        """How much of a volume is there, also while it is being made. Raises PoolNotFound, Refused where there is none."""

        def read() -> int:
            return int(self._raw.storagePoolLookupByName(pool_name).storageVolLookupByName(volume).info()[2])

        return self.call(read, timeout_s=timeout_s)

    def best_kind(self, *, timeout_s: float = INFO_TIMEOUT_S) -> Kind:
        """What kind of guest runs best here. Raises Refused where none can."""
        return self.call(lambda: host_info.read_best_kind(self._raw), timeout_s=timeout_s)

    def refresh_pool(self, pool_name: str, *, timeout_s: float = LIST_TIMEOUT_S) -> None:
        """Look into the pool anew. Raises PoolNotFound."""
        self.call(lambda: self._raw.storagePoolLookupByName(pool_name).refresh(), timeout_s=timeout_s)

    def networks(self, *, timeout_s: float = CALL_TIMEOUT_S) -> list[str]:
        """The names of libvirt's active networks."""
        flags = libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE
        return self.call(lambda: [network.name() for network in self._raw.listAllNetworks(flags)], timeout_s=timeout_s)

    def domain_capabilities(
        self, *, emulator: str, arch: str, machine: str, domain_type: str, timeout_s: float = INFO_TIMEOUT_S
    ) -> str:
        """libvirt's XML of what such a guest can have here. Raises Refused where there can be none."""

        def read() -> str:
            found: str = self._raw.getDomainCapabilities(emulator or None, arch or None, machine or None, domain_type)
            return found

        return self.call(read, timeout_s=timeout_s)

    def compare_cpu(
        self,
        cpu_xml: str,
        *,
        emulator: str,
        arch: str,
        machine: str,
        domain_type: str,
        timeout_s: float = INFO_TIMEOUT_S,
    ) -> tuple[CpuVerdict, str]:
        """Whether this host can give a guest the CPU of `cpu_xml`, and libvirt's words where it can't.

        Raises Refused where libvirt can't tell.
        """
        where = {"emulator": emulator, "arch": arch, "machine": machine, "domain_type": domain_type}
        return self.call(lambda: host_info.compare_cpu(self._raw, cpu_xml, **where), timeout_s=timeout_s)

    def baseline_cpu(
        self, capabilities: Sequence[str], *, emulator: str, arch: str, machine: str, domain_type: str
    ) -> str:
        """The <cpu> that all hosts can give a guest, whose answers of `domain_capabilities` these are."""
        where = {"emulator": emulator, "arch": arch, "machine": machine, "domain_type": domain_type}
        return self.call(lambda: host_info.baseline_cpu(self._raw, capabilities, **where), timeout_s=INFO_TIMEOUT_S)

    def _note_close(self, _raw: libvirt.virConnect, reason: int, _opaque: object) -> None:
        name = _CLOSE_REASONS[reason] if 0 <= reason < len(_CLOSE_REASONS) else "unknown"
        self._broken = self._broken or name
        for callback in self._on_close:
            callback(name)

    def _close_raw(self) -> None:
        for close in (*self._before_close, self._raw.close):
            try:
                close()
            except libvirt.libvirtError as error:
                log.debug("closing %s: %s", self.host, error)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _open(uri: str) -> libvirt.virConnect:
    raw = libvirt.open(uri)
    try:
        raw.setKeepAlive(KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT)
    except libvirt.libvirtError as error:
        # the test driver is in this process, and an old libvirtd may not know it
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raw.close()
            raise
    return raw


def _close_late(opening: Future[libvirt.virConnect]) -> None:
    """Close a connection that came up after its caller had given up."""
    if opening.exception() is None:
        opening.result().close()
