"""Which schedules a user may see, and which act on: the lookup is the check, for pages and API alike."""

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404

from hosts import access
from migrations_app.models import Schedule, ScheduleRun
from migrations_app.schedules.firing import hosts_of


def visible(user: access.AnyUser) -> QuerySet[Schedule]:
    """The schedules whose VM or host to empty `user` may see."""
    seen = Q(vm__in=access.vms_for(user)) | Q(host__in=access.hosts_for(user))
    return Schedule.objects.filter(seen).select_related("vm__host", "host", "destination", "user")


def may_operate(user: access.AnyUser, row: Schedule) -> bool:
    return all(access.may(user, access.OPERATE, host) for host in hosts_of(row))


def schedule_for(user: access.AnyUser, pk: int, *, operate: bool = False) -> Schedule:
    """Raises Http404 where `user` may not see it, PermissionDenied where `operate` is wanted, not held."""
    row = visible(user).filter(pk=pk).first()
    if row is None:
        raise Http404(f"There is no schedule {pk}, or you may not see it.")
    if operate and not may_operate(user, row):
        raise PermissionDenied("Your roles don't let you operate every host of this schedule.")
    return row


def unseen(user: access.AnyUser) -> QuerySet[ScheduleRun]:
    """The missed and refused runs that nobody has marked as seen."""
    rows = ScheduleRun.objects.exclude(outcome=ScheduleRun.Outcome.STARTED).filter(seen=False)
    return rows.filter(schedule__in=visible(user)).select_related("schedule")
