"""What a host's error becomes on a page, what caches must know of fragments, and in which language an answer speaks."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import patch_vary_headers

from hosts.errors import HostError


class HostErrorMiddleware:
    """Turns a HostError that no view caught into a page that says what happened and what to do next."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        patch_vary_headers(response, ["HX-Request"])
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, HostError):
            return None
        return render(request, "error.html", {"title": error.title, "error": error}, status=error.status)


class PageLanguageMiddleware(LocaleMiddleware):
    """Pages speak the reader's language (the choice in the cookie, else the browser's); the API speaks English to programs.

    A page's own script, whose answer a reader sees, says so by the header X-Asked-By-Page.
    """

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        if request.path.startswith("/api/v1/") and "X-Asked-By-Page" not in request.headers:
            translation.activate(settings.LANGUAGE_CODE)
            request.LANGUAGE_CODE = settings.LANGUAGE_CODE
