import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosts import nfs
from hosts.errors import InvalidInput

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize(
    ("text", "server", "path"),
    [
        ("198.51.100.2:/home/image", "198.51.100.2", "/home/image"),
        ("nfs:/", "nfs", "/"),
        ("[2001:db8::2]:/srv/vm", "2001:db8::2", "/srv/vm"),
    ],
)
def test_a_source_is_read_and_written_back(text, server, path):
    source = nfs.NfsSource.parse(text)
    assert (source.server, source.path) == (server, path)
    assert str(source) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nfs",
        "nfs:",
        "nfs:home",
        ":/home",
        "nfs:/a b",
        "nfs:/a'b",
        'nfs:/a"b',
        "nfs:/a;b",
        "nfs:/$(id)",
        "nfs:/a/../b",
        "-o:/x",
        "nfs:/a//b",
        "nfs:/a/",
        "a b:/x",
        "::2%a:/x",
        "nfs:/a\nb",
        "nfs:/a\\b",
        "nfs:/a`b`",
        "/dev/sda1",
    ],
)
def test_sources_that_are_none_are_refused(text):
    with pytest.raises(InvalidInput) as refused:
        nfs.NfsSource.parse(text)
    assert refused.value.field == "source"


@pytest.mark.parametrize(
    "text", ["/mnt", "/mnt/", "/srv/images", "/var/lib/libvirt/images", "/home/image", "/data.1/x_y"]
)
def test_plain_folders_are_fit_to_mount_at(text):
    assert nfs.validate_target(text) == text.rstrip("/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "//",
        "mnt",
        ".",
        "..",
        "/mnt/..",
        "/mnt/./x",
        "/mnt//x",
        "/mnt/x//",
        "-o",
        "/mnt/a b",
        "/mnt/a'b",
        "/mnt\n",
        "/mnt/\x00",
        "/etc",
        "/etc/",
        "/etc/libvirt",
        "/usr/share",
        "/proc",
        "/proc/1",
        "/sys/x",
        "/dev/shm",
        "/boot/efi",
        "/bin",
        "/lib64/x",
        "/root",
        "/home",
        "/run",
        "/tmp",
        "/var",
        "/var/lib",
        "/mnt/$(id)",
        "/mnt/;id",
        "/" + "x" * 1024,
    ],
)
def test_other_targets_are_refused(text):
    with pytest.raises(InvalidInput) as refused:
        nfs.validate_target(text)
    assert refused.value.field == "target"


@pytest.mark.parametrize("text", ["", "vers=4.2,hard", "rw,noatime,nconnect=4,timeo=600,_netdev,x-systemd.automount"])
def test_known_options_pass(text):
    assert nfs.validate_options(text) == text


@pytest.mark.parametrize(
    "text",
    ["exec", "vers=2", "vers=", "hard=1", "rsize", "hard,", "a b", "timeo=$(id)", "sec=sys;id", "user", "port=1 2"],
)
def test_other_options_are_refused(text):
    with pytest.raises(InvalidInput) as refused:
        nfs.validate_options(text)
    assert refused.value.field == "options"


@pytest.mark.parametrize(
    ("fstype", "options", "version"),
    [
        ("nfs4", "rw,relatime,vers=4.2,rsize=131072,hard,proto=tcp", "4.2"),
        ("nfs", "rw,vers=3,nolock", "3"),
        ("nfs4", "rw", "4"),
        ("nfs4", "rw,vers=4,minorversion=1", "4.1"),
        ("ext4", "rw,vers=4", ""),
    ],
)
def test_the_version_comes_from_the_mount_options(fstype, options, version):
    assert nfs.nfs_version(fstype=fstype, options=options) == version


def test_exports_are_read_with_spaces_in_paths_and_many_clients():
    text = "/home/image   198.51.100.0/27,kvm-3\n/srv/all files (everyone)\n/pub *\n\n"
    assert nfs.parse_showmount(text) == [
        nfs.Export("/home/image", ("198.51.100.0/27", "kvm-3")),
        nfs.Export("/srv/all files", ("(everyone)",)),
        nfs.Export("/pub", ("*",)),
    ]


def test_the_mounts_of_a_real_host_are_read():
    header, _, text = (DATA / "findmnt/debian12-nfs4.json").read_text().partition("\n")
    assert header.startswith("# findmnt")
    facts = nfs.parse_findmnt(text)
    assert len(facts) == 10
    (share,) = [fact for fact in facts if fact.is_nfs]
    assert (share.source, share.target, share.version) == ("198.51.100.162:/home/image", "/mnt", "4.2")
    assert "hard" in nfs.parse_options(share.options) and share.size_bytes is None


def test_no_output_of_findmnt_means_no_mounts():
    assert nfs.parse_findmnt("\n") == []


def test_mounts_are_read_from_a_tree_with_sizes_as_numbers_or_strings():
    inner = {"target": "/mnt", "source": "nfs:/home/image", "fstype": "nfs4", "options": "rw,vers=4.2", "size": 10}
    root = {"target": "/", "source": "/dev/vda1", "fstype": "ext4", "options": "rw", "size": "20", "used": None}
    facts = nfs.parse_findmnt(json.dumps({"filesystems": [root | {"children": [inner]}]}))
    assert [fact.target for fact in facts] == ["/", "/mnt"]
    assert facts[0].size_bytes == 20 and facts[0].used_bytes is None and not facts[0].is_nfs
    assert facts[1] == nfs.MountFact("nfs:/home/image", "/mnt", "nfs4", "4.2", "rw,vers=4.2", 10, None, None)


def test_what_a_mount_hides_is_told_with_the_disk_images():
    hidden = nfs.hidden_by_mount(["web.QCOW2", "notes.txt", "lost+found", "kvm/a.raw"])
    assert hidden.entries == ("kvm/a.raw", "notes.txt", "web.QCOW2")
    assert hidden.disk_images == ("kvm/a.raw", "web.QCOW2")
    assert nfs.hidden_by_mount(["lost+found"]).entries == ()


@given(st.text(alphabet="ab/._-: \"'\\\n$;é", max_size=20))
def test_an_accepted_source_survives_a_round_trip(text):
    try:
        source = nfs.NfsSource.parse(text)
    except InvalidInput:
        return
    assert nfs.NfsSource.parse(str(source)) == source
    assert not set(str(source)) & set(" \"'\\\n$;")
