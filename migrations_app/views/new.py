"""A new migration: where to, how, what speaks against it, and the start."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST, require_safe

from hosts import access
from hosts.errors import HostError, InvalidInput
from hosts.http import HtmxHttpRequest, actor, is_fragment, see_other
from hosts.models import VirtualMachine
from migrations_app import actions, preflight, rights
from migrations_app.forms import MigrationForm
from migrations_app.models import Migration
from migrations_app.states import ACTIVE
from migrations_app.views.destinations import CHECKED_AT_ONCE, checked_choices, choices, why_not


@require_safe
def new(request: HtmxHttpRequest) -> HttpResponse:
    """The form with what the query says; without a destination there, the only possible one is chosen."""
    vm = vm_for(request, request.GET.get("vm", ""))
    hosts = rights.destinations_for(request.user, vm)
    possible = [host.name for host in hosts if not why_not(host)]
    wanted = request.GET.get("destination") or (possible[0] if len(possible) == 1 else "")
    given = {name: request.GET[name] for name in MigrationForm.base_fields if name in request.GET}
    initial = {"ping_address": vm.address, **given, "destination": wanted}
    form = MigrationForm(destinations=hosts, initial=initial)
    return page(request, vm, form)


@require_POST
def check(request: HtmxHttpRequest) -> HttpResponse:
    """The preflight of what the form says. Changes nothing; a part for htmx, the whole page for a plain form."""
    vm = vm_for(request, request.POST.get("vm", ""))
    form = MigrationForm(request.POST, destinations=rights.destinations_for(request.user, vm))
    found: dict[str, Any] = {"checked": True}
    if form.is_valid():
        destination = form.cleaned_data["destination"]
        try:
            found["report"] = preflight.run(vm=vm, destination=destination, options=form.options)
        except HostError as error:
            found["error"] = error
    if is_fragment(request):
        return render(request, "migrations_app/_preflight.html", {"form": form, "part": True, **found})
    return page(request, vm, form, **found)


@require_POST
def destinations(request: HtmxHttpRequest) -> HttpResponse:
    """The preflight of all destinations, best first. Changes nothing; a part for htmx, the whole page for a plain form."""
    vm = vm_for(request, request.POST.get("vm", ""))
    form = MigrationForm(request.POST, destinations=rights.destinations_for(request.user, vm))
    form.is_valid()
    form.errors.pop("destination", None)  # none may be chosen yet; here the options are what counts
    found = checked_choices(vm, form, find=request.POST.get("find", ""))
    if is_fragment(request):
        return render(request, "migrations_app/_destinations.html", {"form": form, "choices": found, "ranked": True})
    return page(request, vm, form, choices=found, ranked=True)


@require_POST
def create(request: HtmxHttpRequest) -> HttpResponse:
    """Start what the form says; where that is refused, the form again with the reason, and nothing was changed."""
    vm = vm_for(request, request.POST.get("vm", ""))
    form = MigrationForm(request.POST, destinations=rights.destinations_for(request.user, vm))
    if not form.is_valid():
        return page(request, vm, form, status=422)
    given = {name: form.cleaned_data[name] for name in ("destination", "reason", "probe_port")}
    address = form.cleaned_data["ping_address"] or None
    try:
        migration = actions.start(vm=vm, options=form.options, ping_address=address, actor=actor(request), **given)
    except HostError as error:
        field = getattr(error, "field", "")
        if isinstance(error, InvalidInput) and field in form.fields:
            form.add_error(field, str(error))
        return page(request, vm, form, status=422, refusal=error)
    return see_other(request, migration.get_absolute_url())


def vm_for(request: HtmxHttpRequest, uuid: str) -> VirtualMachine:
    """The VM to migrate: 404 unless the user may see it, 403 unless the user may operate its host."""
    try:
        wanted = UUID(uuid)
    except ValueError:
        raise Http404("Which VM? The address lacks its UUID.") from None
    vm = get_object_or_404(access.vms_for(request.user).select_related("host"), uuid=wanted)
    rights.require_operate(request.user, vm.host)
    return vm


def page(
    request: HtmxHttpRequest, vm: VirtualMachine, form: MigrationForm, *, status: int = 200, **more: Any
) -> HttpResponse:
    under_way = Migration.objects.filter(vm_uuid=vm.uuid, state__in=ACTIVE).first()
    find = request.POST.get("find", "")
    context = {
        "vm": vm,
        "form": form,
        "choices": choices(form, find=find) if "choices" not in more else (),
        "under_way": under_way,
        "find": find,
        "may_find": len(form.destinations) > CHECKED_AT_ONCE,
        **more,
    }
    return render(request, "migrations_app/new.html", context, status=status)
