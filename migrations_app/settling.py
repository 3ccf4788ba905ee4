"""What becomes of a migration that libvirt has ended, or of which nobody knows: both hosts say where the guest is, and that
decides. The same for the worker that drove it and for the sweep that asks again."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from hosts import reach
from hosts.errors import HostError, MigrationFailed
from hosts.models import Host
from migrations_app import evidence, record, verdict, views_of_hosts
from migrations_app.host_view import View
from migrations_app.models import Migration, TimelineEntry
from migrations_app.plan import Options
from migrations_app.states import State, StepState
from migrations_app.verdict import Finding, Verdict

log = logging.getLogger(__name__)
ACT_S = 40.0
"""Longer than libvirt itself waits for the job lock (30 s) before it says that a guest is busy."""
PASSING = frozenset({Finding.UNKNOWN, Finding.NOWHERE, Finding.RESUME_AT_SOURCE, Finding.RESUME_AT_DESTINATION})
"""What may be but a moment between two states, so it is asked again before a person is called."""
PATIENCE_S = 3.0
ENDING_S = 60.0
"""Twice what libvirt needs to give up a destination that does not say how it ended (keepalive, 30 s)."""
ASK_EVERY_S = 0.5
TRY_OTHERWISE = "Try again with a policy that may do more, with a longer pause, or at a quieter time."


def settle(migration: Migration, error: HostError | None, *, stalled: bool = False) -> None:
    """Move `migration` to where both hosts prove it to be; to needs_attention where their answers don't settle it.

    `error` is what libvirt said; it explains, and decides nothing. `stalled`: nothing has moved for too long.
    """
    views, found = ask(migration, stalled=stalled)
    if found.finding is Finding.UNDER_WAY:
        _under_way(migration, views[0], found)
    elif found.finding is Finding.AT_DESTINATION:
        switched(migration, found)
    elif found.finding is Finding.AT_SOURCE:
        stayed(migration, views, error)
    elif found.finding is Finding.RESUME_AT_SOURCE and _may_resume_at_source(migration, views):
        _resume(migration, migration.source, found)
        stayed(migration, views_of_hosts.both(migration), error)
    elif found.finding is Finding.RESUME_AT_DESTINATION and migration.tuning.get("paused"):
        _resume(migration, migration.destination, found)
        switched(migration, found)
    else:
        call_a_person(migration, views, found, error)


def ask(migration: Migration, *, stalled: bool = False) -> tuple[tuple[View, View], Verdict]:
    """What both hosts say and what follows; asked again for a moment where it may be but passing."""
    asks_anyway = migration.state == State.NEEDS_ATTENTION
    began = time.monotonic()
    while True:
        views = views_of_hosts.both(migration)
        found = verdict.judge(*views, stalled=stalled or _stands_still(migration, views[0]))
        answered = views[0].reachable and views[1].reachable
        # Only the destination tells of a job: the source has sent all, and is about to learn what became of it.
        is_ending = found.finding is Finding.UNDER_WAY and not views[0].job
        passing = (found.finding in PASSING and answered) or is_ending
        patience = ENDING_S if is_ending else PATIENCE_S
        if not passing:
            return views, found
        if asks_anyway or time.monotonic() > began + patience:
            return views, _unknown(found) if is_ending else found
        time.sleep(ASK_EVERY_S)


def _unknown(found: Verdict) -> Verdict:
    meaning = "The migration should have ended by now, and libvirt does not end it."
    return Verdict(Finding.UNKNOWN, f"{found.because} {meaning}", ("look_again",))


def _stands_still(migration: Migration, source: View) -> bool:
    """A person was called since nothing moved, and nothing has moved since."""
    known = migration.evidence
    called = migration.state == State.NEEDS_ATTENTION and known.get("finding") == Finding.STALLED
    return called and known.get("moved_bytes") == source.moved_bytes


def _under_way(migration: Migration, source: View, found: Verdict) -> None:
    log.info("migration %s is under way: %s", migration.pk, found.because)
    if migration.state != State.NEEDS_ATTENTION:
        return  # the sweep attaches to it
    to = State.SWITCHING if source.paused else State.COPYING
    _settled(migration, found)
    record.advance(migration, to, error="", hint="", evidence={})


def switched(migration: Migration, found: Verdict) -> None:
    """The guest runs at the destination: verify, define and clean up are left."""
    was_asking = migration.state == State.NEEDS_ATTENTION
    for step in migration.steps.filter(name__in=("copy", "switch_over")).exclude(state=StepState.DONE):
        record.end_step(migration, step.name)
    if was_asking:
        _settled(migration, found)
    record.begin_step(migration, "verify")
    # Why an earlier try to finish failed is kept: whoever fails again in the same way waits longer.
    record.advance(migration, State.VERIFYING, error="", hint="")


def stayed(migration: Migration, views: tuple[View, View], error: HostError | None) -> None:
    """The guest is safe at the source: cancelled as wished, or failed."""
    drop_leftover(migration, views)
    if Migration.objects.filter(pk=migration.pk, cancel_requested__isnull=False).exists():
        record.advance(migration, State.CANCELLED, error="", hint="")
        return
    known = error or _error_of_before(migration)
    if gave_up := migration.tuning.get("gave_up"):
        # The policy or the time limit ended it; libvirt only says that it was cancelled.
        known = MigrationFailed(gave_up, hint=TRY_OTHERWISE)
    hint = f"{migration.vm_name} runs on at {migration.source_name}. {known.hint}"
    record.fail(migration, HostError(str(known), hint=hint, raw=known.raw))


def _error_of_before(migration: Migration) -> HostError:
    if said := migration.evidence.get("error"):
        return MigrationFailed(said, raw=migration.evidence.get("raw", ""))
    if Options.from_dict(migration.options).direct and migration.attempt > 1:
        return MigrationFailed("The console that drove this migration ended, so libvirt cancelled it.")
    if migration.attempt > 1:
        return MigrationFailed("libvirt ended the migration while no worker watched it, and keeps no message.")
    return MigrationFailed("libvirt ended the migration without a message.")


def _may_resume_at_source(migration: Migration, views: tuple[View, View]) -> bool:
    """We paused it ourselves, or the switch-over did, and it is proven not to have gone on at the destination."""
    persists = bool(migration.options.get("persistent"))
    return bool(migration.tuning.get("paused")) or verdict.never_ran_at_destination(*views, persists=persists)


def _resume(migration: Migration, host: Host | None, found: Verdict) -> None:
    """Let it go on where it stands paused: the views that `found` rests on prove it not to be active on the other host."""
    assert host
    with reach.libvirt(host) as connection:
        connection.guest(str(migration.vm_uuid), timeout_s=ACT_S).resume(timeout_s=ACT_S)
    record.tell(migration, f"Resumed at {host.name}", reason=found.because)


def call_a_person(
    migration: Migration, views: tuple[View, View], found: Verdict, error: HostError | None, *, because: str = ""
) -> None:
    """Stop, with both hosts' evidence; where it has stopped before, bring what is shown up to date."""
    said = because or found.because
    found = replace(found, choices=offerable(migration, views, found.choices))
    known = evidence.gather(migration, views, found, error)
    if role := known.get("forgotten"):
        name = migration.source_name if role == "source" else migration.destination_name
        said += (
            f" {name} runs a QEMU of it that its libvirt has forgotten: restart libvirtd there, and it is found again."
        )
    if migration.state == State.NEEDS_ATTENTION:
        news = known["finding"] != migration.evidence.get("finding")
        record.note(migration, evidence=known, error=said)
    else:
        news = True
        record.needs_attention(migration, error=said, evidence=known)
    if news:
        record.tell(migration, f"Needs attention: {found.finding}", kind=TimelineEntry.Kind.WARNING, reason=said)
    else:
        record.publish(migration)


