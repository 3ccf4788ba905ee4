"""What mount, umount and showmount say becomes an error that names the hosts and the next step."""

import pytest

from hosts.errors import CommandFailed, HostError, NameUnresolved, Refused, TimedOut, Unreachable, Unsupported
from hosts.mounts.messages import explain_mount, explain_showmount, explain_unmount, processes
from hosts.nfs import NfsSource

SHARE = NfsSource.parse("198.51.100.2:/home/image")
SAID: list[tuple[str, type[HostError], str]] = [
    ("mount.nfs: access denied by server while mounting 198.51.100.2:/home/image", Refused, "does not let h1 mount"),
    (
        "mount.nfs: mounting 198.51.100.2:/home/image failed, reason given by server: No such file or directory",
        Refused,
        "does not offer /home/image",
    ),
    ("mount.nfs: Failed to resolve server nfs: Name or service not known", NameUnresolved, "can't resolve"),
    ("mount.nfs: Connection refused", Unreachable, "No NFS server answers"),
    ("mount.nfs: No route to host", Unreachable, "no route"),
    ("mount.nfs: Connection timed out", TimedOut, "did not answer h1"),
    ("mount.nfs: Protocol not supported", Unsupported, "NFS version"),
    ("mount.nfs: an incorrect mount option was specified", Refused, "mount options"),
    (
        "mount: /mnt: bad option; for several filesystems (e.g. nfs, cifs) you might need a /sbin/mount.<type> helper program.",
        Unsupported,
        "can't mount NFS",
    ),
    ("mount.nfs: Operation not permitted", Refused, "may not mount"),
]


def test_a_name_that_nobody_resolves_is_told_apart_from_an_address_without_answer() -> None:
    stderr = "mount.nfs: Resource temporarily unavailable"
    named = NfsSource.parse("nas:/home/image")
    assert isinstance(explain_mount(returncode=32, stderr=stderr, source=named, host="h1", limit_s=30), NameUnresolved)
    assert isinstance(explain_mount(returncode=32, stderr=stderr, source=SHARE, host="h1", limit_s=30), CommandFailed)


@pytest.mark.parametrize(("stderr", "error", "words"), SAID, ids=[words for _, _, words in SAID])
def test_a_failed_mount_is_told_in_words(stderr: str, error: type[HostError], words: str) -> None:
    told = explain_mount(returncode=32, stderr=stderr, source=SHARE, host="h1", limit_s=30)
    assert type(told) is error
    assert words in str(told)
    assert (told.host, told.raw) == ("h1", stderr)
    assert "{" not in str(told) + told.hint


def test_a_mount_that_was_ended_by_its_limit_names_the_server() -> None:
    told = explain_mount(returncode=137, stderr="", source=SHARE, host="h1", limit_s=30)
    assert isinstance(told, TimedOut)
    assert "198.51.100.2 did not answer h1 within 30 seconds" in str(told)


def test_an_unknown_saying_is_passed_on_word_for_word() -> None:
    told = explain_mount(returncode=32, stderr="mount.nfs: the moon is full", source=SHARE, host="h1", limit_s=30)
    assert isinstance(told, CommandFailed)
    assert "the moon is full" in str(told)


FUSER = """umount: /mnt: target is busy.
                     USER        PID ACCESS COMMAND
/mnt:                root     kernel mount /mnt
                     root       1234 ..c.. bash
                     root        877 F.... qemu-system-x86
"""


def test_a_busy_mount_names_the_processes_that_hold_it() -> None:
    told = explain_unmount(returncode=32, stderr=FUSER, target="/mnt", host="h1", limit_s=30)
    assert isinstance(told, Refused)
    assert str(told) == "/mnt is in use on h1 by bash (1234), qemu-system-x86 (877)."


def test_a_busy_mount_without_fuser_says_how_to_find_them() -> None:
    told = explain_unmount(returncode=32, stderr="umount: /mnt: target is busy.", target="/mnt", host="h1", limit_s=30)
    assert "fuser -vm /mnt" in told.hint
    assert processes("umount: /mnt: target is busy.") == []


@pytest.mark.parametrize(
    ("stderr", "error"),
    [
        ("clnt_create: RPC: Program not registered", Unsupported),
        ("clnt_create: RPC: Unable to receive", Unsupported),
        ("clnt_create: RPC: Port mapper failure - Unable to receive: errno 111 (Connection refused)", Unsupported),
        ("clnt_create: RPC: Unknown host", NameUnresolved),
        ("clnt_create: RPC: Port mapper failure - Timed out", TimedOut),
        ("rpc mount export: RPC: Unable to receive; errno = No route to host", Unreachable),
    ],
)
def test_a_server_that_does_not_list_its_exports_is_told_in_words(stderr: str, error: type[HostError]) -> None:
    told = explain_showmount(returncode=1, stderr=stderr, server="nas", host="this machine")
    assert type(told) is error
    assert "nas" in str(told)
