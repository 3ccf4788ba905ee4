"""What comes after the switch-over: verify on both hosts, make it persistent there, settle the source's definition."""

import logging
import time

from django.utils import timezone

from hosts import forgotten, inventory, reach
from hosts.domain_digest import definition_digest
from hosts.domain_xml import METADATA_URI
from hosts.errors import DomainNotFound, HostError
from hosts.libvirt_client.connection import Connection
from hosts.libvirt_client.domain import Guest
from hosts.models import Host
from hosts.stale_mark import PREFIX, stale_mark
from migrations_app import conformance, pictures, record, settling
from migrations_app.conformance import Picture, Row
from migrations_app.continuity import Continuity
from migrations_app.models import Migration
from migrations_app.plan import Options
from migrations_app.states import DRIVEN, State, StepState
from migrations_app.verdict import Finding

log = logging.getLogger(__name__)
ASK_S = 40.0
"""Longer than libvirt itself waits for the job lock (30 s) before it says that a guest is busy."""
AGENT_WITHIN_S = 3.0
"""How long a guest agent that answered before may take to be connected again."""


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


def note_pending(migration: Migration, words: str) -> None:
    """Keep why the clean-up at the source could not be done, for cleaning.py; "" where nothing is left to do."""
    before = migration.evidence.get("clean_up", {})
    kept = {name: value for name, value in migration.evidence.items() if name != "clean_up"}
    if words:
        kept["clean_up"] = {"words": words, "tries": before.get("tries", -1) + 1}
    if kept != migration.evidence:
        record.note(migration, evidence=kept)
        record.publish(migration)


