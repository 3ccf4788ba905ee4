"""Tickets that open a console once: bound to a user, a session, a VM and a kind, good for half a minute."""

import hashlib
import secrets
from dataclasses import asdict, dataclass
from typing import Literal

from django.core.cache import cache

Kind = Literal["screen", "serial"]
KINDS: tuple[Kind, ...] = ("screen", "serial")
LIFETIME_S = 30


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket lets in. `session` is the key of the browser's session, None for a caller with an API token."""

    user: int
    session: str | None
    vm: int
    kind: Kind
    force: bool = False


def issue(ticket: Ticket) -> str:
    """The ticket's text, to be shown once; only its digest is kept."""
    text = secrets.token_urlsafe(32)
    cache.set(_key(text), asdict(ticket), timeout=LIFETIME_S)
    return text


def claim(text: str) -> Ticket | None:
    """What the ticket lets in, once: None for one that is unknown, used or too old."""
    kept = cache.get(_key(text))
    # Of two claims at once only one deletes the entry.
    return Ticket(**kept) if kept and cache.delete(_key(text)) else None


def _key(text: str) -> str:
    return f"console-ticket-{hashlib.sha256(text.encode()).hexdigest()}"
