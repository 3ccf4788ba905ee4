"""What may break while a guest moves: when, how, what becomes of it then, and what the console does or asks.

Adding a failure is adding a row. docs/faults.md has a row for each, by its name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.console import Console, eventually
from tests.lab.guest_xml import GuestSpec
from tests.lab.host import LabHost
from tests.lab.lab import Lab
from tests.real.guests import state_on

SLOW_MBIT_S = 80
"""Slow enough to act in mid-copy: the guest's 90 MB take about ten seconds."""
QUICK_MBIT_S = 400
NOBODY = 30
"""Number of an address in the lab's network that no guest of these tests has."""


@dataclass
class Scene:
    """One guest that moves from kvm-1 to kvm-2, and what may be done to it on the way."""

    console: Console
    lab: Lab
    spec: GuestSpec
    number: int = 0

    @property
    def source(self) -> LabHost:
        return self.lab.host("kvm-1")

    @property
    def destination(self) -> LabHost:
        return self.lab.host("kvm-2")

    def now(self) -> dict[str, Any]:
        return self.console.migration(self.number)

    def slow(self, mbit_s: int = SLOW_MBIT_S) -> None:
        for host in (self.source, self.destination):
            host.shape(mbit_s)

    def choose(self, choice: str) -> None:
        """As a person does; the page offers it once both hosts' answers allow it."""
        eventually(
            lambda: choice in self.offered(), timeout_s=60, what=f"the choice {choice} to be offered", every_s=0.5
        )
        self.console.api("POST", f"migrations/{self.number}/resolve", {"choice": choice})

    def offered(self) -> list[str]:
        return [one["name"] for one in self.now()["choices"]]

    def reason_at(self, host: LabHost) -> str:
        """What virsh says of the guest there, with the reason."""
        return host.run(["virsh", "domstate", "--reason", self.spec.name], check=False).stdout.strip()


Act = Callable[[Scene], None]


def nothing(_: Scene) -> None:
    """Do nothing."""


def copying(scene: Scene) -> None:
    """Wait until memory is being copied."""
    eventually(lambda: scene.now()["progress"].get("transferred_bytes", 0) > 0, timeout_s=180, what="the copy to begin")


def switching(scene: Scene) -> None:
    """Wait until the guest stands still for the switch-over."""
    eventually(lambda: state_on(scene.lab, "kvm-1", scene.spec.name) == "paused", timeout_s=60, what="the switch-over")


def in_postcopy(scene: Scene) -> None:
    """Let it copy for a moment, switch to post-copy, and wait until the guest runs at the destination with half its memory."""
    copying(scene)
    scene.console.api("POST", f"migrations/{scene.number}/postcopy")
    eventually(
        lambda: "post-copy" in scene.reason_at(scene.destination), timeout_s=30, what="post-copy to begin", every_s=0.05
    )


def settled_in_postcopy(scene: Scene) -> None:
    """The same, and wait until it has done its work there for a moment: QEMU then has the memory that it needs itself.

    Without that QEMU's main thread waits for a page of a queue of virtio, and libvirt can't ask it to resume (seen with 7.2).
    Meanwhile only the pages that the guest asks for come at full speed, else all could be over on a loaded machine.
    """
    in_postcopy(scene)
    limit = ["virsh", "migrate-setspeed", "--postcopy", scene.spec.name]
    scene.source.run([*limit, "1"])
    scene.lab.guests.wait_for_beats(scene.spec.name, count=2)
    scene.source.run([*limit, "0"])


def until_dropped(scene: Scene) -> None:
    """Cut the hosts apart until the destination has given up what it received, then heal.

    For so long QEMU at the source answers nobody: it waits in the midst of sending (seen with 7.2).
    """
    scene.source.cut("kvm-2")
    eventually(lambda: state_on(scene.lab, "kvm-2", scene.spec.name) == "", timeout_s=60, what="kvm-2 to give up")
    scene.source.heal()


def arriving(scene: Scene) -> None:
    """Wait until it runs at the destination; the address that is pinged does not answer, which the step Verify waits for."""
    eventually(
        lambda: state_on(scene.lab, "kvm-2", scene.spec.name) == "running",
        timeout_s=60,
        what="the arrival",
        every_s=0.02,
    )


def back_with_its_key(scene: Scene) -> None:
    """Boot what lost its power. Its own disk is lost in the lab, so the console's key is put there again."""
    scene.lab.up()
    scene.console.let_in(scene.lab)


@dataclass(frozen=True)
class Fault:
    """`prepare` before the start; at the `moment`, `during`; then `then`. With `asks` a person is called first: the words.

    It ends in `state`, with `message` (a pattern) in its error, hint, steps or timeline, and the guest runs on
    `guest_runs_on`; `anew` where its memory was lost, so that it was started once again. `pings`: the guest,
    an address that nobody has, or nothing.
    """

    name: str
    during: Act
    state: str
    guest_runs_on: str
    message: str
    moment: Act = copying
    prepare: Act = nothing
    asks: str = ""
    then: Act = nothing
    anew: bool = False
    transient: bool = False
    leaves_definition: bool = False
    pings: str = "guest"
    mbit_s: int = SLOW_MBIT_S
    options: dict[str, Any] = field(default_factory=dict)


