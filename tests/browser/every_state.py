"""Rows in each state that a page can show, beside the world of the matrix of rights: the pages that show them."""

from datetime import timedelta

from django.utils import timezone

from hosts import inventory
from hosts.models import Host, HostState, MountState, VirtualMachine, VmState
from migrations_app.models import Evacuation, Migration, Move, ScheduleRun
from migrations_app.states import State, StepState
from tests import build
from tests.kvmconsole.matrix_world import World
from tests.migrations_app.test_continuity import FOUND

MIB = 2**20
LONG = "a-guest-with-a-name-as-long-as-people-choose-them-01.dmz.example.net"
"""Longer than a phone is wide, and without a place to break it."""
OF_TEST_DRIVER = "6695eb01-f6a4-8304-79aa-97f2502e193f"
"""The UUID of the guest that each connection to test:///default begins with (libvirt's src/test/test_driver.c)."""
ASKED = ("definition", "hardware", "snapshots")
"""Pages of a guest that ask its host at once."""
CHECKS = [
    {"name": "memory", "title": "Memory", "level": "ok", "message": "5 GiB are free.", "fix": ""},
    {
        "name": "cache",
        "title": "Disk cache",
        "level": "warning",
        "message": "vda: cache=writeback.",
        "fix": "Set none.",
    },
    {"name": "storage", "title": "Storage", "level": "blocker", "message": "/mnt is missing.", "fix": "Mount it."},
]
ROWS = [
    {
        "name": "cpu",
        "title": "CPU",
        "level": "ok",
        "before": "qemu64",
        "after": "qemu64",
        "message": "",
        "act": "",
        "host": "",
    },
    {
        "name": "nics",
        "title": "NICs",
        "level": "warning",
        "before": "br0",
        "after": "br1",
        "message": "A NIC moved.",
        "act": "",
        "host": "",
    },
]
EXPLANATION = {
    "name": "storage",
    "cause": "The image is not at the destination.",
    "fix": "Mount the share there.",
    "because": "Cannot access storage file '/mnt/kvm/web.qcow2'",
    "raw": "internal error: process exited",
    "hosts": [
        {"name": "hidden-h1", "role": "source", "error": "", "libvirtd": ["error : qemuMigrationJob"], "qemu": []},
        {"name": "hidden-h2", "role": "destination", "error": "It did not answer.", "libvirtd": [], "qemu": []},
    ],
}
EVIDENCE = {
    "finding": "two copies",
    "asked": "2026-11-25T07:28:14+00:00",
    "since": "2026-11-25T07:20:14+00:00",
    "source": "paused",
    "destination": "running",
    "hosts": {"source": {"facts": [{"label": "Disk", "text": "/mnt/kvm/web.qcow2"}]}, "destination": {}},
    "choices": ["resume_at_source", "start_at_source", "look_again"],
}
DISK = {"target": "vdb", "path": "/srv/scratch.qcow2", "capacity_bytes": 2**34, "data_bytes": 2**31, "state": "copied"}
PROGRESS = {
    **{"percent": 61, "remaining_bytes": 200 * MIB, "transferred_bytes": 312 * MIB, "total_bytes": 512 * MIB},
    **{"rate_bytes": 96 * MIB, "dirty_pages_per_s": 2400, "page_size_bytes": 4096, "iteration": 3, "eta_s": 4.2},
    **{"throttle_percent": 20, "expected_downtime_ms": 300, "elapsed_ms": 3300, "memory_total_bytes": 512 * MIB},
}


def make(world: World) -> dict[str, str]:
    """Make them; address by name. Few rows of each, since every list shows them all."""
    states = (State.QUEUED, State.COPYING, State.COMPLETED, State.FAILED, State.NEEDS_ATTENTION)
    pages = {f"migration {state}": migration(world, state).get_absolute_url() for state in states}
    build.vm("for-the-road", on=world.h1)
    pages |= {f"VM {name}": vm.get_absolute_url() for name, vm in guests(world).items()}
    pages |= {f"plan {state}": plan(world, state).get_absolute_url() for state in ("running", "stopped")}
    pages |= {f"image move {state}": image_move(world, state) for state in ("running", "stopped")}
    away = build.host(LONG[:60], state=HostState.UNREACHABLE, error="Connection refused.", hint="Is libvirtd up?")
    for state in MountState:
        build.mount(on=away, target=f"/mnt/{state.value.replace(' ', '-')}", state=state, detail="It does not answer.")
    pages |= {"host away": away.get_absolute_url(), "mounts of host away": f"{away.get_absolute_url()}mounts/"}
    build.host("not-connected-yet", state=HostState.NEW, maintenance=True)
    for hours, outcome in enumerate(ScheduleRun.Outcome):
        due = timezone.now() - timedelta(hours=hours)
        world.schedule.runs.create(due=due, outcome=outcome, note="The console was down.")
    pages |= {f"nothing found in {path}": f"{path}?q=nothing-has-this" for path in ("/vms/", "/hosts/", "/migrations/")}
    host = build.host("of-the-test-driver", uri="test:///default")
    answers = build.vm("test", on=host)
    VirtualMachine.objects.filter(pk=answers.pk).update(uuid=OF_TEST_DRIVER)
    pages |= {f"{part} that libvirt's test driver answers": f"/vms/{OF_TEST_DRIVER}/{part}/" for part in ASKED}
    columns = "&".join(f"columns={name}" for name in ("state", "host", "vcpus", "memory", "address", "uuid", "note"))
    return pages | {"all columns": f"/vms/?{columns}", "a page that is not there": "/hosts/no-such-host/"}


