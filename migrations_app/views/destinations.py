"""The destinations of a new migration: those that fit first, and why the others do not."""

from dataclasses import dataclass

from django.db.models import Count, Q
from django.utils.translation import gettext

from hosts.models import Host, VirtualMachine
from hosts.models.inventory import ACTIVE_STATES
from migrations_app import preflight
from migrations_app.forms import MigrationForm
from migrations_app.preflight import Report

CHECKED_AT_ONCE = 10
"""So many hosts are asked for one page, those with the most free memory; the search finds the others."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A host as a destination; `why_not` says why it can't be one just now, `report` what its preflight found."""

    host: Host
    guests: int
    why_not: str
    chosen: bool
    report: Report | None = None
    is_best: bool = False


def checked_choices(vm: VirtualMachine, form: MigrationForm, *, find: str) -> list[Choice]:
    """The choices with what their preflight found, as far as CHECKED_AT_ONCE reaches."""
    shown = choices(form, find=find)
    asked = [choice.host for choice in shown if not choice.why_not][:CHECKED_AT_ONCE]
    reports = preflight.run_all(vm=vm, destinations=asked, options=form.options) if asked else []
    by_name = {choice.host.name: choice for choice in shown}
    ordered = [
        Choice(
            host=report.destination,
            guests=by_name[report.destination.name].guests,
            why_not="",
            chosen=by_name[report.destination.name].chosen,
            report=report,
            is_best=place == 0 and not report.blocked,
        )
        for place, report in enumerate(reports)
    ]
    done = {choice.host.name for choice in ordered}
    rest = [choice for choice in shown if choice.host.name not in done]
    return ordered + rest


def why_not(host: Host) -> str:
    if host.maintenance:
        return gettext("in maintenance")
    return "" if host.is_online else gettext("not reachable now")


def choices(form: MigrationForm, *, find: str = "") -> list[Choice]:
    """The possible destinations that `find` names, those with the most free memory first, then those that can't be chosen."""
    running = Count("vms", filter=Q(vms__state__in=ACTIVE_STATES))
    chosen = form["destination"].value()
    hosts = [host for name, host in form.destinations.items() if find.lower() in name.lower() or name == chosen]
    names = [host.name for host in hosts]
    guests = dict(Host.objects.filter(name__in=names).annotate(running=running).values_list("pk", "running"))
    found = [Choice(host, guests.get(host.pk, 0), why_not(host), chosen=host.name == chosen) for host in hosts]
    return sorted(found, key=lambda choice: (bool(choice.why_not), -choice.host.memory_free_mib, choice.host.name))
