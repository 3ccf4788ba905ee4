"""The guest `web` on hosts of the test driver, and what tests of its life do with it; the fixture `node` makes the hosts."""

import uuid
from collections.abc import Callable

from hosts import actions, audit
from hosts.models import AuditEvent, Host, Placement, VirtualMachine

WEB = uuid.UUID("6a4e0d1c-0000-4000-8000-000000000002")
ACTOR = audit.Actor(user=None, source="command")
NodeMaker = Callable[..., Host]


def web() -> VirtualMachine:
    return VirtualMachine.objects.get(uuid=WEB)


def do(act: str, host: Host, **more: object) -> None:
    actions.VM_ACTS[act](vm=web(), host=host, actor=ACTOR, **more)


def on(host: Host) -> Placement:
    return Placement.objects.get(vm=web(), host=host)


def outcome() -> tuple[str, str]:
    event = AuditEvent.objects.latest("at", "pk")
    return event.action, event.outcome
