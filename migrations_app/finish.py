"""What comes after the switch-over: verify on both hosts, make it persistent there, settle the source's definition."""

import logging
import time
from typing import Any

from django.utils import timezone

from hosts import reach
from hosts.domain_xml import METADATA_URI
from hosts.errors import DomainNotFound, HostError
from hosts.libvirt_client.domain import Guest
from hosts.models import Host
from hosts.ping import Pinger
from hosts.stale_mark import PREFIX, stale_mark
from migrations_app import record, views_of_hosts
from migrations_app.models import Migration
from migrations_app.plan import Options
from migrations_app.sampler import ping_figures
from migrations_app.states import State, StepState
from migrations_app.verdict import Finding, judge

log = logging.getLogger(__name__)
ASK_S = 40.0
"""Longer than libvirt itself waits for the job lock (30 s) before it says that a guest is busy."""
ANSWER_WITHIN_S = 5.0
"""How long the guest may take to answer ping at the destination before the step warns."""


def note_final_figures(migration: Migration, guest: Guest) -> None:
    """Keep libvirt's figures of the job that ended; none are there where it failed, and that is no error."""
    try:
        stats = guest.job_stats(completed=True, timeout_s=ASK_S)
    except HostError as error:
        log.info("no final figures of migration %s: %s", migration.pk, error)
        return
    if stats.kind != "completed":
        return
    record.note(
        migration,
        downtime_ms=stats.downtime_ms if stats.downtime_ms is not None else migration.downtime_ms,
        transferred_bytes=stats.data_processed_bytes or migration.transferred_bytes,
        memory_total_bytes=stats.memory_total_bytes or migration.memory_total_bytes,
        progress={
            **migration.progress,
            "percent": 100,
            "remaining_bytes": 0,
            "eta_s": 0,
            "transferred_bytes": stats.data_processed_bytes or 0,
            "elapsed_ms": stats.time_elapsed_ms or migration.progress.get("elapsed_ms", 0),
        },
    )


