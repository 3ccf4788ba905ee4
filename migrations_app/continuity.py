"""Does the guest answer, seen from more than one place? Pings, ARP and a TCP port, probed from the check to the end.

The console's own ping is one view. A second host sees another part of the network, and whether the guest's address is
found again behind another port of the switch.
"""

import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from types import TracebackType
from typing import Any

from django.utils import timezone

from hosts import reach
from hosts.errors import HostError
from hosts.models import Host
from hosts.ping import Pinger, Prober, ping_argv
from hosts.ping_log import PingSummary
from hosts.probe_programs import ARP, TCP, argv_on_host
from migrations_app import observers, record, wires
from migrations_app.models import Migration
from migrations_app.observers import Observer
from migrations_app.states import State
from migrations_app.wires import Wire

PING_EVERY_S = 0.05
OTHERS_EVERY_S = 0.1
"""ARP and TCP ask more of others than a ping does: the guest's neighbours, the service."""
ANSWER_WITHIN_S = 5.0
"""How long the guest may take to answer at the destination before the step warns."""
STRIP = 240
BEFORE = (State.QUEUED, State.CHECKING, State.COPYING)
AFTER = (State.VERIFYING, State.DEFINING, State.COMPLETED)


@dataclass(slots=True)
class Probe:
    """One probe: what it is called, and what carries it out; `problem` where it could not be started."""

    name: str
    title: str
    prober: Prober | None = None
    problem: str = ""


