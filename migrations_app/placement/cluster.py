"""The hosts, guests and rules as a plan sees them, and who is where as guests go. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Room:
    """A host as a plan sees it. `free_mib` is what guests can still get, `vcpus` those of the guests that run there."""

    name: str
    memory_mib: int
    free_mib: int
    cpus: int = 0
    vcpus: int = 0
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Guest:
    """A VM to place. `memory_mib` and `vcpus` are 0 for one that is off. `wanted`: the only destination, chosen by a person.

    `why_not` says why it can go nowhere, `unfit` why not to single hosts.
    """

    key: str
    name: str
    source: str
    memory_mib: int
    vcpus: int = 0
    wanted: str = ""
    why_not: str = ""
    unfit: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """VMs (by key) never two on one host (`apart`), or always on one."""

    name: str
    apart: bool
    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class Other:
    """A VM that a rule names and that is not to be moved."""

    name: str
    host: str


@dataclass(frozen=True, slots=True)
class Situation:
    """All that decides. `others`: by key, the VMs of the rules that are not among the guests."""

    rooms: tuple[Room, ...]
    guests: tuple[Guest, ...]
    rules: tuple[Rule, ...] = ()
    others: Mapping[str, Other] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a guest goes, and why there; no destination: why it can't move."""

    key: str
    destination: str
    why: str


class Ledger:
    """Who is where and what is free, as guests go one after the other."""

    def __init__(self, situation: Situation) -> None:
        self.free = {room.name: room.free_mib for room in situation.rooms}
        self.vcpus = {room.name: room.vcpus for room in situation.rooms}
        self.at = {guest.key: guest.source for guest in situation.guests}
        self.at |= {key: other.host for key, other in situation.others.items()}
        self._names = {guest.key: guest.name for guest in situation.guests}
        self._names |= {key: other.name for key, other in situation.others.items()}
        self._apart = [rule for rule in situation.rules if rule.apart]

    def take(self, guest: Guest, destination: str) -> None:
        """Reserve what `guest` needs at its destination; its source keeps it."""
        self.free[destination] -= guest.memory_mib
        self.vcpus[destination] += guest.vcpus

    def leave(self, guest: Guest, destination: str) -> None:
        """The move is over: the source has its memory back."""
        if guest.source in self.free:
            self.free[guest.source] += guest.memory_mib
            self.vcpus[guest.source] -= guest.vcpus
        self.at[guest.key] = destination

    def why_full(self, guests: Sequence[Guest], host: str) -> str:
        """Why `guests` have no room on `host` now, or ""."""
        needed = sum(guest.memory_mib for guest in guests)
        if needed > self.free[host]:
            return f"needs {in_words(needed)}, {in_words(max(0, self.free[host]))} are free"
        return ""

    def why_apart(self, guest: Guest, host: str, company: Iterable[str] = ()) -> str:
        """Which rule keeps `guest` away from `host`, where it would meet a VM that is there or comes along; or ""."""
        there = {key for key, at in self.at.items() if at == host} | set(company)
        for rule in self._apart:
            if guest.key in rule.members and (met := sorted((rule.members & there) - {guest.key})):
                return f"rule “{rule.name}” keeps it apart from {self._names.get(met[0], met[0])}"
        return ""


def in_words(mib: int) -> str:
    """An amount of memory as an admin would say it."""
    return f"{mib / 1024:.0f} GiB" if mib >= 10 * 1024 else f"{mib} MiB"
