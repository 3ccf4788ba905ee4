"""The guest that a page is about, and the host that is meant."""

from uuid import UUID

from django.shortcuts import get_object_or_404

from hosts import access, filters
from hosts.http import HtmxHttpRequest, host_for
from hosts.models import Host, VirtualMachine


def vm_for(request: HtmxHttpRequest, uuid: UUID) -> VirtualMachine:
    """404 unless the user may see it."""
    vm: VirtualMachine = get_object_or_404(filters.shown_vms(request.user), uuid=uuid)
    return vm


def host_of(request: HtmxHttpRequest, vm: VirtualMachine, permission: str = access.SEE, *, name: str = "") -> Host:
    """The host of that name, else where the guest is: 404 unless the user may see it, 403 unless `permission` is held."""
    return host_for(request, name or (vm.host.name if vm.host else ""), permission)
