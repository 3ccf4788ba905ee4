"""Commands on this machine, and the ways in which no host is reached; commands on hosts are in tests/real."""

import time
from pathlib import Path

import pytest

from hosts import ssh
from hosts.errors import CommandFailed, ConnectionRefused, NameUnresolved, TimedOut
from hosts.host_uri import SshAddress
from tests.lab.process import wait_for


def test_arguments_arrive_as_they_are():
    odd = ["a b", "$(id)", "'\"*", "é", "-x", "", "a\nb"]
    result = ssh.run(None, ["printf", "%s|", *odd], timeout_s=5)
    assert (result.returncode, result.stdout) == (0, "".join(f"{argument}|" for argument in odd))


def test_input_goes_in_and_bytes_that_are_no_text_come_back_unchanged():
    assert ssh.run(None, ["cat"], timeout_s=5, input="a\udcffb").stdout == "a\udcffb"


def test_messages_come_in_english(monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert ssh.run(None, ["sh", "-c", "echo $LC_ALL"], timeout_s=5).stdout == "C\n"


def test_an_exit_code_is_a_result_unless_it_is_to_be_checked():
    argv = ["sh", "-c", "echo no >&2; exit 3"]
    assert ssh.run(None, argv, timeout_s=5).returncode == 3
    with pytest.raises(CommandFailed) as failed:
        ssh.run(None, argv, timeout_s=5, check=True)
    assert (failed.value.returncode, failed.value.stderr) == (3, "no\n")


def test_a_program_that_is_not_there_fails_as_in_a_shell():
    result = ssh.run(None, ["kvmconsole-no-such-program"], timeout_s=5)
    assert (result.returncode, result.stderr) == (127, "kvmconsole-no-such-program: command not found")


def test_a_command_that_takes_too_long_is_killed_with_its_children(tmp_path):
    pid_file = tmp_path / "pid"
    started = time.monotonic()
    with pytest.raises(TimedOut, match=r"sh did not end within 0\.5 s"):
        ssh.run(None, ["sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait"], timeout_s=0.5)
    assert time.monotonic() - started < 5
    wait_for(lambda: _state(int(pid_file.read_text())) in ("", "Z"), timeout_s=5, what="the child to be gone")


def _state(pid: int) -> str:
    """The process's state letter; "" if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def test_a_port_where_nothing_listens_is_a_refused_connection(tmp_path):
    target = ssh.SshTarget(SshAddress("127.0.0.1", port=1), ssh.SshKeyring(tmp_path), host="kvm-1")
    with pytest.raises(ConnectionRefused, match="kvm-1") as refused:
        ssh.run(target, ["true"], timeout_s=10)
    assert "port 1" in refused.value.raw
    with pytest.raises(ConnectionRefused):
        ssh.scan_host_key("127.0.0.1", 1, timeout_s=5)


def test_a_name_that_does_not_resolve_is_said_to_be_that(tmp_path):
    target = ssh.SshTarget(SshAddress("no-such-host.invalid"), ssh.SshKeyring(tmp_path))
    with pytest.raises(NameUnresolved, match=r"no-such-host\.invalid"):
        ssh.run(target, ["true"], timeout_s=10)
    with pytest.raises(NameUnresolved):
        ssh.scan_host_key("no-such-host.invalid", 22, timeout_s=5)


def test_nothing_is_left_running_or_open():
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        ssh.run(None, ["true"], timeout_s=5)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
