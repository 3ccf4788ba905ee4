"""Shares kept by systemd mount units, on a host that really runs systemd; what stands for NFS there is a file system of memory."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hosts import mount_unit, mounts, reach, ssh
from hosts.errors import Refused
from hosts.models import Host, Mount, MountState
from tests import build
from tests.real.keys import ACTOR
from tests.real.systemd_host import SystemdHost

pytestmark = [pytest.mark.real, pytest.mark.django_db]
SHARE, TARGET, UNIT = "198.51.100.2:/home/image", "/srv/images", "srv-images.mount"
FILE = f"{mount_unit.FOLDER}/{UNIT}"
CLEAN = f"""
for target in $(findmnt -rno TARGET | grep ^/srv/); do umount "$target"; done
rm -rf --one-file-system /srv/* {mount_unit.FOLDER}/*.mount {mount_unit.FOLDER}/remote-fs.target.wants
: >/etc/fstab; systemctl daemon-reload
"""
STATE = f"cat {FILE} 2>&1; ls -l {mount_unit.FOLDER}/remote-fs.target.wants 2>&1; cat /etc/fstab"


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    host = SystemdHost(tmp_path_factory.mktemp("systemd"))
    try:
        host.start()
        yield host
    finally:
        host.stop()


@pytest.fixture
def inside(booted: SystemdHost, monkeypatch: pytest.MonkeyPatch) -> Iterator[SystemdHost]:
    """What the console would run over ssh runs inside."""

    def run(_: Host, argv: list[str], **how: Any) -> ssh.Result:
        return ssh.run(None, booted.enter(argv), **how)

    monkeypatch.setattr(reach, "run", run)
    booted.run(CLEAN)
    yield booted
    booted.run(CLEAN)


@pytest.fixture
def host() -> Host:
    return build.host("kvm-1", uri="test:///default")


def keep(host: Host, target: str = TARGET, options: str = "") -> Mount:
    return mounts.mount(host=host, source=SHARE, target=target, options=options, persist=True, actor=ACTOR)


def test_a_share_is_kept_by_a_unit_that_systemd_mounts_and_taken_away_with_it(inside: SystemdHost, host: Host) -> None:
    row = keep(host)
    assert (row.state, row.unit, row.in_fstab, row.wanted) == (MountState.HEALTHY, UNIT, False, True)
    assert inside.run(f"systemctl is-enabled {UNIT}; systemctl show -p LoadState --value {UNIT}") == "enabled\nloaded"
    assert inside.run("cat /etc/fstab") == ""
    inside.run(f"umount {TARGET}")
    assert mounts.check_mounts(host)[0].state == MountState.MISSING
    inside.run(f"systemctl start {UNIT}")
    row = mounts.check_mounts(host)[0]
    assert row.state == MountState.HEALTHY
    row = mounts.unmount(mount=row, forget_fstab=True, actor=ACTOR)
    assert (row.state, row.unit, row.wanted) == (MountState.NOT_MOUNTED, "", False)
    assert (
        inside.run(
            f"ls -A {mount_unit.FOLDER} | grep -e {UNIT} -e kvmconsole; ls {mount_unit.FOLDER}/*.wants/{UNIT} 2>/dev/null || :"
        )
        == ""
    )


def test_a_path_with_dashes_and_odd_letters_has_the_name_that_systemd_wants(inside: SystemdHost, host: Host) -> None:
    row = keep(host, target="/srv/kvm-images/a@b+é")
    assert row.unit == inside.run("systemd-escape --path --suffix=mount /srv/kvm-images/a@b+é")
    assert inside.run(f"systemctl is-enabled '{row.unit}'") == "enabled"


def spoil_text(inside: SystemdHost, monkeypatch: pytest.MonkeyPatch) -> None:
    good = mount_unit.render
    monkeypatch.setattr(mount_unit, "render", lambda entry: good(entry).replace("Where=", "Where=/elsewhere"))


def spoil_folder(inside: SystemdHost, _: pytest.MonkeyPatch) -> None:
    """No link can be made: a file is where the folder of links belongs."""
    inside.run(f"rm -rf {mount_unit.FOLDER}/remote-fs.target.wants; : >{mount_unit.FOLDER}/remote-fs.target.wants")


@pytest.mark.parametrize("spoil", [spoil_text, spoil_folder])
def test_what_systemd_does_not_take_is_told_and_leaves_nothing_behind(
    spoil: Callable[..., None], inside: SystemdHost, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(inside, monkeypatch)
    before = inside.run(STATE)
    with pytest.raises(Refused, match=f"systemd on kvm-1 does not take {UNIT}") as refusal:
        keep(host)
    assert inside.run(STATE) == before
    assert "is mounted, but not kept so" in refusal.value.hint and refusal.value.raw
    assert inside.run(f"systemctl show -p LoadState --value {UNIT}") != "bad-setting"


def test_a_change_that_systemd_does_not_take_leaves_the_unit_as_it_was(
    inside: SystemdHost, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts.unmount(mount=keep(host), actor=ACTOR)
    before = inside.run(STATE)
    assert "vers=4.2" in before
    spoil_text(inside, monkeypatch)
    with pytest.raises(Refused, match="What was there before is back"):
        keep(host, options="vers=4.1,hard")
    assert inside.run(STATE) == before
    monkeypatch.undo()


def test_the_admins_own_unit_is_seen_and_never_written(inside: SystemdHost, host: Host) -> None:
    own = f"[Mount]\nWhat={SHARE}\nWhere={TARGET}\nType=nfs\n[Install]\nWantedBy=remote-fs.target\n"
    inside.run(f"cat >{FILE}; systemctl daemon-reload; systemctl enable --quiet {UNIT}; mkdir -p {TARGET}", text=own)
    row = mounts.check_mounts(host)[0]
    assert (row.state, row.unit, row.source) == (MountState.MISSING, UNIT, SHARE)
    before = inside.run(STATE)
    with pytest.raises(Refused, match=f"{UNIT} on kvm-1 mounts {SHARE} at {TARGET}"):
        mounts.mount(host=host, source="198.51.100.2:/other", target=TARGET, actor=ACTOR)
    with pytest.raises(Refused, match="the console did not write it"):
        keep(host)
    with pytest.raises(Refused, match="the console did not write it"):
        mounts.unmount(mount=mounts.check_mounts(host)[0], forget_fstab=True, actor=ACTOR)
    assert inside.run(STATE) == before


def test_a_host_that_has_its_shares_in_fstab_keeps_them_there(inside: SystemdHost, host: Host) -> None:
    line = "198.51.100.2:/other /srv/other nfs noauto 0 0"
    inside.run(f"echo '{line}' >/etc/fstab; systemctl daemon-reload")
    row = keep(host)
    assert (row.in_fstab, row.unit) == (True, "")
    assert inside.run("cat /etc/fstab").splitlines() == [
        line,
        f"{SHARE}\t{TARGET}\tnfs\t{mounts.DEFAULT_OPTIONS}\t0\t0",
    ]
    assert inside.run(f"systemctl show -p SourcePath --value {UNIT}") == "/etc/fstab"
