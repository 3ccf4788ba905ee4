"""A guest's definition: as it runs, as its next start takes it, and what differs. Secrets are left out by libvirt."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from hosts import access, actions, editing
from hosts.definition_diff import diff, tokens
from hosts.errors import HostError, InvalidInput
from hosts.http import HtmxHttpRequest, actor, failure, see_other
from hosts.views.of_vm import host_of, vm_for
from hosts.vm_forms import DefinitionForm


@require_safe
def page(request: HtmxHttpRequest, uuid: UUID) -> HttpResponse:
    """On the host of `?host=`, else where the guest is."""
    vm = vm_for(request, uuid)
    host = host_of(request, vm, name=request.GET.get("host", ""))
    found = actions.read_definitions(vm=vm, host=host)
    context = {
        "vm": vm,
        "host": host,
        "running": list(tokens(found.running)),
        "persistent": list(tokens(found.persistent)),
        "diff": diff(found.running, found.persistent) if found.running and found.persistent else None,
    }
    context["may_edit"] = bool(found.persistent) and access.may(request.user, access.OPERATE, host)
    return render(request, "hosts/definition.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HtmxHttpRequest, uuid: UUID) -> HttpResponse:
    """The definition to be changed; POST shows what the change is, and only what was shown is stored."""
    vm = vm_for(request, uuid)
    host = host_of(request, vm, access.OPERATE)
    context: dict[str, Any] = {"vm": vm, "host": host}
    try:
        current = editing.definition.read(vm=vm, host=host)
    except HostError as error:
        return render(request, "hosts/definition_edit.html", context | {"failure": failure(error)}, status=error.status)
    posted = request.method == "POST"
    form = DefinitionForm(
        request.POST if posted else None, initial={"xml": current, "digest": editing.definition.digest_of(current)}
    )
    context["form"] = form
    if posted and form.is_valid():
        given = form.cleaned_data
        shown = editing.definition.digest_of(given["xml"])
        try:
            if given["shown"] == shown:
                later = editing.definition.edit(
                    vm=vm,
                    host=host,
                    xml=given["xml"],
                    digest=given["digest"],
                    actor=actor(request),
                    reason=given["reason"],
                )
                messages.success(
                    request,
                    gettext("The definition of {vm} was stored. {later}").format(vm=vm.name, later=later).strip(),
                )
                return see_other(request, reverse("hosts:definition", args=[vm.uuid]))
            context["changes"] = editing.definition.changes(vm=vm, current=current, xml=given["xml"])
            context["looked"] = True
            form.data = {**form.data.dict(), "shown": shown}  # type: ignore[attr-defined]
        except InvalidInput as error:
            form.refuse(error)
        except HostError as error:
            context["failure"] = failure(error)
    is_wrong = posted and (bool(form.errors) or "failure" in context)
    return render(request, "hosts/definition_edit.html", context, status=422 if is_wrong else 200)
