"""Which moves run at once, and what each host has left meanwhile. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from migrations_app.placement.cluster import Guest, Ledger, Situation


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
