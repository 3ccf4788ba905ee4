"""Moving images onto a share: the plan, the run of it, and what a person does with it."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hosts import access, moving_images
from hosts.asking import Question, ask
from hosts.errors import HostError, InvalidInput
from hosts.forms import ImageMoveForm, MountForm
from hosts.http import HtmxHttpRequest, actor, failure, host_for, page_of, require, see_other
from hosts.models import ImageMove
from hosts.moving_images.looking import why_not
from hosts.moving_images.steps import BACK, FORWARD, Step

SHOWN_FILES = 200
WORDS: dict[Step, str] = {
    Step.SHUT_DOWN: _("Shut down VMs"),
    Step.DEFINE: _("Change paths"),
    Step.ASIDE: _("Put folder aside"),
    Step.MOUNT: _("Mount the share"),
    Step.COPY: _("Copy and read back"),
    Step.START: _("Start VMs"),
    Step.COPY_BACK: _("Bring changes back"),
    Step.CLEAR_SHARE: _("Remove our copies"),
    Step.UNMOUNT: _("Unmount the share"),
    Step.RESTORE: _("Put folder back"),
    Step.DEFINE_BACK: _("Change paths back"),
}
Act = Callable[..., Any]
ACTS: dict[str, tuple[Act, str]] = {
    "look-again": (moving_images.look_again, _("Both sides are looked at again.")),
    "go-on": (moving_images.go_on, _("The move goes on.")),
    "undo": (moving_images.undo, _("The move is being undone.")),
    "discard": (moving_images.discard, _("The plan was discarded; nothing was changed.")),
    "remove-originals": (moving_images.remove_originals, _("The originals were removed.")),
}
CONFIRMED = ("undo", "remove-originals")


@require_safe
def listing(request: HtmxHttpRequest) -> HttpResponse:
    rows = ImageMove.objects.filter(host__in=access.hosts_for(request.user)).select_related("host")
    return render(request, "hosts/image_moves.html", {"page": page_of(request, rows)})


@require_POST
def plan(request: HtmxHttpRequest, name: str) -> HttpResponse:
    """Begin to look at what a mount would hide; the form is the mount's."""
    host = host_for(request, name, access.OPERATE)
    form = MountForm(request.POST)
    if not form.is_valid():
        return see_other(request, reverse("hosts:mounts", args=[host.name]))
    try:
        move = moving_images.plan(host=host, actor=actor(request), **form.cleaned_data)
    except HostError as error:
        messages.error(request, f"{error} {error.hint}")
        return see_other(request, reverse("hosts:mounts", args=[host.name]))
    return see_other(request, move.get_absolute_url())


@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """The plan or the run; POST starts it."""
    move = _move(request, pk)
    if request.method != "POST":
        return _page(request, move, ImageMoveForm(move=move))
    require(request, access.OPERATE, move.host)
    form = ImageMoveForm(request.POST, move=move)
    if not form.is_valid():
        return _page(request, move, form, status=422)
    try:
        moving_images.start(move=move, actor=actor(request), **form.wishes())
    except InvalidInput as error:
        form.refuse(error)
        return _page(request, move, form, status=422)
    except HostError as error:
        return _page(request, move, form, error=error, status=422)
    return see_other(request, move.get_absolute_url())


@require_http_methods(["GET", "HEAD", "POST"])
def act(request: HtmxHttpRequest, pk: int, act: str) -> HttpResponse:
    """Do `act`; GET asks whether to, where it can't be undone or moves much."""
    move = _move(request, pk)
    require(request, access.OPERATE, move.host)
    function, words = ACTS[act]
    if request.method != "POST":
        if act == "discard":
            return ask(request, _discard(move))
        if act not in CONFIRMED:
            return HttpResponse(status=405, headers={"Allow": "POST"})
        return render(
            request, f"hosts/image_move_{act.replace('-', '_')}.html", {"move": move, "totals": _totals(move)}
        )
    try:
        result = function(move=move, actor=actor(request))
    except HostError as error:
        return _page(request, move, ImageMoveForm(move=move), error=error, status=422)
    if act == "remove-originals" and result:
        messages.warning(
            request,
            gettext("Kept, since they changed or were never copied: {names}.").format(names=", ".join(result[:10])),
        )
    else:
        messages.success(request, gettext(words))
    return see_other(request, move.get_absolute_url())


