"""Which VM goes where, and in which order. Pure.

Placed in order, each VM finds the room that those before it have left: what goes to a host is taken from its free memory,
what leaves one is given back. `schedule` then cuts the same order into steps, in which a source keeps its memory until the
step is over; so no host ever holds more than it has.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

VCPUS_PER_CPU = 4
"""So many vCPUs on one CPU count as full load: what is usual for guests that mostly wait. Only a measure to compare by."""


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


def place(situation: Situation) -> list[Placed]:
    """Every guest with its destination or why it has none, in the order in which they should go; the same for the same
    input. Spreads the load; where that leaves a guest behind, tries to fill up the fullest hosts first instead."""
    spread = _Placing(situation, tight=False).run()
    if all(placed.destination for placed in spread):
        return spread
    tight = _Placing(situation, tight=True).run()
    return tight if _count(tight) > _count(spread) else spread


def _count(found: Iterable[Placed]) -> int:
    return sum(1 for placed in found if placed.destination)


class _Placing:
    """One way of placing all: to the host with the least load (`tight`: with the least room that is left)."""

    def __init__(self, situation: Situation, *, tight: bool) -> None:
        fixed = {g.key: Other(g.name, g.source) for g in situation.guests if g.why_not}
        self.guests = [guest for guest in situation.guests if not guest.why_not]
        self.stuck = [Placed(g.key, "", g.why_not) for g in _sorted(situation.guests) if g.why_not]
        self.others = {**situation.others, **fixed}
        self.rooms = sorted(situation.rooms, key=lambda room: room.name)
        self.together = [rule for rule in situation.rules if not rule.apart]
        self.ledger, self.tight = Ledger(situation), tight

    def run(self) -> list[Placed]:
        found: list[Placed] = []
        for unit in self.units():
            found += self.place_unit(unit)
        return [p for p in found if p.destination] + [p for p in found if not p.destination] + self.stuck

    def units(self) -> list[list[Guest]]:
        """The guests, those that are kept together as one; the largest first."""
        units = [[guest] for guest in _sorted(self.guests)]
        for rule in self.together:
            touched = [unit for unit in units if any(guest.key in rule.members for guest in unit)]
            if len(touched) > 1:
                units = [unit for unit in units if unit not in touched]
                units.append(_sorted(guest for unit in touched for guest in unit))
        return sorted(units, key=lambda unit: (-sum(g.memory_mib for g in unit), unit[0].name, unit[0].key))

    def place_unit(self, unit: list[Guest]) -> list[Placed]:
        if tied := self.why_tied(unit):
            return [Placed(guest.key, "", tied) for guest in unit]
        refused: dict[str, str] = {}
        fit: list[Room] = []
        for room in self.rooms:
            why = self.why_not(unit, room)
            if why:
                refused[room.name] = why
            else:
                fit.append(room)
        if not fit:
            return [Placed(guest.key, "", _nowhere(refused)) for guest in unit]
        best = min(fit, key=partial(self._weight, unit))
        for guest in unit:
            self.ledger.take(guest, best.name)
        for guest in unit:
            self.ledger.leave(guest, best.name)
        return [Placed(guest.key, best.name, self._because(guest, best, len(fit), refused)) for guest in unit]

    def why_tied(self, unit: list[Guest]) -> str:
        """Why a rule that keeps VMs together lets none of `unit` move, or ""."""
        wanted = {guest.wanted for guest in unit if guest.wanted}
        if len(wanted) > 1:
            return f"it is kept together with others of the plan, for which other hosts were chosen: {', '.join(sorted(wanted))}"
        for rule in self.together:
            if not any(guest.key in rule.members for guest in unit):
                continue
            for key in sorted(rule.members & self.others.keys()):
                other = self.others[key]
                if any(guest.source == other.host for guest in unit):
                    return f"rule “{rule.name}” keeps it together with {other.name}, which stays on {other.host}"
        return ""

    def why_not(self, unit: list[Guest], room: Room) -> str:
        """Why `unit` can't go to `room`, or ""."""
        if room.why_not:
            return room.why_not
        if any(guest.source == room.name for guest in unit):
            return "it is there already"
        for guest in unit:
            if guest.wanted and guest.wanted != room.name:
                return f"{guest.wanted} was chosen"
            if why := guest.unfit.get(room.name):
                return why
        for rule in self.together:
            if any(guest.key in rule.members for guest in unit):
                for key in sorted(rule.members & self.others.keys()):
                    if self.others[key].host != room.name:
                        other = self.others[key]
                        return f"rule “{rule.name}” keeps it together with {other.name} on {other.host}"
        for guest in unit:
            company = [other.key for other in unit]
            if why := self.ledger.why_apart(guest, room.name, company):
                return why
        return self.ledger.why_full(unit, room.name)

    def _weight(self, unit: list[Guest], room: Room) -> tuple[float, float, str]:
        memory, cpu = self._shares(room, unit)
        free = self.ledger.free[room.name] - sum(guest.memory_mib for guest in unit)
        return (float(free), 0.0, room.name) if self.tight else (round(max(memory, cpu), 2), -float(free), room.name)

    def _shares(self, room: Room, unit: Sequence[Guest] = ()) -> tuple[float, float]:
        """How much of its memory and of its CPUs is in use once `unit` is there, 1 for all."""
        free = self.ledger.free[room.name] - sum(guest.memory_mib for guest in unit)
        vcpus = self.ledger.vcpus[room.name] + sum(guest.vcpus for guest in unit)
        memory = 1 - free / room.memory_mib if room.memory_mib else 1.0
        return memory, vcpus / (room.cpus * VCPUS_PER_CPU) if room.cpus else 1.0

    def _because(self, guest: Guest, room: Room, choices: int, refused: Mapping[str, str]) -> str:
        if guest.wanted:
            picked = "Chosen by hand"
        elif choices == 1:
            picked = "The only host that can take it"
        else:
            picked = f"The {'fullest' if self.tight else 'least loaded'} of {choices} that can take it"
        free, vcpus = in_words(self.ledger.free[room.name]), self.ledger.vcpus[room.name]
        return f"{picked}: then {free} free, {vcpus} vCPUs on {room.cpus} CPUs."


