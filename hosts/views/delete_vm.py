"""Deleting a guest: its name is typed, and its volumes stay unless they are ticked."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from hosts import access, editing
from hosts.errors import HostError, InvalidInput
from hosts.http import HtmxHttpRequest, actor, failure, see_other
from hosts.views.of_vm import host_of, vm_for
from hosts.vm_forms import DeleteForm


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HtmxHttpRequest, uuid: UUID) -> HttpResponse:
    """GET asks, POST deletes."""
    vm = vm_for(request, uuid)
    host = host_of(request, vm, access.OPERATE)
    context: dict[str, Any] = {"vm": vm, "host": host}
    own, status = [], 200
    try:
        domain = editing.look(vm=vm, host=host).domain
        own = editing.own_volumes(vm=vm, host=host, domain=domain)
    except HostError as error:
        context["failure"], status = failure(error), error.status
    form = DeleteForm(request.POST if request.method == "POST" else None, own=own)
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                left = editing.delete(vm=vm, host=host, actor=actor(request), **form.cleaned_data)
            except InvalidInput as error:
                form.refuse(error)
            except HostError as error:
                context["failure"] = failure(error)
            else:
                if left:
                    messages.warning(request, gettext("{vm} was deleted. {left}").format(vm=vm.name, left=left))
                else:
                    messages.success(request, gettext("{vm} was deleted.").format(vm=vm.name))
                return see_other(request, reverse("hosts:vms"))
    context |= {"form": form, "kept": [one for one in own if one.why_not]}
    return render(request, "hosts/vm_delete.html", context, status=status)