def _discard(move: ImageMove) -> Question:
    host, back = move.host, move.get_absolute_url()
    return Question(
        title=gettext("Discard move #{pk}").format(pk=move.pk),
        question=gettext("Put the plan to move {target} of {host} away?").format(target=move.target, host=host.name),
        facts=[(gettext("Host"), host.name), (gettext("Share"), move.source), (gettext("Folder"), move.target)],
        consequences=[
            gettext("No file was touched yet, and none will be."),
            gettext("What was chosen in the plan is lost; it stays in the list as discarded."),
        ],
        submit=gettext("Discard the plan"),
        back=back,
        trail=[
            (gettext("Mounts of {host}").format(host=host.name), reverse("hosts:mounts", args=[host.name])),
            (gettext("Move #{pk}").format(pk=move.pk), back),
        ],
    )


def _move(request: HtmxHttpRequest, pk: int) -> ImageMove:
    rows = ImageMove.objects.filter(host__in=access.hosts_for(request.user))
    return get_object_or_404(rows.select_related("host", "audit"), pk=pk)


def _page(
    request: HtmxHttpRequest, move: ImageMove, form: ImageMoveForm, *, error: HostError | None = None, status: int = 200
) -> HttpResponse:
    move.refresh_from_db()
    may_operate = access.may(request.user, access.OPERATE, move.host)
    blockers = [*move.found.get("blockers", []), *why_not(move)] if move.state == "planned" else []
    fields = form.name_fields()
    files = [{"row": row, "field": fields.get(row.path)} for row in move.files.all()[:SHOWN_FILES]]
    context = {
        "move": move,
        "form": form,
        "files": files,
        "totals": _totals(move),
        "steps": steps_of(move),
        "blockers": blockers,
        "running": [vm for vm in move.vms if vm["was_active"]],
        "may_operate": may_operate,
        "failure": failure(error) if error else None,
        "may_discard": may_operate and not move.audit and move.state in ("planned", "stopped", "looking"),
        "may_undo": may_operate and move.audit is not None and move.state in ("running", "stopped", "moved"),
    }
    return render(request, "hosts/image_move.html", context, status=status)


def _totals(move: ImageMove) -> dict[str, Any]:
    rows = list(move.files.filter(kind="file"))
    return {
        "count": len(rows),
        "images": sum(row.is_image for row in rows),
        "bytes": sum(row.size_bytes for row in rows),
        "allocated": sum(row.allocated_bytes for row in rows),
        "read_back": sum(row.state in ("copied", "same") for row in rows),
        "entries": move.files.count(),
        "hidden": max(0, move.files.count() - SHOWN_FILES),
    }


def steps_of(move: ImageMove) -> list[dict[str, Any]]:
    """The steps of the way that is gone now, those behind and those ahead, as the stepper shows them."""
    if not move.audit:
        return []
    begun = {step["name"]: step for step in move.steps if bool(step.get("back")) is move.going_back}
    way = BACK if move.going_back else FORWARD
    over = move.state in ("moved", "undone", "cleared")
    done = [index for index, name in enumerate(way) if name in begun]
    found = []
    for index, name in enumerate(way):
        step = begun.get(name)
        passed = over or (bool(done) and index < max(done))
        state = step["state"] if step else "skipped" if passed else "pending"
        found.append(
            {
                "title": gettext(WORDS[name]),
                "state": state,
                "detail": step["detail"] if step else "",
                "seconds": _seconds(step),
            }
        )
    return found


def _seconds(step: dict[str, Any] | None) -> float | None:
    if not step or not step["finished"]:
        return None
    began, ended = parse_datetime(step["started"]), parse_datetime(step["finished"])
    return (ended - began).total_seconds() if began and ended else None
