"""Which language somebody reads, where no middleware has found it out (on a socket), and templates compiled for each language."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.template.loaders import cached
from django.utils.translation import get_language, get_language_from_request


def language_of(scope: Mapping[str, Any]) -> str:
    """The language of the page that opened a socket: by the cookie of the choice, else as the browser asks for."""
    request = HttpRequest()
    request.COOKIES = dict(scope.get("cookies", {}))
    header = dict(scope.get("headers", ())).get(b"accept-language", b"")
    request.META["HTTP_ACCEPT_LANGUAGE"] = header.decode(errors="replace")
    return get_language_from_request(request)


class TranslatedLoader(cached.Loader):
    """Keeps a compiled template for each language: what it says is translated while it is compiled (templatetags/translated.py)."""

    def cache_key(self, template_name: str, skip: Any = None) -> str:
        return f"{get_language()} {super().cache_key(template_name, skip)}"
