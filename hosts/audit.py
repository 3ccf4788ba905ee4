"""The audit list: a row before each act, closed with what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.utils import timezone

from hosts import live
from hosts.errors import HostError, InvalidInput, Refused
from hosts.models import AuditEvent, Host

Outcome = AuditEvent.Outcome


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user (None for the console itself), through what, and from which address."""

    user: User | None
    source: str
    address: str | None = None

    @property
    def username(self) -> str:
        return self.user.get_username() if self.user else "kvmconsole"


NOT_TOLD = ("plan", "system")
"""Sources of acts that make no toast."""
SYSTEM = Actor(user=None, source="system")


def begin(
    *, actor: Actor, action: str, target: object, hosts: list[Host | None] | None = None, reason: str = ""
) -> AuditEvent:
    """Write the row of an act that is about to start."""
    return AuditEvent.objects.create(
        user=actor.user,
        username=actor.username,
        source=actor.source,
        address=actor.address,
        action=action,
        target=str(target)[:400],
        host_names=[host.name for host in hosts or [] if host],
        reason=reason,
    )


def close(event: AuditEvent, outcome: str, detail: str = "") -> None:
    """Close a row with its outcome, once: a row that is closed stays as it is."""
    pending = AuditEvent.objects.filter(pk=event.pk, outcome=Outcome.PENDING)
    pending.update(outcome=outcome, detail=detail, finished=timezone.now())
    event.refresh_from_db()
    live.publish("audit")
    tell(event)


def tell(event: AuditEvent) -> None:
    """A toast for who sees one of the act's hosts; what a plan or the console itself does would be too many.

    An act without a host (a role, a token) is for the audit list alone, which not everybody may read.
    """
    if event.source in NOT_TOLD or not event.host_names:
        return
    tone = "info" if event.outcome in (Outcome.SUCCEEDED, Outcome.CANCELLED) else "warning"
    told = {"who": event.username, "action": event.action, "target": event.target, "tone": tone}
    data = {"act": {**told, "outcome": event.get_outcome_display()}, "by": event.user_id}
    about = Host.objects.filter(name__in=event.host_names).values_list("pk", flat=True)
    live.publish("acts", fragments=["components/_toast_of_other.html"], data=lambda: data, hosts=[*about])


@contextmanager
def act(
    *, actor: Actor, action: str, target: object, hosts: list[Host | None] | None = None, reason: str = ""
) -> Iterator[AuditEvent]:
    """Frame an act: its row is closed as refused, failed or succeeded as the block ends.

    With `event.left_open` an act that has only begun well stays pending; whoever follows it closes it.
    """
    event = begin(actor=actor, action=action, target=target, hosts=hosts, reason=reason)
    try:
        yield event
    except (Refused, InvalidInput) as error:
        close(event, Outcome.REFUSED, str(error))
        raise
    except HostError as error:
        close(event, Outcome.FAILED, str(error))
        raise
    except BaseException as error:
        close(event, Outcome.FAILED, f"{type(error).__name__}: {error}")
        raise
    if not event.left_open:
        close(event, Outcome.SUCCEEDED, event.detail)
