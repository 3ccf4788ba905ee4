"""Builders of rows for tests: `build.host("h1")`, `build.vm("web", on=h1)`, `build.user("alice", role="operator")`."""

import uuid
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.utils import timezone

from hosts import access, audit, inventory
from hosts.models import (
    GroupMount,
    GroupMountHost,
    Host,
    HostGroup,
    HostState,
    ImageMove,
    ImageMoveFile,
    Mount,
    MountState,
    NfsServer,
    Placement,
    StoragePool,
    VirtualMachine,
    VmBuild,
    VmState,
)
from migrations_app.models import Evacuation, Migration, MigrationStep, Move, PlacementRule, Schedule
from migrations_app.plan import Options
from migrations_app.schedules import Wanted
from migrations_app.states import STEPS, State

PASSWORD = "correct horse battery"


def host(name: str = "h1", *, uri: str = "", groups: tuple[HostGroup, ...] = (), **fields: Any) -> Host:
    """A host that is online, at an address of the documentation network unless `uri` says otherwise."""
    fields = {"state": HostState.ONLINE, "cpus": 4, "memory_mib": 8192, **fields}
    row = Host.objects.create(name=name, uri=uri or f"qemu+ssh://root@{name}.example.net/system", **fields)
    row.groups.set(groups)
    return row


def group(name: str = "site-a") -> HostGroup:
    return HostGroup.objects.get_or_create(name=name)[0]


def vm(
    name: str = "web",
    *,
    on: Host,
    state: str = VmState.RUNNING,
    persistent: bool = True,
    also_defined_on: tuple[Host, ...] = (),
    memory_mib: int = 512,
    vcpus: int = 2,
    disk: str = "/mnt/kvm/web.qcow2",
    mac: str = "52:54:00:00:00:01",
    address: str | None = None,
) -> VirtualMachine:
    """A guest on `on`, with shut-off definitions on other hosts; its summary is worked out by the real code."""
    row = VirtualMachine.objects.create(uuid=uuid.uuid4(), name=name, address=address)
    facts = {
        "name": name,
        "vcpus": vcpus,
        "memory_mib": memory_mib,
        "disks": [
            {"target": "vda", "device": "disk", "type": "file", "source": disk, "format": "qcow2", "cache": "none"}
        ],
        "interfaces": [{"mac": mac, "type": "bridge", "source": "br0", "model": "virtio"}],
    }
    Placement.objects.create(vm=row, host=on, state=state, persistent=persistent, facts=facts)
    for other in also_defined_on:
        Placement.objects.create(vm=row, host=other, state=VmState.SHUTOFF, persistent=True, facts=facts)
    inventory.settle({row.pk})
    row.refresh_from_db()
    return row


def mount(*, on: Host, source: str = "198.51.100.2:/home/image", target: str = "/mnt", **fields: Any) -> Mount:
    fields = {"state": MountState.HEALTHY, "checked": timezone.now(), **fields}
    return Mount.objects.create(host=on, source=source, target=target, **fields)


def group_mount(*hosts: Host, states: tuple[str, ...] = (), **fields: Any) -> GroupMount:
    """A job that mounts the share of `mount` on `hosts`; all wait unless `states` says otherwise."""
    fields = {"source": "198.51.100.2:/home/image", "target": "/mnt", "username": "somebody", **fields}
    job = GroupMount.objects.create(**fields)
    for number, each in enumerate(hosts):
        state = states[number] if states else GroupMountHost.State.WAITING
        GroupMountHost.objects.create(job=job, host=each, state=state)
    return job


def nfs_server(name: str = "nas-1", *, ssh: str = "root@127.0.0.1:1", **fields: Any) -> NfsServer:
    """A server at an address of the documentation network, whose ssh target is a closed port of this machine."""
    return NfsServer.objects.create(name=name, address=fields.pop("address", "198.51.100.2"), ssh=ssh, **fields)


def pool(name: str = "images", *, on: Host, target: str = "/mnt/kvm") -> StoragePool:
    return StoragePool.objects.create(host=on, name=name, uuid=uuid.uuid4(), kind="dir", active=True, target=target)


