"""ping's lines, and those of our own probes, read as figures. Pure.

The lines are those of iputils' `ping -n -D -O`: a time stamp, and an answer or its absence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

KEPT_PROBES = 6000
"""What `strip` can look back on: ten minutes at ten probes a second."""

_STAMP = r"\[(?P<stamp>\d+\.\d+)\] "
_ANSWER = re.compile(_STAMP + r"\d+ bytes from .*icmp_seq=(?P<seq>\d+) .*time=(?P<rtt_ms>[\d.]+) ms(?P<dup>.*DUP!)?")
_SILENCE = re.compile(_STAMP + r"(?:no answer yet for|From \S+) icmp_seq=(?P<seq>\d+)")
_REFUSED = re.compile(_STAMP + r"refused icmp_seq=(?P<seq>\d+)")
_ANNOUNCED = re.compile(_STAMP + r"announced (?P<kind>\w+) (?P<mac>[0-9a-f:]{17})")
_STREAM = re.compile(_STAMP + r"stream (?P<port>\d+) (?P<what>memory|disks) (?P<how>plain|tls)")
_SEQUENCE_LENGTH = 2**16  # icmp_seq starts again at 0


class Probe(NamedTuple):
    """One question: when it was sent, in seconds since the first, whether it was answered, and how fast.

    `refused`: the guest said that nobody is there to answer (a closed TCP port), so its kernel at least was alive.
    """

    t_s: float
    ok: bool
    rtt_ms: float | None
    refused: bool = False


class Announcement(NamedTuple):
    """The guest told its network where it is: when, by `arp` (its own kernel) or `rarp` (QEMU for it), with which MAC."""

    at: datetime
    kind: str
    mac: str


class Stream(NamedTuple):
    """A connection that carries a guest's memory or disks, as seen on the wire where it leaves."""

    port: int
    what: str
    is_encrypted: bool


@dataclass(frozen=True, slots=True)
class PingSummary:
    """What came of all probes so far.

    `sent` counts those whose fate is known: answered, refused, or overdue (the next one had to be sent); `lost` is what is
    neither received nor refused, and shrinks again where an overdue answer comes after all. `longest_gap_ms` is the longest time from the arrival of
    one answer to the arrival of the next, so for a guest that never stood still it is about the interval; while
    answers are missing, the time since the last answer counts as well. It is None before the first answer: silence
    before that is no gap. `first_at` and `last_at` are the arrivals of the first and the last answer.
    """

    sent: int = 0
    received: int = 0
    lost: int = 0
    longest_gap_ms: float | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None
    refused: int = 0


class PingLog:
    """Reads ping's output line by line. Times are those that ping stamps on its lines (-D)."""

    def __init__(self, *, interval_s: float) -> None:
        self._interval_s = interval_s
        self._probes: dict[int, Probe] = {}
        self._highest = 0
        self._received = 0
        self._began: float | None = None
        self._first: float | None = None
        self._last: float | None = None
        self._silent_until: float | None = None
        self._longest_s = 0.0
        self._refused = 0
        self.announcements: list[Announcement] = []
        self.streams: list[Stream] = []
        self.unread = ""

    def feed(self, line: str) -> None:
        """Take one line; one that tells of no probe is kept as `unread`, if it says anything."""
        if answer := _ANSWER.search(line):
            if not answer["dup"]:
                self._answered(float(answer["stamp"]), self._number(int(answer["seq"])), float(answer["rtt_ms"]))
        elif silence := _SILENCE.search(line):
            self._overdue(float(silence["stamp"]), self._number(int(silence["seq"])))
        elif refused := _REFUSED.search(line):
            self._refuse(float(refused["stamp"]), self._number(int(refused["seq"])))
        elif announced := _ANNOUNCED.search(line):
            at = datetime.fromtimestamp(float(announced["stamp"]), tz=UTC)
            self.announcements = [*self.announcements, Announcement(at, announced["kind"], announced["mac"])][-20:]
        elif stream := _STREAM.search(line):
            self.streams = [*self.streams, Stream(int(stream["port"]), stream["what"], stream["how"] == "tls")]
        elif line.strip():
            self.unread = line.strip()

    def summary(self) -> PingSummary:
        longest_s = self._longest_s
        if self._silent_until is not None and self._last is not None:
            longest_s = max(longest_s, self._silent_until - self._last)
        return PingSummary(
            sent=self._highest,
            received=self._received,
            lost=self._highest - self._received - self._refused,
            longest_gap_ms=None if self._first is None else round(longest_s * 1000, 1),
            first_at=_at(self._first),
            last_at=_at(self._last),
            refused=self._refused,
        )

    def strip(self, buckets: int, *, around: datetime | None = None) -> list[Probe]:
        """The latest `buckets` probes, in the order they were sent; with `around` those about that moment instead."""
        kept = [self._probes[number] for number in sorted(self._probes)]
        end = len(kept)
        if around is not None:
            end = min(end, sum(probe.t_s < self.since_first_s(around) for probe in kept) + buckets // 3)
        return kept[max(0, end - buckets) : max(end, min(buckets, len(kept)))] if buckets > 0 else []

    def since_first_s(self, moment: datetime) -> float:
        """`moment` on the time scale of the probes."""
        return moment.timestamp() - (self._began or 0.0)

    def _answered(self, stamp: float, number: int, rtt_ms: float) -> None:
        known = self._probes.get(number)
        if known and known.ok:
            return
        self._received += 1
        if known and known.refused:
            self._refused -= 1
        if self._last is not None:
            self._longest_s = max(self._longest_s, stamp - self._last)
        self._first = self._first or stamp
        self._last = max(stamp, self._last or stamp)
        self._silent_until = None
        self._keep(number, sent_at=stamp - rtt_ms / 1000, ok=True, rtt_ms=rtt_ms)

    def _overdue(self, stamp: float, number: int) -> None:
        self._silent_until = stamp
        if number not in self._probes:
            self._keep(number, sent_at=stamp - self._interval_s, ok=False, rtt_ms=None)

    def _refuse(self, stamp: float, number: int) -> None:
        known = self._probes.get(number)
        if known and (known.ok or known.refused):
            return
        self._refused += 1
        self._silent_until = stamp
        self._keep(number, sent_at=stamp, ok=False, rtt_ms=None, refused=True)

    def _keep(self, number: int, *, sent_at: float, ok: bool, rtt_ms: float | None, refused: bool = False) -> None:
        self._began = self._began or sent_at
        self._highest = max(self._highest, number)
        self._probes[number] = Probe(round(max(0.0, sent_at - self._began), 3), ok, rtt_ms, refused)
        if len(self._probes) > KEPT_PROBES:
            del self._probes[next(iter(self._probes))]

    def _number(self, sequence: int) -> int:
        """The probe's own number, counted on where icmp_seq starts again: the one nearest to the last."""
        rounds = round((self._highest - sequence) / _SEQUENCE_LENGTH)
        return sequence + max(rounds, 0) * _SEQUENCE_LENGTH


def _at(stamp: float | None) -> datetime | None:
    return None if stamp is None else datetime.fromtimestamp(stamp, tz=UTC)
