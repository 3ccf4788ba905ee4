"""A guest's snapshots as a tree, and what is done to them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from hosts import access, actions, holds
from hosts.errors import HostError, InvalidInput
from hosts.forms import ReasonForm
from hosts.http import HtmxHttpRequest, actor, failure, see_other
from hosts.libvirt_client.guest_snapshots import Snapshot
from hosts.views.of_vm import host_of, vm_for
from hosts.vm_forms import SnapshotForm


@dataclass(slots=True)
class Node:
    """A snapshot with those made from it."""

    snapshot: Snapshot
    children: "list[Node]" = field(default_factory=list)


def tree(found: list[Snapshot]) -> list[Node]:
    """The roots, each with what follows it; one whose parent is not there is a root."""
    nodes = {snapshot.name: Node(snapshot) for snapshot in found}
    roots: list[Node] = []
    for node in nodes.values():
        parent = nodes.get(node.snapshot.parent)
        (parent.children if parent and parent is not node else roots).append(node)
    return roots


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HtmxHttpRequest, uuid: UUID) -> HttpResponse:
    """The snapshots on the host where the guest is, and the form for one more; POST creates it."""
    posted = request.method == "POST"
    vm = vm_for(request, uuid)
    host = host_of(request, vm, access.OPERATE if posted else access.SEE)
    form = SnapshotForm(request.POST if posted else None, is_active=vm.is_active)
    error = None
    if posted and form.is_valid():
        try:
            actions.create_snapshot(vm=vm, host=host, actor=actor(request), **form.cleaned_data)
        except InvalidInput as refusal:
            form.refuse(refusal)
        except HostError as problem:
            error = problem
        else:
            messages.success(
                request,
                gettext("The snapshot {name} of {vm} was created.").format(name=form.cleaned_data["name"], vm=vm.name),
            )
            return see_other(request, reverse("hosts:snapshots", args=[vm.uuid]))
    context: dict[str, Any] = {
        "vm": vm,
        "host": host,
        "form": form,
        "held": holds.why(vm=vm),
        "may_operate": access.may(request.user, access.OPERATE, host),
    }
    try:
        found = actions.snapshots(vm=vm, host=host)
        context |= {"roots": tree(found), "count": len(found), "external": any(one.external for one in found)}
    except HostError as problem:
        error = error or problem
    context["failure"] = failure(error) if error else None
    status = 422 if posted else error.status if error else 200
    return render(request, "hosts/snapshots.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def revert(request: HtmxHttpRequest, uuid: UUID, snapshot: str) -> HttpResponse:
    done = gettext("{vm} is what it was at {snapshot}.")
    return _confirmed(request, uuid, snapshot, "hosts/snapshot_revert.html", actions.revert_to_snapshot, done)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HtmxHttpRequest, uuid: UUID, snapshot: str) -> HttpResponse:
    done = gettext("The snapshot {snapshot} of {vm} was deleted.")
    return _confirmed(request, uuid, snapshot, "hosts/snapshot_delete.html", actions.delete_snapshot, done)


def _confirmed(
    request: HtmxHttpRequest, uuid: UUID, name: str, template: str, act: Callable[..., None], done: str
) -> HttpResponse:
    """GET asks, with what the act does to the guest; POST acts."""
    vm = vm_for(request, uuid)
    host = host_of(request, vm, access.OPERATE)
    context: dict[str, Any] = {"vm": vm, "host": host, "name": name, "form": ReasonForm(request.POST or None)}
    status = 200
    if request.method == "POST":
        try:
            act(vm=vm, host=host, name=name, actor=actor(request), reason=request.POST.get("reason", "")[:300])
        except HostError as error:
            context["failure"], status = failure(error), 422
        else:
            messages.success(request, done.format(vm=vm.name, snapshot=name))
            return see_other(request, reverse("hosts:snapshots", args=[vm.uuid]))
    try:
        found = {snapshot.name: snapshot for snapshot in actions.snapshots(vm=vm, host=host)}
    except HostError as error:
        found = {}
        context["failure"] = context.get("failure") or failure(error)
        status = 422 if status == 422 else error.status
    else:
        if name not in found and status == 200:
            raise Http404(name)
    context["snapshot"] = found.get(name)
    context["newer"] = [one for one in found.values() if name in found and one.created > found[name].created]
    return render(request, template, context, status=status)
