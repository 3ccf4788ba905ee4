"""Sees how memory and disks leave a host: one program for all migrations that leave it for the same address meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from hosts import reach
from hosts.errors import HostError
from hosts.models import Host
from hosts.ping import Prober, Stream
from hosts.probe_programs import WIRE, argv_on_host
from migrations_app import observers

LOOKS_EVERY_S = 0.1


@dataclass(slots=True)
class _Shared:
    prober: Prober
    users: int = 0


@dataclass(frozen=True, slots=True)
class Wire:
    """What is seen of a host's wire since one migration began to look."""

    prober: Prober
    seen_before: int

    @property
    def streams(self) -> list[Stream]:
        """The connections that were seen to carry guests; of migrations between the same two hosts nobody can tell whose."""
        return self.prober.streams[self.seen_before :]

    @property
    def error(self) -> str:
        return self.prober.error


_shared: dict[tuple[int, str], _Shared] = {}
_lock = Lock()


@contextmanager
def watched(source: Host, address: str) -> Iterator[Wire]:
    """Let `source` look at what leaves it for the IPv4 `address`. Raises HostError where it can't be asked to."""
    key = source.pk, address
    with _lock:
        shared = _shared.get(key)
        if shared is None or shared.prober.error:
            shared = _shared[key] = _Shared(_started(source, address))
        shared.users += 1
        wire = Wire(shared.prober, len(shared.prober.streams))
    try:
        yield wire
    finally:
        with _lock:
            shared.users -= 1
            is_last = not shared.users
            if is_last and _shared.get(key) is shared:
                del _shared[key]
        if is_last:
            shared.prober.stop()
            observers.give_session_back(source)


def _started(source: Host, address: str) -> Prober:
    if not observers.take_session(source):
        raise HostError(f"{observers.SESSIONS} probes run on {source.name} already")
    try:
        prober = reach.prober(source, argv_on_host(WIRE, address), interval_s=LOOKS_EVERY_S)
        prober.start()
    except HostError:
        observers.give_session_back(source)
        raise
    return prober
