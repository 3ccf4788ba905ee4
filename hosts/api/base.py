"""Who asks, and what they may do: shared by all routes of this package."""

from django.contrib.auth.models import User
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from hosts import access, audit
from hosts.models import Host

WORDS = {access.SEE: "see this", access.OPERATE: "operate", access.MANAGE: "manage"}


def actor_of(request: Request) -> audit.Actor:
    """The caller, for the audit list."""
    user = request.user if isinstance(request.user, User) else None
    return audit.Actor(user=user, source="api", address=request.META.get("REMOTE_ADDR") or None)


def host_for(request: Request, name: str, permission: str = access.SEE) -> Host:
    """The host by name: 404 unless the caller may see it, 403 unless `permission` is held on it."""
    host = get_object_or_404(access.hosts_for(request.user), name=name)
    require(request, permission, host)
    return host


def require(request: Request, permission: str, host: Host | None = None) -> None:
    """Raises PermissionDenied unless the caller holds `permission` on `host`, or, without one, on all hosts."""
    if not access.may(request.user, permission, host):
        where = f"on {host.name}" if host else "on all hosts"
        raise PermissionDenied(f"Your roles don't let you {WORDS[permission]} {where}.")
