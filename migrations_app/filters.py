"""How the history is searched, filtered and sorted: the same for page, export and API."""

from uuid import UUID

import django_filters as filters
from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from hosts.filters import OneOf
from migrations_app.models import STATE_CHOICES, Evacuation, Migration

SORTS = [
    ("created", "created"),
    ("vm_name", "vm"),
    ("source_name", "source"),
    ("destination_name", "destination"),
    ("username", "user"),
    ("state", "state"),
    ("duration", "duration"),
    ("downtime_ms", "downtime"),
    ("transferred_bytes", "moved"),
    ("ping__longest_gap_ms", "gap"),
]
"""What the database sorts by, and the name of that in the address."""


class MigrationFilter(filters.FilterSet):
    """`?q=` finds guest, hosts, user, reason and error; dates are days in UTC."""

    q = filters.CharFilter(method="search", label=_("Search"))
    state = OneOf(choices=STATE_CHOICES, label=_("State"))
    vm = filters.CharFilter(method="of_vm", label=_("VM"))
    host = filters.CharFilter(method="at_host", label=_("Host"))
    user = filters.CharFilter(field_name="username", label=_("User"))
    since = filters.DateFilter(field_name="created", lookup_expr="date__gte", label=_("Since"))
    until = filters.DateFilter(field_name="created", lookup_expr="date__lte", label=_("Until"))
    sort = filters.OrderingFilter(fields=SORTS)

    class Meta:
        model = Migration
        fields: tuple[str, ...] = ()

    def filter_queryset(self, queryset: QuerySet[Migration]) -> QuerySet[Migration]:
        duration = ExpressionWrapper(F("finished") - F("created"), output_field=DurationField())
        found: QuerySet[Migration] = super().filter_queryset(queryset.annotate(duration=duration))
        return found

    def search(self, migrations: QuerySet[Migration], name: str, value: str) -> QuerySet[Migration]:
        value = value.strip()
        wanted = Q(vm_name__icontains=value) | Q(username__icontains=value) | Q(reason__icontains=value)
        wanted |= Q(source_name__icontains=value) | Q(destination_name__icontains=value) | Q(error__icontains=value)
        if value.lstrip("#").isdecimal() and len(value) <= 18:
            wanted |= Q(pk=int(value.lstrip("#")))
        return migrations.filter(wanted)

    def of_vm(self, migrations: QuerySet[Migration], name: str, value: str) -> QuerySet[Migration]:
        """By name or by UUID."""
        try:
            return migrations.filter(vm_uuid=UUID(value.strip()))
        except ValueError:
            return migrations.filter(vm_name__iexact=value.strip())

    def at_host(self, migrations: QuerySet[Migration], name: str, value: str) -> QuerySet[Migration]:
        """Migrations that left that host or came to it."""
        return migrations.filter(Q(source_name=value) | Q(destination_name=value))


class EvacuationFilter(filters.FilterSet):
    """`?host=` is the host to be emptied, or to come home to."""

    state = OneOf(choices=Evacuation.State.choices, label=_("State"))
    host = filters.CharFilter(field_name="host_name", label=_("Host"))

    class Meta:
        model = Evacuation
        fields: tuple[str, ...] = ()
