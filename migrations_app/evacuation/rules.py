"""The rules that plans keep to, as people set them."""

from collections.abc import Sequence

from django.db import IntegrityError, transaction

from hosts import audit, live
from hosts.errors import InvalidInput
from hosts.models import VirtualMachine
from migrations_app.models import PlacementRule


def save(
    *, name: str, kind: str, vms: Sequence[VirtualMachine], actor: audit.Actor, rule: PlacementRule | None = None
) -> PlacementRule:
    """Make a rule, or change `rule`. Raises InvalidInput on a name that is taken and on fewer than two VMs."""
    name = name.strip()
    row = rule or PlacementRule()
    action = "change placement rule" if rule else "add placement rule"
    with audit.act(actor=actor, action=action, target=f"{name}: {', '.join(vm.name for vm in vms)}"):
        if not name or len(name) > 80:
            raise InvalidInput("A rule needs a name of at most 80 characters.", field="name")
        if kind not in PlacementRule.Kind.values:
            raise InvalidInput(f"A rule is {' or '.join(PlacementRule.Kind.values)}, not {kind!r}.", field="kind")
        if len(vms) < 2:
            raise InvalidInput("A rule is about two VMs or more.", field="vms")
        row.name, row.kind = name, kind
        try:
            with transaction.atomic():
                row.save()
                row.vms.set(vms)
                live.publish("migrations")
        except IntegrityError:
            raise InvalidInput(f"There is a rule named {name} already.", field="name") from None
    return row


def remove(*, rule: PlacementRule, actor: audit.Actor) -> None:
    with audit.act(actor=actor, action="remove placement rule", target=rule):
        rule.delete()
        live.publish("migrations")
