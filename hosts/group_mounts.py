"""Mount one share on many hosts: a row for each, several at once, and none is held up by one that fails."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.db import connections, transaction
from django.utils import timezone

from hosts import audit, jobs, live, mounts
from hosts.errors import HostError, InvalidInput, WouldHide
from hosts.lease import Lease, abandoned, in_thread, new_owner, unowned
from hosts.models import GroupMount, GroupMountHost, Host, MountState
from hosts.nfs import NfsSource, validate_options, validate_target

log = logging.getLogger(__name__)
AT_ONCE = 8
LEASE = timedelta(seconds=6)
"""An owner beats every second; one that was silent for this long has died, and another goes on."""
State = GroupMountHost.State


def start(
    *,
    hosts: Sequence[Host],
    source: str,
    target: str,
    options: str = "",
    persist: bool = False,
    actor: audit.Actor,
    reason: str = "",
) -> GroupMount:
    """Begin to mount `source` at `target` on each of `hosts`, in the background. Raises InvalidInput; then nothing began."""
    share, target = NfsSource.parse(source), validate_target(target)
    options = validate_options(options)
    if not hosts:
        raise InvalidInput("There is no host to mount it on.", field="on", hint="Choose a group with hosts in it.")
    with transaction.atomic():
        what = f"{share} at {target} on {len(hosts)} host{'s' if len(hosts) > 1 else ''}"
        event = audit.begin(actor=actor, action="mount on many", target=what, hosts=[*hosts], reason=reason)
        job = GroupMount.objects.create(
            source=str(share),
            target=target,
            options=options,
            persist=persist,
            reason=reason,
            user=actor.user,
            username=actor.username,
            audit=event,
        )
        GroupMountHost.objects.bulk_create(GroupMountHost(job=job, host=host) for host in hosts)
        jobs.nudge("hosts.mount_on_many", job.pk)
    return job


def launch(pk: int) -> None:
    """Drive job `pk` in a thread of its own."""
    in_thread(f"group mount {pk}", lambda: drive(pk))


def sweep() -> None:
    """Drive every job that nobody drives: its worker died, or its nudge was lost."""
    for pk in abandoned(GroupMount.objects.filter(finished=None), LEASE):
        launch(pk)


def drive(pk: int) -> None:
    """Mount on the hosts that wait; returns at once where somebody else does or the job is over."""
    owner = new_owner()
    mine = GroupMount.objects.filter(pk=pk, finished=None)
    if mine.filter(unowned(LEASE)).update(owner=owner, heartbeat=timezone.now()) != 1:
        return
    mine = mine.filter(owner=owner)
    job = GroupMount.objects.select_related("user", "audit").get(pk=pk)
    try:
        with Lease(f"group mount {pk}", lambda: mine.update(heartbeat=timezone.now()) == 1) as lease:
            # Whom another worker left in the middle is looked at again: what it mounted is found to be there.
            job.hosts.filter(state=State.RUNNING).update(state=State.WAITING)
            waiting = list(job.hosts.filter(state=State.WAITING).select_related("host"))
            with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix=f"group mount {pk}") as workers:
                for done in [workers.submit(_one, job, row, lease) for row in waiting]:
                    done.result()
            if not lease.is_lost() and not job.hosts.filter(state__in=GroupMountHost.OPEN).exists():
                _finish(job)
    finally:
        GroupMount.objects.filter(pk=pk, owner=owner).update(owner="", heartbeat=None)


def _one(job: GroupMount, row: GroupMountHost, lease: Lease) -> None:
    """One host, whatever becomes of it; the others go on."""
    try:
        if lease.is_lost() or job.hosts.filter(pk=row.pk, state=State.WAITING).update(state=State.RUNNING) != 1:
            return
        live.publish("storage", hosts=[row.host_id])
        try:
            state, message, hint, can_move = *_mount(job, row.host), "", False
        except HostError as error:
            state, message, hint = State.FAILED, str(error), error.hint
            can_move = isinstance(error, WouldHide)
        except Exception as error:
            log.exception("group mount %s on %s", job.pk, row.host.name)
            message, hint = (
                f"The console itself failed: {type(error).__name__}.",
                "See the console's log, then try again.",
            )
            state, can_move = State.FAILED, False
        job.hosts.filter(pk=row.pk).update(state=state, message=message, hint=hint, can_move=can_move)
        live.publish("storage", hosts=[row.host_id])
    finally:
        connections.close_all()


def _mount(job: GroupMount, host: Host) -> tuple[State, str]:
    there = next((each for each in mounts.check_mounts(host) if each.target == job.target), None)
    if there and there.state in (MountState.HEALTHY, MountState.STALE) and _same(there.source, job.source):
        return State.THERE, f"It has NFS {there.version}."
    actor = audit.Actor(user=job.user, source="system")
    row = mounts.mount(
        host=host,
        source=job.source,
        target=job.target,
        options=job.options,
        persist=job.persist,
        actor=actor,
        reason=job.reason,
    )
    latency = f", answers in {row.latency_ms:.0f} ms" if row.latency_ms is not None else ""
    return State.MOUNTED, f"NFS {row.version}{latency}."


def _same(source: str, other: str) -> bool:
    return source.rstrip("/") == other.rstrip("/")


def _finish(job: GroupMount) -> None:
    if GroupMount.objects.filter(pk=job.pk, finished=None).update(finished=timezone.now()) != 1:
        return
    states = list(job.hosts.values_list("state", flat=True))
    good = states.count(State.MOUNTED) + states.count(State.THERE)
    if job.audit:
        outcome = audit.Outcome.SUCCEEDED if good == len(states) else audit.Outcome.FAILED
        audit.close(job.audit, outcome, f"mounted on {good} of {len(states)} hosts")
    live.publish("storage", hosts=list(job.hosts.values_list("host_id", flat=True)))
