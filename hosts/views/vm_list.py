"""The list of guests: found, sorted, shown as one likes; all of that stands in its address."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _
from django.views.decorators.http import require_safe

from hosts import access, filters
from hosts.http import HtmxHttpRequest, filled, is_fragment, page_of
from hosts.models import SavedView, VmState
from hosts.views.rows import sparks_of, with_flags

COLUMNS = {
    "state": _("State"),
    "host": _("Host"),
    "vcpus": _("vCPUs"),
    "memory": _("Memory"),
    "cpu": _("CPU"),
    "address": _("Address"),
    "uuid": _("UUID"),
    "note": _("Note"),
}
SORTED_BY = {"state": "state", "host": "host", "vcpus": "vcpus", "memory": "memory_mib"}
USUAL = ("state", "host", "vcpus", "memory", "cpu")
BESIDE_OTHERS = ("state", "host", "memory", "cpu")
"""On a host's page, where half the width is the table's."""
FILTERS = ("q", "state", "host", "group", "tag", "attention", "stale")
MOST_ROWS = 200
"""In one answer of `rows`; a page of the list shows fewer."""


@require_safe
def listing(request: HtmxHttpRequest) -> HttpResponse:
    found = filters.VmFilter(filled(request), filters.listed_vms(request.user))
    page = page_of(request, found.qs)
    kept = request.GET.copy()
    kept.pop("page", None)
    context = {
        **table(request, page.object_list),
        "page": page,
        "query": kept.urlencode(),
        "filter": found,
        "topic": _topic(request),
        "filtered": any(request.GET.get(name) for name in FILTERS),
        "default_sort": "name",
    }
    if is_fragment(request):
        return render(request, "hosts/_vms.html", context)
    return render(request, "hosts/vms.html", context | around(request))


def _topic(request: HtmxHttpRequest) -> str:
    """On what the list as a whole is read again: each change of a guest only where that may change which rows stand where."""
    by_state = any(request.GET.get(name) for name in ("state", "attention", "stale"))
    by_name = request.GET.get("sort", "") in ("", "name", "-name", "host", "-host")
    return "vms" if by_state or not by_name else "vm-list"


def table(request: HtmxHttpRequest, vms: Any, *, usual: Sequence[str] = USUAL) -> dict[str, Any]:
    """What _vm_table.html and _vm_rows.html need for these guests, `usual` the columns where the address names none."""
    chosen = [name for name in request.GET.getlist("columns") if name in COLUMNS] or list(usual)
    shown = QueryDict(mutable=True)
    shown.setlist("columns", chosen if chosen != list(USUAL) else [])
    shown_vms = list(vms)
    return {
        "rows": with_flags(shown_vms, request.user),
        "sparks": sparks_of(shown_vms) if "cpu" in chosen else {},
        "columns": [(name, gettext(COLUMNS[name]), SORTED_BY.get(name)) for name in COLUMNS if name in chosen],
        "column_names": chosen,
        "rows_query": shown.urlencode(),
        "may_operate": access.may_anywhere(request.user, access.OPERATE),
    }


def around(request: HtmxHttpRequest) -> dict[str, Any]:
    """What stands around the list and is not read again with it."""
    return {
        "states": VmState.choices,
        "kinds": filters.ATTENTION,
        "hosts": access.hosts_for(request.user).order_by("name").values_list("name", flat=True),
        "all_columns": [(name, gettext(label)) for name, label in COLUMNS.items()],
        "views": request.user.saved_views.filter(list=SavedView.List.VMS),
        "may_manage": access.may(request.user, access.MANAGE),
    }


@require_safe
def rows(request: HtmxHttpRequest) -> HttpResponse:
    """The rows of the guests that the query string names (`vm`), as far as one may see them; rows.js puts them in place."""
    named = {uuid for text in request.GET.getlist("vm")[:MOST_ROWS] if (uuid := filters.uuid_of(text))}
    found = filters.listed_vms(request.user).filter(uuid__in=named)
    context = table(request, found) | {"plain": "plain" in request.GET}
    return render(request, "hosts/_vm_rows.html", context)
