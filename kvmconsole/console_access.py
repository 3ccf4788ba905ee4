"""Whether somebody may go on using a guest's console, and where the guest is now: read again and again while it is open."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone

from hosts import access, audit
from hosts.inventory import running_copies
from hosts.models import ApiToken, Host, VirtualMachine
from migrations_app.models import Migration
from migrations_app.states import DRIVEN

SIGNED_OUT, FORBIDDEN = 4401, 4403


@dataclass(frozen=True, slots=True)
class Place:
    """Where the guest is, and whether this caller may use its consoles there."""

    host: Host | None
    """Where it runs; None while it runs nowhere."""
    destination: Host | None
    """Where a migration under way takes it."""
    refusal: tuple[int, str] | None = None
    """The code and the reason to close with."""


def look(*, user: int, session: str | None, token: str | None, vm: int) -> Place:
    """Ask the rows. Of a guest that moves, the copy that runs counts: in post-copy that is the destination's."""
    refused = _who(user, session, token)
    person = User.objects.filter(pk=user, is_active=True).first()
    row = VirtualMachine.objects.select_related("host").filter(pk=vm).first()
    if refused or person is None or row is None or row.host is None:
        return Place(None, None, refused or (FORBIDDEN, "No host lists this VM any more."))
    copies = running_copies(row.placements.select_related("host"))
    at = min(copies, key=lambda copy: (copy.host_id != row.host_id, copy.host_id)).host if copies else None
    if not access.may(person, access.OPERATE, at or row.host):
        name = (at or row.host).name
        return Place(None, None, (FORBIDDEN, f"Your roles don't let you operate {row.name} on {name}."))
    moving = Migration.objects.filter(vm=row, state__in=DRIVEN).select_related("destination").first()
    return Place(at, moving.destination if moving else None)


def _who(user: int, session: str | None, token: str | None) -> tuple[int, str] | None:
    now = timezone.now()
    if session is not None and not Session.objects.filter(session_key=session, expire_date__gt=now).exists():
        return SIGNED_OUT, "You are signed out."
    if token is not None and not ApiToken.objects.filter(digest=token, user=user, expires__gt=now).exists():
        return SIGNED_OUT, "The token was revoked or has expired."
    if not User.objects.filter(pk=user, is_active=True).exists():
        return SIGNED_OUT, "This account is disabled."
    return None


def begin(*, user: int, source: str, address: str | None, vm: int, kind: str, host: Host) -> Any:
    """The audit event of a console that is open now; closed as it is closed."""
    actor = audit.Actor(user=User.objects.filter(pk=user).first(), source=source, address=address)
    name = VirtualMachine.objects.get(pk=vm).name
    what = "open screen" if kind == "screen" else "open serial console"
    return audit.begin(actor=actor, action=what, target=f"VM {name} on {host.name}", hosts=[host])
