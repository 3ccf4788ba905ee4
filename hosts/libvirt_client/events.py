"""What happens on a host, as it happens: libvirt's callbacks turned into values and handed on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import libvirt

from hosts.errors import HostError
from hosts.job_stats import JobStats
from hosts.libvirt_client.connection import Connection

log = logging.getLogger(__name__)

SUBSCRIBE_TIMEOUT_S = 15.0

# Words as in virsh's tools/virsh-domain-event.c, in libvirt's order from 0
_LIFECYCLE = (
    "defined",
    "undefined",
    "started",
    "suspended",
    "resumed",
    "stopped",
    "shutdown",
    "pmsuspended",
    "crashed",
)
_LIFECYCLE_DETAILS: tuple[tuple[str, ...], ...] = (
    ("added", "updated", "renamed", "snapshot"),
    ("removed", "renamed"),
    ("booted", "migrated", "restored", "snapshot", "wakeup"),
    ("paused", "migrated", "ioerror", "watchdog", "restored", "snapshot", "api error", "post-copy", "post-copy failed"),
    ("unpaused", "migrated", "snapshot", "post-copy", "post-copy failed"),
    ("shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "snapshot"),
    ("finished", "guest", "host"),
    ("memory", "disk"),
    ("panicked", "crashloaded"),
)
_POOL_LIFECYCLE = ("defined", "undefined", "started", "stopped", "created", "deleted")
_NETWORK_LIFECYCLE = ("defined", "undefined", "started", "stopped")
_AGENT_STATES = ("unknown", "connected", "disconnected")
_METADATA_KINDS = ("description", "title", "element")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the domain, pool or network `name` (`uuid`), at `at` by this machine's clock.

    `kind` is one of lifecycle, job_completed, migration_iteration, device_added, device_removed, metadata_change,
    agent_lifecycle, pool_lifecycle, pool_refresh, network_lifecycle; `what` and `detail` are words of that kind.
    `stats` are the final figures of a completed job.
    """

    kind: str
    uuid: str
    name: str
    what: str = ""
    detail: str = ""
    at: datetime | None = None
    stats: JobStats | None = None


Put = Callable[[Event], None]
# what a callback is given after the connection and the object, as fields of the event
Read = Callable[..., dict[str, Any]]


class Subscription:
    """Ends with `close`, or as its connection is closed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._removals: list[Callable[[], None]] = []
        # Each registration holds libvirt's side of the connection, so it must go even where that is broken.
        connection.before_close(self._remove)

    def register(self, put: Put) -> None:
        """Make the calls to libvirt."""
        _register_all(self._connection.raw, put, self._removals)

    def close(self) -> None:
        """Ask for no more events; a second call does nothing."""
        if self._connection.is_alive():
            with suppress(HostError):
                self._connection.call(self._remove, timeout_s=SUBSCRIBE_TIMEOUT_S)

    def _remove(self) -> None:
        while self._removals:
            with suppress(libvirt.libvirtError):
                self._removals.pop()()


def subscribe(connection: Connection, put: Put, *, timeout_s: float = SUBSCRIBE_TIMEOUT_S) -> Subscription:
    """Hand every event of the host to `put`, which runs in libvirt's one event thread and must return at once.

    Kinds that the host's libvirt does not know are left out. Raises HostError.
    """
    subscription = Subscription(connection)
    connection.call(lambda: subscription.register(put), timeout_s=timeout_s)
    return subscription


def _register_all(raw: libvirt.virConnect, put: Put, removals: list[Callable[[], None]]) -> None:
    families = (
        (_DOMAIN_EVENTS, raw.domainEventRegisterAny, raw.domainEventDeregisterAny),
        (_POOL_EVENTS, raw.storagePoolEventRegisterAny, raw.storagePoolEventDeregisterAny),
        (_NETWORK_EVENTS, raw.networkEventRegisterAny, raw.networkEventDeregisterAny),
    )
    for events, register, deregister in families:
        for kind, number, read in events:
            try:
                handle = register(None, number, _callback(kind, read, put), None)
            except libvirt.libvirtError as error:
                if error.get_error_code() not in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG):
                    raise
                continue
            removals.append(lambda handle=handle, deregister=deregister: deregister(handle))  # type: ignore[misc]


def _callback(kind: str, read: Read, put: Put) -> Callable[..., None]:
    """libvirt calls it with the connection, the object, what the kind adds, and our (unused) opaque value."""

    def on_event(_raw: libvirt.virConnect, thing: Any, *more: Any) -> None:
        try:
            fields = read(*more[:-1])
            put(Event(kind=kind, uuid=thing.UUIDString(), name=thing.name(), at=datetime.now(tz=UTC), **fields))
        except Exception:
            # An exception would be lost in libvirt's C code.
            log.exception("event %s", kind)

    return on_event


def _word(words: tuple[str, ...], number: int) -> str:
    return words[number] if 0 <= number < len(words) else str(number)


def _lifecycle(event: int, detail: int) -> dict[str, Any]:
    details = _LIFECYCLE_DETAILS[event] if 0 <= event < len(_LIFECYCLE_DETAILS) else ()
    return {"what": _word(_LIFECYCLE, event), "detail": _word(details, detail)}


def _job_completed(figures: dict[str, Any]) -> dict[str, Any]:
    # The event is about a job that is over, and leaves its type out.
    stats = JobStats.from_libvirt({"type": libvirt.VIR_DOMAIN_JOB_COMPLETED, **figures})
    return {"what": stats.operation, "detail": stats.kind, "stats": stats}


_DOMAIN_EVENTS: tuple[tuple[str, int, Read], ...] = (
    ("lifecycle", libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, _lifecycle),
    ("job_completed", libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, _job_completed),
    (
        "migration_iteration",
        libvirt.VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION,
        lambda iteration: {"what": "iteration", "detail": str(iteration)},
    ),
    ("device_added", libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, lambda alias: {"what": "added", "detail": alias}),
    ("device_removed", libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, lambda alias: {"what": "removed", "detail": alias}),
    (
        "metadata_change",
        libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
        lambda kind, uri: {"what": _word(_METADATA_KINDS, kind), "detail": uri or ""},
    ),
    (
        "agent_lifecycle",
        libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE,
        lambda state, _reason: {"what": _word(_AGENT_STATES, state)},
    ),
)
_POOL_EVENTS: tuple[tuple[str, int, Read], ...] = (
    (
        "pool_lifecycle",
        libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
        lambda event, _detail: {"what": _word(_POOL_LIFECYCLE, event)},
    ),
    ("pool_refresh", libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH, lambda: {"what": "refreshed"}),
)
_NETWORK_EVENTS: tuple[tuple[str, int, Read], ...] = (
    (
        "network_lifecycle",
        libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE,
        lambda event, _detail: {"what": _word(_NETWORK_LIFECYCLE, event)},
    ),
)
