"""One host, watched by a thread of its own: events to rows, a full sync as the safety net, back-off when it goes away.

No database connection is held while the host is asked, and no turn at the database is taken before it has answered.
"""

import logging
import queue
import random
import threading
import time
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError
from django.utils import timezone

from hosts import inventory, jobs, mounts, reach
from hosts.errors import HostError
from hosts.libvirt_client import events
from hosts.libvirt_client.connection import Connection
from hosts.libvirt_client.events import Event
from hosts.libvirt_client.host_info import HostInfo
from hosts.models import Host, Mount, MountState
from hosts.watcher.arrivals import arrivals
from hosts.watcher.aside import STORAGE_SLOTS, Aside
from hosts.watcher.database import definitions_line, turn
from hosts.watcher.definitions import Definitions
from hosts.watcher.pace import pace
from hosts.watcher.usage import UsageLook

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 15.0
FULL_SYNC_EVERY_S = 60.0
STORAGE_EVERY_S = 30.0
FRESH = timedelta(seconds=2 * FULL_SYNC_EVERY_S)
"""Rows of a host that was seen within this time are believed until its turn comes."""
COALESCE_S = 0.05
"""libvirt sends several events for one start or migration; those within this time are one sync."""
AGAIN_S = 0.3
"""Between two looks at one guest, the first of which is taken at once: a migration sends some six events at either end."""
DEFINITIONS_EVERY_S = 0.25
"""Between two readings of some definitions, so that events and libvirtd's other clients have their turn."""
ARRIVAL_S = 0.5
"""How often it looks whether all new hosts were seen, and what waited for them can go on."""
TURN_AGAIN_S = 10.0
"""How often it asks for a turn by itself: one who was woken may hang just then, and leave the turn free."""
MANY = 25
"""From here on one look at all guests is quicker than one at each."""
LONGEST_NAP_S = 2.0
"""How often a thread that nothing wakes looks whether its connection lives."""
BACKOFF_S = (1.0, 60.0)
DOMAIN_KINDS = ("lifecycle", "job_completed", "device_added", "device_removed", "metadata_change", "agent_lifecycle")
STORAGE_KINDS = ("pool_lifecycle", "pool_refresh")