class Finish:
    """The last three steps, each of which can be done again."""

    def __init__(self, migration: Migration, options: Options, continuity: Continuity | None) -> None:
        self.m, self.options = migration, options
        self.continuity = continuity or Continuity(migration)  # one that was not begun probes nothing
        self.before = Picture.from_dict(migration.before) or Picture()
        self.rows: list[Row] = []

    def run(self) -> None:
        if self.m.state == State.VERIFYING and not self.verify():
            return
        self.define()
        self.clean_up()
        self.compare()
        self.continuity.note()
        tell_inventory(self.m)
        record.advance(self.m, State.COMPLETED, error="", hint="")

    def verify(self) -> bool:
        """Shut off at the source, running at the destination, answering ping. False: a person must look."""
        record.begin_step(self.m, "verify")
        (source, destination), verdict = settling.ask(self.m)
        if verdict.finding is not Finding.AT_DESTINATION:
            settling.call_a_person(self.m, (source, destination), verdict, None)
            return False
        if self.m.downtime_ms is None:
            self._figures_from_destination()
        pinged, answered = self.continuity.wait_for_answers()
        words = [f"Runs on {self.m.destination_name}, not on {self.m.source_name}.", pinged]
        if not source.reachable:
            words[0] = (
                f"Runs on {self.m.destination_name}; {self.m.source_name} does not answer, so its copy could not be looked at."
            )
        same, compared = self._compare_live()
        good = answered and source.reachable and same
        record.end_step(self.m, "verify", step_state(good), " ".join([*words, *compared]))
        record.advance(self.m, State.DEFINING)
        return True

    def _compare_live(self) -> tuple[bool, list[str]]:
        """Whether the guest that arrived is the one that left, and what there is to say of it."""
        limit = time.monotonic() + AGENT_WITHIN_S
        while True:
            self.rows = conformance.compare_live(self.before, self._picture())
            lagging = [row for row in self.rows if row.name == "agent" and row.before == "connected" != row.after]
            if not lagging or time.monotonic() > limit:
                break
            time.sleep(0.2)
        if not self.rows:
            return True, ["What it was like before is not known, so it was not compared."]
        differences = conformance.warnings(self.rows)
        return not differences, differences or ["Nothing differs from before."]

    def _picture(self) -> Picture:
        with reach.libvirt(self._destination) as connection:
            return pictures.take(connection.guest(str(self.m.vm_uuid), timeout_s=ASK_S))

    def compare(self) -> None:
        """Keep the whole comparison: live, definition, and that there is one definition only."""
        after = self._picture()
        rows = conformance.compare_live(self.before, after)
        rows += conformance.compare_definition(self.before, after, host=self.m.destination_name)
        rows.append(self._one_definition())
        record.note(self.m, conformance=conformance.in_order(rows))

    def _one_definition(self) -> Row:
        return conformance.one_definition(pictures.others(self.m), destination=self.m.destination_name)

    def _figures_from_destination(self) -> None:
        with reach.libvirt(self._destination) as connection:
            note_final_figures(self.m, connection.guest(str(self.m.vm_uuid), timeout_s=ASK_S))

    @property
    def _destination(self) -> Host:
        if self.m.destination is None:
            raise HostError(f"{self.m.destination_name} was removed from the console.", hint="Add it again.")
        return self.m.destination

    def define(self) -> None:
        """Dump the live XML into the history and make sure that the guest has its own, persistent definition there."""
        record.begin_step(self.m, "define")
        with reach.libvirt(self._destination) as connection:
            guest = connection.guest(str(self.m.vm_uuid), timeout_s=ASK_S)
            record.note(self.m, live_xml=guest.xml(timeout_s=ASK_S))
            words = self._make_definition(connection, guest)
            if not guest.is_persistent(timeout_s=ASK_S):
                raise HostError(
                    f"{self.m.vm_name} is still transient on {self._destination.name}.", hint="Define it by hand."
                )
            if self.m.before and guest.autostart(timeout_s=ASK_S) != self.before.autostart:
                guest.set_autostart(self.before.autostart, timeout_s=ASK_S)
            rows = conformance.compare_definition(self.before, pictures.take(guest), host=self.m.destination_name)
        differences = conformance.warnings(rows)
        record.end_step(self.m, "define", step_state(not differences), " ".join([words, *differences]))

    def _make_definition(self, connection: Connection, guest: Guest) -> str:
        """Define what libvirt did not. Secure, so that a VNC password is not lost; it goes straight to the host."""
        if not guest.is_persistent(timeout_s=ASK_S):
            forgotten.require_room(self._destination)
            connection.define(guest.xml(inactive=True, secure=True, timeout_s=ASK_S), timeout_s=ASK_S)
            return "The live XML was dumped and defined; the definition was read back."
        had = self.before.definition_xml
        if had and definition_digest(guest.xml(inactive=True, timeout_s=ASK_S)) != definition_digest(had):
            # Without PERSIST_DEST libvirt leaves an old definition as it lay there: the next start would be of another guest.
            connection.define(self._good_definition(guest), timeout_s=ASK_S)
            return (
                f"An old definition lay on {self.m.destination_name}; the guest's own took its place and was read back."
            )
        return "libvirt made it persistent as it arrived; the definition was read back."

    def _good_definition(self, guest: Guest) -> str:
        """The source's definition, which is still there; where it does not answer, what runs."""
        try:
            if self.m.source:
                with reach.libvirt(self.m.source) as connection:
                    there = connection.guest(str(self.m.vm_uuid), timeout_s=ASK_S)
                    return there.xml(inactive=True, secure=True, timeout_s=ASK_S)
        except HostError as error:
            log.info("no definition from the source of migration %s: %s", self.m.pk, error)
        return guest.xml(secure=True, migratable=True, timeout_s=ASK_S)

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
        note_pending(self.m, words if state is StepState.WARNING else "")

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
                if settling.drop_leftover(self.m):
                    return self._settle_source()
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


def step_state(good: bool) -> StepState:
    return StepState.DONE if good else StepState.WARNING


def tell_inventory(migration: Migration) -> None:
    """Bring the rows of the source up to date; libvirt may send no event when a definition goes.

    The hosts themselves, their free memory above all, are looked at again by their watchers when no other migration is
    under way there: the last of many does it for all.
    """
    others = Migration.objects.filter(state__in=DRIVEN).exclude(pk=migration.pk)
    busy = {pk for pair in others.values_list("source", "destination") for pk in pair}
    source, destination = migration.source, migration.destination
    idle = [host.pk for host in (source, destination) if host and host.pk not in busy]
    if source and source.pk in busy:
        try:
            with reach.libvirt(source) as connection:
                inventory.sync_domain(source, connection, migration.vm_uuid)
        except HostError as error:
            log.info("%s on %s was not looked at again: %s", migration.vm_name, source, error)
    Host.objects.filter(pk__in=idle).update(sync_requested=timezone.now())