def migration(world: World, state: State) -> Migration:
    """One with all that a page can show of it, of a guest of its own."""
    vm = build.vm(f"vm-{state}" if state != State.COPYING else LONG, on=world.h1, memory_mib=512)
    row = build.migration(
        vm,
        to=world.h2,
        state=state,
        ping_address="192.0.2.10",
        ping={"sent": 90, "lost": 3, "longest_gap_ms": 210.0, "strip": [1, 0, 2] * 30, "switch_over": [1, 2]},
        continuity=FOUND,
        downtime_ms=85,
        transferred_bytes=420 * MIB,
        memory_total_bytes=512 * MIB,
        progress=PROGRESS,
        preflight=CHECKS,
        conformance=ROWS if state == State.COMPLETED else [],
        explanation=EXPLANATION if state in (State.FAILED, State.NEEDS_ATTENTION) else {},
        evidence=EVIDENCE if state == State.NEEDS_ATTENTION else {},
        error="The guest stayed where it was." if state == State.FAILED else "",
        waits_for="a free place on hidden-h2" if state == State.QUEUED else "",
        disks=[DISK] if state == State.COMPLETED else [],
        live_xml="<domain/>" if state == State.COMPLETED else "",
        tuning={"wanted_pause_ms": 4000, "asked_for_ms": 2000, "max_pause_ms": 2000} if state == State.COPYING else {},
        reason="a ticket",
    )
    for step, found in zip(row.steps.all(), StepState, strict=True):
        step.state, step.detail = found, "Said of this step."
        step.save()
    for second in range(12):
        row.samples.create(
            at_ms=second * 1000,
            remaining_bytes=(512 - 40 * second) * MIB,
            transferred_bytes=40 * second * MIB,
            rate_bytes=(90 + second) * MIB,
            dirty_pages_per_s=2000 + 100 * second,
            iteration=1 + second // 4,
            throttle_percent=5 * second,
        )
    for kind in ("decision", "act", "event", "warning"):
        row.timeline.create(kind=kind, text=f"A line of kind {kind}", reason="With the figures that led to it.")
    return row


def guests(world: World) -> dict[str, VirtualMachine]:
    """One per flag, and one of the states that differ most, with a note and tags."""
    states = (VmState.PAUSED,)
    found = {state.value: build.vm(f"vm-{state.value.replace(' ', '-')}", on=world.h1, state=state) for state in states}
    found["transient"] = build.vm("vm-transient", on=world.h1, persistent=False)
    found["on two hosts"] = build.vm("vm-twice", on=world.h1, also_defined_on=(world.h2,))
    found["on two hosts"].placements.update(state=VmState.RUNNING)
    found["stale copy"] = build.vm("vm-stale", on=world.h1, also_defined_on=(world.h2,))
    found["stale copy"].placements.filter(host=world.h2).update(stale=True)
    inventory.settle({vm.pk for vm in found.values()})
    VirtualMachine.objects.filter(pk__in=[vm.pk for vm in found.values()]).update(
        note="Belongs to the shop.\nAsk before it moves.", tags=" shop production "
    )
    return found


def plan(world: World, state: str) -> Evacuation:
    """With a move in each state."""
    vms = [*world.rule.vms.all(), *VirtualMachine.objects.filter(name__startswith="vm-")[:4]]
    row = build.plan(
        *vms, to=world.h2, of=world.h1, state=state, why_stopped="One has failed." if state == "stopped" else ""
    )
    for move, each in zip(row.moves.all(), Move.State, strict=True):
        move.state = each
        move.save()
    return row


def image_move(world: World, state: str) -> str:
    host: Host = build.host(f"moving-{state}")
    return build.image_move(on=host, state=state).get_absolute_url()


def end_copying() -> None:
    """The one that copied has arrived meanwhile."""
    Migration.objects.filter(vm_name=LONG).update(state=State.COMPLETED, finished=timezone.now())
