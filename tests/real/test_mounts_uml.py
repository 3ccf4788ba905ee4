"""NFS on real hosts: mounted, kept in fstab, unmounted; and refused wherever an image could be hidden or pulled away."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from hosts import inventory, mounts, reach
from hosts.errors import HostError, Refused, TimedOut, Unreachable
from hosts.models import AuditEvent, Export, Host, Mount, MountState
from tests import build
from tests.console import eventually
from tests.lab.host import LabHost
from tests.lab.lab import Lab
from tests.real import moving
from tests.real.keys import ACTOR, authorise, trust_key

pytestmark = [pytest.mark.real, pytest.mark.uml]
TARGET = "/srv/images"


@pytest.fixture(scope="module")
def keys_folder(uml_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A console's ssh folder that kvm-1 lets in, made once: a login takes most of a second here."""
    folder = tmp_path_factory.mktemp("console")
    with override_settings(DATA_DIR=folder):
        reach.keyring.cache_clear()
        authorise(uml_lab, "kvm-1")
        trust_key(uml_lab, "kvm-1")
    return folder


@pytest.fixture
def kvm_1(uml_lab: Lab, keys_folder: Path, own_keys: None, settings: Any) -> Iterator[Host]:
    """The host's row; what a test mounted or wrote to fstab is taken away after it."""
    settings.DATA_DIR = keys_folder
    reach.keyring.cache_clear()
    lab_host = uml_lab.host("kvm-1")
    fstab = lab_host.run(["cat", "/etc/fstab"]).stdout
    yield build.host("kvm-1", uri=lab_host.uri)
    lab_host.heal()
    lab_host.run(["sh", "-c", 'umount "$1"; rm -rf --one-file-system /srv/*', "lab", TARGET], check=False)
    lab_host.run(["sh", "-c", "cat >/etc/fstab"], input_text=fstab)


def share(lab: Lab) -> str:
    return f"{lab.host('nfs').address}:/home/image"


def source_at(host: LabHost, target: str) -> str:
    """What the host's kernel says is mounted at `target`."""
    return host.run(["findmnt", "-n", "-o", "SOURCE", "--mountpoint", target], check=False).stdout.strip()


def outcome() -> tuple[str, str]:
    event = AuditEvent.objects.latest("at", "pk")
    return event.action, event.outcome


def test_what_a_server_exports_is_asked_from_here_and_from_a_host(uml_lab: Lab, kvm_1: Host) -> None:
    server = uml_lab.host("nfs").address
    for via in (None, kvm_1):
        assert [export.path for export in mounts.exports(server, via=via)] == ["/home/image"]
    assert Export.objects.get().clients == str(uml_lab.network.subnet)
    with pytest.raises(HostError) as error:
        mounts.exports(uml_lab.host("kvm-2").address)
    assert error.value.hint


def test_a_share_is_mounted_kept_in_fstab_and_taken_away_again(uml_lab: Lab, kvm_1: Host) -> None:
    lab_host = uml_lab.host("kvm-1")
    before = lab_host.run(["cat", "/etc/fstab"]).stdout
    row = mounts.mount(host=kvm_1, source=share(uml_lab), target=TARGET, persist=True, actor=ACTOR)
    assert source_at(lab_host, TARGET) == share(uml_lab)
    assert (row.state, row.version, row.wanted, row.in_fstab) == (MountState.HEALTHY, "4.2", True, True)
    assert row.size_bytes > row.used_bytes >= 0
    assert row.latency_ms is not None
    assert "hard" in row.options
    added = f"{share(uml_lab)}\t{TARGET}\tnfs\t{mounts.DEFAULT_OPTIONS}\t0\t0\n"
    assert lab_host.run(["cat", "/etc/fstab"]).stdout == before + added
    assert lab_host.run(["cat", "/etc/fstab.kvmconsole-backup"]).stdout == before
    lab_host.run(["umount", TARGET])
    assert state_of(kvm_1) == MountState.MISSING
    lab_host.run(["mount", TARGET])
    assert state_of(kvm_1) == MountState.HEALTHY
    row = mounts.unmount(mount=row, forget_fstab=True, actor=ACTOR)
    assert (row.state, row.wanted, row.in_fstab) == (MountState.NOT_MOUNTED, False, False)
    assert source_at(lab_host, TARGET) == ""
    assert lab_host.run(["cat", "/etc/fstab"]).stdout == before
    assert outcome() == ("unmount", "succeeded")


def state_of(host: Host, target: str = TARGET) -> str:
    return next(row.state for row in mounts.check_mounts(host) if row.target == target)


PREPARED = {
    "not empty": (
        "mkdir -p /srv/images/old; touch /srv/images/note /srv/images/old/web.qcow2",
        TARGET,
        "old/web.qcow2",
    ),
    "a mount already": ("", "/mnt", "is a mount already"),
    "a symbolic link": ("mkdir /srv/real; ln -s /srv/real /srv/images", TARGET, "leads to /srv/real"),
    "below a symbolic link": ("mkdir /srv/real; ln -s /srv/real /srv/images", f"{TARGET}/a", "leads to /srv/real/a"),
    "a file": ("touch /srv/images", TARGET, "is not a folder"),
    "in fstab": (f"echo 'other:/x {TARGET} nfs defaults 0 0' >>/etc/fstab", TARGET, "mounts other:/x"),
}