class HostWatch:
    """Watches one host until `stop`. Its thread alone writes what its host reports, so that reports stay in order."""

    def __init__(self, host: Host) -> None:
        self._pk = host.pk
        self._address = _address(host)
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._requested = self._answered = host.sync_requested
        self._failures = 0
        self._unwritten: inventory.Look | None = None
        self._may_write = False  # whether somebody gave a turn back since it asked for one
        self._due: dict[str, float] = {}  # guests to look at again, with the time of it
        self._looked: dict[str, float] = {}  # guests that were looked at just now
        self._storage = Aside(f"storage {host.name}", self._look_at_storage, STORAGE_SLOTS)
        self._usage = UsageLook(host)
        self._addresses = inventory.AddressSearch()  # the storage thread's
        self._thread = threading.Thread(target=self._run, name=f"watch {host.name}", daemon=True)

    def start(self) -> None:
        arrivals.expect(self)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it does at its next step."""
        self._stopping.set()
        arrivals.forget(self)
        self._storage.stop()
        self._usage.stop()
        self._queue.put(None)

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def fits(self, host: Host) -> bool:
        """Whether it still watches where `host` says that it is, and its thread runs."""
        return self._address == _address(host) and self._thread.is_alive()

    def note_request(self, requested: datetime | None) -> None:
        """Somebody asked for a full sync at `requested`: do one now, also in the middle of a back-off."""
        if requested and requested != self._requested:
            self._requested = requested
            self._queue.put(None)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._watch()
                continue
            except Host.DoesNotExist:
                return
            except HostError as error:
                failure = error
            except DatabaseError:
                # No fault of the host: its row stays as it is.
                log.exception("%s could not write what it found, and begins anew", self._thread.name)
                self._stopping.wait(random.uniform(1, 3))
                continue
            except Exception as error:
                log.exception("watching %s failed", self._thread.name)
                failure = HostError(
                    f"The console failed while it watched this host: {error}", hint="See the console's log."
                )
            self._back_off(failure)

    def _watch(self) -> None:
        """Connect, sync, and follow events until the connection ends. Raises HostError when it does."""
        with turn():
            host = Host.objects.get(pk=self._pk)
        self._answered = self._requested
        with reach.open_own(host, timeout_s=CONNECT_TIMEOUT_S) as connection:
            connection.on_close(lambda *_: self._queue.put(None))
            # Subscribed before the first sync, so that nothing falls between the two.
            subscription = events.subscribe(connection, self._queue.put)
            try:
                self._follow(host, connection)
            finally:
                definitions_line.forget(self)
                subscription.close()

    def _follow(self, host: Host, connection: Connection) -> None:
        """The states of all guests first, then, when all new hosts were seen, their definitions some at a time; after that
        only what changes.
        """
        definitions, info = Definitions(), None
        self._unwritten = None
        self._due.clear()
        last_full, next_full, next_definitions = time.monotonic(), 0.0, 0.0
        # At once, but where another process looked a moment ago, as when it died: all its hosts come at the same time; or
        # where this process has too much to look at as it is.
        was_seen = host.last_seen is not None and timezone.now() - host.last_seen < FRESH
        next_storage = last_full + STORAGE_EVERY_S * random.uniform(0, pace.factor if was_seen else pace.factor - 1)
        while not self._stopping.is_set():
            now = time.monotonic()
            may_read = (self._may_write or now >= next_definitions) and not arrivals.are_expected()
            if now >= next_full or self._requested != self._answered:
                if self._requested != self._answered:
                    next_storage = self._storage_asked(now)  # who asks anew wants to know of the mounts too
                self._answered = self._requested
                info = self._look(host, connection, definitions, info, elapsed_s=now - last_full)
                self._failures = 0
                arrivals.forget(self)
                last_full, next_full = now, now + FULL_SYNC_EVERY_S * pace.factor * random.uniform(0.9, 1.1)
            elif may_read and info and (definitions or self._unwritten):
                pause_s = DEFINITIONS_EVERY_S if self._read(host, connection, definitions, info) else TURN_AGAIN_S
                next_definitions = time.monotonic() + pause_s * random.uniform(0.5, 1.5)
            wait = arrivals.are_expected()
            if now >= next_storage and not wait:
                next_storage = self._storage_asked(now)
            if not wait:
                self._usage.ask_if_due(now)
            reading = next_definitions if definitions or self._unwritten else next_full
            next_other = min(next_storage, self._usage.due, reading)
            wake = min(next_full, max(next_other, now + ARRIVAL_S) if wait else next_other)
            if self._take_events(host, connection, definitions, wake - time.monotonic()):
                next_full = 0.0
            connection.require_alive()

    def _storage_asked(self, now: float) -> float:
        """Have the storage looked at; when the next time is."""
        self._storage.ask()
        return now + STORAGE_EVERY_S * pace.factor * random.uniform(0.9, 1.1)

    def _look(
        self, host: Host, connection: Connection, definitions: Definitions, info: HostInfo | None, *, elapsed_s: float
    ) -> HostInfo:
        """A full sync without definitions, in calls: nine on a new connection, six after that; ten at first sight of a host."""
        look = inventory.look_at(connection, info=info, known=(host.host_uuid, host.hostname), definitions=())
        definitions.note(look.domains, elapsed_s=elapsed_s)
        with turn():
            inventory.note_look(host, look)
        return look.info

    def _read(self, host: Host, connection: Connection, definitions: Definitions, info: HostInfo) -> bool:
        """Four calls, and one for each definition; False where it is written later, since others have their turn now."""
        if self._unwritten is None:
            uuids = definitions.take()
            self._unwritten = inventory.look_at(connection, info=info, definitions=uuids, only=uuids)
        self._may_write = False
        with definitions_line.turn(self, self._wake_to_write) as is_ours:
            if is_ours:
                definitions.want(inventory.overtaken(host, self._unwritten))
                inventory.note_look(host, self._unwritten)
                self._unwritten = None
        return is_ours

    def _wake_to_write(self) -> None:
        self._may_write = True
        self._queue.put(None)

    def _take_events(self, host: Host, connection: Connection, definitions: Definitions, wait_s: float) -> bool:
        """Wait for the first event at most `wait_s`, gather what comes with it, and bring those rows up to date.

        True where there are so many that a full sync is the quicker way.
        """
        wait_s = min([wait_s, LONGEST_NAP_S, *(due - time.monotonic() for due in self._due.values())])
        batch = self._gather(max(wait_s, 0.0))
        if batch:
            with turn():
                self._tell(batch)
        if any(event.kind in STORAGE_KINDS for event in batch):
            self._storage.ask()
        uuids = self._to_look_at(event.uuid for event in batch if event.kind in DOMAIN_KINDS)
        if len(uuids) > MANY:
            definitions.want(uuids)
            return True
        for uuid in uuids:
            asked, domain = inventory.look_at_domain(connection, uuid)
            with turn():
                inventory.note_domain(host, uuid, asked, domain)
        return False

    def _to_look_at(self, told: Iterable[str]) -> list[str]:
        """Of the guests that events tell of, and of those that wait: whose turn it is now."""
        now = time.monotonic()
        self._looked = {uuid: at for uuid, at in self._looked.items() if now - at < AGAIN_S}
        for uuid in told:
            self._due.setdefault(uuid, self._looked.get(uuid, now - AGAIN_S) + AGAIN_S)
        uuids = [uuid for uuid, due in self._due.items() if due <= now]
        for uuid in uuids:
            del self._due[uuid]
            self._looked[uuid] = now
        return uuids

    def _tell(self, batch: Collection[Event]) -> None:
        """Hand the events to who registered for them; one that fails does not end the watch."""
        for event in batch:
            for listen in jobs.LISTENERS:
                try:
                    listen(self._pk, event)
                except Exception:
                    log.exception("a listener failed at an event of %s", self._thread.name)

    def _gather(self, wait_s: float) -> Collection[Event]:
        batch: list[Event | None] = []
        try:
            batch.append(self._queue.get(timeout=wait_s))
            until = time.monotonic() + COALESCE_S
            while batch[-1] is not None:
                batch.append(self._queue.get(timeout=max(until - time.monotonic(), 0)))
        except queue.Empty:
            pass
        return [event for event in batch if event is not None]

    def _look_at_storage(self) -> None:
        """Mounts, pools and addresses, on another connection: a dead NFS server must not hold up the events."""
        try:
            host = Host.objects.get(pk=self._pk)
            mounts.check_mounts(host)
            self._usage.disks_answer = not Mount.objects.filter(host=host, state=MountState.STALE).exists()
            with reach.libvirt(host) as connection:
                inventory.sync_storage(host, connection)
                inventory.find_addresses_of(host, connection, self._addresses)
        except Host.DoesNotExist:
            return
        except HostError as error:
            log.info("pools of %s were not read: %s", self._thread.name, error)

    def _back_off(self, error: HostError) -> None:
        """Say on the row why, and when the next try is; wait until then, or until somebody asks for a sync."""
        self._failures += 1
        arrivals.forget(self)
        pause_s = backoff_s(self._failures) * random.uniform(0.8, 1.2)
        with turn():
            host = Host.objects.filter(pk=self._pk).first()
            if host:
                retry_at = timezone.now() + timedelta(seconds=pause_s)
                inventory.mark_unreachable(host=host, error=error, retry_at=retry_at)
        until = time.monotonic() + pause_s
        while not self._stopping.is_set() and self._requested == self._answered:
            # What is left of the old connection's events is taken out here; the next full sync covers it.
            try:
                self._queue.get(timeout=max(until - time.monotonic(), 0))
            except queue.Empty:
                return


def backoff_s(failures: int) -> float:
    """How long to wait after so many failures in a row: 1, 2, 4 … 60 seconds."""
    shortest, longest = BACKOFF_S
    return min(shortest * 2.0 ** (failures - 1), longest)


def _address(host: Host) -> tuple[Any, ...]:
    return host.uri, host.ssh
