"""What a person does with a move: plan it, look again, choose names, start, go on, undo, and at last remove the originals."""

import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from django.db import IntegrityError, transaction

from hosts import audit, holds, jobs, mounts, reach
from hosts.errors import CommandFailed, InvalidInput, Refused
from hosts.models import AuditEvent, Host, ImageMove
from hosts.moving_images import facts, looking, record, scripts
from hosts.nfs import NfsSource, validate_options, validate_target

REMOVE_TIMEOUT_S = 300.0
SHUTDOWN_LIMIT_S = (10, 3600)
State = ImageMove.State


def plan(
    *,
    host: Host,
    source: str,
    target: str,
    options: str = "",
    persist: bool = False,
    actor: audit.Actor,
    reason: str = "",
) -> ImageMove:
    """Begin to look at what a mount of `source` at `target` would hide. Changes nothing on the host.

    Where such a plan is open already, it is that one. Raises InvalidInput.
    """
    share, target = NfsSource.parse(source), validate_target(target)
    options = validate_options(options or mounts.DEFAULT_OPTIONS)
    open_one = ImageMove.objects.filter(host=host, target=target).exclude(state__in=ImageMove.OVER).first()
    if open_one:
        return open_one
    what = f"{target} on {host.name} onto {share}"
    with audit.act(actor=actor, action="plan move of images", target=what, hosts=[host], reason=reason):
        try:
            with transaction.atomic():
                move = ImageMove.objects.create(
                    host=host,
                    source=str(share),
                    target=target,
                    options=options,
                    persist=persist,
                    token=secrets.token_hex(4),
                    reason=reason,
                    user=actor.user,
                    username=actor.username,
                )
        except IntegrityError:
            return ImageMove.objects.exclude(state__in=ImageMove.OVER).get(host=host, target=target)
    jobs.nudge("hosts.move_images", move.pk)
    return move


def look_again(*, move: ImageMove, actor: audit.Actor) -> None:
    """Make the plan anew; only while nothing was moved."""
    with _act("look again at images to move", move, actor):
        _require(move, State.PLANNED, State.STOPPED)
        if move.steps:
            raise Refused("The move has begun; its plan stays.", host=move.host.name, hint="Go on, or undo.")
        _turn(move, State.LOOKING, error="", hint="", raw_error="", attempt=0)
    jobs.nudge("hosts.move_images", move.pk)


def start(
    *,
    move: ImageMove,
    names: Mapping[str, str] | None = None,
    shut_down: bool = False,
    shutdown_limit_s: int = 180,
    actor: audit.Actor,
) -> None:
    """Begin to move. `names` give files that can't keep theirs another on the share, by their path here.

    Raises InvalidInput(field=path) for such a name, Refused where the plan is blocked or VMs run and `shut_down` is False.
    """
    with _act("check move of images", move, actor):
        _require(move, State.PLANNED)
        if not SHUTDOWN_LIMIT_S[0] <= shutdown_limit_s <= SHUTDOWN_LIMIT_S[1]:
            raise InvalidInput("The time limit is 10 to 3600 seconds.", field="shutdown_limit_s")
        _take_names(move, names or {})
        looking.require_possible(move)
        running = [vm["name"] for vm in move.vms if vm["was_active"]]
        if running and not shut_down:
            raise Refused(
                f"{', '.join(running)} runs on {move.host.name} and uses these images.",
                host=move.host.name,
                hint="Shut it down and look again, or tick that the console may shut it down.",
            )
        if held := holds.why(host=move.host):
            raise Refused(f"{move.host.name} is held: {held}.", host=move.host.name, hint="Wait until that is over.")
        event = audit.begin(actor=actor, action="move images", target=move, hosts=[move.host], reason=move.reason)
        try:
            _turn(move, State.RUNNING, shut_down=shut_down, shutdown_limit_s=shutdown_limit_s, audit=event, attempt=0)
        except Refused as error:
            audit.close(event, audit.Outcome.REFUSED, str(error))
            raise
    jobs.nudge("hosts.move_images", move.pk)


def go_on(*, move: ImageMove, actor: audit.Actor) -> None:
    """Try again from where it stopped."""
    with _act("go on with move of images", move, actor):
        _require(move, State.STOPPED)
        to = State.UNDOING if move.going_back else State.RUNNING if move.audit else State.LOOKING
        _turn(move, to, error="", hint="", raw_error="", attempt=0)
    jobs.nudge("hosts.move_images", move.pk)


