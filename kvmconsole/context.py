"""What every page needs beside its own data: the rail's entries, the account menu, how many migrations run."""

from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_noop as _

from hosts import access, filters
from migrations_app.models import Migration
from migrations_app.states import DRIVEN

SHOWN_LOST = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """A link of the rail or of the account menu."""

    name: str
    label: str
    """In English; translated where it is shown."""
    icon: str
    permission: str = ""
    also: tuple[str, ...] = ()
    """Names of pages that belong to it and have paths of their own."""
    url: str = ""
    current: bool = False
    key: str = ""
    """After G, it leads there (keys.js)."""


RAIL = (
    Entry("hosts:overview", _("Overview"), "layout-dashboard", key="o"),
    Entry("hosts:vms", _("VMs"), "device-desktop", key="v"),
    Entry("hosts:list", _("Hosts"), "server-2", key="h"),
    Entry(
        "hosts:storage",
        _("Storage"),
        "database",
        also=("hosts:nfs-servers", "hosts:image-moves", "hosts:exports"),
        key="s",
    ),
    Entry("migrations:list", _("Migrations"), "arrows-right-left", key="m"),
    Entry("migrations:evacuations", _("Plans"), "route", key="p"),
    Entry("hosts:audit", _("Audit"), "clipboard-list", access.MANAGE, key="a"),
    Entry("hosts:people", _("People"), "users", access.MANAGE, key="e"),
)
ACCOUNT = (
    Entry("hosts:tokens", _("API tokens"), "key"),
    Entry("api-docs", _("API documentation"), "api"),
    Entry("hosts:password", _("Change password"), "lock"),
)


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The rail with the entry that this page belongs to, as far as the role goes; nothing for the signed out."""
    user = request.user
    if not user.is_authenticated:
        return {}
    return {
        "navigation": SimpleLazyObject(lambda: links(RAIL, request)),
        "account_links": SimpleLazyObject(lambda: links(ACCOUNT, request)),
        "role": SimpleLazyObject(lambda: role_of(request)),
        "running_migrations": SimpleLazyObject(lambda: running_for(request)),
        "lost_storage": SimpleLazyObject(lambda: lost_for(request)),
        "running_url": url_of("migrations:running"),
    }


def links(entries: tuple[Entry, ...], request: HttpRequest) -> list[Entry]:
    """Those of `entries` that have a page the user may open; the one with the longest fitting path is current."""
    open_to_user = [entry for entry in entries if not entry.permission or access.may(request.user, entry.permission)]
    found = [(entry, url) for entry in open_to_user if (url := url_of(entry.name))]
    paths = [(path, url) for entry, url in found for path in (url, *map(url_of, entry.also))]
    fitting = [
        (path, url) for path, url in paths if request.path == path or (path != "/" and request.path.startswith(path))
    ]
    _, here = max(fitting, key=lambda pair: len(pair[0]), default=("", ""))
    return [replace(entry, url=url, current=url == here) for entry, url in found]


def url_of(name: str) -> str:
    """The path of the page `name`, empty where this installation has none."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def role_of(request: HttpRequest) -> str:
    """The user's strongest role, in a word."""
    for role in reversed(access.ROLES):
        if access.may_anywhere(request.user, access.ROLES[role][-1]):
            return role
    return _("no role yet")


def lost_for(request: HttpRequest) -> dict[str, Any]:
    """The first mounts that VMs which run have lost, as far as the user may see them."""
    found = list(filters.lost(access.mounts_for(request.user))[: SHOWN_LOST + 1])
    return {"mounts": found[:SHOWN_LOST], "more": len(found) > SHOWN_LOST}


def running_for(request: HttpRequest) -> int:
    """How many migrations run now between hosts that the user may see."""
    seen = access.hosts_for(request.user)
    running = Migration.objects.filter(state__in=DRIVEN)
    if access.may(request.user, access.SEE):
        return running.count()
    return (running.filter(source__in=seen) | running.filter(destination__in=seen)).distinct().count()
