"""Hosts: the list, one of them, and what is done to it."""

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hosts import access, actions, filters, holds, sharing
from hosts.errors import Refused
from hosts.forms import ReasonForm
from hosts.http import HtmxHttpRequest, actor, failure, filled, host_for, is_fragment, page_of, see_other
from hosts.models import Host, HostGroup, HostState, SavedView
from hosts.views import vm_list
from hosts.views.rows import sparks_of, with_counts

SHOWN_VOLUMES = 200
"""Of a pool, on a host's own page; the lists have pages."""

SHOWN_PROOFS = 12
COLUMNS = {
    "state": (_("State"), "state"),
    "vms": (_("VMs"), ""),
    "cpus": (_("CPUs"), "cpus"),
    "memory": (_("Memory"), "memory_mib"),
    "cpu": (_("CPU"), ""),
    "versions": (_("libvirt, QEMU"), ""),
    "model": (_("CPU model"), ""),
    "address": (_("Migration address"), ""),
    "note": (_("Note"), ""),
    "seen": (_("Last seen"), "last_seen"),
}
"""Each column of the list with its head and, where it can be sorted by, the name that `?sort=` takes."""
USUAL = ("state", "vms", "cpus", "memory", "cpu", "versions", "seen")
KEPT = {"tag": _("Tag"), "libvirt": "libvirt", "qemu": "QEMU"}
"""Filters of the list that links set, and a tick takes away."""


@require_safe
def listing(request: HtmxHttpRequest) -> HttpResponse:
    found = filters.HostFilter(filled(request), access.hosts_for(request.user).prefetch_related("groups"))
    page = page_of(request, found.qs)
    chosen = [name for name in COLUMNS if name in request.GET.getlist("columns")] or list(USUAL)
    kept = request.GET.copy()
    kept.pop("page", None)
    shown = with_counts(page.object_list)
    context = {
        "page": page,
        "rows": shown,
        "sparks": sparks_of(shown) if "cpu" in chosen else {},
        "columns": [(gettext(label), sort) for name in chosen for label, sort in [COLUMNS[name]]],
        "column_names": chosen,
        "all_columns": [(name, gettext(label)) for name, (label, _) in COLUMNS.items()],
        "query": kept.urlencode(),
        "views": request.user.saved_views.filter(list=SavedView.List.HOSTS),
        "filter": found,
        "filtered": any(request.GET.get(name) for name in ("q", "state", "group", "maintenance", *KEPT)),
        "kept_filters": [
            (name, (gettext(word), value)) for name, word in KEPT.items() if (value := request.GET.get(name))
        ],
        "states": HostState.choices,
        "groups": HostGroup.objects.filter(hosts__in=access.hosts_for(request.user)).distinct(),
        "default_sort": "name",
        "may_manage": access.may(request.user, access.MANAGE),
    }
    return render(request, "hosts/_list.html" if is_fragment(request) else "hosts/list.html", context)


@require_safe
def detail(request: HtmxHttpRequest, name: str) -> HttpResponse:
    host = host_for(request, name)
    here = filters.listed_vms(request.user).filter(placements__host=host, placements__present=True)
    page = page_of(request, here)
    pools = host.pools.annotate(volume_count=Count("volumes")).order_by("name").prefetch_related("volumes")
    context = {
        "host": with_counts([host])[0],
        **vm_list.table(request, page.object_list, usual=vm_list.BESIDE_OTHERS),
        "page": page,
        "pools": pools,
        "shown_volumes": SHOWN_VOLUMES,
        "mounts": host.mounts.all(),
        "proofs": sharing.proofs_of(host, request.user)[:SHOWN_PROOFS],
        "held": holds.why(host=host),
        "may_operate": access.may(request.user, access.OPERATE, host),
        "may_manage": access.may(request.user, access.MANAGE, host),
    }
    return render(request, "hosts/_detail.html" if is_fragment(request) else "hosts/detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HtmxHttpRequest, name: str) -> HttpResponse:
    host = host_for(request, name, access.MANAGE)
    form = ReasonForm(request.POST or None)
    context = {"host": host, "form": form, "held": holds.why(host=host), "vm_count": host.vms.count()}
    if request.method == "POST" and form.is_valid():
        try:
            actions.remove_host(host=host, actor=actor(request), reason=form.cleaned_data["reason"])
        except Refused as error:
            return render(request, "hosts/remove.html", context | {"failure": failure(error)}, status=422)
        messages.success(request, gettext("{name} was removed. Nothing was changed on it.").format(name=name))
        return see_other(request, reverse("hosts:list"))
    return render(request, "hosts/remove.html", context, status=422 if form.errors else 200)


@require_POST
def refresh(request: HtmxHttpRequest, name: str) -> HttpResponse:
    host = host_for(request, name, access.OPERATE)
    actions.refresh_host(host)
    host = Host.objects.get(pk=host.pk)
    if host.is_online:
        messages.success(request, gettext("{host} was read anew.").format(host=host.name))
    else:
        messages.error(request, f"{host.name}: {host.error} {host.hint}")
    return see_other(request, host.get_absolute_url())


@require_POST
def maintenance(request: HtmxHttpRequest, name: str) -> HttpResponse:
    """Begin or end, as the form says, so that a second click does not undo the first."""
    host = host_for(request, name, access.MANAGE)
    begin = request.POST.get("maintenance") == "begin"
    if begin != host.maintenance:
        actions.set_maintenance(host=host, maintenance=begin, actor=actor(request))
    said = (
        gettext("{host} is in maintenance: it gets no guests.").format(host=host.name)
        if begin
        else gettext("{host} is back in service.").format(host=host.name)
    )
    messages.success(request, said)
    return see_other(request, host.get_absolute_url())
