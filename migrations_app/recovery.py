"""Picks up what lost its owner, asks again where nothing could be known, and carries out what a person chose."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from hosts import audit, reach
from hosts.errors import Refused
from migrations_app import disks, finish, offline, record, runner, states, views_of_hosts
from migrations_app.models import Kind, Migration
from migrations_app.states import State
from migrations_app.verdict import Finding, judge

ASK_AGAIN = timedelta(seconds=5)
"""How often both hosts are asked again about a migration that needs attention."""


def sweep() -> None:
    """Drive every migration that nobody drives; quick, since each drive has a thread of its own."""
    for pk in Migration.objects.filter(record.unowned(), state__in=states.DRIVEN).values_list("pk", flat=True):
        runner.launch(pk)
    disks.sweep()
    unasked = Q(heartbeat=None) | Q(heartbeat__lt=timezone.now() - ASK_AGAIN)
    due = Migration.objects.filter(unasked, state=State.NEEDS_ATTENTION)
    for migration in due.select_related("vm", "source", "destination", "audit"):
        # The heartbeat is the time of the last look here; whoever moves it first looks.
        if Migration.objects.filter(pk=migration.pk, heartbeat=migration.heartbeat).update(heartbeat=timezone.now()):
            look_again(migration)


def look_again(migration: Migration) -> None:
    """Ask both hosts; go on where they settle it, else keep what they said."""
    if migration.kind == Kind.OFFLINE:
        offline.look_again(migration)
        if migration.state in states.DRIVEN:
            runner.launch(migration.pk)
        return
    source, destination = views_of_hosts.both(migration)
    verdict = judge(source, destination)
    if verdict.finding is Finding.UNDER_WAY:
        record.advance(migration, State.COPYING, error="", hint="", evidence={})
    elif verdict.finding is Finding.AT_DESTINATION:
        record.advance(migration, State.VERIFYING, error="", hint="", evidence={})
    elif verdict.finding is Finding.AT_SOURCE:
        hint = f"{migration.vm_name} runs on at {migration.source_name}; look why it failed, and start again."
        error = migration.evidence.get("error") or "The migration ended before the guest had moved."
        record.advance(migration, State.FAILED, error=error, hint=hint, raw_error=migration.evidence.get("raw", ""))
    else:
        # What libvirt said when it broke stays; only what the hosts say now is new.
        found = migration.evidence | runner.evidence(source, destination, verdict.choices, None)
        found |= {name: migration.evidence.get(name, "") for name in ("error", "raw")}
        record.note(migration, evidence=found, error=verdict.because)
        record.publish(migration)
    if migration.state in states.DRIVEN:
        runner.launch(migration.pk)


def resolve(*, migration: Migration, choice: str, actor: audit.Actor) -> None:
    """Carry out what a person chose for a migration that needs attention.

    Asks both hosts once more before it acts. Raises Refused where the choice is not offered or not safe any more.
    """
    with audit.act(
        actor=actor,
        action=f"resolve migration: {choice}",
        target=migration,
        hosts=[migration.source, migration.destination],
    ):
        if migration.state != State.NEEDS_ATTENTION or choice not in migration.evidence.get("choices", []):
            raise Refused("That choice is not offered any more.", vm=migration.vm_name, hint="Look at the page again.")
        if choice != "look_again":
            _carry_out(migration, choice)
        if not migration.is_over:
            look_again(migration)


def _carry_out(migration: Migration, choice: str) -> None:
    source, destination = views_of_hosts.both(migration)
    if choice not in judge(source, destination).choices:
        raise Refused(
            "What both hosts say has changed; nothing was done.", vm=migration.vm_name, hint="Look at the page again."
        )
    if choice == "close_as_failed":
        disks.leave(migration)
        record.advance(migration, State.FAILED, hint="Neither host ran the guest when this was closed.")
        return
    host = migration.source if choice == "resume_at_source" else migration.destination
    assert host  # it answered a moment ago
    with reach.libvirt(host) as connection:
        connection.guest(str(migration.vm_uuid), timeout_s=15).resume(timeout_s=finish.ASK_S)
