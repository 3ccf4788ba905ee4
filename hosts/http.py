"""What all pages need of a request: who acts, whether htmx wants a part of the page, and where to go after an act."""

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from hosts import audit


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
