"""The preflight of a plan's moves, a few at a time, in the background; what it finds goes into the rows."""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby

from django.core.cache import cache
from django.db import connections, transaction
from django.utils import timezone

from hosts.errors import HostError
from hosts.models import Host
from migrations_app import preflight
from migrations_app.evacuation import reporting, running
from migrations_app.evacuation.situation import UNDECIDED, UNDER_WAY, candidates, place, why_closed, why_stuck
from migrations_app.models import Evacuation, Kind, Move
from migrations_app.plan import Options

log = logging.getLogger(__name__)
AT_ONCE = 4
"""VMs looked at together: each look is a few sessions on each host, and a host's sshd takes ten per connection."""
HOSTS_EACH = 10
"""Destinations asked for one VM, those with the most free memory; a migration's own check asks the one it goes to."""
CLAIM_S = 60
CHECKED_IN = (Evacuation.State.PLANNED, Evacuation.State.STOPPED, *UNDER_WAY)
NOT_OF_THE_PAIR = ("memory", "maintenance")
"""Findings that the plan itself weighs, for each step."""


def sweep() -> None:
    """Look at what nobody looks at: the process that did may be gone."""
    unchecked = Evacuation.objects.filter(
        state__in=CHECKED_IN, moves__checked=None, moves__state__in=UNDECIDED
    ).distinct()
    for pk in unchecked.values_list("pk", flat=True):
        launch(pk)


def launch(pk: int) -> None:
    """Check plan `pk` in a thread of its own, unless somebody does."""
    if cache.add(_key(pk), True, timeout=CLAIM_S):
        threading.Thread(target=_check_and_clean_up, args=(pk,), name=f"check plan {pk}", daemon=True).start()


def _key(pk: int) -> str:
    return f"check-of-plan-{pk}"


def _check_and_clean_up(pk: int) -> None:
    try:
        check(pk)
    finally:
        cache.delete(_key(pk))
        connections.close_all()


def check(pk: int) -> None:
    """Look at every move of plan `pk` that was not looked at; then place those that are still to be decided."""
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix=f"check plan {pk}") as pool:
        while moves := _unchecked(pk):
            for _, of_host in groupby(sorted(moves, key=_host_of), key=_host_of):
                _look_at(list(of_host), pool)
    with transaction.atomic():
        plan = Evacuation.objects.select_for_update(of=("self",)).select_related("host", "user").get(pk=pk)
        if plan.state == Evacuation.State.PLANNED:
            place(plan)
        reporting.publish(plan)


def _unchecked(pk: int) -> list[Move]:
    rows = Move.objects.filter(
        evacuation=pk, evacuation__state__in=CHECKED_IN, checked=None, state__in=UNDECIDED
    ).select_related("evacuation__user", "vm__host", "source", "destination")
    return list(rows.order_by("position")[: 4 * AT_ONCE])


def _host_of(move: Move) -> int:
    return (move.vm and move.vm.host_id) or 0


def _look_at(moves: Sequence[Move], pool: ThreadPoolExecutor) -> None:
    """Look at moves from one host, in the order of the plan, each as soon as a thread is free."""
    plan, vm = moves[0].evacuation, moves[0].vm
    if vm is None or vm.host is None:
        list(pool.map(_look, moves))
        return
    with preflight.Sessions(vm.host, Options.from_dict(plan.options)) as sessions:
        asked = {host.pk: host for move in moves for host in _asked(move)}
        preflight.look_ahead(sessions, [move.vm for move in moves if move.vm], list(asked.values()))
        list(pool.map(partial(_look, sessions=sessions), moves))


def _look(move: Move, sessions: preflight.Sessions | None = None) -> None:
    try:
        cache.touch(_key(move.evacuation_id), CLAIM_S)
        _note(move, *ask(move, sessions))
    finally:
        connections.close_all()


def _asked(move: Move) -> list[Host]:
    """The hosts for which `move` is checked; none where it can't move at all."""
    if move.vm is None or why_stuck(move.vm, move.vm.host):
        return []
    return _worth_asking(move, candidates(move.evacuation))


def ask(move: Move, sessions: preflight.Sessions | None = None) -> tuple[dict[str, str], dict[str, float]]:
    """By host, why `move` can't go there, and how long it should take. `sessions` may be shared with other moves."""
    plan, vm, hosts = move.evacuation, move.vm, _asked(move)
    if vm is None or not hosts:
        return {}, {}
    # Asked anew: a review may have become a run since the moves were read.
    is_waited_for = Evacuation.objects.filter(pk=plan.pk, state__in=UNDER_WAY).exists()
    try:
        reports = preflight.run_all(
            vm=vm,
            destinations=hosts,
            options=Options.from_dict(plan.options),
            kind=Kind(move.kind),
            measure=not is_waited_for,
            sessions=sessions,
        )
    except HostError as error:
        return {host.name: str(error) for host in hosts}, {}
    except Exception:
        # A broken look must not keep the plan from its review: each migration looks again before it begins.
        log.exception("checking %s", move)
        return {host.name: "The console failed to check it; see its log." for host in hosts}, {}
    unfit, estimates = {}, {}
    if is_waited_for and move.kind == Kind.LIVE:
        # The move begins in a moment: its migration need not ask all of it once more.
        for report in reports:
            if not report.blocked:
                preflight.remember(vm, report.destination, Options.from_dict(plan.options), report)
    for report in reports:
        found = [check for check in report.blockers if check.name not in NOT_OF_THE_PAIR]
        if found:
            unfit[report.destination.name] = found[0].message
        if seconds := report.estimate.get("total_s"):
            estimates[report.destination.name] = seconds
    return unfit, estimates


def _worth_asking(move: Move, hosts: Sequence[Host]) -> list[Host]:
    fit = [host for host in hosts if host.pk != move.source_id and not why_closed(host)]
    fit.sort(key=lambda host: (host.pk != move.destination_id, -host.memory_free_mib, host.name))
    return fit[:HOSTS_EACH]


def _note(move: Move, unfit: dict[str, str], estimates: dict[str, float]) -> None:
    """Write down what was found. In a plan that runs, a move that can't go where it was to go is placed anew at once."""
    with transaction.atomic():
        rows = Evacuation.objects.select_for_update(of=("self",)).select_related("host", "user")
        plan = rows.get(pk=move.evacuation_id)
        mine = Move.objects.filter(pk=move.pk, state__in=UNDECIDED)
        mine.update(checked=timezone.now(), unfit=unfit, estimates=estimates)
        row = mine.first()
        if row and plan.state != Evacuation.State.PLANNED and (row.destination_name in unfit or not row.destination_id):
            place(plan, only=row)
        reporting.publish(plan)
    if plan.state in UNDER_WAY:
        running.go_on(plan.pk)
