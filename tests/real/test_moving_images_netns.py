"""Images that lie where a share is to be mounted: moved onto it, or kept whole, whatever goes wrong."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from hosts import moving_images, reach
from hosts.actions import refresh_host
from hosts.errors import Refused
from hosts.models import AuditEvent, Host, ImageMove
from hosts.moving_images import record, runner
from tests import build
from tests.console import Console, eventually
from tests.lab.host import LabHost
from tests.lab.lab import Lab
from tests.real import moving
from tests.real.keys import ACTOR, authorise, trust_key
from tests.real.moving import TARGET

pytestmark = pytest.mark.real
SHARE = "198.51.100.2:/home/image"
ODD = 'it\'s "odd" $(id) ; & é.qcow2'
IMAGES = f"""
qemu-img create -q -f qcow2 web.qcow2 64M
qemu-img create -q -f qcow2 base.qcow2 64M
qemu-img create -q -f qcow2 -b {TARGET}/base.qcow2 -F qcow2 db.qcow2
head -c 3000000 /dev/urandom >db.raw
"""


@pytest.fixture(scope="module")
def keys_folder(netns_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("console")
    with override_settings(DATA_DIR=folder):
        reach.keyring.cache_clear()
        authorise(netns_lab, "kvm-1")
        trust_key(netns_lab, "kvm-1")
        moving.stand_in(netns_lab.host("kvm-1"))
    return folder


@pytest.fixture
def lab_host(netns_lab: Lab) -> Iterator[LabHost]:
    moving.clean(netns_lab.host("kvm-1"))
    yield netns_lab.host("kvm-1")
    moving.clean(netns_lab.host("kvm-1"))


@pytest.fixture
def kvm_1(lab_host: LabHost, keys_folder: Path, own_keys: None, settings: Any, monkeypatch: Any) -> Host:
    settings.DATA_DIR = keys_folder
    reach.keyring.cache_clear()
    # The test's transaction is this thread's alone, and nobody else drives its moves.
    monkeypatch.setattr(record, "beat", lambda pk, owner: True)
    lab_host.run(["mount", "-t", "nfs", "-o", "x", "--", SHARE, "/mnt"])
    lab_host.run(["umount", "/mnt"])
    return build.host("kvm-1", uri=lab_host.uri)


def planned(host: Host) -> ImageMove:
    move = moving_images.plan(host=host, source=SHARE, target=TARGET, actor=ACTOR)
    runner.drive(move.pk)
    move.refresh_from_db()
    return move


def driven(move: ImageMove) -> ImageMove:
    runner.drive(move.pk)
    move.refresh_from_db()
    return move


def moved(move: ImageMove, **options: Any) -> ImageMove:
    moving_images.start(move=move, actor=ACTOR, **options)
    return driven(move)


def undone(move: ImageMove) -> ImageMove:
    moving_images.undo(move=move, actor=ACTOR)
    return driven(move)


def said(move: ImageMove) -> str:
    return f"{move.state}: {move.error} {move.hint} {move.raw_error} {move.steps}"


def test_images_move_and_move_back_with_all_that_lies_among_them(kvm_1: Host, lab_host: LabHost) -> None:
    """Odd names, a subfolder, links, holes; backing chains hold; the undoing brings back what was written since."""
    extra = f"mkdir 'sub dir'; ln -s web.qcow2 link; truncate -s 64M 'sub dir/hole.raw'; cp db.raw {shlex.quote(ODD)}"
    moving.fill(lab_host, f"{IMAGES}{extra}; ln {shlex.quote(ODD)} 'sub dir/hard'")
    moving.define(lab_host, "db", f"{TARGET}/db.qcow2", f"{TARGET}/{ODD}")
    refresh_host(kvm_1)
    before = moving.checksums(lab_host, TARGET)
    move = planned(kvm_1)
    assert move.state == "planned", said(move)
    assert [vm["name"] for vm in move.vms] == ["db"] and move.vms[0]["chain"] == ["base.qcow2"]
    assert move.found["blockers"] == []
    assert moved(move).state == "moved", said(move)
    assert lab_host.run(["findmnt", "-no", "SOURCE", "--mountpoint", TARGET]).stdout.strip() == SHARE
    assert moving.checksums(lab_host, TARGET) == before
    assert moving.below(moving.checksums(lab_host, move.aside), move.aside) == moving.below(before, TARGET)
    assert lab_host.run(["readlink", f"{TARGET}/link"]).stdout.strip() == "web.qcow2"
    assert int(lab_host.run(["stat", "-c", "%b", f"{TARGET}/sub dir/hole.raw"]).stdout) < 100
    assert moving.chain_of(lab_host, f"{TARGET}/db.qcow2")[-1] == f"{TARGET}/base.qcow2"
    lab_host.run(["sh", "-c", f"echo new >>{TARGET}/db.raw"])
    written = moving.checksums(lab_host, TARGET)
    assert undone(move).state == "undone", said(move)
    assert moving.checksums(lab_host, TARGET) == written
    assert lab_host.run(["ls", "-A", moving.STAND_IN]).stdout == ""
    assert lab_host.run(["ls", "/srv"]).stdout.split() == ["images"]
    assert AuditEvent.objects.filter(action="move images").get().outcome == "succeeded"


def test_the_originals_go_only_when_a_person_says_so_and_what_changed_is_kept(kvm_1: Host, lab_host: LabHost) -> None:
    moving.fill(lab_host, f"{IMAGES} mkdir sub; cp db.raw sub/")
    move = moved(planned(kvm_1))
    assert move.state == "moved", said(move)
    lab_host.run(["sh", "-c", f"echo late >>{move.aside}/sub/db.raw; echo x >{move.aside}/new"])
    assert moving_images.remove_originals(move=move, actor=ACTOR) == ["new", "sub/db.raw"]
    assert moving.below(moving.checksums(lab_host, move.aside), move.aside).keys() == {"new", "sub/db.raw"}
    assert len(moving.checksums(lab_host, TARGET)) == 5


def test_the_same_content_is_kept_once_and_another_gets_a_name(kvm_1: Host, lab_host: LabHost) -> None:
    moving.fill(lab_host, IMAGES)
    moving.define(lab_host, "web", f"{TARGET}/web.qcow2", f"{TARGET}/db.raw")
    moving.put_on_share(lab_host, f"cp {TARGET}/base.qcow2 .; qemu-img create -q -f qcow2 web.qcow2 32M")
    refresh_host(kvm_1)
    before = moving.contents(lab_host, TARGET, moving.STAND_IN)
    theirs = moving.checksums(lab_host, moving.STAND_IN)
    move = planned(kvm_1)
    assert {row.path: row.on_share for row in move.files.all() if row.on_share} == {
        "base.qcow2": "same",
        "web.qcow2": "other",
    }
    assert moved(move, names={"web.qcow2": "web of kvm-1.qcow2"}).state == "moved", said(move)
    assert moving.disks_of(lab_host, "web") == [f"{TARGET}/web of kvm-1.qcow2", f"{TARGET}/db.raw"]
    assert moving.contents(lab_host, TARGET) == before
    assert theirs.items() <= moving.checksums(lab_host, moving.STAND_IN).items()
    assert undone(move).state == "undone", said(move)
    assert moving.disks_of(lab_host, "web") == [f"{TARGET}/web.qcow2", f"{TARGET}/db.raw"]
    assert moving.checksums(lab_host, moving.STAND_IN) == theirs
    assert moving.contents(lab_host, TARGET, moving.STAND_IN) == before


@dataclass(frozen=True)
class Fault:
    """What goes wrong, when, and what the move says; `mend` lets it go on to its end, else it is undone."""

    name: str
    words: str
    on_share: str = ""
    extra: str = ""
    at_plan: bool = False
    while_planned: str = ""
    mend: str = ""
    guests: dict[str, bool] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    start_words: str = ""


FAULTS = [
    Fault(
        "share full",
        "The share is full",
        while_planned=f"head -c 46M /dev/zero >{moving.STAND_IN}/fill",
        mend=f"rm {moving.STAND_IN}/fill",
    ),
    Fault("too little space", "MiB free; the files need", extra="head -c 60M /dev/urandom >big.raw", at_plan=True),
    Fault("read-only share", "can't write to", extra=": >/run/read-only", at_plan=True),
    Fault(
        "read-only later",
        "is read-only",
        while_planned=": >/run/read-only",
        mend=f"rm /run/read-only; mount -o remount,bind,rw {TARGET}",
    ),
    Fault("a running guest", "uses these images", guests={"web": True}, start_words="Shut it down"),
    Fault(
        "a guest that does not listen",
        "did not shut down within 10 s",
        guests={"web": True},
        options={"shut_down": True, "shutdown_limit_s": 10},
        mend="virsh destroy web",
    ),
    Fault(
        "a guest started meanwhile",
        "web runs on kvm-1 and uses the images",
        guests={"web": False},
        while_planned="virsh start web",
        mend="virsh destroy web",
    ),
    Fault(
        "a program holds a file",
        "are in use",
        while_planned=f"exec 3<{TARGET}/db.raw; sleep 60 >/dev/null 2>&1 &",
        mend="pkill -fx 'sleep 60.*'; sleep 0.2",
    ),
    Fault(
        "new file since the plan",
        "changed since the plan",
        while_planned=f": >{TARGET}/late.raw",
        mend=f"rm {TARGET}/late.raw",
    ),
    Fault(
        "collision after the plan",
        "somebody put it there after the plan",
        while_planned=f"echo theirs >{moving.STAND_IN}/db.raw",
        mend=f"rm {moving.STAND_IN}/db.raw",
    ),
    Fault("renamed backing file", "is based on it", on_share="echo theirs >base.qcow2", at_plan=True),
    Fault(
        "folder against file", "is a folder here and something else", extra="mkdir sub", on_share=": >sub", at_plan=True
    ),
    Fault("a socket among them", "Neither file, folder nor link", extra="mkfifo pipe", at_plan=True),
    Fault(
        "something else mounted",
        "Something else is at the mount point",
        while_planned=f"mount -t tmpfs other {TARGET}",
        mend=f"umount {TARGET}",
    ),
    Fault("mounted below", "is mounted below", extra=f"mkdir sub; mount -t tmpfs sub {TARGET}/sub", at_plan=True),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_fault_ends_in_a_clear_message_and_every_image_is_whole(
    fault: Fault, kvm_1: Host, lab_host: LabHost
) -> None:
    moving.fill(lab_host, f"{IMAGES}{fault.extra}")
    moving.put_on_share(lab_host, fault.on_share or ":")
    for name, start in fault.guests.items():
        moving.define(lab_host, name, f"{TARGET}/web.qcow2", start=start)
    refresh_host(kvm_1)
    before = moving.contents(lab_host, TARGET, moving.STAND_IN)
    move = planned(kvm_1)
    told = " ".join([*move.found.get("blockers", []), said(move)])
    if fault.at_plan or fault.start_words:
        if move.state == "planned":
            with pytest.raises(Refused) as refusal:
                moving_images.start(move=move, actor=ACTOR, **fault.options)
            told += f"{refusal.value} {refusal.value.hint}"
        assert fault.words in told and fault.start_words in told, told
        assert not move.steps
    else:
        lab_host.run(["sh", "-c", fault.while_planned or ":"])
        assert moved(move, **fault.options).state == "stopped", said(move)
        assert fault.words in move.error, said(move)
        assert move.hint
        kept = moving.contents(lab_host, TARGET, move.aside, moving.STAND_IN)
        if fault.name != "something else mounted":
            assert before <= kept
        lab_host.run(["sh", "-c", fault.mend])
        moving_images.go_on(move=move, actor=ACTOR)
        assert driven(move).state == "moved", said(move)
        assert before <= moving.contents(lab_host, TARGET)
        lab_host.run(["virsh", "destroy", "web"], check=False)  # started again, and still deaf
        assert undone(move).state == "undone", said(move)
    lab_host.run(["sh", "-c", f"umount {TARGET}/sub; :"], check=False)
    assert before <= moving.contents(lab_host, TARGET, moving.STAND_IN)
    assert lab_host.run(["ls", "/srv"]).stdout.split() == ["images"]


def test_a_copy_that_is_killed_half_way_is_begun_again(kvm_1: Host, lab_host: LabHost, monkeypatch: Any) -> None:
    """The silence of a copy that hangs is noticed, its process ended, and no half of an image ever has an image's name."""
    moving.fill(lab_host, IMAGES)
    before = moving.checksums(lab_host, TARGET)
    move = planned(kvm_1)
    lab_host.run(["touch", "/run/endless-copy"])

    class Killed(BaseException):
        """As if the worker was killed here."""

    def die(self: Any, file: str, bytes_done: int, doing: str) -> None:
        if doing == "copied" and bytes_done > 1000:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("hosts.moving_images.copying.Watch.at", die)
        moving_images.start(move=move, actor=ACTOR)
        with pytest.raises(Killed):
            runner.drive(move.pk)
    parts = lab_host.run(["find", TARGET, "-name", "*.part"]).stdout.split()
    assert len(parts) == 1
    assert not [
        path
        for path in moving.checksums(lab_host, TARGET)
        if path in before and before[path] not in moving.contents(lab_host, TARGET)
    ]
    lab_host.run(["rm", "/run/endless-copy"])
    move.refresh_from_db()
    assert move.state == "running"
    assert driven(move).state == "moved", said(move)
    assert moving.checksums(lab_host, TARGET) == before
    assert lab_host.run(["pgrep", "-x", "sleep", "-a"], check=False).stdout.count("sleep 600") == 0


