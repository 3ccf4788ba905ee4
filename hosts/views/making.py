"""Making guests: the forms for a clone and a new one, and how far one is that is being made."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from hosts import access, filters, making
from hosts.errors import HostError, InvalidInput
from hosts.http import HtmxHttpRequest, actor, failure, host_for, is_fragment, see_other
from hosts.models import StoragePool, VmBuild, Volume
from hosts.views.hardware import bridges_of
from hosts.views.of_vm import host_of, vm_for
from hosts.vm_forms import CloneVmForm, NewVmForm


@require_http_methods(["GET", "HEAD", "POST"])
def clone(request: HtmxHttpRequest, uuid: UUID) -> HttpResponse:
    """GET asks for the name, POST begins."""
    vm = vm_for(request, uuid)
    host = host_of(request, vm, access.OPERATE)
    form = CloneVmForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"vm": vm, "host": host, "form": form}
    if request.method == "POST" and form.is_valid():
        try:
            row = making.clone(vm=vm, host=host, actor=actor(request), **form.cleaned_data)
        except InvalidInput as error:
            form.refuse(error)
        except HostError as error:
            context["failure"] = failure(error)
        else:
            return see_other(request, row.get_absolute_url())
    return render(request, "hosts/vm_clone.html", context, status=422 if request.method == "POST" else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HtmxHttpRequest, name: str) -> HttpResponse:
    """The form for a new VM on the host; POST begins it."""
    host = host_for(request, name, access.OPERATE)
    pools = StoragePool.objects.filter(host=host, active=True).order_by("name")
    volumes = Volume.objects.filter(pool__in=pools).select_related("pool").order_by("pool__name", "name")
    form = NewVmForm(
        request.POST if request.method == "POST" else None,
        systems=making.systems(host),
        volumes=volumes,
        pools=pools,
    )
    context: dict[str, Any] = {"host": host, "form": form, "bridges": bridges_of(host), "has_volumes": volumes.exists()}
    if request.method == "POST" and form.is_valid():
        try:
            row = making.create(host=host, actor=actor(request), **form.wishes())
        except InvalidInput as error:
            form.refuse(error)
        except HostError as error:
            context["failure"] = failure(error)
        else:
            return see_other(request, row.get_absolute_url())
    return render(request, "hosts/vm_new.html", context, status=422 if request.method == "POST" else 200)


@require_safe
def choose_host(request: HtmxHttpRequest) -> HttpResponse:
    """On which host a new VM is to be; with one host alone it is that."""
    hosts = list(access.hosts_for(request.user, access.OPERATE).order_by("name"))
    if len(hosts) == 1:
        return redirect(reverse("hosts:new-vm", args=[hosts[0].name]))
    return render(request, "hosts/vm_new_host.html", {"hosts": hosts})


@require_safe
def build(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """How far a VM is that is being made, or what became of it."""
    return _page(request, _build(request, pk))


@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """GET asks whether to, POST asks the worker to end and to take away what it has made."""
    row = _build(request, pk, access.OPERATE)
    if request.method != "POST":
        return render(request, "hosts/build_cancel.html", {"build": row})
    try:
        making.cancel(build=row, actor=actor(request))
    except HostError as error:
        return _page(request, row, error=error)
    return see_other(request, row.get_absolute_url())


def _build(request: HtmxHttpRequest, pk: int, permission: str = access.SEE) -> VmBuild:
    row = get_object_or_404(VmBuild.objects.select_related("host", "source"), pk=pk)
    host_for(request, row.host.name, permission)
    return row


def _page(request: HtmxHttpRequest, row: VmBuild, *, error: HostError | None = None) -> HttpResponse:
    context = {
        "build": row,
        "made": filters.shown_vms(request.user).filter(uuid=row.uuid).first(),
        "may_operate": access.may(request.user, access.OPERATE, row.host),
        "failure": failure(error) if error else None,
    }
    template = "hosts/_build.html" if is_fragment(request) else "hosts/build.html"
    return render(request, template, context, status=422 if error else 200)
