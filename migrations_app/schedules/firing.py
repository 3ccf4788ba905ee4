"""What begins when a schedule is due; which due time is whose, and which ones were missed."""

import logging
from collections import deque
from datetime import datetime, timedelta
from itertools import islice, takewhile

from django.db import IntegrityError, transaction
from django.utils import timezone

from hosts import access, audit, live
from hosts.errors import HostError, Refused
from hosts.models import Host
from migrations_app import actions, evacuation, recurrence
from migrations_app.evacuation.situation import kind_of
from migrations_app.models import Schedule, ScheduleRun
from migrations_app.plan import Options
from migrations_app.schedules.wanted import Wanted, When

log = logging.getLogger(__name__)
Outcome = ScheduleRun.Outcome
SHOWN = 20
"""So many missed times are rows after a long time without the console; the oldest row counts those before it."""
LOOKED_AT = 20_000
"""So many due times are walked through at most: two years of one that is due 24 times a day."""
CUT_OFF = "The console ended while it began; nothing was started."
AT_ONCE = 10


def sweep() -> None:
    """Claim and begin what is due; one that fails does not keep the others from beginning."""
    now = timezone.now()
    for row in Schedule.objects.filter(enabled=True, next_due__lte=now).order_by("next_due")[:AT_ONCE]:
        try:
            run = claim(row, now)
            if run is not None:
                fire(run, audit.Actor(user=row.user, source="schedule"))
        except Exception:
            log.exception("schedule %s failed", row.pk)


def claim(row: Schedule, now: datetime) -> ScheduleRun | None:
    """Take the due times of `row` up to `now`, and return the run to begin; None where all are missed, or another has them."""
    due = row.next_due
    if due is None:
        return None
    runs, following = _times(row, due, now)
    try:
        with transaction.atomic():
            mine = Schedule.objects.filter(pk=row.pk, enabled=True, next_due=due)
            if not mine.update(next_due=following):
                return None
            made = [ScheduleRun.objects.create(schedule=row, outcome=Outcome.MISSED, **run) for run in runs]
    except IntegrityError:
        return None
    if made[-1].note == CUT_OFF:
        return made[-1]  # told once what came of it is known
    live.publish("migrations")
    return None


def _times(row: Schedule, due: datetime, now: datetime) -> tuple[list[dict[str, object]], datetime | None]:
    """The runs up to `now`, of which the last is in its window or not, and the next time after it."""
    times, following = [due], None
    left_out = 0
    if row.cron:
        start = due.astimezone(recurrence.zone_of(row.zone))
        passed = takewhile(lambda time: time <= now, islice(recurrence.times_after(row.cron, start), LOOKED_AT))
        kept: deque[datetime] = deque([due], maxlen=SHOWN)
        for count, time in enumerate(passed, 2):
            kept.append(time)
            left_out = max(0, count - SHOWN)
        times = list(kept)
        following = next(iter(When.read(row).next_times(now)), None)
    runs: list[dict[str, object]] = [{"due": time, "note": _missed(time, now)} for time in times]
    if left_out:
        runs[0]["note"] = f"{runs[0]['note']} {left_out} earlier times were missed too."
    if now - times[-1] <= timedelta(minutes=row.window_minutes):
        runs[-1]["note"] = CUT_OFF
    return runs, following


def _missed(time: datetime, now: datetime) -> str:
    late = int((now - time).total_seconds() // 60)
    return f"The console could not begin it within its window; it noticed {late} minutes after its time."


def fire(run: ScheduleRun, actor: audit.Actor) -> None:
    """Begin what the schedule of `run` says, as `actor`, whose rights count now; write what came of it into `run`."""
    row = Schedule.objects.select_related("vm__host", "host", "destination", "user").get(pk=run.schedule_id)
    event = audit.begin(actor=actor, action="run schedule", target=row, hosts=hosts_of(row), reason=row.reason)
    try:
        with transaction.atomic():
            try:
                _require(row, actor)
                _begin(run, row, actor)
                outcome, note = Outcome.STARTED, ""
            except HostError as error:
                outcome, note = Outcome.REFUSED, f"{error} {error.hint}".strip()
            run.outcome, run.note = outcome, note[:600]
            run.save(update_fields=["outcome", "note", "migration", "evacuation"])
    except BaseException as error:
        audit.close(event, audit.Outcome.FAILED, f"{type(error).__name__}: {error}")
        ScheduleRun.objects.filter(pk=run.pk).update(note=f"Nothing was started: {type(error).__name__}: {error}"[:600])
        raise
    audit.close(event, audit.Outcome.SUCCEEDED if outcome == Outcome.STARTED else audit.Outcome.REFUSED, note)
    live.publish("migrations")


def hosts_of(row: Schedule) -> list[Host | None]:
    """The hosts that `row` names as it stands: where its VM is and goes to, or the one to empty and its destinations."""
    if row.what == Schedule.What.MIGRATE:
        return [row.vm.host if row.vm else None, row.destination]
    named = Host.objects.filter(name__in=row.options.get("destinations", []))
    return [row.host, *named]


def _require(row: Schedule, actor: audit.Actor) -> None:
    """Raises Refused unless `actor` may still operate all that `row` touches."""
    user = actor.user
    if user is None or not user.is_active:
        who = f"{row.username}, whose schedule this is," if user is None else user.get_username()
        raise Refused(f"{who} has no active account any more.", hint="Save the schedule anew to make it yours.")
    for host in hosts_of(row):
        if not access.may(user, access.OPERATE, host):
            name = host.name if host else "all hosts"
            raise Refused(
                f"{user.get_username()} may no longer operate {name}.",
                hint="Give the role back, or save the schedule anew as somebody who has it.",
            )


def _begin(run: ScheduleRun, row: Schedule, actor: audit.Actor) -> None:
    wanted, reason = Wanted.read(row), row.reason or f"Schedule {row.name}"
    if row.what == Schedule.What.EVACUATE:
        assert row.host is not None
        plan = evacuation.plan_evacuation(host=row.host, actor=actor, how=wanted.how(reason))
        run.evacuation = plan
        evacuation.start(evacuation=plan, actor=actor)
        return
    assert row.vm is not None and row.destination is not None
    run.migration = actions.start(
        vm=row.vm,
        destination=row.destination,
        options=Options.from_dict(wanted.options),
        actor=actor,
        reason=reason,
        ping_address=wanted.ping_address or None,
        probe_port=wanted.probe_port,
        kind=kind_of(row.vm),
    )