class Finish:
    """The last three steps, each of which can be done again."""

    def __init__(self, migration: Migration, options: Options, pinger: Pinger | None) -> None:
        self.m, self.options, self.pinger = migration, options, pinger

    def run(self) -> None:
        if self.m.state == State.VERIFYING and not self.verify():
            return
        self.define()
        self.clean_up()
        if self.pinger:
            record.note(self.m, ping=self._merged_ping())
        ask_for_sync(self.m.source, self.m.destination)
        record.advance(self.m, State.COMPLETED, error="", hint="")

    def verify(self) -> bool:
        """Shut off at the source, running at the destination, answering ping. False: a person must look."""
        record.begin_step(self.m, "verify")
        source, destination = views_of_hosts.both(self.m)
        verdict = judge(source, destination)
        if verdict.finding is not Finding.AT_DESTINATION:
            found: dict[str, Any] = {"source": source.in_words(), "destination": destination.in_words()}
            found |= {"choices": list(verdict.choices), "asked": timezone.now().isoformat()}
            record.needs_attention(self.m, error=verdict.because, evidence=found)
            return False
        if self.m.downtime_ms is None:
            self._figures_from_destination()
        pinged, answered = self._answer()
        words = [f"Runs on {self.m.destination_name}, not on {self.m.source_name}.", pinged]
        if not source.reachable:
            words[0] = (
                f"Runs on {self.m.destination_name}; {self.m.source_name} does not answer, so its copy could not be looked at."
            )
        good = answered and source.reachable
        record.end_step(self.m, "verify", StepState.DONE if good else StepState.WARNING, " ".join(words))
        record.advance(self.m, State.DEFINING)
        return True

    def _figures_from_destination(self) -> None:
        with reach.libvirt(self._destination) as connection:
            note_final_figures(self.m, connection.guest(str(self.m.vm_uuid), timeout_s=ASK_S))

    def _answer(self) -> tuple[str, bool]:
        """Wait for an answer that came after the switch-over."""
        if self.pinger is None:
            return "Not pinged: its address is not known.", True
        since, limit = timezone.now(), time.monotonic() + ANSWER_WITHIN_S
        while time.monotonic() < limit:
            last = self.pinger.summary().last_at
            if last and last > since:
                record.note(self.m, ping=self._merged_ping())
                gap = self.m.ping.get("longest_gap_ms")
                return f"It answers ping; the longest gap was {gap} ms.", True
            time.sleep(0.02)
        record.note(self.m, ping=self._merged_ping())
        if not self.pinger.summary().received:
            return (
                f"{self.m.ping_address} never answered ping, not before the migration either: check the address.",
                False,
            )
        return (
            f"It has not answered ping for {ANSWER_WITHIN_S:.0f} s since the switch-over: look at its console.",
            False,
        )

    def _merged_ping(self) -> dict[str, Any]:
        assert self.pinger
        return ping_figures(self.pinger)

    @property
    def _destination(self) -> Host:
        if self.m.destination is None:
            raise HostError(f"{self.m.destination_name} was removed from the console.", hint="Add it again.")
        return self.m.destination

    def define(self) -> None:
        """Dump the live XML into the history and make sure that the guest has a persistent definition there."""
        record.begin_step(self.m, "define")
        with reach.libvirt(self._destination) as connection:
            guest = connection.guest(str(self.m.vm_uuid), timeout_s=ASK_S)
            record.note(self.m, live_xml=guest.xml(timeout_s=ASK_S))
            if guest.is_persistent(timeout_s=ASK_S):
                words = "libvirt made it persistent as it arrived; the definition was read back."
            else:
                # Secure, so that a VNC password is not lost; it goes straight back to the host and is kept nowhere.
                connection.define(guest.xml(inactive=True, secure=True, timeout_s=ASK_S), timeout_s=ASK_S)
                words = "The live XML was dumped and defined; the definition was read back."
            if not guest.is_persistent(timeout_s=ASK_S):
                raise HostError(
                    f"{self.m.vm_name} is still transient on {self._destination.name}.", hint="Define it by hand."
                )
            guest.xml(inactive=True, timeout_s=ASK_S)
        record.end_step(self.m, "define", detail=words)

    def clean_up(self) -> None:
        """Undefine the guest at the source, or keep it as chosen: marked stale, autostart off."""
        record.begin_step(self.m, "clean_up")
        try:
            state, words = self._settle_source()
        except HostError as error:
            what = "undefined" if self.options.undefine_source else "marked as stale"
            words = f"The definition on {self.m.source_name} could not be {what}: {error} Remove it there before that host starts it."
            state = StepState.WARNING
        record.end_step(self.m, "clean_up", state, words)

    def _settle_source(self) -> tuple[StepState, str]:
        if self.m.source is None:
            return (
                StepState.WARNING,
                f"{self.m.source_name} was removed from the console; look there for an old definition.",
            )
        with reach.libvirt(self.m.source) as connection:
            try:
                guest = connection.guest(str(self.m.vm_uuid), timeout_s=ASK_S)
            except DomainNotFound:
                return StepState.DONE, f"{self.m.source_name} has no definition of it any more."
            state, _ = guest.state(timeout_s=ASK_S)
            if state != "shut off":
                return StepState.WARNING, f"On {self.m.source_name} it is {state}; nothing was touched there."
            if not self.m.source_xml:
                record.note(self.m, source_xml=guest.xml(inactive=True, timeout_s=ASK_S))
            autostart = guest.autostart(timeout_s=ASK_S)
            if autostart:
                self._carry_autostart()
                guest.set_autostart(False, timeout_s=ASK_S)
            if self.options.undefine_source:
                guest.undefine(timeout_s=ASK_S)
                return (
                    StepState.DONE,
                    f"The definition on {self.m.source_name} was removed; it is kept in this history.",
                )
            mark = stale_mark(lives_on=self.m.destination_name, since=timezone.now())
            guest.set_metadata(mark, key=PREFIX, uri=METADATA_URI, timeout_s=ASK_S)
            return (
                StepState.DONE,
                f"The definition on {self.m.source_name} was kept and marked as stale, autostart off.",
            )

    def _carry_autostart(self) -> None:
        with reach.libvirt(self._destination) as connection:
            connection.guest(str(self.m.vm_uuid), timeout_s=ASK_S).set_autostart(True, timeout_s=ASK_S)


def ask_for_sync(*hosts: Host | None) -> None:
    """libvirt may send no event when a definition goes, so let the watcher list again."""
    pks = [host.pk for host in hosts if host]
    Host.objects.filter(pk__in=pks).update(sync_requested=timezone.now())
