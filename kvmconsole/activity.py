"""Everything in progress that a user may see, in one place: migrations, plans, moves of images, what is due, other acts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from hosts import access
from hosts.http import HtmxHttpRequest, is_fragment
from hosts.models import AuditEvent, GroupMount, ImageMove
from migrations_app.evacuation import reporting
from migrations_app.models import LARGE, Evacuation
from migrations_app.schedules import lookup
from migrations_app.snapshot import visible
from migrations_app.states import DRIVEN, State

SHOWN = 10
"""Of a kind; the lists show them all."""
AHEAD = timedelta(days=1)
LONGEST_ACT = timedelta(hours=1)
"""An act that is open for longer was cut off; the audit list still has it."""
SHOWN_ELSEWHERE = Q(action__in=("migrate", "external migration", "move images", "mount on many")) | Q(
    action__startswith="run plan"
)
"""Acts that stand under another heading."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing under way; `percent` is None where nobody can say, -1 where there is nothing to measure."""

    title: str
    text: str
    url: str
    state: str
    kind: str
    percent: int | None = -1
    at: object = None


@require_safe
def activity(request: HtmxHttpRequest) -> HttpResponse:
    """The drawer's list for htmx, else a page with the same."""
    groups = [(title, url, found) for title, url, items in under_way(request.user) if (found := list(items))]
    return render(request, "_activity.html" if is_fragment(request) else "activity.html", {"groups": groups})


def under_way(user: access.AnyUser) -> Iterator[tuple[str, str, Iterable[Item]]]:
    """What is under way, under headings with the page that has it all."""
    yield gettext("Migrations"), reverse("migrations:list"), migrations(user)
    yield gettext("Plans"), reverse("migrations:evacuations"), plans(user)
    yield gettext("Moves of images"), reverse("hosts:image-moves"), image_moves(user)
    yield gettext("Mounts on many hosts"), reverse("hosts:matrix"), group_mounts(user)
    yield gettext("Other acts"), reverse("hosts:audit"), acts(user)
    yield gettext("Due within a day"), reverse("migrations:schedules"), due(user)


def migrations(user: access.AnyUser) -> Iterator[Item]:
    """Those that a person must look at, those that move, and how many wait."""
    seen = visible(user).defer(*LARGE)
    for row in [*seen.filter(state=State.NEEDS_ATTENTION)[:SHOWN], *seen.filter(state__in=DRIVEN)[:SHOWN]]:
        way = gettext("{source} to {destination}").format(
            source=row.source_name, destination=row.destination_name or gettext("another host")
        )
        percent = row.progress.get("percent", 0) if row.state in DRIVEN else -1
        yield Item(row.vm_name, way, row.get_absolute_url(), row.state, "migration", percent)
    if waiting := seen.filter(state=State.QUEUED).count():
        yield Item(
            gettext("{count} in the queue").format(count=waiting),
            "",
            reverse("migrations:queue"),
            State.QUEUED,
            "migration",
        )


def plans(user: access.AnyUser) -> Iterator[Item]:
    running = (Evacuation.State.RUNNING, Evacuation.State.STOPPING, Evacuation.State.STOPPED)
    for row in reporting.visible(user).filter(state__in=running).prefetch_related("moves__migration")[:SHOWN]:
        figures = reporting.progress(row, list(row.moves.all()))
        title = f"{gettext(row.get_purpose_display())} {row.host_name}".strip().capitalize()
        text = gettext("{done} of {total} moved").format(done=figures["counts"]["done"], total=figures["total"])
        yield Item(title, text, row.get_absolute_url(), row.state, "plan", figures["percent"])


def image_moves(user: access.AnyUser) -> Iterator[Item]:
    rows = ImageMove.objects.filter(host__in=access.hosts_for(user), state__in=ImageMove.DRIVEN).select_related("host")
    for row in rows[:SHOWN]:
        yield Item(
            gettext("{path} on {host}").format(path=row.target, host=row.host.name),
            row.source,
            row.get_absolute_url(),
            row.state,
            "image move",
        )


def group_mounts(user: access.AnyUser) -> Iterator[Item]:
    seen = GroupMount.objects.filter(finished=None, hosts__host__in=access.hosts_for(user)).distinct()
    for row in seen.prefetch_related("hosts")[:SHOWN]:
        rows = list(row.hosts.all())
        over = sum(each.state not in each.OPEN for each in rows)
        text = gettext("{share}: {over} of {total} hosts").format(share=row.source, over=over, total=len(rows))
        yield Item(row.target, text, row.get_absolute_url(), "running", "group mount", 100 * over // max(len(rows), 1))


def acts(user: access.AnyUser) -> Iterator[Item]:
    """Of the audit list, as far as the user may read it."""
    since = timezone.now() - LONGEST_ACT
    pending = access.audit_for(user).filter(outcome=AuditEvent.Outcome.PENDING, at__gte=since).exclude(SHOWN_ELSEWHERE)
    for row in pending[:SHOWN]:
        text = gettext("{target}, by {user}").format(target=row.target, user=row.username)
        yield Item(gettext(row.action).capitalize(), text, reverse("hosts:audit"), row.outcome, "outcome", at=row.at)


def due(user: access.AnyUser) -> Iterator[Item]:
    rows = lookup.visible(user).filter(enabled=True, next_due__lte=timezone.now() + AHEAD)
    for row in rows.order_by("next_due")[:SHOWN]:
        text = gettext("Migrate {vm}").format(vm=row.vm.name) if row.vm else ""
        if row.host and not row.vm:
            text = gettext("Empty {host}").format(host=row.host.name)
        yield Item(row.name, text, row.get_absolute_url(), "planned", "plan", at=row.next_due)
