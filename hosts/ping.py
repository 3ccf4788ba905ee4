"""Probe a guest while it migrates: what an outsider sees of the switch-over.

Runs iputils' ping (Debian 12's lets any user ping every 2 ms or slower), or a program that prints the same lines, here or on
a host, and reads them as they come.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from threading import Lock, Thread
from types import TracebackType
from typing import Self

from hosts.errors import HostError
from hosts.host_uri import validate_address
from hosts.ping_log import Announcement, PingLog, PingSummary, Probe, Stream

DEFAULT_INTERVAL_S = 0.1
STOP_TIMEOUT_S = 2.0


class Prober:
    """Runs a program that prints ping's lines, from `start` to `stop` (or as a context manager).

    Its standard input stays open as long as this process lives: a program on another host ends when that closes. All
    methods may be called from any thread.
    """

    def __init__(self, argv: Sequence[str], *, interval_s: float, hint: str = "") -> None:
        """`hint` says what to do where the program is not there."""
        self._argv, self._hint = list(argv), hint
        self.interval_s = interval_s
        self._log = PingLog(interval_s=interval_s)
        self._lock = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._reader: Thread | None = None
        self._stopped = False

    def start(self) -> None:
        """Raises HostError where there is no such program. Once only."""
        try:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={
                    **os.environ,
                    "LC_ALL": "C",
                    "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin",
                },
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise HostError(f"{self._argv[0]} is not installed here", hint=self._hint) from error
        self._reader = Thread(target=self._read, name=f"probe {self._argv[-1]}", daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """End it and wait for the last line; a second call does nothing."""
        self._stopped = True
        if self._process is None or self._reader is None:
            return
        if self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
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

    def strip(self, buckets: int, *, around: datetime | None = None) -> list[Probe]:
        """The latest `buckets` probes, for a strip chart, or those about a moment."""
        with self._lock:
            return self._log.strip(buckets, around=around)

    def since_first_s(self, moment: datetime) -> float:
        """`moment` on the time scale of the probes."""
        with self._lock:
            return self._log.since_first_s(moment)

    @property
    def announcements(self) -> list[Announcement]:
        """The latest times that the guest told its network where it is."""
        with self._lock:
            return list(self._log.announcements)

    @property
    def streams(self) -> list[Stream]:
        """The connections that were seen to carry the guest."""
        with self._lock:
            return list(self._log.streams)

    @property
    def error(self) -> str:
        """Why it ended by itself, in its own words ("Name or service not known"); "" while it runs or was stopped."""
        if self._process is None or self._reader is None or self._stopped:
            return ""
        if self._process.poll() is None or self._reader.is_alive():
            return ""  # also until its last words are read
        with self._lock:
            return self._log.unread or f"it ended with {self._process.returncode}"

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


class Pinger(Prober):
    """Pings `address`, also one that never answers."""

    def __init__(self, address: str, interval_s: float = DEFAULT_INTERVAL_S) -> None:
        """Raises InvalidInput(field="address") where that is neither an IP address nor a host name."""
        super().__init__(ping_argv(address, interval_s), interval_s=interval_s, hint="apt install iputils-ping")


def ping_argv(address: str, interval_s: float) -> list[str]:
    """ping with the lines that PingLog reads. Raises InvalidInput(field="address")."""
    return ["ping", "-n", "-D", "-O", "-i", f"{interval_s:g}", "--", validate_address(address, field="address")]
