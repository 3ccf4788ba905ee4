"""Makes a VM that was begun: its volumes one after the other, then its definition. What fails leaves nothing behind."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.db import close_old_connections, connections
from django.utils import timezone

from hosts import audit, inventory, live, pools, reach
from hosts.actions.framing import ACT_TIMEOUT_S
from hosts.editing.nics import new_mac
from hosts.errors import HostError, Refused
from hosts.lease import Lease, in_thread, is_dead, new_owner
from hosts.libvirt_client.connection import Connection
from hosts.making import cancelling
from hosts.models import Host, StoragePool, VirtualMachine, VmBuild, Volume
from hosts.new_domain_xml import NewVm, new_vm
from hosts.new_domain_xml import clone as clone_xml
from hosts.pools.acts import own_storage, sync
from hosts.xml_reading import parse_xml

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=10)
POLL_S = 1.0
COPY_SHARE = 95.0
"""How much of the bar is the copying; the definition takes the rest."""
INTERRUPTED = "The console ended while it was at work."


def why_held(host: Host | None, vm: VirtualMachine | None) -> str:
    """For `holds`: what is being copied is neither started nor changed, nor is its host."""
    running = VmBuild.objects.filter(state=VmBuild.State.RUNNING)
    if vm and (row := running.filter(source=vm).first()):
        return f"it is being cloned as {row.name}"
    if host and (row := running.filter(host=host).first()):
        return f"the VM {row.name} is being made on {host.name}"
    return ""


def launch(pk: int) -> None:
    """Make VM `pk` in a thread of its own."""
    in_thread(f"make VM {pk}", lambda: drive(pk))


def sweep() -> None:
    """Begin what no nudge began, and end what its worker left: a copy that broke off is not gone on with."""
    for row in VmBuild.objects.filter(state=VmBuild.State.RUNNING).select_related("host", "event"):
        if not row.owner:
            launch(row.pk)
        elif is_dead(row.owner) or (row.heartbeat and row.heartbeat < timezone.now() - LEASE):
            fresh = new_owner()
            mine = VmBuild.objects.filter(pk=row.pk, owner=row.owner)
            if mine.update(owner=fresh, heartbeat=timezone.now()) == 1:
                row.owner = fresh
                _fail(row, Refused(INTERRUPTED, host=row.host.name, hint="Begin it again."))


def drive(pk: int) -> None:
    """Do all of the work, unless another has it."""
    owner = new_owner()
    due = VmBuild.objects.filter(owner="", pk=pk, state=VmBuild.State.RUNNING)
    if due.update(owner=owner, heartbeat=timezone.now()) != 1:
        return
    row = VmBuild.objects.select_related("host", "source", "event", "user").get(pk=pk)
    mine = VmBuild.objects.filter(pk=pk, owner=owner)
    with Lease(f"VM {row.name}", lambda: mine.update(heartbeat=timezone.now()) == 1):
        try:
            _make(row)
        except HostError as error:
            _fail(row, error)
        except Exception as error:
            _fail(row, HostError(f"{type(error).__name__}: {error}", host=row.host.name))
            raise


def _make(row: VmBuild) -> None:
    actor = audit.Actor(user=row.user, source="system")
    wanted = row.plan["volumes"]
    for number, one in enumerate(wanted):
        _require_wanted(row)
        _require_source_off(row)
        _note(row, doing=f"{'Copying' if one['from'] else 'Making'} {one['name']}")
        pool = StoragePool.objects.select_related("host").get(host=row.host, name=one["pool"])
        _require_absent(pool, one["name"])
        before = list(row.made)
        # Before it is made: what a console leaves that ends meanwhile is found by this.
        _note(row, made=[*before, f"{pool.name}/{one['name']}"])

        def part(share: float, number: int = number) -> float:
            return COPY_SHARE * (number + share) / len(wanted)

        try:
            _make_volume(row, pool, one, part, actor)
        except Refused:
            _note(row, made=before)  # nothing was made: what may be there under this name is not ours
            raise
        _note(row, percent=part(1))
    _require_source_off(row)
    _require_wanted(row)
    _note(row, doing="Defining it")
    with reach.libvirt(row.host) as connection:
        connection.define(_definition(row, connection), validate=True, timeout_s=ACT_TIMEOUT_S)
        with suppress(HostError):  # it is there; the rows hear of it by an event too
            inventory.sync_domain(row.host, connection, row.uuid)
    _end(row, VmBuild.State.DONE, percent=100.0, doing="")
    audit.close(row.event, audit.Outcome.SUCCEEDED, f"as {row.name}")


def _make_volume(
    row: VmBuild, pool: StoragePool, one: dict[str, Any], part: Callable[[float], float], actor: audit.Actor
) -> None:
    """Copy or make one volume of the plan, and let it grow where that is wanted."""
    if not one["from"]:
        pools.create(pool=pool, name=one["name"], format="qcow2", capacity_bytes=one["capacity_bytes"], actor=actor)
        return
    volumes = Volume.objects.select_related("pool__host").filter(pool=pool)
    source = volumes.get(name=one["from"])
    with _Progress(row, pool, one["name"], source.allocation_bytes, part):
        pools.clone(volume=source, name=one["name"], actor=actor)
    if one.get("grow_bytes"):
        try:
            pools.resize(volume=volumes.get(name=one["name"]), capacity_bytes=one["grow_bytes"], actor=actor)
        except Refused as error:
            # No refusal of the volume itself, which is made by now.
            raise HostError(str(error), host=row.host.name, hint=error.hint, raw=error.raw) from error


def _require_absent(pool: StoragePool, name: str) -> None:
    """Raises Refused where the pool holds something of that name, as its host says now."""
    with own_storage(pool.host) as (connection, _):
        connection.refresh_pool(pool.name)
        if name in {found.name for found in connection.volumes(pool.name)}:
            message = f"The pool {pool.name} has a volume named {name} already."
            raise Refused(message, host=pool.host.name, hint="Choose another name for the VM.")


def _definition(row: VmBuild, connection: Connection) -> str:
    paths = {}
    for one in row.plan["volumes"]:
        found = Volume.objects.get(pool__host=row.host, pool__name=one["pool"], name=one["name"])
        paths[one["target"]] = (found.path, found.format or "qcow2")
    if row.kind == VmBuild.Kind.CREATE:
        path, format = paths["disk"]
        vm = NewVm(name=row.name, uuid=str(row.uuid), disk=path, disk_format=format, mac=new_mac(), **row.plan["vm"])
        return new_vm(vm, connection.best_kind())
    if row.source is None:
        raise Refused("The VM that was to be cloned is gone.", host=row.host.name)
    xml = connection.guest(str(row.source.uuid)).xml(inactive=True, secure=True)
    macs = [new_mac() for _ in parse_xml(xml).iterfind("devices/interface")]
    disks = {target: path for target, (path, _) in paths.items()}
    return clone_xml(xml, name=row.name, uuid=str(row.uuid), macs=macs, disks=disks)


def _require_wanted(row: VmBuild) -> None:
    if cancelling.is_asked(row):
        raise Refused(f"{row.name} is no longer wanted.", host=row.host.name)


def _require_source_off(row: VmBuild) -> None:
    """Raises Refused where somebody started the original meanwhile, with virsh or another tool: the copy may be torn."""
    if row.source is None:
        return
    with reach.libvirt(row.host) as connection:
        if connection.guest(str(row.source.uuid)).is_active():
            message = f"{row.source.name} was started while it was copied; the copy may be torn."
            raise Refused(message, host=row.host.name, vm=row.source.name, hint="Shut it down and clone it again.")


def _fail(row: VmBuild, error: HostError) -> None:
    """Say what went wrong, after what was made is taken away again; what can't be is named.

    Whatever ends a build that was to be cancelled, such as a copying that was broken off, is no failure.
    """
    left = list(row.made)
    with suppress(HostError):
        sync(row.host)
        for key in row.made:
            pool, _, name = key.partition("/")
            volume = Volume.objects.select_related("pool__host").filter(pool__host=row.host, pool__name=pool, name=name)
            try:
                if found := volume.first():
                    pools.delete(volume=found, actor=audit.SYSTEM)  # asks all hosts first whether anything uses it
                left.remove(key)
            except HostError as problem:
                log.warning("%s stays on %s: %s", key, row.host.name, problem)
    if cancelling.is_asked(row):
        hint = f"Left behind: {', '.join(left)}; delete it by hand." if left else ""
        _end(row, VmBuild.State.CANCELLED, hint=hint, doing="")
        audit.close(row.event, audit.Outcome.CANCELLED, hint)
        return
    hint = f"{error.hint} Left behind: {', '.join(left)}; delete it by hand." if left else error.hint
    _end(row, VmBuild.State.FAILED, error=str(error), hint=hint, doing="")
    audit.close(row.event, audit.Outcome.FAILED, str(error))


def _note(row: VmBuild, **values: Any) -> None:
    VmBuild.objects.filter(pk=row.pk, owner=row.owner).update(**values)
    for name, value in values.items():
        setattr(row, name, value)
    live.publish(f"build.{row.pk}", hosts=[row.host_id])


def _end(row: VmBuild, state: str, **values: Any) -> None:
    _note(row, state=state, finished=timezone.now(), **values)
    live.publish("vms", hosts=[row.host_id])


class _Progress:
    """Looks, while the block runs, how much of a volume is there, through a connection of its own; and whether it is wanted."""

    def __init__(
        self, row: VmBuild, pool: StoragePool, volume: str, total_bytes: int, part: Callable[[float], float]
    ) -> None:
        self._row, self._pool, self._volume, self._total, self._part = row, pool, volume, max(1, total_bytes), part
        self._over, self._tries = threading.Event(), cancelling.MOST_TRIES
        self._thread = threading.Thread(target=self._look, name=f"progress of {volume}", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=POLL_S * 10)

    def _look(self) -> None:
        try:
            with reach.open_own(self._row.host) as connection:
                while not self._over.wait(POLL_S):
                    self._stop_unwanted()
                    with suppress(Refused):  # it is not there yet
                        there = connection.volume_allocation_bytes(self._pool.name, self._volume)
                        share = min(0.99, there / self._total)
                        close_old_connections()
                        VmBuild.objects.filter(pk=self._row.pk).update(percent=self._part(share))
                        live.publish(f"build.{self._row.pk}", hosts=[self._row.host_id])
        except HostError as error:
            log.info("no progress of %s: %s", self._volume, error)  # the copy itself says what is wrong
        finally:
            connections.close_all()

    def _stop_unwanted(self) -> None:
        if self._tries and cancelling.is_asked(self._row):
            self._tries = 0 if cancelling.stop_copying(self._pool, self._volume) else self._tries - 1
