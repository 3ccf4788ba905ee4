"""What all pages need of a request: who acts, whether htmx wants a part of the page, and where to go after an act."""

from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from hosts import access, audit
from hosts.errors import HostError
from hosts.models import Host

WORDS = {access.SEE: "see this", access.OPERATE: "operate", access.MANAGE: "manage"}
PER_PAGE = 50
AT_ONCE = 4 * PER_PAGE
"""Ids read at once; a search that finds fewer is not counted beside."""
Row = TypeVar("Row", bound=Model)


class HtmxHttpRequest(HttpRequest):
    """A request of a signed-in user, as HtmxMiddleware and LoginRequiredMiddleware leave it to a view."""

    htmx: HtmxDetails
    user: User


def actor(request: HtmxHttpRequest) -> audit.Actor:
    """The user behind `request`, for the audit list."""
    return audit.Actor(user=request.user, source="web", address=request.META.get("REMOTE_ADDR") or None)


def is_fragment(request: HtmxHttpRequest) -> bool:
    """Whether to answer with a part; htmx says HX-Request for whole pages too when it is boosted or goes back."""
    return bool(request.htmx) and not request.htmx.boosted and not request.htmx.history_restore_request


def see_other(request: HtmxHttpRequest, url: str) -> HttpResponse:
    """Go to `url` after an act: 303 for a plain form, HX-Redirect for htmx, which would swap what a 303 leads to."""
    if is_fragment(request):
        return HttpResponseClientRedirect(url)
    return HttpResponse(status=303, headers={"Location": url})


def back_or(request: HtmxHttpRequest, url: str) -> str:
    """The page of this console that the form came from, as its field `back` says; else `url`."""
    back = request.POST.get("back") or request.GET.get("back") or ""
    return back if url_has_allowed_host_and_scheme(back, allowed_hosts=None) and back.startswith("/") else url


def require(request: HtmxHttpRequest, permission: str, host: Host | None = None) -> None:
    """Raises PermissionDenied unless the user holds `permission` on `host`, or, without one, on all hosts."""
    if not access.may(request.user, permission, host):
        where = f"on {host.name}" if host else "on all hosts"
        raise PermissionDenied(f"Your roles don't let you {WORDS[permission]} {where}.")


def host_for(request: HtmxHttpRequest, name: str, permission: str = access.SEE) -> Host:
    """The host by name: 404 unless the user may see it, 403 unless `permission` is held on it."""
    host = get_object_or_404(access.hosts_for(request.user), name=name)
    require(request, permission, host)
    return host


def filled(request: HtmxHttpRequest) -> QueryDict:
    """The query string without the fields that a filter's form leaves empty: empty means "any", not a value."""
    given = request.GET.copy()
    for name, values in list(given.lists()):
        given.setlist(name, [value for value in values if value.strip()])
        if not given.getlist(name):
            del given[name]
    return given


class Pages(Paginator):
    """Finds a page's rows by their ids first, so that sorting and skipping never carry whole rows.

    The ids of the first pages are read at once: where they are all, as mostly in a search, nobody need count, which would go
    through the whole table once more.
    """

    @cached_property
    def _first(self) -> list[Any]:
        rows: Any = self.object_list
        return list(rows.values_list("pk", flat=True)[:AT_ONCE])

    @cached_property
    def count(self) -> int:
        """How many rows there are on all pages."""
        found: int = len(self._first) if len(self._first) < AT_ONCE else super().count
        return found

    def page(self, number: int | str) -> Page[Any]:
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        last = first + self.per_page
        rows: Any = self.object_list
        known = last <= AT_ONCE or len(self._first) < AT_ONCE
        keys = self._first[first:last] if known else list(rows.values_list("pk", flat=True)[first:last])
        found = rows.in_bulk(keys)
        return Page([found[key] for key in keys if key in found], number, self)


def page_of(request: HtmxHttpRequest, rows: QuerySet[Row]) -> Page[Row]:
    """The page of a list that the query string asks for; ties are broken by id, so that no row is on two pages."""
    order = rows.query.order_by or rows.model._meta.ordering or ()
    return Pages(rows.order_by(*order, "pk"), PER_PAGE).get_page(request.GET.get("page"))


def failure(error: HostError) -> dict[str, Any]:
    """What components/_error.html shows of an error that a page survives."""
    return {"title": error.title, "message": str(error), "hint": error.hint, "raw": error.raw}
