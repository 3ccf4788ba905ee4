"""One act on the guests that were ticked in the list: asked for on a page of its own, then told guest by guest."""

import time
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _
from django.views.decorators.http import require_http_methods

from hosts import access, actions, filters
from hosts.errors import HostError, TimedOut, Unreachable
from hosts.forms import ReasonForm
from hosts.http import HtmxHttpRequest, actor
from hosts.models import VirtualMachine
from hosts.views.vm_list import MOST_ROWS

BUDGET_S = 40.0
"""No act begins later in one request: proxies give an answer about a minute. What is left is offered again."""
WORDS = {
    "start": (_("Start"), _("started"), _("It was started.")),
    "shutdown": (_("Shut down"), _("asked to shut down"), _("It was asked to shut down; that may take a while.")),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one guest's act: `tone` of look.LOOKS, and the words."""

    vm: VirtualMachine
    tone: str
    text: str
    hint: str = ""


@require_http_methods(["GET", "HEAD", "POST"])
def bulk(request: HtmxHttpRequest, act: str) -> HttpResponse:
    vms = _chosen(request)
    verb, done = gettext(WORDS[act][0]), gettext(WORDS[act][1])
    wanted = [vm for vm in vms if vm.is_active == (act == "shutdown")]
    context = {"act": act, "verb": verb, "done": done, "vms": wanted, "others": [vm for vm in vms if vm not in wanted]}
    form = ReasonForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "hosts/bulk.html", context | {"form": form}, status=422 if form.errors else 200)
    outcomes = _do(request, act, wanted, form.cleaned_data["reason"])
    left = [vm for vm in wanted if vm not in {one.vm for one in outcomes}]
    good = sum(one.tone == "ok" for one in outcomes)
    return render(request, "hosts/bulk_done.html", context | {"outcomes": outcomes, "left": left, "good": good})


def _chosen(request: HtmxHttpRequest) -> list[VirtualMachine]:
    """The ticked guests that one may see; 403 unless one may operate them all."""
    given = (request.POST if request.method == "POST" else request.GET).getlist("vm")
    uuids = [text for text in given[:MOST_ROWS] if filters.uuid_of(text)]
    vms = list(filters.shown_vms(request.user).filter(uuid__in=uuids))
    if uuids and not vms:
        raise Http404("no such VM")
    operable = set(access.hosts_for(request.user, access.OPERATE).values_list("pk", flat=True))
    if not operable or any(vm.host_id not in operable for vm in vms):
        raise PermissionDenied(gettext("Your roles don't let you operate all of these VMs."))
    return vms


def _do(request: HtmxHttpRequest, act: str, vms: list[VirtualMachine], reason: str) -> list[Outcome]:
    """One after the other, as long as the time lasts; a host that does not answer is not asked again."""
    ends, away, outcomes = time.monotonic() + BUDGET_S, set(), []
    for vm in vms:
        if time.monotonic() > ends or vm.host is None:
            continue
        if vm.host_id in away:
            outcomes.append(
                Outcome(vm, "warning", gettext("Left alone: {host} does not answer.").format(host=vm.host.name))
            )
            continue
        try:
            actions.VM_ACTS[act](vm=vm, host=vm.host, actor=actor(request), reason=reason)
        except HostError as error:
            outcomes.append(Outcome(vm, "error", str(error), error.hint))
            if isinstance(error, Unreachable | TimedOut):
                away.add(vm.host_id)
        else:
            outcomes.append(Outcome(vm, "ok", gettext(WORDS[act][2])))
    return outcomes
