"""systemd mount units as text: their names, what the console writes, what a host says of those it has."""

import shutil
import subprocess

import pytest

from hosts import mount_unit
from hosts.fstab import Fstab, FstabEntry
from hosts.mounts.check import View
from hosts.mounts.keeping import _by_unit

ENTRY = FstabEntry("198.51.100.2:/home/image", "/srv/images", "nfs", "vers=4.2,hard,_netdev,nofail")
NAMES = {
    "/mnt": "mnt.mount",
    "/srv/images": "srv-images.mount",
    "/srv/kvm-images": r"srv-kvm\x2dimages.mount",
    "/srv/a@b+c=d,e~f": r"srv-a\x40b\x2bc\x3dd\x2ce\x7ef.mount",
    "/.hidden/.too": r"\x2ehidden-.too.mount",
    "/srv/é": r"srv-\xc3\xa9.mount",
}


@pytest.mark.parametrize("target", NAMES)
def test_a_unit_has_the_name_that_systemd_takes(target: str) -> None:
    assert mount_unit.unit_name(target) == NAMES[target]
    if shutil.which("systemd-escape"):
        argv = ["systemd-escape", "--path", "--suffix=mount", "--", target]
        assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip() == NAMES[target]


def test_what_is_written_is_read_back() -> None:
    text = mount_unit.render(ENTRY)
    assert "WantedBy=remote-fs.target" in text and "RequiredBy" not in text
    lines = "\n".join(line for line in text.splitlines() if line.startswith(("#", "What", "Where", "Type", "Options")))
    (unit,) = mount_unit.parse(f"systemd\nunit srv-images.mount\nenabled\n{lines}\n")
    assert (unit.name, unit.is_enabled, unit.is_ours) == ("srv-images.mount", True, True)
    # nofail and noauto are fstab's; a unit is wanted by its target, never required.
    assert unit.entry == FstabEntry(ENTRY.source, ENTRY.target, "nfs", "vers=4.2,hard,_netdev")


def test_others_than_nfs_and_those_of_an_admin_are_told_apart() -> None:
    said = "unit tmp.mount\nWhat=tmpfs\nWhere=/tmp\nType=tmpfs\nunit srv-a.mount\nWhat=nas:/a%%b\nWhere=/srv/a\nType=nfs4\n"
    (unit,) = mount_unit.parse(said)
    assert (unit.entry.source, unit.is_enabled, unit.is_ours) == ("nas:/a%b", False, False)
    assert mount_unit.parse("") == ()


@pytest.mark.parametrize(
    ("options", "suits"),
    [("vers=4.2,hard,_netdev,nofail", True), ("noauto,hard", False), ("hard,x-systemd.automount", False)],
)
def test_options_that_only_fstab_knows_stay_there(options: str, suits: bool) -> None:
    assert mount_unit.suits(options) is suits


def test_the_hosts_own_way_decides() -> None:
    ours = mount_unit.MountUnit("srv-images.mount", ENTRY, is_enabled=True, is_ours=True)
    elsewhere = Fstab("nas:/x /srv/x nfs defaults 0 0\n/dev/sda1 / ext4 defaults 0 1\n")
    local = Fstab("/dev/sda1 / ext4 defaults 0 1\n")
    assert _by_unit(View((), local, has_systemd=True), ENTRY)
    assert not _by_unit(View((), local), ENTRY)
    assert not _by_unit(View((), elsewhere, has_systemd=True), ENTRY)
    assert _by_unit(View((), elsewhere, units=(ours,), has_systemd=True), ENTRY)
    assert not _by_unit(View((), Fstab("nas:/x /srv/images nfs"), units=(ours,), has_systemd=True), ENTRY)
