"""Could each host be emptied right now? Asked once a night, and when somebody wants to know; one row per look."""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db import connections
from django.utils import timezone

from hosts import audit, jobs, live
from hosts.errors import Refused
from hosts.models import Host, HostState
from migrations_app import placement
from migrations_app.evacuation import checking
from migrations_app.evacuation.planning import move_of
from migrations_app.evacuation.situation import situation
from migrations_app.models import Evacuability, Evacuation, Move

log = logging.getLogger(__name__)
NIGHT = (2, 5)
"""The hours, in the console's time zone, in which the look of the night is taken; what they miss waits for the next night."""
NEW_FOR = timedelta(hours=20)
"""A host that was just added is looked at from its second day on."""
KEPT = timedelta(days=90)
CLAIM_S = 600


def sweep() -> None:
    """At night, look at the next host that this night has not seen; one at a time, in a thread of its own."""
    now = timezone.localtime()
    if not NIGHT[0] <= now.hour < NIGHT[1]:
        return
    since = now.replace(hour=NIGHT[0], minute=0, second=0, microsecond=0)
    host = due(since)
    if host is not None:
        launch(host)


def due(since: datetime) -> Host | None:
    """A host that was not looked at since then."""
    seen = Evacuability.objects.filter(at__gte=since).values("host")
    old = Host.objects.filter(state=HostState.ONLINE, created__lt=timezone.now() - NEW_FOR, vms__isnull=False)
    return old.exclude(pk__in=seen).order_by("name").first()


def launch(host: Host) -> bool:
    """Look at `host` in the background; False where a look at some host is under way."""
    if not cache.add("evacuability", host.name, timeout=CLAIM_S):
        return False
    threading.Thread(target=_look_and_clean_up, args=(host,), name=f"evacuability {host.name}", daemon=True).start()
    return True


def check_now(*, host: Host, actor: audit.Actor) -> None:
    """Look at `host` in the background because somebody asked. Raises Refused while another look is under way."""
    with audit.act(actor=actor, action="check evacuability", target=f"host {host.name}", hosts=[host]):
        if busy := cache.get("evacuability"):
            raise Refused(f"{busy} is being looked at.", hint="Try again in a moment.")
        jobs.nudge("migrations_app.check_evacuability", host.pk)


def _look_and_clean_up(host: Host) -> None:
    try:
        look(host)
    except Exception:
        log.exception("looking whether %s could be emptied", host.name)
    finally:
        cache.delete("evacuability")
        connections.close_all()


def look(host: Host) -> Evacuability:
    """Make the plan that would empty `host`, every preflight included, keep only what it says, and forget old rows."""
    plan = Evacuation(purpose=Evacuation.Purpose.EVACUATE, host=host, host_name=host.name)
    plan.username = audit.SYSTEM.username
    moves = [move_of(plan, vm) for vm in host.vms.select_related("host")]
    with ThreadPoolExecutor(max_workers=checking.AT_ONCE) as pool:
        found = list(pool.map(_ask, moves))
    for move, unfit in zip(moves, found, strict=True):
        move.unfit = unfit
    row = Evacuability.objects.create(host=host, **verdict(plan, moves))
    Evacuability.objects.filter(at__lt=timezone.now() - KEPT).delete()
    live.publish(f"host.{host.pk}", hosts=[host.pk])
    live.publish("hosts", hosts=[host.pk])
    return row


def _ask(move: Move) -> dict[str, str]:
    try:
        return checking.ask(move)[0]
    finally:
        connections.close_all()


def verdict(plan: Evacuation, moves: Sequence[Move]) -> dict[str, Any]:
    """The fields of the row: how many could move, how many are stuck, and why."""
    names = {str(move.vm_uuid): move.vm_name for move in moves}
    now = situation(plan, moves)
    placed = placement.place(now)
    stuck = [{"vm": names[one.key], "why": one.why} for one in placed if not one.destination]
    return {
        "possible": not stuck,
        "movable": len(placed) - len(stuck),
        "stuck": len(stuck),
        "reasons": stuck[:100],
    }
