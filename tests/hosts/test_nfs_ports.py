"""A silent NFS server: what its ports say is told as service, firewall or machine, each with a fix that opens no more than needed."""

import re
import socket
from collections.abc import Iterator

import pytest

from hosts import mounts, nfs_ports, reach, ssh
from hosts.errors import CommandFailed, HostError, NameUnresolved, Refused, TimedOut, Unreachable, Unsupported
from hosts.models import Host, MountState
from hosts.mounts import check, knocking
from hosts.nfs import NfsSource
from tests import build

SOURCE = "source 198.51.100.3\n"
MOUNT: list[tuple[str, type[HostError], str, str]] = [
    ("ping answered\nport 111 open\nport 2049 refused Connection refused", Unreachable, "refuses TCP port 2049", "--now nfs-server"),
    ("ping answered\nport 111 silent\nport 2049 silent", Unreachable, "A firewall drops what kvm-1 sends", "service name=nfs accept"),
    ("port 111 open\nport 2049 silent", Unreachable, "A firewall drops", "from 198.51.100.3 to any port 2049"),
    ("ping answered\nport 111 refused No route to host\nport 2049 refused No route to host", Unreachable, "A firewall rejects", "198.51.100.3"),
    ("port 111 silent\nport 2049 silent", Unreachable, "no sign of life", "switched on"),
    ("port 111 refused No route to host\nport 2049 refused No route to host", Unreachable, "no sign of life", "switched on"),
    ("port 111 refused Network is unreachable\nport 2049 refused Network is unreachable", Unreachable, "Network is unreachable", "network"),
    ("ping answered\nport 111 open\nport 2049 open", TimedOut, "gives no answer", "waits for its old clients"),
]  # fmt: skip
LISTING: list[tuple[str, type[HostError], str, str]] = [
    ("ping answered\nport 111 refused Connection refused\nport 2049 open", Unsupported, "rpcbind does not run", "rpcbind.socket"),
    ("ping answered\nport 111 silent\nport 2049 open", Unsupported, "a firewall keeps kvm-1 from its TCP port 111", "name=rpc-bind"),
    ("ping answered\nport 111 open\nport 2049 open", Unsupported, "rpc.mountd does not answer", "any port 20048"),
    ("ping answered\nport 111 open\nport 2049 refused Connection refused", Unreachable, "No NFS server answers", "nfs-server"),
    ("port 111 silent\nport 2049 silent", Unreachable, "no sign of life", "switched on"),
]  # fmt: skip


def heard(said: str) -> nfs_ports.Knock:
    found = nfs_ports.read(SOURCE + said)
    assert found
    return found


def assert_told(error: HostError, kind: type[HostError], words: str, fix: str) -> None:
    assert type(error) is kind
    assert words in str(error) and "nas" in str(error)
    assert fix in error.hint
    # Nothing that opens a server to everybody.
    assert not re.search(r"systemctl (stop|disable)|ufw disable|iptables -F|--set-default-zone|\boff\b", error.hint)


@pytest.mark.parametrize(("said", "kind", "words", "fix"), MOUNT, ids=[words for _, _, words, _ in MOUNT])
def test_why_a_mount_gets_no_answer(said: str, kind: type[HostError], words: str, fix: str) -> None:
    assert_told(nfs_ports.explain_mount(heard(said), server="nas", host="kvm-1"), kind, words, fix)


@pytest.mark.parametrize(("said", "kind", "words", "fix"), LISTING, ids=[words for _, _, words, _ in LISTING])
def test_why_a_server_does_not_list_its_exports(said: str, kind: type[HostError], words: str, fix: str) -> None:
    assert_told(nfs_ports.explain_listing(heard(said), server="nas", host="kvm-1"), kind, words, fix)


def test_nfs_3_needs_rpcbind_and_nfs_4_does_not() -> None:
    said = heard("ping answered\nport 111 refused Connection refused\nport 2049 open")
    assert "can't be mounted from with NFS 3" in str(
        nfs_ports.explain_mount(said, server="nas", host="h", version_3=True)
    )
    assert "vers=4.2" in nfs_ports.explain_mount(said, server="nas", host="h", version_3=True).hint
    assert "rpcbind" not in str(nfs_ports.explain_mount(said, server="nas", host="h"))


