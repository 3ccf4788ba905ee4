"""A guest's definition: as it runs, as its next start takes it, and what differs. Secrets are left out by libvirt."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from hosts import actions, filters
from hosts.definition_diff import diff, tokens
from hosts.http import HtmxHttpRequest, host_for


@require_safe
def page(request: HtmxHttpRequest, uuid: UUID) -> HttpResponse:
    """On the host of `?host=`, else where the guest is."""
    vm = get_object_or_404(filters.shown_vms(request.user), uuid=uuid)
    host = host_for(request, request.GET.get("host", "") or (vm.host.name if vm.host else ""))
    found = actions.read_definitions(vm=vm, host=host)
    context = {
        "vm": vm,
        "host": host,
        "running": list(tokens(found.running)),
        "persistent": list(tokens(found.persistent)),
        "diff": diff(found.running, found.persistent) if found.running and found.persistent else None,
    }
    return render(request, "hosts/definition.html", context)
