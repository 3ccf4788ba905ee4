"""ssh to real hosts: keys known and unknown, logins, commands, a host that goes away."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts import ssh
from hosts.errors import AuthenticationRefused, CommandFailed, HostKeyChanged, HostKeyUnknown, TimedOut, Unreachable
from hosts.libvirt_client.connection import open_connection
from hosts.ssh import HostKey, SshKeyring, scan_host_key
from tests.lab.host import LabHost
from tests.lab.lab import Lab
from tests.real.adapters import *  # noqa: F403 - fixtures
from tests.real.adapters import ssh_target, target

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


@pytest.fixture
def host(netns_lab: Lab) -> Iterator[LabHost]:
    yield netns_lab.host("kvm-1")
    netns_lab.host("kvm-1").heal()


def test_a_key_that_nobody_trusted_is_refused_by_ssh_and_by_libvirt(host: LabHost, tmp_path: Path) -> None:
    stranger = SshKeyring(tmp_path / "ssh")
    with pytest.raises(HostKeyUnknown, match="kvm-1"):
        ssh.run(ssh_target(host, stranger), ["true"], timeout_s=10)
    with pytest.raises(HostKeyUnknown, match="kvm-1"):
        open_connection(target(host, stranger), timeout_s=10)


def test_a_host_with_another_key_than_the_one_trusted_is_refused(host: LabHost, tmp_path: Path) -> None:
    # With a path as long as this, ssh says more of the key than libvirt would pass on.
    keyring = SshKeyring(tmp_path / ("long-" * 40) / "ssh")
    presented = scan_host_key(host.address, 22, timeout_s=5)
    keyring.trust(host.address, 22, [HostKey.of("ssh-ed25519", keyring.public_key.split()[1])])
    assert keyring.check(host.address, 22, presented) == "changed"
    with pytest.raises(HostKeyChanged, match="kvm-1"):
        ssh.run(ssh_target(host, keyring), ["true"], timeout_s=10)
    with pytest.raises(HostKeyChanged, match="kvm-1"):
        open_connection(target(host, keyring), timeout_s=10)


def test_a_login_that_is_not_let_in_is_told_from_a_key_that_is_not_trusted(host: LabHost, tmp_path: Path) -> None:
    keyring = SshKeyring(tmp_path / "ssh")
    keyring.trust(host.address, 22, scan_host_key(host.address, 22, timeout_s=5))
    with pytest.raises(AuthenticationRefused):
        ssh.run(ssh_target(host, keyring), ["true"], timeout_s=10)
    with pytest.raises(AuthenticationRefused):
        open_connection(target(host, keyring), timeout_s=10)


def test_the_scanned_key_is_the_hosts_own(host: LabHost) -> None:
    scanned = scan_host_key(host.address, 22, timeout_s=5)
    own = host.run(["sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub"]).stdout
    assert scanned and all(f"{key.type} {key.base64}" in own for key in scanned)


def test_arguments_arrive_as_they_are_on_the_host(host: LabHost, keyring: SshKeyring) -> None:
    odd = ["a b", "$(id)", "'\"*;&|", "é", "-x", "", "a\nb"]
    result = ssh.run(ssh_target(host, keyring), ["printf", "%s|", *odd], timeout_s=10)
    assert (result.returncode, result.stdout, result.stderr) == (0, "".join(f"{argument}|" for argument in odd), "")
    assert ssh.run(ssh_target(host, keyring), ["hostname"], timeout_s=10).stdout == "kvm-1\n"


def test_input_exit_code_and_locale_come_through(host: LabHost, keyring: SshKeyring) -> None:
    there = ssh_target(host, keyring)
    assert ssh.run(there, ["cat"], timeout_s=10, input="a\nb").stdout == "a\nb"
    assert ssh.run(there, ["sh", "-c", "echo $LC_ALL; exit 3"], timeout_s=10).stdout == "C\n"
    with pytest.raises(CommandFailed, match="on kvm-1 ended with exit code 3") as failed:
        ssh.run(there, ["sh", "-c", "echo no >&2; exit 3"], timeout_s=10, check=True)
    assert failed.value.host == "kvm-1"


def test_a_command_that_a_signal_ends_is_no_failure_of_ssh(host: LabHost, keyring: SshKeyring) -> None:
    argv = ["timeout", "-s", "KILL", "0.2", "sleep", "5"]
    assert ssh.run(ssh_target(host, keyring), argv, timeout_s=10).returncode == 137


def test_later_commands_share_the_first_ones_connection(host: LabHost, keyring: SshKeyring) -> None:
    there = ssh_target(host, keyring)
    # The far end names the client's port: one login has one, however many commands it carries.
    show = ["sh", "-c", 'echo "$SSH_CONNECTION"']
    seen = {ssh.run(there, show, timeout_s=10).stdout for _ in range(10)}
    assert len(seen) == 1
    assert len(list(keyring.control_folder.iterdir())) == 1


def test_more_commands_at_once_than_one_connection_takes_all_come_through(host: LabHost, keyring: SshKeyring) -> None:
    there = ssh_target(host, keyring)
    results: list[ssh.Result] = []
    threads = [
        threading.Thread(target=lambda: results.append(ssh.run(there, ["sh", "-c", "sleep 1; echo x"], timeout_s=30)))
        for _ in range(15)  # sshd's MaxSessions is 10
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(result.returncode, result.stdout, result.stderr) for result in results] == [(0, "x\n", "")] * 15


def test_a_command_that_takes_too_long_leaves_the_connection_to_others(host: LabHost, keyring: SshKeyring) -> None:
    there = ssh_target(host, keyring)
    with pytest.raises(TimedOut, match=r"sleep on kvm-1 did not end within 0\.5 s"):
        ssh.run(there, ["sleep", "20"], timeout_s=0.5)
    assert ssh.run(there, ["echo", "x"], timeout_s=5).stdout == "x\n"


def test_a_host_that_vanishes_is_unreachable_within_the_limit(host: LabHost, keyring: SshKeyring) -> None:
    there = ssh_target(host, keyring)
    host.cut("machine")
    started = time.monotonic()
    with pytest.raises((TimedOut, Unreachable)):
        ssh.run(there, ["true"], timeout_s=5)
    assert time.monotonic() - started < 8
