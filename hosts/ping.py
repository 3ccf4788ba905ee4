"""Ping a guest while it migrates: what an outsider sees of the switch-over.

Runs iputils' ping (Debian 12's lets any user ping every 2 ms or slower) and reads its lines as they come.
"""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock, Thread
from types import TracebackType
from typing import NamedTuple, Self

from hosts.errors import HostError
from hosts.host_uri import validate_address

DEFAULT_INTERVAL_S = 0.1
KEPT_PROBES = 6000
"""What `strip` can look back on: ten minutes at ten probes a second."""
STOP_TIMEOUT_S = 2.0

_STAMP = r"\[(?P<stamp>\d+\.\d+)\] "
_ANSWER = re.compile(_STAMP + r"\d+ bytes from .*icmp_seq=(?P<seq>\d+) .*time=(?P<rtt_ms>[\d.]+) ms(?P<dup>.*DUP!)?")
_SILENCE = re.compile(_STAMP + r"(?:no answer yet for|From \S+) icmp_seq=(?P<seq>\d+)")
_SEQUENCE_LENGTH = 2**16  # icmp_seq starts again at 0


class Probe(NamedTuple):
    """One echo request: when it was sent, in seconds since the first, whether it was answered, and how fast."""

    t_s: float
    ok: bool
    rtt_ms: float | None


@dataclass(frozen=True, slots=True)
class PingSummary:
    """What came of all probes so far.

    `sent` counts those whose fate is known: answered, or overdue (the next one had to be sent); `lost` = sent - received,
    and shrinks again where an overdue answer comes after all. `longest_gap_ms` is the longest time from the arrival of
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
        self.unread = ""

    def feed(self, line: str) -> None:
        """Take one line; one that tells of no probe is kept as `unread`, if it says anything."""
        if answer := _ANSWER.search(line):
            if not answer["dup"]:
                self._answered(float(answer["stamp"]), self._number(int(answer["seq"])), float(answer["rtt_ms"]))
        elif silence := _SILENCE.search(line):
            self._overdue(float(silence["stamp"]), self._number(int(silence["seq"])))
        elif line.strip():
            self.unread = line.strip()

    def summary(self) -> PingSummary:
        longest_s = self._longest_s
        if self._silent_until is not None and self._last is not None:
            longest_s = max(longest_s, self._silent_until - self._last)
        return PingSummary(
            sent=self._highest,
            received=self._received,
            lost=self._highest - self._received,
            longest_gap_ms=None if self._first is None else round(longest_s * 1000, 1),
            first_at=_at(self._first),
            last_at=_at(self._last),
        )

    def strip(self, buckets: int) -> list[Probe]:
        """The latest `buckets` probes, in the order they were sent."""
        return [self._probes[number] for number in sorted(self._probes)[-buckets:]] if buckets > 0 else []

    def _answered(self, stamp: float, number: int, rtt_ms: float) -> None:
        known = self._probes.get(number)
        if known and known.ok:
            return
        self._received += 1
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

    def _keep(self, number: int, *, sent_at: float, ok: bool, rtt_ms: float | None) -> None:
        self._began = self._began or sent_at
        self._highest = max(self._highest, number)
        self._probes[number] = Probe(round(max(0.0, sent_at - self._began), 3), ok, rtt_ms)
        if len(self._probes) > KEPT_PROBES:
            del self._probes[next(iter(self._probes))]

    def _number(self, sequence: int) -> int:
        """The probe's own number, counted on where icmp_seq starts again: the one nearest to the last."""
        rounds = round((self._highest - sequence) / _SEQUENCE_LENGTH)
        return sequence + max(rounds, 0) * _SEQUENCE_LENGTH


class Pinger:
    """Pings `address` from `start` to `stop` (or as a context manager), also one that never answers.

    All methods may be called from any thread.
    """

    def __init__(self, address: str, interval_s: float = DEFAULT_INTERVAL_S) -> None:
        """Raises InvalidInput(field="address") where that is neither an IP address nor a host name."""
        self._address = validate_address(address, field="address")
        self._interval_s = interval_s
        self._log = PingLog(interval_s=interval_s)
        self._lock = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._reader: Thread | None = None

    def start(self) -> None:
        """Raises HostError where there is no ping. Once only."""
        argv = ["ping", "-n", "-D", "-O", "-i", f"{self._interval_s:g}", "--", self._address]
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise HostError("ping is not installed here", hint="apt install iputils-ping") from error
        self._reader = Thread(target=self._read, name=f"ping {self._address}", daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """End ping and wait for the last line; a second call does nothing."""
        if self._process is None or self._reader is None:
            return
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(STOP_TIMEOUT_S)

    def summary(self) -> PingSummary:
        with self._lock:
            return self._log.summary()

    def strip(self, buckets: int) -> list[Probe]:
        """The latest `buckets` probes, for a strip chart: (t_s since the first, ok, rtt_ms)."""
        with self._lock:
            return self._log.strip(buckets)

    @property
    def error(self) -> str:
        """Why ping ended by itself, in its own words ("Name or service not known"); "" while it runs or was stopped."""
        if self._process is None or self._process.poll() in (None, 0, -15, -9):
            return ""
        with self._lock:
            return self._log.unread

    def _read(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        with self._process.stdout as lines:
            for line in lines:
                with self._lock:
                    self._log.feed(line)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _at(stamp: float | None) -> datetime | None:
    return None if stamp is None else datetime.fromtimestamp(stamp, tz=UTC)