def image_move(*, on: Host, target: str = "/mnt", state: str = "planned", **fields: Any) -> ImageMove:
    """A move of one image onto a share, planned unless `state` says otherwise."""
    fields = {"source": "198.51.100.2:/home/image", "username": "somebody", "token": uuid.uuid4().hex[:8], **fields}
    row = ImageMove.objects.create(host=on, target=target, state=state, **fields)
    file = {"path": "web.qcow2", "kind": "file", "size_bytes": 2**30, "allocated_bytes": 2**28, "is_image": True}
    ImageMoveFile.objects.create(move=row, position=0, **file)
    return row


def vm_build(name: str, *, on: Host, **fields: Any) -> VmBuild:
    """A new VM that failed to be made, unless `fields` says otherwise."""
    event = audit.begin(actor=audit.SYSTEM, action="create VM", target=f"VM {name} on {on.name}", hosts=[on])
    fields = {"kind": "create", "state": "failed", "plan": {"volumes": [], "vm": {}}, **fields}
    return VmBuild.objects.create(name=name, host=on, uuid=uuid.uuid4(), event=event, **fields)


def user(name: str = "alice", *, role: str | None = None, scope: HostGroup | None = None) -> User:
    """A user who can sign in with PASSWORD, in a role on all hosts or on one group."""
    row = User.objects.create_user(name, password=PASSWORD)
    if role:
        group, _ = Group.objects.get_or_create(name=role)
        names = [permission.split(".")[1] for permission in access.ROLES[role]]
        group.permissions.set(Permission.objects.filter(content_type__app_label="hosts", codename__in=names))
        access.give_role(user=row, role=role, scope=scope)
    return row


def migration(
    of: VirtualMachine | None = None,
    *,
    to: Host | None = None,
    state: str = State.COPYING,
    options: Options | None = None,
    by: User | None = None,
    **fields: Any,
) -> Migration:
    """A migration in `state` with its steps, of a VM on a host to another; both are made where they are not given."""
    of = of or vm(on=Host.objects.filter(name="h1").first() or host("h1"))
    to = to or Host.objects.filter(name="h2").first() or host("h2")
    over = state in (State.COMPLETED, State.CANCELLED, State.FAILED)
    times = {"started": timezone.now(), "finished": timezone.now() if over else None}
    row = Migration.objects.create(
        vm=of,
        vm_uuid=of.uuid,
        vm_name=of.name,
        source=of.host,
        source_name=of.host.name if of.host else "",
        destination=to,
        destination_name=to.name,
        options=(options or Options()).to_dict(),
        user=by,
        state=state,
        **{"command": f"virsh migrate {of.name}", "username": by.username if by else "somebody", **times, **fields},
    )
    steps = [MigrationStep(migration=row, position=i, name=name) for i, name in enumerate(STEPS)]
    MigrationStep.objects.bulk_create(steps)
    return row


def plan(*vms: VirtualMachine, to: Host, of: Host | None = None, **fields: Any) -> Evacuation:
    """A plan that empties `of`, or, without it, moves `vms` to `to`; nothing of it was checked or begun."""
    purpose = Evacuation.Purpose.EVACUATE if of else Evacuation.Purpose.BULK
    fields = {"username": "kvmconsole", "host_name": of.name if of else "", **fields}
    row = Evacuation.objects.create(purpose=purpose, host=of, **fields)
    for position, each in enumerate(vms):
        Move.objects.create(
            evacuation=row,
            position=position,
            vm=each,
            vm_uuid=each.uuid,
            vm_name=each.name,
            memory_mib=each.memory_mib,
            vcpus=each.vcpus,
            source=each.host,
            source_name=each.host.name if each.host else "",
            destination=to,
            destination_name=to.name,
            why="The only host that can take it.",
        )
    return row


def rule(name: str, *vms: VirtualMachine, kind: str = PlacementRule.Kind.APART) -> PlacementRule:
    row = PlacementRule.objects.create(name=name, kind=kind)
    row.vms.set(vms)
    return row


def schedule(
    name: str = "nightly",
    *,
    vm: VirtualMachine | None = None,
    to: Host | None = None,
    of: Host | None = None,
    **fields: Any,
) -> Schedule:
    """A schedule that migrates `vm` to `to`, or empties `of`: each night at 02:00 UTC, unless `fields` says otherwise."""
    what = Schedule.What.MIGRATE if vm else Schedule.What.EVACUATE
    fields = {"cron": "0 2 * * *", "username": "somebody", "options": Wanted().to_dict(), **fields}
    return Schedule.objects.create(name=name, what=what, vm=vm, destination=to, host=of, **fields)