def in_words(mib: int) -> str:
    """An amount of memory as an admin would say it."""
    return f"{mib / 1024:.0f} GiB" if mib >= 10 * 1024 else f"{mib} MiB"


def _nowhere(refused: Mapping[str, str]) -> str:
    if not refused:
        return "There is no other host."
    if len(set(refused.values())) == 1 and len(refused) > 1:
        return f"No host can take it: {next(iter(refused.values())).rstrip('.')}."
    return (
        "No host can take it: " + "; ".join(f"{name}: {why.rstrip('.')}" for name, why in sorted(refused.items())) + "."
    )


def _sorted(guests: Iterable[Guest]) -> list[Guest]:
    """The largest first, so that the long ones run beside the short; those that are off last."""
    return sorted(guests, key=lambda guest: (-guest.memory_mib, guest.name, guest.key))


@dataclass(frozen=True, slots=True)
class Step:
    """Moves that run at once. `reserved_mib`, by host: what comes; `free_mib`: what is left of each host meanwhile."""

    keys: tuple[str, ...]
    reserved_mib: Mapping[str, int]
    free_mib: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps, and by key why a move can't be part of any."""

    steps: tuple[Step, ...]
    stuck: Mapping[str, str]


def schedule(situation: Situation, destinations: Mapping[str, str], *, parallel: int, canary: bool = False) -> Schedule:
    """Cut the moves (guests of `situation` in their order, with `destinations` by key) into steps of at most `parallel`.

    The first step is one move alone with `canary`. A move is overtaken only where it would hold up everything.
    """
    ledger = Ledger(situation)
    waiting = [guest for guest in situation.guests if destinations.get(guest.key)]
    steps: list[Step] = []
    while waiting:
        most = 1 if canary and not steps else max(1, parallel)
        now = list(_fitting(ledger, waiting, destinations, most))
        if not now:
            return Schedule(tuple(steps), {g.key: _why_waits(ledger, g, destinations[g.key]) for g in waiting})
        reserved: dict[str, int] = {}
        for guest in now:
            where = destinations[guest.key]
            reserved[where] = reserved.get(where, 0) + guest.memory_mib
        steps.append(Step(tuple(guest.key for guest in now), reserved, dict(ledger.free)))
        for guest in now:
            ledger.leave(guest, destinations[guest.key])
        waiting = [guest for guest in waiting if guest not in now]
    return Schedule(tuple(steps), {})


def _fitting(ledger: Ledger, waiting: Sequence[Guest], destinations: Mapping[str, str], most: int) -> Iterator[Guest]:
    """Take the next moves of a step out of `ledger`, in their order, until one does not fit."""
    coming: dict[str, list[str]] = {}
    taken = 0
    for guest in waiting:
        where = destinations[guest.key]
        if where in ledger.free and not (_why_waits(ledger, guest, where, coming.get(where, ()))):
            ledger.take(guest, where)
            coming.setdefault(where, []).append(guest.key)
            taken += 1
            yield guest
            if taken == most:
                return
        elif taken:
            return


def _why_waits(ledger: Ledger, guest: Guest, host: str, company: Iterable[str] = ()) -> str:
    if host not in ledger.free:
        return f"{host} is not known any more."
    why = ledger.why_full([guest], host) or ledger.why_apart(guest, host, company)
    return f"{host}: {why}." if why else ""
