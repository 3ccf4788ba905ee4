"""What is done to a plan and to its moves: by POST; the plan's page is where one decides, but for discarding, which asks."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _
from django.views.decorators.http import require_http_methods, require_POST

from hosts import access
from hosts.asking import Question, ask
from hosts.errors import HostError
from hosts.http import HtmxHttpRequest, actor, failure, see_other
from migrations_app import evacuation
from migrations_app.evacuation import lookup
from migrations_app.models import Evacuation
from migrations_app.views.plans import plan_page

SHOWN = 20
"""VMs named in the question."""
PLAN_ACTS: dict[str, tuple[Callable[..., None], str]] = {
    "start": (evacuation.start, _("The plan runs.")),
    "stop": (evacuation.stop, _("It stops after the current ones.")),
    "resume": (evacuation.resume, _("The plan goes on.")),
    "discard": (evacuation.discard, _("The plan was put away; nothing was moved by it any more.")),
    "check": (evacuation.check_again, _("All VMs are looked at again.")),
}
MOVE_ACTS: dict[str, tuple[Callable[..., None], str]] = {
    "skip": (evacuation.skip, _("It stays where it is.")),
    "retry": (evacuation.retry, _("It is part of the plan again.")),
}


@require_http_methods(["GET", "HEAD", "POST"])
def plan_act(request: HtmxHttpRequest, pk: int, act: str) -> HttpResponse:
    """Do `act` to the plan; where that is refused, its page says why. GET asks whether to discard it."""
    row = lookup.plan_for(request.user, pk, operate=True)
    if request.method != "POST":
        return ask(request, _discard(row)) if act == "discard" else HttpResponseNotAllowed(["POST"])
    run, done = PLAN_ACTS[act]
    try:
        run(evacuation=row, actor=actor(request))
    except HostError as error:
        row.refresh_from_db()
        return plan_page(request, row, status=422, refusal=failure(error))
    messages.success(request, gettext(done))
    return see_other(request, row.get_absolute_url())


def _discard(row: Evacuation) -> Question:
    back, vms = (
        row.get_absolute_url(),
        list(row.moves.order_by("vm_name").values_list("vm_name", flat=True)[: SHOWN + 1]),
    )
    facts = [(gettext("VMs"), ", ".join(vms[:SHOWN]) + (" …" if len(vms) > SHOWN else ""))]
    if row.host_name:
        facts.insert(0, (gettext("Host"), row.host_name))
    return Question(
        title=gettext("Discard plan #{pk}").format(pk=row.pk),
        question=gettext("Put plan #{pk} away for good?").format(pk=row.pk),
        facts=facts,
        consequences=[
            gettext("It moves nothing any more; VMs that it has moved stay where they are."),
            gettext("It stays in the list, with what was done."),
        ],
        submit=gettext("Discard the plan"),
        back=back,
        trail=[(gettext("Plans"), reverse("migrations:evacuations")), (gettext("Plan #{pk}").format(pk=row.pk), back)],
    )


@require_POST
def move_act(request: HtmxHttpRequest, pk: int, move: int, act: str) -> HttpResponse:
    """Do `act` to one VM of the plan."""
    row = lookup.move_for(request.user, pk, move)
    run, done = MOVE_ACTS[act]
    try:
        run(move=row, actor=actor(request))
    except HostError as error:
        return plan_page(request, lookup.plan_for(request.user, pk), status=422, refusal=failure(error))
    messages.success(request, f"{row.vm_name}: {gettext(done)}")
    return see_other(request, row.evacuation.get_absolute_url())


@require_POST
def move_destination(request: HtmxHttpRequest, pk: int, move: int) -> HttpResponse:
    """Send one VM to the host that the form names."""
    row = lookup.move_for(request.user, pk, move)
    host = get_object_or_404(access.hosts_for(request.user), name=request.POST.get("destination", ""))
    try:
        evacuation.choose(move=row, destination=host, actor=actor(request))
    except HostError as error:
        return plan_page(request, lookup.plan_for(request.user, pk), status=422, refusal=failure(error))
    messages.success(request, f"{row.vm_name} is to go to {host.name}.")
    return see_other(request, row.evacuation.get_absolute_url())
