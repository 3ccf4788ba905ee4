"""Schedules: the list, a new one, one of them with what came of it, and what can be done to it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hosts import access
from hosts.errors import HostError, InvalidInput
from hosts.http import HtmxHttpRequest, actor, failure, see_other
from hosts.models import Host, VirtualMachine
from migrations_app import rights, schedules
from migrations_app.models import Schedule, ScheduleRun
from migrations_app.schedules import When, lookup
from migrations_app.views.schedule_form import WhenForm, how_form, wanted_of, when_of

PER_PAGE = 50


@require_http_methods(["GET", "HEAD", "POST"])
def schedule_list(request: HtmxHttpRequest) -> HttpResponse:
    """The list, of one VM or host where the query says so; by POST a new one."""
    if request.method == "POST":
        return _edit(request, *_subject(request), None)
    rows = lookup.visible(request.user).prefetch_related("runs").order_by("next_due", "name")
    if name := request.GET.get("host"):
        rows = rows.filter(host__name=name) | rows.filter(destination__name=name) | rows.filter(vm__host__name=name)
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    shown = [
        {
            "row": row,
            "words": When.read(row).words(),
            "may": lookup.may_operate(request.user, row),
            "last": row.runs.first(),
        }
        for row in page.object_list
    ]
    context = {"page": page, "schedules": shown, "unseen": lookup.unseen(request.user)[:10]}
    return render(request, "migrations_app/schedules.html", context)


@require_safe
def new_schedule(request: HtmxHttpRequest) -> HttpResponse:
    """The form for a schedule of what the query names."""
    return _edit(request, *_subject(request), None)


def _subject(request: HtmxHttpRequest) -> tuple[VirtualMachine | None, Host | None]:
    """The VM or the host that it is about: 404 unless the user may see it, 403 unless operate it."""
    given = request.POST if request.method == "POST" else request.GET
    if name := given.get("host"):
        host = get_object_or_404(access.hosts_for(request.user), name=name)
        rights.require_operate(request.user, host)
        return None, host
    try:
        uuid = UUID(given.get("vm", ""))
    except ValueError:
        raise Http404("Which VM or host? Open its page and choose Schedule there.") from None
    vm = get_object_or_404(access.vms_for(request.user).select_related("host"), uuid=uuid)
    rights.require_operate(request.user, vm.host)
    return vm, None


def _edit(request: HtmxHttpRequest, vm: VirtualMachine | None, host: Host | None, row: Schedule | None) -> HttpResponse:
    posted = request.method == "POST"
    first = (
        when_of(row)
        if row
        else {
            "name": gettext("Migrate {vm}").format(vm=vm.name) if vm else gettext("Empty {host}").format(host=host),
            "repeat": "once",
        }
    )
    when = WhenForm(request.POST if posted else None, initial=first)
    how = how_form(request, vm, host, row)
    context: dict[str, Any] = {"row": row, "vm": vm, "host": host, "when": when, "form": how}
    if posted and "preview" in request.POST:
        return render(request, "migrations_app/schedule_form.html", {**context, "preview": when.preview()})
    if posted and when.is_valid() and how.is_valid():
        destination = how.cleaned_data.get("destination")
        try:
            saved = schedules.save(
                name=when.cleaned_data["name"],
                when=when.when,
                wanted=wanted_of(how),
                actor=actor(request),
                vm=vm,
                destination=destination,
                host=host,
                reason=how.cleaned_data["reason"],
                row=row,
            )
        except HostError as error:
            field = getattr(error, "field", "")
            if isinstance(error, InvalidInput) and field in when.fields:
                when.add_error(field, str(error))
            else:
                context["refusal"] = failure(error)
        else:
            messages.success(request, gettext("Schedule {saved} was saved.").format(saved=saved.name))
            return see_other(request, saved.get_absolute_url())
    context["preview"] = when.preview() if posted else WhenForm(first).preview() if row else None
    return render(request, "migrations_app/schedule_form.html", context, status=422 if posted else 200)


@require_safe
def schedule_preview(request: HtmxHttpRequest) -> HttpResponse:
    """The next times of what the query says, as a part. Changes nothing."""
    return render(request, "migrations_app/_schedule_preview.html", {"preview": WhenForm(request.GET).preview()})


@require_safe
def schedule(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """One schedule with its runs."""
    row = lookup.schedule_for(request.user, pk)
    page = Paginator(row.runs.select_related("migration", "evacuation"), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "row": row,
        "words": When.read(row).words(),
        "may": lookup.may_operate(request.user, row),
        "page": page,
        "unseen": lookup.unseen(request.user).filter(schedule=row).count(),
    }
    return render(request, "migrations_app/schedule.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def change_schedule(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """Change it; it is then the schedule of who did."""
    row = lookup.schedule_for(request.user, pk, operate=True)
    return _edit(request, row.vm, row.host, row)


@require_POST
def schedule_switch(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    row = lookup.schedule_for(request.user, pk, operate=True)
    try:
        schedules.switch(row=row, enabled=not row.enabled, actor=actor(request))
    except HostError as error:
        messages.error(request, f"{error} {error.hint}")
    return see_other(request, row.get_absolute_url())


@require_POST
def schedule_run(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """Begin it now, as the user."""
    row = lookup.schedule_for(request.user, pk, operate=True)
    run = schedules.run_now(row=row, actor=actor(request))
    if run.outcome != ScheduleRun.Outcome.STARTED:
        messages.error(request, gettext("{row} was not started: {note}").format(row=row.name, note=run.note))
        return see_other(request, row.get_absolute_url())
    begun = run.migration or run.evacuation
    return see_other(request, begun.get_absolute_url() if begun else row.get_absolute_url())


@require_POST
def schedule_seen(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    row = lookup.schedule_for(request.user, pk, operate=True)
    schedules.mark_seen(row=row, actor=actor(request))
    return see_other(request, row.get_absolute_url())


@require_http_methods(["GET", "HEAD", "POST"])
def schedule_delete(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """Asks, and by POST deletes it."""
    row = lookup.schedule_for(request.user, pk, operate=True)
    if request.method != "POST":
        context = {"row": row, "words": When.read(row).words(), "runs": row.runs.count()}
        return render(request, "migrations_app/schedule_delete.html", context)
    schedules.remove(row=row, actor=actor(request))
    messages.success(request, gettext("Schedule {row} was deleted.").format(row=row.name))
    return see_other(request, reverse("migrations:schedules"))
