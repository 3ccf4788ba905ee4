"""The only writer of a move's state: a row first, then the pages are told. Who does not hold the lease writes nothing."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from hosts import audit, live
from hosts.errors import HostError
from hosts.lease import unowned
from hosts.models import ImageMove
from hosts.moving_images.steps import Step

LEASE = timedelta(seconds=6)
"""An owner beats every second; one that was silent for this long has died, and another may take over."""
State = ImageMove.State


class Overtaken(Exception):
    """Another process took this move since we read it; whoever gets this stops touching it."""


def claim(pk: int, *, owner: str) -> ImageMove | None:
    """Take up move `pk`; None where it waits for a person, is over, or another works on it."""
    attempt = ImageMove.objects.filter(pk=pk).values_list("attempt", flat=True).first()
    if attempt is None:
        return None
    due = ImageMove.objects.filter(unowned(LEASE), pk=pk, state__in=ImageMove.DRIVEN, attempt=attempt)
    if due.update(owner=owner, heartbeat=timezone.now(), attempt=attempt + 1) != 1:
        return None
    return ImageMove.objects.select_related("host", "user", "audit").get(pk=pk)


def beat(pk: int, *, owner: str) -> bool:
    return ImageMove.objects.filter(pk=pk, owner=owner).update(heartbeat=timezone.now()) == 1


def release(move: ImageMove) -> None:
    ImageMove.objects.filter(pk=move.pk, owner=move.owner).update(owner="", heartbeat=None)


def note(move: ImageMove, **values: Any) -> None:
    """Write facts of a move. Raises Overtaken where the lease was lost."""
    if ImageMove.objects.filter(pk=move.pk, owner=move.owner).update(**values) != 1:
        raise Overtaken(str(move))
    for name, value in values.items():
        setattr(move, name, value)
    publish(move)


def turn(move: ImageMove, to: str, *, since: str | None = None, **values: Any) -> None:
    """Move the state on, if it still is what we know. Raises Overtaken."""
    since = since or move.state
    with transaction.atomic():
        mine = ImageMove.objects.filter(pk=move.pk, owner=move.owner, state=since)
        if mine.update(state=to, **values) != 1:
            raise Overtaken(str(move))
        for name, value in {**values, "state": to}.items():
            setattr(move, name, value)
        publish(move)


def stop(move: ImageMove, error: HostError) -> None:
    """Leave the move to a person, with what went wrong; nothing goes on by itself."""
    _end_running_steps(move, "failed", error.message)
    turn(move, State.STOPPED, error=error.message, hint=error.hint, raw_error=error.raw, progress={}, steps=move.steps)


def finish(move: ImageMove, to: str) -> None:
    """The way is gone to its end; the audit row is closed."""
    values: dict[str, Any] = {"error": "", "hint": "", "raw_error": "", "progress": {}, "finished": timezone.now()}
    turn(move, to, **values)
    if move.audit:
        outcome = audit.Outcome.CANCELLED if to == State.UNDONE else audit.Outcome.SUCCEEDED
        audit.close(move.audit, outcome, move.get_state_display())


def begin_step(move: ImageMove, step: Step, detail: str = "") -> None:
    """Mark a step as running; where it already runs, only its detail changes."""
    now = timezone.now().isoformat()
    last = move.steps[-1] if move.steps else {}
    if last.get("name") == step and last.get("state") == "running":
        last["detail"] = detail or last["detail"]
    else:
        _end_running_steps(move, "done")
        entry = {"name": str(step), "state": "running", "detail": detail, "started": now, "finished": None}
        move.steps.append({**entry, "back": move.going_back})
    note(move, steps=move.steps)


def end_step(move: ImageMove, state: str = "done", detail: str = "") -> None:
    _end_running_steps(move, state, detail)
    note(move, steps=move.steps)


def _end_running_steps(move: ImageMove, state: str, detail: str = "") -> None:
    for step in move.steps:
        if step["state"] == "running":
            step |= {"state": state, "finished": timezone.now().isoformat(), "detail": detail or step["detail"]}


def publish(move: ImageMove) -> None:
    live.publish(f"image-move.{move.pk}", hosts=[move.host_id])
