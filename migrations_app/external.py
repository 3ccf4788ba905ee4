"""A migration that somebody else began: where it goes to, how it ended, and what it left; nothing is changed on the hosts."""

import re
import time
from uuid import UUID

from hosts import reach
from hosts.errors import HostError
from hosts.models import Host, Placement
from hosts.models.inventory import ACTIVE_STATES
from migrations_app import conformance, explain, host_logs, pictures, record, views_of_hosts
from migrations_app.diagnosis import window_of
from migrations_app.finish import ASK_S, Finish, note_final_figures, step_state
from migrations_app.host_view import View
from migrations_app.models import Migration, TimelineEntry
from migrations_app.states import State, StepState
from migrations_app.verdict import Finding, judge

UNKNOWN_PLACE = "a host that this console does not know"
LOCATE_WITHIN_S = 3.0
"""How long the inventory may take to show where the guest arrived."""
UNTOUCHED = "Begun outside the console, so nothing was changed."


def find_destination(vm_uuid: UUID | str, source: Host | None) -> Host | None:
    """The one other host on which the guest waits to come in, or runs, as the inventory has it."""
    rows = Placement.objects.filter(vm__uuid=vm_uuid, present=True, state__in=ACTIVE_STATES).exclude(host=source)
    found = list(rows.select_related("host")[:2])
    return found[0].host if len(found) == 1 else None


def locate(migration: Migration) -> None:
    """Note the destination once the inventory shows it."""
    if migration.destination_name:
        return
    host = find_destination(migration.vm_uuid, migration.source)
    if host:
        record.name_destination(migration, host)


def settled(migration: Migration) -> bool:
    """Settle what only an external migration has; False where the verdict on both hosts' answers is to decide.

    That is: its destination may be unknown, and nobody here was told why it ended.
    """
    limit = time.monotonic() + LOCATE_WITHIN_S
    source = views_of_hosts.view(migration.source, str(migration.vm_uuid))
    if source.job:
        return True  # under way: the sweep attaches to it
    while not migration.destination_name and not source.runs and time.monotonic() < limit:
        locate(migration)
        time.sleep(0.1)
    locate(migration)
    if not migration.destination_name:
        return _without_destination(migration, source)
    finding = judge(*views_of_hosts.both(migration)).finding
    if finding is Finding.AT_SOURCE:
        _stayed(migration)
    elif finding is Finding.AT_DESTINATION and migration.source:
        _note_figures(migration, migration.source)
    return finding is Finding.AT_SOURCE


def _note_figures(migration: Migration, source: Host) -> None:
    try:
        with reach.libvirt(source) as connection:
            note_final_figures(migration, connection.guest(str(migration.vm_uuid), timeout_s=ASK_S))
    except HostError:
        pass  # the source has no trace of it any more; the destination is asked later


def _stayed(migration: Migration) -> None:
    """It runs on at the source: cancelled by us or, as the logs say, by somebody else; else it failed."""
    if Migration.objects.filter(pk=migration.pk, cancel_requested__isnull=False).exists():
        record.advance(migration, State.CANCELLED)
        return
    logs = host_logs.of_both(migration, *window_of(migration))
    lines = {each.role: each.lines for each in logs}
    if explain.was_cancelled(lines.get("source", ()), lines.get("destination", ())):
        record.end_step(migration, "copy", StepState.SKIPPED, "Cancelled outside the console, as the hosts' logs say.")
        record.tell(migration, "Cancelled outside the console", reason="The logs of both hosts say so.")
        record.advance(migration, State.CANCELLED)
        return
    raw = next((line for line in reversed(lines.get("source", ())) if " error : " in line), "")
    message = f"It ended before {migration.vm_name} had moved; whoever began it was told why."
    record.fail(migration, HostError(message, hint=f"{migration.vm_name} runs on at {migration.source_name}.", raw=raw))


def _without_destination(migration: Migration, source: View) -> bool:
    """No known host has the guest: only the source can tell. libvirt calls it migrated once the destination has confirmed."""
    if source.runs:
        _stayed(migration)
        return True
    if not source.reachable or not (source.reason == "migrated" or _log_says_migrated(migration)):
        return False
    if migration.source:
        _note_figures(migration, migration.source)
    record.end_step(migration, "copy")
    record.end_step(migration, "switch_over")
    words = (
        f"{migration.source_name} says that it migrated; it arrived on {UNKNOWN_PLACE}, so that could not be looked at."
    )
    record.end_step(migration, "verify", StepState.WARNING, words)
    record.advance(migration, State.VERIFYING)
    for step in ("define", "clean_up"):
        record.end_step(migration, step, StepState.SKIPPED, UNTOUCHED)
    record.advance(migration, State.DEFINING)
    record.advance(migration, State.COMPLETED, error="", hint="")
    return True


def _log_says_migrated(migration: Migration) -> bool:
    """libvirt writes the reason into QEMU's log as it ends the source's QEMU (qemuProcessStop), also where nothing else is left."""
    since, until = window_of(migration)
    log = host_logs.of_host(
        migration.source, migration.source_name, "source", vm=migration.vm_name, since=since, until=until
    )
    ends = [line for line in log.qemu if "shutting down, reason=" in line]
    return bool(ends and re.search(r"reason=migrated\b", ends[-1]))


class Outcome(Finish):
    """The last three steps of an external migration: what is found is said, and offered to be repaired."""

    def define(self) -> None:
        """Dump the live XML into the history, and say what the definition there is."""
        record.begin_step(self.m, "define")
        with reach.libvirt(self._destination) as connection:
            guest = connection.guest(str(self.m.vm_uuid), timeout_s=ASK_S)
            record.note(self.m, live_xml=guest.xml(timeout_s=ASK_S))
            rows = conformance.compare_definition(self.before, pictures.take(guest), host=self.m.destination_name)
        differences = conformance.warnings(rows)
        record.end_step(self.m, "define", step_state(not differences), " ".join([UNTOUCHED, *differences]))

    def clean_up(self) -> None:
        """Say what the source still has."""
        record.begin_step(self.m, "clean_up")
        row = self._one_definition()
        words = row.message or f"{self.m.source_name} has no definition that could start a second copy."
        record.end_step(self.m, "clean_up", step_state(row.level == "ok"), f"{UNTOUCHED} {words}")
        for message in conformance.warnings([row]):
            record.tell(self.m, "Left behind", kind=TimelineEntry.Kind.WARNING, reason=message)
