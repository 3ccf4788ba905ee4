"""Which queued migrations may start, in which order, and what each of the others waits for. Pure.

The order: higher priority first; among equals one of each person in turn, whoever was served longest ago first; one
person's by position. A later one may start before an earlier one that waits for something else, but the first that waits
keeps what it needs: a later one takes neither the last place nor the memory that it would go on waiting for.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

NAMED = 4
"""So many migrations are named in a reason; more are counted."""
LOWEST_PRIORITY, HIGHEST_PRIORITY = -100, 100


@dataclass(frozen=True, slots=True)
class Limits:
    """How many migrations may use a host or link at once, and how many may run in all (0: the queue is held)."""

    per_source: int
    per_destination: int
    per_link: int
    overall: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A migration as the queue sees it. `memory_mib` is what it needs at the destination; only a definition
    (`uses_link` False) needs neither memory nor a place on a host."""

    pk: int
    source: str
    destination: str
    memory_mib: int = 0
    uses_link: bool = True
    user: str = ""
    priority: int = 0
    position: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """Those that may start, in their order, and of each other one what it waits for, in words."""

    admitted: tuple[int, ...] = ()
    waits: Mapping[int, str] = field(default_factory=dict)


def in_order(waiting: Iterable[Entry], last_served: Mapping[str, float]) -> list[Entry]:
    """`waiting` as they are to start. `last_served` tells when each person's last one started, in seconds of any clock."""
    turns, turn = dict(last_served), max(last_served.values(), default=0.0)
    found: list[Entry] = []
    by_rank = sorted(waiting, key=lambda entry: (-entry.priority, entry.position, entry.pk))
    for _, level in groupby(by_rank, key=lambda entry: entry.priority):
        lines: dict[str, deque[Entry]] = defaultdict(deque)
        for entry in level:
            lines[entry.user].append(entry)
        while lines:
            user = min(lines, key=lambda name: (turns.get(name, float("-inf")), lines[name][0].pk))
            found.append(lines[user].popleft())
            turn += 1
            turns[user] = turn
            if not lines[user]:
                del lines[user]
    return found


def decide(
    ordered: Sequence[Entry],
    running: Iterable[Entry],
    limits: Limits,
    *,
    free_mib: Mapping[str, int],
    arriving_mib: Mapping[str, int],
) -> Decision:
    """Give the free places away in order.

    `running` hold a place. `free_mib` is each destination's free memory, a host that is not in it is not asked for any;
    `arriving_mib` is what guests that are at a destination already may not yet have taken from that figure.
    """
    board = Board(limits, free_mib, arriving_mib)
    for entry in running:
        board.take(entry)
    admitted: list[int] = []
    waits: dict[int, str] = {}
    for entry in ordered:
        reason = board.why_not(entry)
        if reason:
            waits[entry.pk] = reason
            board.kept_for = board.kept_for or entry
        else:
            admitted.append(entry.pk)
            board.take(entry)
    return Decision(tuple(admitted), waits)


class Board:
    """The places and the memory as they are given away."""

    def __init__(self, limits: Limits, free_mib: Mapping[str, int], arriving_mib: Mapping[str, int]) -> None:
        self.limits, self.free_mib = limits, free_mib
        self.kept_for: Entry | None = None
        self.every: list[int] = []
        self.leaving: dict[str, list[int]] = defaultdict(list)
        self.arriving: dict[str, list[int]] = defaultdict(list)
        self.between: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.reserved_mib: dict[str, int] = defaultdict(int, arriving_mib)

    def take(self, entry: Entry) -> None:
        self.every.append(entry.pk)
        if entry.uses_link:
            self.leaving[entry.source].append(entry.pk)
            self.arriving[entry.destination].append(entry.pk)
            self.between[entry.source, entry.destination].append(entry.pk)
            self.reserved_mib[entry.destination] += entry.memory_mib

    def why_not(self, entry: Entry) -> str:
        """What `entry` waits for, in words; empty where it may start."""
        if not self.limits.overall:
            return "waits: the queue is held, nothing starts until an admin raises the overall limit"
        if len(self.every) >= self.limits.overall:
            return f"waits for a place: {len(self.every)} of {self.limits.overall} run in all"
        return (self._place(entry) or self._memory(entry)) if entry.uses_link else ""

    def _place(self, entry: Entry) -> str:
        source, destination, kept = entry.source, entry.destination, self.kept_for
        link = (source, destination)
        asked = (
            (self.leaving[source], self.limits.per_source, f"a place on {source}", "leave it"),
            (self.arriving[destination], self.limits.per_destination, f"a place on {destination}", "go there"),
            (self.between[link], self.limits.per_link, f"a place between {source} and {destination}", "use it"),
        )
        for taken, limit, place, verb in asked:
            if len(taken) >= limit:
                return f"waits for {place}: {len(taken)} of {limit} {verb}, see {named(taken)}"
        same = (
            (kept.source == source, kept.destination == destination, (kept.source, kept.destination) == link)
            if kept
            else (False,) * 3
        )
        for (taken, limit, place, _), shared in zip(asked, same, strict=True):
            if kept and shared and len(taken) + 1 >= limit:
                return f"waits for {place}: it is kept for #{kept.pk}, which goes first"
        return ""

    def _memory(self, entry: Entry) -> str:
        """Nothing where it alone is too large: then its own check says so, and nothing else would ever change it."""
        name, reserved = entry.destination, self.reserved_mib[entry.destination]
        if name not in self.free_mib:
            return ""
        left = max(0, self.free_mib[name] - reserved)
        if reserved and entry.memory_mib > left:
            others = f", see {named(self.arriving[name])}" if self.arriving[name] else ""
            return (
                f"waits for memory on {name}: it needs {entry.memory_mib} MiB, and {left} MiB are left "
                f"beside the guests on their way there{others}"
            )
        kept = self.kept_for
        if kept and kept.destination == name and entry.memory_mib + kept.memory_mib > left:
            return f"waits for memory on {name}: it is kept for #{kept.pk}, which goes first"
        return ""


def named(pks: Sequence[int]) -> str:
    """The migrations by their numbers: "#12, #13 and 3 more"."""
    shown = ", ".join(f"#{pk}" for pk in pks[:NAMED])
    return f"{shown} and {len(pks) - NAMED} more" if len(pks) > NAMED else shown
