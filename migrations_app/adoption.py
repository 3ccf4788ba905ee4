"""Finds migrations that nobody here began, by libvirt's own signs of them, and takes them into the history as external.

The signs: the source's events (a round of the copy began; a job that moved a guest is over), and in the inventory a guest
that waits, paused, to come in. Only then is that one guest asked for its job; no host is ever asked for all its guests' jobs.
"""

import logging
import shlex
import threading
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from hosts import audit, inventory, jobs, reach
from hosts.errors import HostError
from hosts.inventory.summary import WAITING_REASONS
from hosts.libvirt_client.connection import Connection
from hosts.libvirt_client.events import Event
from hosts.models import Host, HostState, Placement, VirtualMachine, VmState
from hosts.models.inventory import ACTIVE_STATES
from migrations_app import external, pictures, record, states
from migrations_app.models import Migration, MigrationStep, Origin
from migrations_app.plan import Options
from migrations_app.progress import Progress, advance
from migrations_app.states import State, StepState

log = logging.getLogger(__name__)
USERNAME = "external"
OPTIONS = Options(policy="manual", persistent=False, undefine_source=False)
"""What is safe to say of one whose options are not known: nobody steers it, and nothing is promised."""
SLACK = timedelta(seconds=1)
"""How much later than its job a row of ours may have been made, by clocks of two machines of the console."""
ASK_AGAIN_S = 10.0
"""How long a guest that was found without a job is not asked again by the sweep."""
AT_ONCE = 10
"""At most so many guests are asked in one sweep; the rest have their turn in the next."""

_asked: dict[Any, float] = {}
_lock = threading.Lock()


def heard(host_pk: int, event: Event) -> None:
    """An event of a host, told by its watcher: quick, since that waits meanwhile."""
    if event.kind == "migration_iteration" and not _held(event.uuid):
        jobs.nudge("migrations_app.look_for_job", host_pk, event.uuid)
    elif event.kind == "job_completed" and event.what == "migration_out" and event.stats and event.at:
        began = event.at - timedelta(milliseconds=event.stats.time_elapsed_ms or 0)
        if not _covered(event.uuid, began):
            jobs.nudge("migrations_app.take_in_completed", host_pk, event.uuid, began.isoformat())


def sweep() -> None:
    """Look for jobs of guests that wait to come in and that no migration holds; and for destinations not known yet."""
    for migration in Migration.objects.filter(origin=Origin.EXTERNAL, destination=None, state__in=states.DRIVEN):
        external.locate(migration)
    held = Migration.objects.filter(state__in=states.ACTIVE).values("vm_uuid")
    waiting = Placement.objects.filter(
        present=True, state=VmState.PAUSED, reason__in=WAITING_REASONS, host__state=HostState.ONLINE
    ).exclude(vm__uuid__in=held)
    for placement in waiting.select_related("vm")[:AT_ONCE]:
        if _may_ask(placement.vm.uuid):
            others = placement.vm.placements.filter(present=True, state__in=ACTIVE_STATES).exclude(pk=placement.pk)
            for host_pk in others.values_list("host", flat=True)[:2]:
                jobs.nudge("migrations_app.look_for_job", host_pk, str(placement.vm.uuid))


def look_for_job(host_pk: int, uuid: str) -> Migration | None:
    """Take in the migration that leaves the host just now, where there is one that nobody here began."""
    host = Host.objects.filter(pk=host_pk).first()
    # Ours has its row before libvirt is asked; so a job that is seen after this, without a row, is none of ours.
    if host is None or _held(uuid):
        return None
    try:
        with reach.libvirt(host) as connection:
            stats = connection.guest(uuid).job_stats()
            if not stats.is_active or stats.operation != "migration_out":
                return None
            began = timezone.now() - timedelta(milliseconds=stats.time_elapsed_ms or 0)
            vm = _vm(host, connection, uuid)
    except HostError as error:
        log.info("no job of %s on %s: %s", uuid, host.name, error)
        return None
    return _take_in(host, vm, began, advance(Progress(), stats))