@pytest.mark.parametrize("case", PREPARED)
def test_a_mount_is_refused_where_the_target_is(case: str, uml_lab: Lab, kvm_1: Host) -> None:
    script, target, words = PREPARED[case]
    lab_host = uml_lab.host("kvm-1")
    lab_host.run(["sh", "-c", script])
    before = lab_host.run(["findmnt", "-rn", "-o", "TARGET"]).stdout
    with pytest.raises(Refused, match=words) as refusal:
        mounts.mount(host=kvm_1, source=share(uml_lab), target=target, actor=ACTOR)
    assert "kvm-1" in str(refusal.value)
    assert lab_host.run(["findmnt", "-rn", "-o", "TARGET"]).stdout == before
    assert outcome() == ("mount", "refused")
    assert not Mount.objects.filter(wanted=True, target=target).exclude(in_fstab=True).exists()


def test_a_share_that_is_not_offered_leaves_nothing_behind(uml_lab: Lab, kvm_1: Host) -> None:
    lab_host, server = uml_lab.host("kvm-1"), uml_lab.host("nfs").address
    with pytest.raises(Refused, match="does not offer /home/other"):
        mounts.mount(host=kvm_1, source=f"{server}:/home/other", target="/srv/a/b", persist=True, actor=ACTOR)
    with pytest.raises(Unreachable, match="No NFS server answers"):
        mounts.mount(host=kvm_1, source=f"{uml_lab.host('kvm-2').address}:/x", target="/srv/a/b", actor=ACTOR)
    with pytest.raises(HostError, match="can't resolve"):
        mounts.mount(host=kvm_1, source="no-such-server.invalid:/x", target="/srv/a/b", actor=ACTOR)
    assert lab_host.run(["ls", "/srv"]).stdout == ""
    assert "/srv" not in lab_host.run(["cat", "/etc/fstab"]).stdout
    assert not Mount.objects.filter(target="/srv/a/b").exists()


def test_a_mount_that_a_process_holds_stays(uml_lab: Lab, kvm_1: Host) -> None:
    row = mounts.mount(host=kvm_1, source=share(uml_lab), target=TARGET, actor=ACTOR)
    lab_host = uml_lab.host("kvm-1")
    lab_host.run(["sh", "-c", f"cd {TARGET} || exit; sleep 300 </dev/null >/dev/null 2>&1 & echo $! >/run/holder"])
    try:
        with pytest.raises(Refused, match=f"{TARGET} is in use on kvm-1"):
            mounts.unmount(mount=row, actor=ACTOR)
        assert source_at(lab_host, TARGET)
    finally:
        lab_host.run(["sh", "-c", "kill $(cat /run/holder)"], check=False)


@pytest.fixture
def user_of_the_share(uml_lab: Lab) -> Iterator[str]:
    """A machine that runs on kvm-1 with a disk on the share, and nothing to boot: it is up at once."""
    lab_host, disk = uml_lab.host("kvm-1"), "/mnt/user.qcow2"
    lab_host.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "1M"])
    moving.define(lab_host, "user", disk, start=True)
    yield "user"
    for act in ("destroy", "undefine"):
        lab_host.run(["virsh", act, "user"], check=False)
    lab_host.mount_share()
    lab_host.run(["rm", "-f", disk])


def test_a_mount_that_guests_use_stays(uml_lab: Lab, user_of_the_share: str, kvm_1: Host) -> None:
    name = user_of_the_share
    row = next(row for row in mounts.check_mounts(kvm_1) if row.target == "/mnt")
    with pytest.raises(Refused, match=f"{name} runs from it"):
        mounts.unmount(mount=row, allow_defined=True, actor=ACTOR)
    uml_lab.host("kvm-1").virsh("destroy", name)
    with pytest.raises(Refused, match=f"{name} on kvm-1 is defined with a disk below /mnt"):
        mounts.unmount(mount=row, actor=ACTOR)
    assert source_at(uml_lab.host("kvm-1"), "/mnt")
    row = mounts.unmount(mount=row, allow_defined=True, actor=ACTOR)
    assert row.state == MountState.NOT_MOUNTED
    row = mounts.mount(host=kvm_1, source=row.source, target="/mnt", actor=ACTOR)
    assert row.state == MountState.HEALTHY


def test_a_server_that_is_away_makes_its_mount_stale_and_holds_up_nothing(
    uml_lab: Lab, kvm_1: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hosts.mounts.acts.MOUNT_LIMIT_S", 6)
    mounts.mount(host=kvm_1, source=share(uml_lab), target=TARGET, actor=ACTOR)
    lab_host = uml_lab.host("kvm-1")
    lab_host.cut("nfs")
    began = time.monotonic()
    assert state_of(kvm_1) == MountState.STALE
    assert time.monotonic() - began < 15
    with pytest.raises(Refused, match="lies in the share at /srv/images, which does not answer"):
        mounts.mount(host=kvm_1, source=share(uml_lab), target=f"{TARGET}/deep", actor=ACTOR)
    with pytest.raises((TimedOut, Unreachable)):
        mounts.mount(host=kvm_1, source=share(uml_lab), target="/srv/other", actor=ACTOR)
    with reach.libvirt(kvm_1) as connection:
        inventory.sync_host(kvm_1, connection)
    lab_host.heal()
    eventually(lambda: state_of(kvm_1) == MountState.HEALTHY, timeout_s=90, what="the mount to answer again")