FAULTS = [
    Fault(
        "source-qemu-killed-in-copy",
        lambda scene: scene.source.kill_qemu(scene.spec.name),
        state="failed",
        guest_runs_on="kvm-1",
        asks="Neither host runs it",
        then=lambda scene: scene.choose("start_at_source"),
        anew=True,
        message="Start the guest anew at kvm-1",
    ),
    Fault(
        "destination-qemu-killed-in-copy",
        lambda scene: scene.destination.kill_qemu(scene.spec.name),
        state="failed",
        guest_runs_on="kvm-1",
        message="runs on at kvm-1",
    ),
    Fault(
        "source-libvirtd-killed-in-copy",
        lambda scene: scene.source.kill_libvirtd(),
        state="failed",
        guest_runs_on="kvm-1",
        asks="The source does not answer",
        then=lambda scene: scene.source.start_libvirtd(),
        message="runs on at kvm-1",
    ),
    Fault(
        "destination-libvirtd-killed-in-copy",
        lambda scene: scene.destination.kill_libvirtd(),
        state="failed",
        guest_runs_on="kvm-1",
        then=lambda scene: scene.destination.start_libvirtd(),
        message="runs on at kvm-1",
    ),
    Fault(
        "source-libvirtd-hangs-in-copy",
        lambda scene: scene.source.freeze_libvirtd(),
        state="failed",
        guest_runs_on="kvm-1",
        asks="The source does not answer",
        then=lambda scene: scene.source.thaw_libvirtd(),
        message="runs on at kvm-1",
    ),
    Fault(
        "destination-qemu-hangs-in-copy",
        lambda scene: scene.destination.freeze(scene.spec.name),
        state="failed",
        guest_runs_on="kvm-1",
        message="Nothing had moved for 60 s",
    ),
    Fault(
        "network-cut-in-copy",
        lambda scene: scene.source.cut("kvm-2"),
        state="failed",
        guest_runs_on="kvm-1",
        message="runs on at kvm-1",
    ),
    Fault(
        "network-cut-at-switch-over",
        until_dropped,
        state="failed",
        guest_runs_on="kvm-1",
        moment=switching,
        options={"max_downtime_ms": 60_000, "policy": "manual"},
        message="runs on at kvm-1",
    ),
    Fault(
        "network-cut-in-post-copy",
        lambda scene: scene.source.cut("kvm-2"),
        state="completed",
        guest_runs_on="kvm-2",
        moment=settled_in_postcopy,
        pings="",
        mbit_s=SLOW_MBIT_S // 2,
        options={"postcopy": True, "policy": "manual"},
        asks="The network failed in post-copy",
        then=lambda scene: (scene.source.heal(), scene.slow(QUICK_MBIT_S), scene.choose("resume_postcopy"))[-1],
        message="Resume post-copy",
    ),
    Fault(
        "destination-qemu-killed-in-post-copy",
        lambda scene: scene.destination.kill_qemu(scene.spec.name),
        state="failed",
        guest_runs_on="kvm-1",
        moment=in_postcopy,
        options={"postcopy": True, "policy": "manual"},
        asks="lost its part of the guest's memory",
        then=lambda scene: scene.choose("start_at_source"),
        anew=True,
        message="Start the guest anew at kvm-1",
    ),
    Fault(
        "source-qemu-killed-in-post-copy",
        lambda scene: scene.source.kill_qemu(scene.spec.name),
        state="completed",
        guest_runs_on="kvm-2",
        moment=in_postcopy,
        options={"postcopy": True, "policy": "manual"},
        asks="lost its part of the guest's memory",
        then=lambda scene: scene.choose("start_at_destination"),
        anew=True,
        message="Start the guest anew at kvm-2",
    ),
    Fault(
        "destination-loses-power-in-copy",
        lambda scene: scene.lab.crash("kvm-2"),
        state="failed",
        guest_runs_on="kvm-1",
        message="runs on at kvm-1",
        then=back_with_its_key,
    ),
    Fault(
        "source-loses-power-in-copy",
        lambda scene: scene.lab.crash("kvm-1"),
        state="failed",
        guest_runs_on="kvm-1",
        asks="The source does not answer",
        then=lambda scene: (
            back_with_its_key(scene),
            scene.choose("define_at_source"),
            scene.choose("start_at_source"),
        )[-1],
        anew=True,
        message="Define the guest at kvm-1 again",
    ),
    Fault(
        "source-away-at-clean-up",
        lambda scene: scene.source.kill_libvirtd(),
        state="completed",
        guest_runs_on="kvm-2",
        moment=arriving,
        pings="nobody",
        mbit_s=QUICK_MBIT_S,
        message="Cleaned up on kvm-1",
        then=lambda scene: (
            scene.console.reaches(scene.number, "completed", timeout_s=120),
            scene.source.start_libvirtd(),
        )[-1],
    ),
    Fault(
        "disk-full-at-destination",
        nothing,
        prepare=lambda scene: scene.destination.spoil_definitions("full"),
        state="failed",
        guest_runs_on="kvm-1",
        mbit_s=QUICK_MBIT_S,
        message="(?i)space|full",
        moment=nothing,
    ),
    Fault(
        "define-fails",
        nothing,
        prepare=lambda scene: scene.destination.spoil_definitions("read-only"),
        state="completed",
        guest_runs_on="kvm-2",
        mbit_s=QUICK_MBIT_S,
        moment=nothing,
        transient=True,
        options={"persistent": False},
        asks="The guest has moved, but not all is done.*(?i:read-only)",
        then=lambda scene: scene.destination.mend_definitions(),
        message="defined",
    ),
    Fault(
        "undefine-fails",
        nothing,
        prepare=lambda scene: scene.source.spoil_definitions("read-only"),
        state="completed",
        guest_runs_on="kvm-2",
        mbit_s=QUICK_MBIT_S,
        moment=nothing,
        then=lambda scene: (
            scene.console.reaches(scene.number, "completed", timeout_s=120),
            scene.source.mend_definitions(),
        )[-1],
        message="Cleaned up on kvm-1",
    ),
]
