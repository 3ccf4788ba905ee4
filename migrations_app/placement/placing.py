"""Where each guest goes, one after the other. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from migrations_app.placement.cluster import Guest, Ledger, Other, Placed, Room, Situation, in_words

VCPUS_PER_CPU = 4
"""So many vCPUs on one CPU count as full load: what is usual for guests that mostly wait. Only a measure to compare by."""


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