def offerable(migration: Migration, views: tuple[View, View], names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the choices `names` that are safe, as both hosts' `views` and the row have it."""
    found = [name for name in names if verdict.is_safe(name, *views)]
    if not kept_definition(migration):
        found = [name for name in found if name != "define_at_source"]
    # A disk that is copied along is whole at the destination only once the source has handed the guest over.
    handed_over = views[0].reason == "migrated" or views[1].in_postcopy
    if migration.disks and not handed_over:
        found = [name for name in found if name != "start_at_destination"]
    return tuple(found)


def kept_definition(migration: Migration) -> str:
    """The guest's definition as it was before the migration; of a transient guest what it ran from. "" where none was kept."""
    return migration.source_xml or str(migration.before.get("live_xml", ""))


def _settled(migration: Migration, found: Verdict) -> None:
    if migration.evidence.get("finding") == found.finding:
        return  # where the guest is was known; it is only tried again to finish
    record.tell(migration, f"Settled by itself: {found.finding}", reason=found.because)


def drop_leftover(migration: Migration, views: tuple[View, View] | None = None) -> str:
    """Force off what a broken switch-over left paused on the host that lost, once the guest is proven to run on the other.

    libvirt does so itself where it still knows of the migration; it is given a moment. Both are asked again right before.
    What was done, in words; "" where there was nothing to do or it could not be done.
    """
    checks: tuple[tuple[Host | None, Callable[[View, View], bool]], ...] = (
        (migration.source, verdict.leftover_at_source),
        (migration.destination, verdict.leftover_at_destination),
    )
    views = views or views_of_hosts.both(migration)
    limit = time.monotonic() + PATIENCE_S
    while any(left(*views) for _, left in checks) and time.monotonic() < limit:
        time.sleep(ASK_EVERY_S)
        views = views_of_hosts.both(migration)
    for host, left in checks:
        if host and left(*views):
            return _force_off(migration, host)
    return ""


def _force_off(migration: Migration, host: Host) -> str:
    words = f"The paused copy on {host.name} was forced off; the guest is proven to run on the other host."
    try:
        with reach.libvirt(host) as connection:
            connection.guest(str(migration.vm_uuid), timeout_s=ACT_S).destroy(timeout_s=ACT_S)
    except HostError as error:
        log.info("leftover of migration %s on %s: %s", migration.pk, host.name, error)
        return ""
    record.tell(migration, f"Forced off the leftover on {host.name}", reason=words)
    return words
