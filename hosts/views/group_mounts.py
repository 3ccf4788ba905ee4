"""One share on all hosts of a group: the form that begins it, and how far it is."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from hosts import access, group_mounts
from hosts.errors import InvalidInput
from hosts.forms import GroupMountForm
from hosts.http import HtmxHttpRequest, actor, is_fragment, see_other
from hosts.models import GroupMount, GroupMountHost, Host, HostGroup

PREFILLED = ("source", "target", "options", "persist", "on")


@require_http_methods(["GET", "HEAD", "POST"])
def begin(request: HtmxHttpRequest) -> HttpResponse:
    """The form, filled from the query string; POST begins."""
    given = request.POST if request.method == "POST" else request.GET
    hosts = operable(request, given.get("on", ""))
    groups = HostGroup.objects.filter(hosts__in=access.hosts_for(request.user, access.OPERATE)).distinct()
    initial = {name: request.GET.get(name, "") for name in PREFILLED}
    form = GroupMountForm(request.POST if request.method == "POST" else None, groups=groups, initial=initial)
    context: dict[str, Any] = {"form": form, "hosts": hosts, "tab": "matrix"}
    if request.method == "POST" and form.is_valid():
        wanted = {name: form.cleaned_data[name] for name in ("source", "target", "options", "persist")}
        try:
            job = group_mounts.start(hosts=list(hosts), actor=actor(request), **wanted)
        except InvalidInput as error:
            form.refuse(error)
        else:
            return see_other(request, job.get_absolute_url())
    return render(request, "hosts/group_mount_form.html", context, status=422 if request.method == "POST" else 200)


def operable(request: HtmxHttpRequest, group: str) -> QuerySet[Host]:
    """The hosts of `group` (of all) that one may operate; 404 where there are none, as for a group that one may not see."""
    hosts = access.hosts_for(request.user, access.OPERATE).order_by("name")
    hosts = hosts.filter(groups__name=group) if group else hosts
    if not hosts.exists():
        raise Http404("No host there that you may operate")
    return hosts


@require_safe
def detail(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """How far a job is, and what came of it on each host that one may see."""
    job = get_object_or_404(GroupMount, pk=pk)
    rows = list(job.hosts.filter(host__in=access.hosts_for(request.user)).select_related("host"))
    if not rows:
        raise Http404("No such job on hosts that you may see")
    over = [row for row in rows if row.state not in GroupMountHost.OPEN]
    context = {
        "job": job,
        "rows": rows,
        "percent": 100 * len(over) / len(rows),
        "over": len(over),
        "failed": [row for row in rows if row.state == GroupMountHost.State.FAILED],
        "operable": set(access.hosts_for(request.user, access.OPERATE).values_list("pk", flat=True)),
        "matrix": reverse("hosts:matrix"),
        "tab": "matrix",
    }
    return render(request, "hosts/_group_mount.html" if is_fragment(request) else "hosts/group_mount.html", context)
