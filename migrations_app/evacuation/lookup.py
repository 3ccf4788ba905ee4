"""Which plans and rules a user may see, and which act on: the lookup is the check, for pages and API alike."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import Http404

from hosts import access
from hosts.models import VirtualMachine
from migrations_app.evacuation import reporting
from migrations_app.models import Evacuation, Move, PlacementRule


def may_operate(user: access.AnyUser, plan: Evacuation) -> bool:
    """Whether `user` may act on `plan`: each host that it touches must be the user's to operate."""
    mine = set(access.hosts_for(user, access.OPERATE).values_list("pk", flat=True))
    return all(host is not None and host.pk in mine for host in reporting.hosts_of(plan))


def plan_for(user: access.AnyUser, pk: int, *, operate: bool = False) -> Evacuation:
    """Plan `pk`. Raises Http404 where `user` may not see it, PermissionDenied where `operate` is wanted, not held."""
    plan = reporting.visible(user).select_related("host", "user", "home_of").filter(pk=pk).first()
    if plan is None:
        raise Http404(f"There is no plan #{pk}, or you may not see it.")
    if operate and not may_operate(user, plan):
        raise PermissionDenied("Your roles don't let you operate every host of this plan.")
    return plan


def move_for(user: access.AnyUser, pk: int, move: int) -> Move:
    """A move of plan `pk` that `user` may act on; raises as `plan_for` does."""
    plan = plan_for(user, pk, operate=True)
    found = plan.moves.select_related("evacuation", "source", "destination").filter(pk=move).first()
    if found is None:
        raise Http404(f"Plan #{pk} has no such move.")
    return found


def rules(user: access.AnyUser) -> QuerySet[PlacementRule]:
    """The rules that name a VM which `user` may see, each with `shown_vms`."""
    seen: QuerySet[VirtualMachine] = access.vms_for(user)
    shown: Prefetch[Any] = Prefetch("vms", seen.select_related("host").order_by("name"), to_attr="shown_vms")
    return PlacementRule.objects.filter(vms__in=seen).distinct().prefetch_related(shown)


def rule_for(user: access.AnyUser, pk: int, *, operate: bool = False) -> PlacementRule:
    """Rule `pk`; to act on it, the hosts of all its VMs must be the user's to operate. Raises as `plan_for` does."""
    rule = rules(user).filter(pk=pk).first()
    if rule is None:
        raise Http404("There is no such rule, or you may not see it.")
    if operate:
        require_vms(user, rule.vms.all())
    return rule


def require_vms(user: access.AnyUser, vms: QuerySet[VirtualMachine]) -> None:
    """Raises PermissionDenied unless the hosts of all `vms` are the user's to operate."""
    if vms.exclude(pk__in=access.vms_for(user, access.OPERATE).values("pk")).exists():
        raise PermissionDenied("Your roles don't let you operate the hosts of all these VMs.")
