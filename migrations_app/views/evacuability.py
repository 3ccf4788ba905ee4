"""Whether each host could be emptied right now: of all hosts, and what a host's own page shows of it."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from hosts import access
from hosts.errors import Refused
from hosts.http import HtmxHttpRequest, actor, host_for, see_other
from hosts.models import Host
from migrations_app.evacuation import nightly
from migrations_app.evacuation.planning import away_from_home
from migrations_app.evacuation.situation import UNDER_WAY
from migrations_app.models import Evacuability, Evacuation

TREND = 30
"""So many looks make the trend."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """A host with its looks, the oldest first."""

    host: Host
    looks: list[Evacuability]

    @property
    def last(self) -> Evacuability | None:
        return self.looks[-1] if self.looks else None


def outlook(host: Host) -> Outlook:
    return Outlook(host, list(reversed(host.evacuability.all()[:TREND])))


@require_safe
def evacuabilities(request: HtmxHttpRequest) -> HttpResponse:
    """All hosts, those that could not be emptied first."""
    found = [outlook(host) for host in access.hosts_for(request.user).order_by("name")[:500]]
    found.sort(key=lambda one: (one.last is None, one.last.possible if one.last else False, one.host.name))
    known = [one for one in found if one.last]
    context = {
        "outlooks": found,
        "known": len(known),
        "possible": sum(1 for one in known if one.last and one.last.possible),
        "may_operate": access.may_anywhere(request.user, access.OPERATE),
    }
    return render(request, "migrations_app/evacuabilities.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def evacuability(request: HtmxHttpRequest, name: str) -> HttpResponse:
    """A part of the host's page; by POST, look now."""
    if request.method == "POST":
        host = host_for(request, name, access.OPERATE)
        try:
            nightly.check_now(host=host, actor=actor(request))
            messages.success(
                request, gettext("{host} is being looked at; the answer appears here.").format(host=host.name)
            )
        except Refused as error:
            messages.error(request, f"{error} {error.hint}")
        return see_other(request, host.get_absolute_url())
    host = host_for(request, name)
    plans = Evacuation.objects.filter(host=host).exclude(state=Evacuation.State.DISCARDED)
    context: dict[str, Any] = {
        "outlook": outlook(host),
        "host": host,
        "plans": plans[:3],
        "under_way": plans.filter(state__in=UNDER_WAY).first(),
        "away": _away(plans.filter(purpose=Evacuation.Purpose.EVACUATE).first()),
        "may_operate": access.may(request.user, access.OPERATE, host),
    }
    return render(request, "migrations_app/_evacuability.html", context)


def _away(plan: Evacuation | None) -> dict[str, Any] | None:
    """The last evacuation, where guests could come home from it."""
    if plan is None or plan.state in UNDER_WAY:
        return None
    count = len(away_from_home(plan))
    return {"plan": plan, "count": count} if count else None