class Continuity:
    """The probes of one migration, from `with` to its end. `ping` is the console's own; None where no address is known."""

    def __init__(self, migration: Migration) -> None:
        self.m = migration
        self.ping: Pinger | None = None
        self.observer: Observer | None = None
        self.probes: list[Probe] = []
        self.wire: Wire | None = None
        self._unwatched = ""  # why nobody looks at the wire
        self._stack = ExitStack()
        self._before: datetime | None = None
        self._after: datetime | None = None

    def __enter__(self) -> "Continuity":
        address = self.m.ping_address
        if address:
            with suppress(HostError):  # a console without ping migrates all the same
                self.ping = self._stack.enter_context(Pinger(address, interval_s=PING_EVERY_S))
            if self.m.probe_port:
                argv = [sys.executable, "-I", str(TCP), address, str(self.m.probe_port), f"{OTHERS_EVERY_S:g}"]
                tcp = Prober(argv, interval_s=OTHERS_EVERY_S)
                self.probes.append(self._started("tcp", f"TCP port {self.m.probe_port} from the console", tcp))
            self.observer = observers.observer_of(self.m)
            if self.observer:
                self._observe(self.observer, address)
        self._watch_wire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def _observe(self, observer: Observer, address: str) -> None:
        argv = {"ping": (f"Ping from {observer.title}", ping_argv(address, PING_EVERY_S), PING_EVERY_S)}
        if is_ipv4(address):
            ask = argv_on_host(ARP, address, f"{OTHERS_EVERY_S:g}")
            argv["arp"] = (f"ARP from {observer.title}", ask, OTHERS_EVERY_S)
        for name, (title, command, interval_s) in argv.items():
            self.probes.append(self._on_host(observer.host, name, title, command, interval_s))

    def _watch_wire(self) -> None:
        """Let the source look how memory and disks leave it, where it is known to which address they go."""
        address = self.m.destination.migration_address if self.m.destination else ""
        if self.m.source and is_ipv4(address) and not self.m.options.get("tunnelled"):
            try:
                self.wire = self._stack.enter_context(wires.watched(self.m.source, address))
            except HostError as error:
                self._unwatched = str(error)

    def _on_host(self, host: Host, name: str, title: str, argv: list[str], interval_s: float) -> Probe:
        """A probe on a host, unless so many run there already that ssh had no session left for others."""
        if not observers.take_session(host):
            return Probe(name, title, problem=f"{observers.SESSIONS} probes run on {host.name} already")
        self._stack.callback(observers.give_session_back, host)
        try:
            prober = reach.prober(host, argv, interval_s=interval_s)
        except HostError as error:
            return Probe(name, title, problem=str(error))
        return self._started(name, title, prober)

    def _started(self, name: str, title: str, prober: Prober) -> Probe:
        try:
            self._stack.enter_context(prober)
        except HostError as error:
            return Probe(name, title, problem=str(error))
        return Probe(name, title, prober)

    def note(self) -> None:
        """Put what was seen so far onto the row."""
        if self.m.state in BEFORE:
            self._before = timezone.now()
        elif self._after is None and self.m.state in AFTER:
            self._after = timezone.now()
        values: dict[str, Any] = {"continuity": self.figures()} if self.probes or self.wire or self._unwatched else {}
        if self.ping:
            values["ping"] = self._figures(self.ping)
        if values:
            record.note(self.m, **values)

    def figures(self) -> dict[str, Any]:
        """The other probes, as the row keeps them."""
        found = self.m.continuity
        return {
            **{name: found[name] for name in ("switch_ports",) if name in found},
            "observer": {"host": self.observer.host.name, "role": self.observer.role} if self.observer else None,
            "probes": [self._of(probe) for probe in self.probes],
            "announced": self._announced(),
            "streams": self._streams(),
            "wire_error": self._wire_error(),
        }

    def _of(self, probe: Probe) -> dict[str, Any]:
        error = probe.problem or (probe.prober.error if probe.prober else "")
        figures = self._figures(probe.prober) if probe.prober else in_figures(PingSummary())
        return {"name": probe.name, "title": probe.title, "error": error, **figures}

    def _figures(self, prober: Prober) -> dict[str, Any]:
        """Sums, and the strip about the switch-over with the part of it in which that lies."""
        middle = self._before if self._after else None
        shown = prober.strip(STRIP, around=middle)
        return {
            **in_figures(prober.summary()),
            "strip": [1 if probe.ok else 2 if probe.refused else 0 for probe in shown],
            "switch_over": self._mark(prober, [probe.t_s for probe in shown]),
        }

    def _mark(self, prober: Prober, times: list[float]) -> list[int] | None:
        """From which to which place of the strip the switch-over lies; None before it was."""
        if not (self._before and self._after and times):
            return None
        ends = [prober.since_first_s(moment) for moment in (self._before, self._after)]
        first, last = (sum(t_s < end for t_s in times) for end in ends)
        return [first, last] if first < len(times) else None

    def _streams(self) -> list[dict[str, Any]]:
        """How memory and disks were seen to leave the source; each kind once."""
        seen = self.wire.streams if self.wire else []
        rows = [{"port": one.port, "what": one.what, "encrypted": one.is_encrypted} for one in dict.fromkeys(seen)]
        return rows or list(self.m.continuity.get("streams", []))

    def _wire_error(self) -> str:
        """Why nobody looked at the wire; "" where somebody does."""
        return self.wire.error if self.wire else self._unwatched

    def _announced(self) -> dict[str, str] | None:
        """The first time after the switch-over began that the guest's place was announced, as the second host heard it."""
        heard = [one for probe in self.probes if probe.prober for one in probe.prober.announcements]
        since = self._before or timezone.now()
        found = next((one for one in heard if one.at >= since), None)
        return {"at": found.at.isoformat(), "kind": found.kind, "mac": found.mac} if found else None

    def wait_for_answers(self) -> tuple[str, bool]:
        """Wait for answers that came after now, when the guest has switched over: in words, and whether all came."""
        if self.ping is None:
            return "Not pinged: its address is not known.", True
        since, limit = timezone.now(), time.monotonic() + ANSWER_WITHIN_S
        tcp = next((probe.prober for probe in self.probes if probe.name == "tcp" and probe.prober), None)
        waiting: list[Prober] = [self.ping, *([tcp] if tcp else [])]
        while waiting and time.monotonic() < limit:
            waiting = [prober for prober in waiting if not _answered_since(prober, since)]
            time.sleep(0.02)
        self.note()
        words = [self._ping_in_words(silent=self.ping in waiting)]
        if tcp:
            words.append(self._tcp_in_words(tcp, silent=tcp in waiting))
        return " ".join(words), not waiting

    def _ping_in_words(self, *, silent: bool) -> str:
        assert self.ping
        found = self.ping.summary()
        if not silent:
            return f"It answers ping; the longest gap was {found.longest_gap_ms:.0f} ms."
        if not found.received:
            return f"{self.m.ping_address} never answered ping, not before the migration either: check the address."
        return f"It has not answered ping for {ANSWER_WITHIN_S:.0f} s since the switch-over: look at its console."

    def _tcp_in_words(self, tcp: Prober, *, silent: bool) -> str:
        found = tcp.summary()
        if not silent:
            return f"Port {self.m.probe_port} answers; the longest gap was {found.longest_gap_ms:.0f} ms."
        how = "refuses the connection" if found.refused else "is silent"
        before = "" if found.received else ", as before the migration"
        return f"Port {self.m.probe_port} {how}{before}: look at the service."

    def conclude(self) -> None:
        """The last figures, and by which port the source's bridge now reaches the guest."""
        if self.m.state == State.COMPLETED and self.ping:
            self.m.continuity = {**self.m.continuity, "switch_ports": observers.switch_ports(self.m)}
        self.note()
        record.publish(self.m)


def _answered_since(prober: Prober, since: datetime) -> bool:
    last = prober.summary().last_at
    return last is not None and last > since


def is_ipv4(text: str) -> bool:
    try:
        return ip_address(text).version == 4
    except ValueError:
        return False


def in_figures(summary: PingSummary) -> dict[str, Any]:
    return {
        "sent": summary.sent,
        "lost": summary.lost,
        "refused": summary.refused,
        "longest_gap_ms": summary.longest_gap_ms,
    }
