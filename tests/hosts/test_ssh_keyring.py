"""The keyring runs the real ssh-keygen, and its answers are compared with ssh's own programs."""

import stat
import subprocess
import threading
from pathlib import Path

import pytest

from hosts.errors import HostError
from hosts.ssh import HostKey, SshKeyring
from hosts.ssh.host_keys import compare, parse_key_line

OLD = HostKey.of("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIBsBvK4ujNjU0+bLJPtvcK4FQJ1M29NqC8iIjDbECMOI")
NEW = HostKey.of("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIOzuyx7nYPYevkf4LIbt/36wcXbRIdZNfp9fz3ke6OTI")
OTHER_TYPE = HostKey.of("ecdsa-sha2-nistp256", "AAAA")


@pytest.fixture
def keyring(tmp_path: Path) -> SshKeyring:
    return SshKeyring(tmp_path / "ssh")


def test_the_folder_and_its_key_are_made_at_first_use_and_private(keyring, tmp_path):
    assert not (tmp_path / "ssh").exists()
    assert keyring.public_key.startswith("ssh-ed25519 ")
    folder = tmp_path / "ssh"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("id_ed25519", "config", "known_hosts"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(keyring.wrapper.stat().st_mode) == 0o700


def test_a_second_keyring_on_the_folder_keeps_key_and_trust(keyring, tmp_path):
    keyring.trust("kvm-1", 22, [OLD])
    again = SshKeyring(tmp_path / "ssh")
    assert again.public_key == keyring.public_key
    assert again.known("kvm-1", 22) == [OLD]


def test_a_fingerprint_is_the_one_that_ssh_keygen_shows(keyring, tmp_path):
    argv = ["ssh-keygen", "-l", "-f", tmp_path / "ssh/id_ed25519.pub"]
    key_type, encoded, _ = keyring.public_key.split()
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert HostKey.of(key_type, encoded).fingerprint_sha256 in shown


@pytest.mark.parametrize(
    ("hostname", "port", "name"),
    [("kvm-1", 22, "kvm-1"), ("KVM-1", 2222, "[kvm-1]:2222"), ("2001:db8::1", 22, "2001:db8::1")],
)
def test_ssh_keygen_finds_a_trusted_host_under_the_name_that_ssh_uses(keyring, hostname, port, name):
    keyring.trust(hostname, port, [OLD])
    argv = ["ssh-keygen", "-F", name, "-f", str(keyring.known_hosts)]
    assert OLD.base64 in subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_ssh_reads_the_configuration_as_strict(keyring):
    argv = [str(keyring.wrapper), "-G", "kvm-1"]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "stricthostkeychecking true" in shown
    assert "batchmode yes" in shown
    assert f"userknownhostsfile {keyring.known_hosts}" in shown
    assert "globalknownhostsfile /dev/null" in shown
    assert f"identityfile {keyring.config.parent / 'id_ed25519'}" in shown


def test_a_folder_with_blanks_and_percent_signs_still_works(tmp_path):
    keyring = SshKeyring(tmp_path / "a b%h")
    argv = [str(keyring.wrapper), "-G", "kvm-1"]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert f"userknownhostsfile {tmp_path / 'a b%h/known_hosts'}" in shown.replace("%%", "%")


def test_a_folder_that_a_configuration_can_not_name_is_refused(tmp_path):
    with pytest.raises(HostError, match="quotes"):
        SshKeyring(tmp_path / 'a"b').config  # noqa: B018


def test_trust_is_per_host_and_port_and_adds_no_line_twice(keyring):
    keyring.trust("kvm-1", 22, [OLD, OTHER_TYPE])
    keyring.trust("kvm-1", 22, [OLD])
    keyring.trust("kvm-2", 22, [NEW])
    assert keyring.known("kvm-1", 22) == [OLD, OTHER_TYPE]
    assert keyring.known("kvm-1", 2222) == []
    assert len(keyring.known_hosts.read_text().splitlines()) == 3


def test_forgetting_one_host_leaves_the_others_and_comments(keyring):
    keyring.trust("kvm-1", 22, [OLD])
    keyring.trust("kvm-2", 22, [NEW])
    keyring.known_hosts.write_text(f"# by hand\n{keyring.known_hosts.read_text()}")
    keyring.forget("kvm-1", 22)
    assert keyring.known("kvm-1", 22) == []
    assert keyring.known_hosts.read_text() == f"# by hand\nkvm-2 ssh-ed25519 {NEW.base64}\n"


def test_two_threads_that_trust_at_once_lose_nothing(keyring, tmp_path):
    def trust(number: int) -> None:
        SshKeyring(tmp_path / "ssh").trust(f"kvm-{number}", 22, [OLD])

    threads = [threading.Thread(target=trust, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(keyring.known(f"kvm-{number}", 22) == [OLD] for number in range(8))


@pytest.mark.parametrize(
    ("trusted", "presented", "state"),
    [
        ([], [OLD], "unknown"),
        ([OLD], [OLD], "known"),
        ([OLD], [OLD, OTHER_TYPE], "known"),
        ([OLD], [NEW], "changed"),
        ([OLD, OTHER_TYPE], [OTHER_TYPE, NEW], "changed"),
        ([OLD], [OTHER_TYPE], "changed"),
        ([OLD], [], "changed"),
    ],
)
def test_a_presented_key_is_known_unknown_or_changed(keyring, trusted, presented, state):
    keyring.trust("kvm-1", 22, trusted)
    assert compare(trusted, presented) == keyring.check("kvm-1", 22, presented) == state


def test_sockets_of_shared_connections_fit_however_deep_the_folder_is(tmp_path):
    deep = SshKeyring(tmp_path / ("x" * 60) / "ssh")
    assert len(str(deep.control_folder)) <= 49
    assert stat.S_IMODE(deep.control_folder.stat().st_mode) == 0o700
    deep.control_folder.chmod(0o755)
    with pytest.raises(HostError, match="not a private folder"):
        deep.control_folder  # noqa: B018


@pytest.mark.parametrize(
    "line", ["", "# 192.0.2.1:22 SSH-2.0-OpenSSH_9.2p1", "@revoked * ssh-rsa AAAA", "kvm-1 ssh-rsa"]
)
def test_a_line_that_is_no_key_is_left_out(line):
    assert parse_key_line(line) is None