def test_an_address_of_the_host_that_is_none_is_not_put_into_a_command() -> None:
    found = nfs_ports.read("source 1.2.3.4;reboot\nport 2049 silent\n")
    assert found and found.source == ""
    assert (
        "--add-service=nfs"
        in nfs_ports.explain_mount(
            nfs_ports.Knock(pinged=True, ports={2049: "silent"}), server="nas", host="kvm-1"
        ).hint
    )


@pytest.mark.parametrize("said", ["", "unable\n", "source \nport x y\n"])
def test_a_host_that_could_not_try_tells_nothing(said: str) -> None:
    assert nfs_ports.read(said) is None


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A port of this machine stands for NFS's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(nfs_ports, "NFS", server.getsockname()[1])
        yield


@pytest.mark.django_db
def test_this_machine_really_tries_a_port_that_listens_and_one_that_refuses(listening: None) -> None:
    here = build.host("here", uri="test:///default")
    found = knocking.knock(here, "127.0.0.1")
    assert found and found.ports[nfs_ports.NFS] == "open" and found.is_up
    error = TimedOut("late", raw="mount.nfs: Connection timed out")
    told = knocking.why_unmounted(error, host=here, source=NfsSource.parse("127.0.0.1:/x"), options="vers=4.2")
    assert "gives no answer" in str(told) and told.raw == error.raw
    assert knocking.knock(None, "no-such-server.invalid") is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    "error", [Refused("no"), NameUnresolved("who"), CommandFailed(["mount"], 32, "the moon is full")]
)
def test_what_is_no_silence_is_not_asked_about(error: HostError, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knocking, "knock", lambda *_: pytest.fail("it was asked"))
    host, source = build.host("h"), NfsSource.parse("nas:/x")
    assert knocking.why_unmounted(error, host=host, source=source, options="") is error
    if not isinstance(error, Refused) or isinstance(error, CommandFailed):
        assert knocking.why_unlisted(error, via=host, server="nas", where="h") is error


@pytest.mark.django_db
def test_a_listing_that_takes_too_long_and_a_missing_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knocking, "knock", lambda *_: heard("port 111 silent\nport 2049 silent"))

    def late(*_: object, **__: object) -> ssh.Result:
        raise TimedOut("showmount did not end within 10 s")

    monkeypatch.setattr(ssh, "run", late)
    with pytest.raises(Unreachable, match=r"192\.0\.2\.1 gives this machine no sign of life"):
        mounts.exports("192.0.2.1")

    def missing(*_: object, **__: object) -> ssh.Result:
        raise CommandFailed(["showmount"], ssh.NOT_FOUND, "showmount: command not found")

    monkeypatch.setattr(ssh, "run", missing)
    with pytest.raises(Unsupported, match="showmount is missing"):
        mounts.exports("192.0.2.1")


@pytest.mark.django_db
def test_mounts_that_are_silent_ask_their_server_once_and_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(host: Host, argv: list[str], **_: object) -> ssh.Result:
        script = argv[2]
        said = ""
        if script == check.scripts.LOOK:
            options = '"fstype": "nfs4", "options": "rw,vers=4.2"'
            rows = ", ".join(f'{{"target": "/srv/{name}", "source": "nas:/{name}", {options}}}' for name in "ab")
            said = f'{{"filesystems": [{rows}]}}\n{check.scripts.SEPARATOR}\n{check.scripts.SEPARATOR_OF_STATS}\n'
        elif script == check.scripts.HEALTH:
            said = "0 137 5000000 \n1 137 5000000 \n"
        elif script == nfs_ports.KNOCK:
            asked.append(argv[4])
            said = f"{SOURCE}ping answered\nport 111 open\nport 2049 refused Connection refused\n"
        return ssh.Result((), 0, said, "")

    monkeypatch.setattr(reach, "run", answer)
    rows = check.check_mounts(build.host("kvm-1"))
    assert [row.state for row in rows] == [MountState.STALE, MountState.STALE]
    assert asked == ["nas"]
    assert "did not answer within 5 seconds. No NFS server answers on nas" in rows[0].detail
    assert "systemctl enable --now nfs-server" in rows[1].detail
