"""A guest's hardware, and what is changed of it: one page with a form for each kind of change."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from hosts import access, editing, holds
from hosts.errors import HostError, InvalidInput
from hosts.forms import ReasonForm, ServiceForm
from hosts.http import HtmxHttpRequest, actor, failure, see_other
from hosts.models import Host, Placement, StoragePool, VirtualMachine, Volume
from hosts.views.of_vm import host_of, vm_for
from hosts.vm_forms import BootOrderForm, DiskForm, MediumForm, MemoryForm, NicForm, RenameForm, VcpusForm

CONFIRMED = {"remove-disk": "target", "remove-nic": "mac"}
"""What asks first, on a page of its own, with the name of what it takes."""
PLAIN = {"eject": "target", **CONFIRMED}
BARE = ("add-drive",)
"""What asks for nothing."""
DONE = {
    "rename": _("{vm} has its new name."),
    "memory": _("The memory of {vm} is set."),
    "vcpus": _("The vCPUs of {vm} are set."),
    "boot-order": _("{vm} boots in the new order."),
    "add-drive": _("{vm} has one CD-ROM drive more."),
    "insert": _("The image is in the drive of {vm}."),
    "eject": _("The drive of {vm} is empty."),
    "add-disk": _("{vm} has one disk more."),
    "remove-disk": _("The disk of {vm} was taken away; its volume stays."),
    "add-nic": _("{vm} has one interface more."),
    "remove-nic": _("The interface of {vm} was taken away."),
}


@require_safe
def page(request: HtmxHttpRequest, uuid: UUID) -> HttpResponse:
    """What it has now, what comes and goes with its next start, and a form for each change."""
    vm = vm_for(request, uuid)
    host = host_of(request, vm)
    return _page(request, vm, host, {})


@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HtmxHttpRequest, uuid: UUID, change: str) -> HttpResponse:
    """Make a change; GET asks whether to where something is taken away."""
    vm = vm_for(request, uuid)
    host = host_of(request, vm, access.OPERATE)
    if change not in editing.CHANGES:
        raise Http404(change)
    if request.method != "POST":
        return _ask(request, vm, host, change)
    form: Form | None = None
    given: dict[str, Any] = {}
    if change in PLAIN:
        given = {PLAIN[change]: request.POST.get(PLAIN[change], "")}
    elif change not in BARE:
        form = _forms(vm, host, _look(vm, host), {change: request.POST})[change]
        if not form.is_valid():
            return _page(request, vm, host, {change: form}, status=422)
        wishes = getattr(form, "wishes", None)
        given = wishes() if wishes else dict(form.cleaned_data)
    try:
        later = editing.CHANGES[change](
            vm=vm, host=host, actor=actor(request), reason=request.POST.get("reason", "")[:300], **given
        )
    except InvalidInput as error:
        if not isinstance(form, ServiceForm):
            return _page(request, vm, host, {}, error=error)
        form.refuse(error)
        return _page(request, vm, host, {change: form}, status=422)
    except HostError as error:
        return _page(request, vm, host, {change: form} if form else {}, error=error)
    vm.refresh_from_db(fields=["name"])
    messages.success(request, " ".join((DONE[change].format(vm=vm.name), later)).strip())
    return see_other(request, reverse("hosts:hardware", args=[vm.uuid]))


def _ask(request: HtmxHttpRequest, vm: VirtualMachine, host: Host, change: str) -> HttpResponse:
    if change not in CONFIRMED:
        return HttpResponseNotAllowed(["POST"])
    what = request.GET.get(CONFIRMED[change], "")
    context = {"vm": vm, "host": host, "what": what, "key": CONFIRMED[change], "change": change, "form": ReasonForm()}
    hardware = _look(vm, host)
    if isinstance(hardware, HostError):
        context["failure"] = failure(hardware)
    else:
        parts = hardware.disks if change == "remove-disk" else hardware.nics
        context["device"] = next(
            (part.device for part in parts if getattr(part.device, CONFIRMED[change]) == what), None
        )
    return render(request, "hosts/hardware_remove.html", context)


def _look(vm: VirtualMachine, host: Host) -> editing.Hardware | HostError:
    try:
        return editing.look(vm=vm, host=host)
    except HostError as error:
        return error


def _forms(
    vm: VirtualMachine, host: Host, looked: editing.Hardware | HostError, posted: dict[str, Any]
) -> dict[str, Form]:
    """Each form by its change: filled with what is now, or with what was posted."""
    hardware = None if isinstance(looked, HostError) else looked
    volumes = list(
        Volume.objects.filter(pool__host=host, pool__active=True).select_related("pool").order_by("pool__name", "name")
    )
    pools = StoragePool.objects.filter(host=host, active=True).order_by("name")
    images = [row for row in volumes if row.format in ("iso", "raw", "") or row.name.endswith(".iso")]
    disks = [row for row in volumes if row.format in ("qcow2", "raw") and not row.name.endswith(".iso")]
    domain = hardware.domain if hardware else None
    named: dict[str, Any] = {change: {"auto_id": f"{change}-%s"} for change in editing.CHANGES}
    return {
        "rename": RenameForm(posted.get("rename"), initial={"name": vm.name}, **named["rename"]),
        "memory": MemoryForm(
            posted.get("memory"),
            initial={"memory_mib": domain.memory_mib if domain else vm.memory_mib},
            **named["memory"],
        ),
        "vcpus": VcpusForm(
            posted.get("vcpus"), initial={"vcpus": domain.vcpus if domain else vm.vcpus}, **named["vcpus"]
        ),
        "boot-order": BootOrderForm(posted.get("boot-order"), hardware=hardware, **named["boot-order"]),
        "insert": MediumForm(posted.get("insert"), hardware=hardware, volumes=images, **named["insert"]),
        "add-disk": DiskForm(posted.get("add-disk"), volumes=disks, pools=pools, **named["add-disk"]),
        "add-nic": NicForm(posted.get("add-nic"), **named["add-nic"]),
    }


def _page(
    request: HtmxHttpRequest,
    vm: VirtualMachine,
    host: Host,
    posted: dict[str, Form],
    *,
    error: HostError | None = None,
    status: int = 200,
) -> HttpResponse:
    looked = _look(vm, host)
    if isinstance(looked, HostError):
        error = error or looked
    forms = _forms(vm, host, looked, {}) | posted
    context: dict[str, Any] = {
        "vm": vm,
        "host": host,
        "hardware": None if isinstance(looked, HostError) else looked,
        "forms": {name.replace("-", "_"): form for name, form in forms.items()},
        "bridges": bridges_of(host),
        "held": holds.why(vm=vm),
        "may_operate": access.may(request.user, access.OPERATE, host),
        "failure": failure(error) if error else None,
    }
    if error and status == 200:
        status = 422 if request.method == "POST" else error.status
    return render(request, "hosts/hardware.html", context, status=status)


def bridges_of(host: Host) -> list[str]:
    """Bridges and networks that VMs of this host use already: to choose from."""
    facts = Placement.objects.filter(host=host, present=True).values_list("facts", flat=True)[:500]
    return sorted({nic["source"] for each in facts for nic in each.get("interfaces", []) if nic.get("source")})
