"""Plans: the list, a new one, and one of them, under review, while it runs and ever after."""

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hosts import access
from hosts.errors import HostError
from hosts.http import HtmxHttpRequest, actor, failure, see_other
from hosts.models import Host, VirtualMachine
from migrations_app import evacuation
from migrations_app.evacuation import lookup, reporting
from migrations_app.evacuation.picture import picture
from migrations_app.evacuation.planning import away_from_home
from migrations_app.forms import option_rows
from migrations_app.models import Evacuation
from migrations_app.rights import require_operate
from migrations_app.views.plan_form import PlanForm, initial_of

PER_PAGE = 50
MOST_VMS = 500
"""More than a list of VMs has on a page; a URL holds so many."""


class Subject:
    """What a new plan is about, as the query or the form says: a host, VMs, or an earlier plan; each one's right checked."""

    def __init__(self, request: HtmxHttpRequest) -> None:
        given = request.POST if request.method == "POST" else request.GET
        self.host: Host | None = None
        self.vms: list[VirtualMachine] = []
        self.of: Evacuation | None = None
        if name := given.get("host"):
            self.host = get_object_or_404(access.hosts_for(request.user), name=name)
            require_operate(request.user, self.host)
        elif number := given.get("home_of"):
            self.of = lookup.plan_for(request.user, _number(number), operate=True)
        else:
            self.vms = _vms(request, given.getlist("vm"))

    @property
    def sources(self) -> list[int]:
        return [self.host.pk] if self.host else []

    def plan(self, request: HtmxHttpRequest, how: evacuation.How) -> Evacuation:
        if self.host:
            return evacuation.plan_evacuation(host=self.host, actor=actor(request), how=how)
        if self.of:
            return evacuation.plan_home(of=self.of, actor=actor(request), how=how)
        return evacuation.plan_bulk(vms=self.vms, actor=actor(request), how=how)


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise Http404("Which plan?")
    return int(text)


def _vms(request: HtmxHttpRequest, uuids: list[str]) -> list[VirtualMachine]:
    try:
        wanted = {UUID(text) for text in uuids[:MOST_VMS]}
    except ValueError:
        raise Http404("A VM is named by its UUID.") from None
    found = access.vms_for(request.user).select_related("host").filter(uuid__in=wanted)
    if found.count() < len(wanted):
        raise Http404("One of these VMs is not there, or you may not see it.")
    lookup.require_vms(request.user, found)
    return list(found.order_by("name"))


@require_http_methods(["GET", "HEAD", "POST"])
def plans(request: HtmxHttpRequest) -> HttpResponse:
    """The list; by POST a new plan, which moves nothing yet."""
    if request.method == "POST":
        return _create(request)
    rows = reporting.visible(request.user).prefetch_related("moves__migration")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "plans": [reporting.summary(plan) for plan in page.object_list],
        "may_operate": access.may_anywhere(request.user, access.OPERATE),
    }
    return render(request, "migrations_app/plans.html", context)


@require_safe
def new_plan(request: HtmxHttpRequest) -> HttpResponse:
    """The form for a plan of what the query names."""
    subject = Subject(request)
    return _new_page(request, subject, _form(request, subject))


def _create(request: HtmxHttpRequest) -> HttpResponse:
    subject = Subject(request)
    form = _form(request, subject)
    if not form.is_valid():
        return _new_page(request, subject, form, status=422)
    try:
        plan = subject.plan(request, form.how)
    except HostError as error:
        return _new_page(request, subject, form, status=422, refusal=failure(error))
    return see_other(request, plan.get_absolute_url())


def _form(request: HtmxHttpRequest, subject: Subject) -> PlanForm:
    hosts = list(access.hosts_for(request.user, access.OPERATE).exclude(pk__in=subject.sources).order_by("name"))
    maintainable = subject.host is not None and access.may(request.user, access.MANAGE, subject.host)
    data = request.POST if request.method == "POST" else None
    initial = initial_of(subject.of) | {"to": [], "maintenance": False, "reason": ""} if subject.of else {}
    return PlanForm(data, destinations=hosts, maintainable=maintainable, initial=initial)


def _new_page(
    request: HtmxHttpRequest, subject: Subject, form: PlanForm, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = {"subject": subject, "form": form, **more}
    return render(request, "migrations_app/plan_new.html", context, status=status)


@require_safe
def plan(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """One plan; its live part reads itself again when something changes."""
    return plan_page(request, lookup.plan_for(request.user, pk))


def plan_page(
    request: HtmxHttpRequest, row: Evacuation, *, form: PlanForm | None = None, status: int = 200, **more: Any
) -> HttpResponse:
    shown = reporting.snapshot(row)
    may_operate = lookup.may_operate(request.user, row)
    known = {host.name: (host.memory_mib, host.memory_free_mib) for host in access.hosts_for(request.user)}
    known |= {room["name"]: (room["memory_mib"], room["free_mib"]) for room in shown["rooms"]}
    hosts = list(access.hosts_for(request.user, access.OPERATE).order_by("name"))
    context = {
        "row": row,
        "plan": shown,
        "picture": picture(shown, known),
        "may_operate": may_operate,
        "may_manage": row.host is not None and access.may(request.user, access.MANAGE, row.host),
        "destinations": hosts,
        "editable": may_operate and row.state in evacuation.acts.EDITABLE,
        "can_come_home": may_operate and row.purpose != Evacuation.Purpose.HOME and len(away_from_home(row)),
        "homecomings": row.homecomings.all(),
        "option_rows": option_rows(row.options),
        "form": form or PlanForm(destinations=hosts, maintainable=_maintainable(request, row), initial=initial_of(row)),
        **more,
    }
    return render(request, "migrations_app/plan.html", context, status=status)


def _maintainable(request: HtmxHttpRequest, row: Evacuation) -> bool:
    is_evacuation = row.purpose == Evacuation.Purpose.EVACUATE and row.host is not None
    return is_evacuation and access.may(request.user, access.MANAGE, row.host)


@require_POST
def change_plan(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """Change how a plan runs, while it does not."""
    row = lookup.plan_for(request.user, pk, operate=True)
    hosts = list(access.hosts_for(request.user, access.OPERATE).order_by("name"))
    form = PlanForm(request.POST, destinations=hosts, maintainable=_maintainable(request, row))
    if not form.is_valid():
        return plan_page(request, row, form=form, status=422)
    try:
        evacuation.change(evacuation=row, actor=actor(request), how=form.how)
    except HostError as error:
        return plan_page(request, row, form=form, status=422, refusal=failure(error))
    return see_other(request, row.get_absolute_url())