def undo(*, move: ImageMove, actor: audit.Actor) -> None:
    """Go back to the beginning: what VMs wrote to the share since comes back too."""
    with _act("undo move of images", move, actor):
        _require(move, State.RUNNING, State.STOPPED, State.MOVED)
        if not move.audit:
            raise Refused("Nothing has begun.", host=move.host.name, hint="Discard the plan.")
        vms = [{key: value for key, value in vm.items() if key != "left_off"} for vm in move.vms]
        # Who drives it keeps its lease and turns back at its next look.
        kept = ImageMove.objects.filter(pk=move.pk, state=move.state)
        values = {"going_back": True, "error": "", "hint": "", "raw_error": "", "attempt": 0}
        if kept.update(state=State.UNDOING, finished=None, vms=vms, **values) != 1:
            raise Refused("The move has gone on since this page was read.", hint="Look at the page again.")
        move.refresh_from_db()
        record.publish(move)
    jobs.nudge("hosts.move_images", move.pk)


def discard(*, move: ImageMove, actor: audit.Actor) -> None:
    """Put a plan away of which nothing has begun."""
    with _act("discard move of images", move, actor):
        if move.audit or move.steps or move.state not in (State.PLANNED, State.STOPPED, State.LOOKING):
            raise Refused("The move has begun and can only be undone.", host=move.host.name)
        ImageMove.objects.filter(pk=move.pk).update(state=State.DISCARDED, owner="")
        move.refresh_from_db()
        record.publish(move)


def remove_originals(*, move: ImageMove, actor: audit.Actor) -> list[str]:
    """Delete the originals that are as they were when their copy was read back; the paths of those that are kept.

    Refused unless every file was read back from the share and the share is mounted.
    """
    with _act("remove originals of moved images", move, actor) as event:
        _require(move, State.MOVED)
        rows = list(move.files.all())
        if unread := [row.path for row in rows if row.state not in ("copied", "same")]:
            raise Refused(f"{unread[0]!r} was never read back from the share.", host=move.host.name)
        fields = []
        for row in rows:
            stamp = f"link {row.link}" if row.kind == "link" else f"{row.size_bytes} {row.mtime}"
            fields += [row.path, row.destination, stamp]
        argv = scripts.argv(scripts.REMOVE_ASIDE, move.aside, move.target)
        given = "".join(f"{field}\0" for field in fields)
        result = reach.run(move.host, argv, timeout_s=REMOVE_TIMEOUT_S, check=False, input=given)
        if result.returncode == scripts.IS_MOUNT:
            raise Refused(
                f"{move.source} is not mounted at {move.target} on {move.host.name}.",
                host=move.host.name,
                hint="Mount it first: then it is certain that the copies are there.",
            )
        if result.returncode:
            raise CommandFailed(["remove", move.aside], result.returncode, result.stderr, host=move.host.name)
        kept = sorted({path for path in result.stdout.split("\0") if path})
        if kept:
            event.detail = f"kept: {', '.join(kept[:20])}"
        _turn(move, State.CLEARED, found={**move.found, "kept": kept})
        return kept


def _take_names(move: ImageMove, names: Mapping[str, str]) -> None:
    rows = {row.path: row for row in move.files.exclude(new_name="")}
    if unknown := set(names) - set(rows):
        raise InvalidInput(f"{sorted(unknown)[0]!r} keeps its name.", field="names")
    taken = {row.path for row in move.files.all()}
    for path, name in names.items():
        try:
            facts.validate_new_name(name, field="names")
        except InvalidInput as error:
            error.path = path  # type: ignore[attr-defined]
            raise
        if name in taken:
            raise InvalidInput(f"{name!r} is the name of another file.", field="names")
        taken.add(name)
        if rows[path].new_name != name:
            rows[path].new_name = name
            rows[path].save(update_fields=["new_name"])


def _require(move: ImageMove, *states: str) -> None:
    if move.state not in states:
        raise Refused(
            f"The move is {move.get_state_display()} now.", host=move.host.name, hint="Look at its page again."
        )


def _turn(move: ImageMove, to: str, **values: Any) -> None:
    try:
        record.turn(move, to, **values)
    except record.Overtaken as error:
        raise Refused("The move has gone on since this page was read.", hint="Look at the page again.") from error


def _act(action: str, move: ImageMove, actor: audit.Actor) -> AbstractContextManager[AuditEvent]:
    return audit.act(actor=actor, action=action, target=move, hosts=[move.host])