@pytest.mark.timeout(240)
def test_a_console_killed_in_mid_copy_goes_on_by_itself(console: Console, lab_host: LabHost, keys_folder: Path) -> None:
    """By the API, with a real console that is killed without a warning and started again."""
    moving.fill(lab_host, IMAGES)
    before = moving.checksums(lab_host, TARGET)
    body = {"source": SHARE, "target": TARGET, "persist": True}
    number = console.api("POST", "hosts/kvm-1/image-moves", body)["id"]

    def reaches(*states: str) -> Any:
        def ask() -> Any:
            now = console.api("GET", f"image-moves/{number}")
            assert now["state"] != "stopped", now
            return now if now["state"] in states else None

        return eventually(ask, timeout_s=40, what=f"the move to be {states}")

    plan = reaches("planned")
    assert plan["blockers"] == [] and {file["path"] for file in plan["files"] if file["is_image"]} == {
        "base.qcow2",
        "db.qcow2",
        "db.raw",
        "web.qcow2",
    }
    lab_host.run(["touch", "/run/endless-copy"])
    console.api("POST", f"image-moves/{number}/start", {})
    find = ["find", TARGET, "-name", "*.part"]
    eventually(lambda: lab_host.run(find, check=False).stdout, timeout_s=40, what="the copy to begin")
    console.kill()
    lab_host.run(["rm", "/run/endless-copy"])
    console.start()
    done = reaches("moved")
    assert moving.checksums(lab_host, TARGET) == before
    assert {file["state"] for file in done["files"]} == {"copied"}
    assert SHARE in lab_host.run(["cat", "/etc/fstab"]).stdout
    console.api("POST", f"image-moves/{number}/undo")
    reaches("undone")
    assert moving.checksums(lab_host, TARGET) == before
    assert SHARE not in lab_host.run(["cat", "/etc/fstab"]).stdout
