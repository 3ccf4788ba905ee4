"""One guest, and what is done to it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from hosts import access, actions, filters, holds
from hosts.errors import HostError, Refused
from hosts.forms import ReasonForm
from hosts.http import HtmxHttpRequest, actor, failure, is_fragment, see_other
from hosts.models import Shutdown, VirtualMachine
from hosts.views.of_vm import host_of, vm_for
from hosts.views.rows import flags_of
from hosts.vm_forms import ShutdownForm

CONFIRMED = ("shutdown", "reboot", "destroy", "reset", "save", "discard-save", "redefine", "undefine-stale", "adopt")
"""What can't be undone is asked for on a page of its own."""
DONE = {
    "start": _("{vm} was started on {host}."),
    "shutdown": _("{vm} was asked to shut down; that may take a while."),
    "stop-waiting": _("Nobody waits for {vm} to shut down any more."),
    "reboot": _("{vm} was asked to restart."),
    "destroy": _("{vm} was forced off on {host}."),
    "pause": _("{vm} stands still."),
    "resume": _("{vm} goes on."),
    "reset": _("{vm} was reset."),
    "save": _("The memory of {vm} was saved on {host}; its next start there goes on from it."),
    "discard-save": _("The saved memory of {vm} was thrown away."),
    "autostart": _("{vm} starts with {host}."),
    "no-autostart": _("{vm} stays off when {host} boots."),
    "define": _("{vm} is defined on {host} now."),
    "redefine": _("{vm} is defined on {host} as it runs now."),
    "mark-stale": _("The copy of {vm} on {host} is marked as stale, its autostart off."),
    "undefine-stale": _("The stale copy of {vm} on {host} was removed; its disks were not touched."),
    "adopt": _("The definition of {vm} on {host} is the good one now."),
}


@require_safe
def detail(request: HtmxHttpRequest, uuid: UUID) -> HttpResponse:
    return page(request, vm_for(request, uuid))


@require_http_methods(["GET", "HEAD", "POST"])
def act(request: HtmxHttpRequest, uuid: UUID, act: str) -> HttpResponse:
    """Do `act` to the guest on the host that the form names, else where it is; GET only asks whether to."""
    if act not in actions.VM_ACTS:
        raise Http404(act)
    vm = vm_for(request, uuid)
    given = request.POST if request.method == "POST" else request.GET
    host = host_of(request, vm, access.OPERATE, name=given.get("host", ""))
    if request.method != "POST":
        if act not in CONFIRMED:
            return HttpResponseNotAllowed(["POST"])
        form = ShutdownForm() if act == "shutdown" else ReasonForm()
        return _ask(request, act, {"vm": vm, "host": host, "form": form})
    more = {}
    if act == "shutdown" and "limit_s" in given:
        limits = ShutdownForm(given)
        if not limits.is_valid():
            return _ask(request, act, {"vm": vm, "host": host, "form": limits}, status=422)
        more["limit_s"] = limits.cleaned_data["limit_s"]
    try:
        actions.VM_ACTS[act](vm=vm, host=host, actor=actor(request), reason=given.get("reason", "")[:300], **more)
    except HostError as error:
        return page(request, vm, error=error)
    messages.success(request, DONE[act].format(vm=vm.name, host=host.name))
    still_there = filters.shown_vms(request.user).filter(pk=vm.pk).exists()
    return see_other(request, vm.get_absolute_url() if still_there else reverse("hosts:vms"))


@require_safe
def shutting_down(request: HtmxHttpRequest, uuid: UUID) -> HttpResponse:
    """How far the time for a shutdown has passed: a part of the guest's page, which asks for it again and again."""
    vm = vm_for(request, uuid)
    may_operate = access.may(request.user, access.OPERATE, vm.host)
    context = {"vm": vm, "shutdown": Shutdown.objects.filter(vm=vm).first(), "may_operate": may_operate}
    return render(request, "hosts/_shutting_down.html", context)


def _ask(request: HtmxHttpRequest, act: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    return render(request, f"hosts/vm_{act.replace('-', '_')}.html", context, status=status)


def page(request: HtmxHttpRequest, vm: VirtualMachine, *, error: HostError | None = None) -> HttpResponse:
    """The guest's page, with what went wrong where something did."""
    operable = set(access.hosts_for(request.user, access.OPERATE).values_list("pk", flat=True))
    context: dict[str, Any] = {
        "vm": vm,
        "flags": flags_of(vm),
        "held": holds.why(vm=vm),
        "shutdown": Shutdown.objects.filter(vm=vm).first(),
        "facts": _facts(vm),
        "saved": any(row.managed_save for row in vm.shown_placements if row.host_id == vm.host_id),  # type: ignore[attr-defined]
        "placements": [{"row": row, "may_operate": row.host_id in operable} for row in vm.shown_placements],  # type: ignore[attr-defined]
        "may_operate": vm.host_id in operable,
        "failure": failure(error) if error else None,
    }
    status = 422 if isinstance(error, Refused) else error.status if error else 200
    return render(request, "hosts/_vm.html" if is_fragment(request) else "hosts/vm.html", context, status=status)


def _facts(vm: VirtualMachine) -> dict[str, Any]:
    """Disks, interfaces and machine as the host says where the guest is."""
    here = [row for row in vm.shown_placements if row.host_id == vm.host_id]  # type: ignore[attr-defined]
    return here[0].facts if here else {}