def take_in_completed(host_pk: int, uuid: str, began: datetime) -> Migration | None:
    """Take in a migration that was over before anybody had looked: the quick ones."""
    host = Host.objects.filter(pk=host_pk).first()
    vm = VirtualMachine.objects.filter(uuid=uuid).first()
    return _take_in(host, vm, began, Progress()) if host and vm else None


def _held(uuid: str) -> bool:
    return Migration.objects.filter(vm_uuid=uuid, state__in=states.ACTIVE).exists()


def _covered(uuid: UUID | str, began: datetime) -> bool:
    """Whether a row speaks of the job that began then: one that is active, or that ended after the job had begun."""
    rows = Migration.objects.filter(vm_uuid=uuid, created__lte=began + SLACK)
    return _held(str(uuid)) or rows.filter(finished__gt=began).exists()


def _may_ask(uuid: object) -> bool:
    with _lock:
        now = time.monotonic()
        for known in [key for key, at in _asked.items() if now - at > ASK_AGAIN_S]:
            del _asked[known]
        if uuid in _asked:
            return False
        _asked[uuid] = now
        return True


def _vm(host: Host, connection: Connection, uuid: str) -> VirtualMachine | None:
    """The guest's row; the inventory is told first of one that it does not know yet."""
    vm = VirtualMachine.objects.filter(uuid=uuid).first()
    if vm is None:
        inventory.sync_domain(host, connection, uuid)
        vm = VirtualMachine.objects.filter(uuid=uuid).first()
    return vm


def _take_in(host: Host, vm: VirtualMachine | None, began: datetime, progress: Progress) -> Migration | None:
    """Make the rows of an external migration; None where another process did, or it is one of ours."""
    if vm is None:
        return None
    kept = pictures.before(host, str(vm.uuid))
    try:
        with transaction.atomic():
            if _covered(vm.uuid, began):
                return None
            migration = _write(host, vm, began, {**kept, "progress": {**progress.to_dict(), "at_ms": 0}})
    except IntegrityError:
        return None  # one_active_migration_per_vm: another process was quicker
    log.info("took in migration %s", migration)
    return migration


def _write(host: Host, vm: VirtualMachine, began: datetime, values: dict[str, Any]) -> Migration:
    destination = external.find_destination(vm.uuid, host)
    target = f"{vm.name} from {host.name} to {destination.name if destination else external.UNKNOWN_PLACE}"
    event = audit.begin(actor=audit.SYSTEM, action="external migration", target=target, hosts=[host, destination])
    migration = Migration.objects.create(
        vm=vm,
        vm_uuid=vm.uuid,
        vm_name=vm.name,
        source=host,
        source_name=host.name,
        destination=destination,
        destination_name=destination.name if destination else "",
        origin=Origin.EXTERNAL,
        options=OPTIONS.to_dict(),
        command=command(vm, host, destination),
        ping_address=vm.address,
        username=USERNAME,
        audit=event,
        state=State.COPYING,
        created=began,
        started=began,
        launched=began,
        **values,
    )
    steps = [MigrationStep(migration=migration, position=i, name=name) for i, name in enumerate(states.STEPS)]
    steps[0].state, steps[0].detail = StepState.SKIPPED, "Begun outside the console: nothing was checked before."
    steps[1].state, steps[1].started = StepState.RUNNING, began
    MigrationStep.objects.bulk_create(steps)
    record.tell(
        migration,
        "Found under way, begun outside the console",
        reason=f"{host.name} has a job that moves it away, and nobody here began one.",
    )
    jobs.nudge("migrations_app.drive", migration.pk)
    return migration


def command(vm: VirtualMachine, source: Host, destination: Host | None) -> str:
    """The virsh command as far as it is known: from where and to where, without its options."""
    to = destination.uri_for_peers if destination else "DESTINATION"
    return shlex.join(["virsh", "-c", source.uri, "migrate", "--live", vm.name, to])
