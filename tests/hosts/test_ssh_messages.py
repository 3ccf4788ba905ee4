import pytest

from hosts import errors
from hosts.ssh_messages import classify

# What OpenSSH 9.2 (Debian 12) and libvirt 9.0 said, word for word, names aside
SAYINGS = [
    ("ssh: Could not resolve hostname kvm-9: Name or service not known", errors.NameUnresolved),
    ("ssh: connect to host 192.0.2.1 port 22: Connection refused", errors.ConnectionRefused),
    ("ssh: connect to host 192.0.2.1 port 22: Connection timed out", errors.TimedOut),
    ("ssh: connect to host 192.0.2.1 port 22: No route to host", errors.Unreachable),
    (
        "No ED25519 host key is known for 192.0.2.1 and you have requested strict checking.\nHost key verification failed.",
        errors.HostKeyUnknown,
    ),
    (
        "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key for kvm-1 has changed and you have requested "
        "strict checking.\nHost key verification failed.",
        errors.HostKeyChanged,
    ),
    ("root@192.0.2.1: Permission denied (publickey,password).", errors.AuthenticationRefused),
    ("Received disconnect from 192.0.2.1 port 22:2: Too many authentication failures", errors.AuthenticationRefused),
    ("kex_exchange_identification: Connection closed by remote host", errors.Unreachable),
    ("Timeout, server 192.0.2.1 not responding.", errors.TimedOut),
    (
        "Cannot recv data: virt-ssh-helper: cannot connect to '/var/run/libvirt/libvirt-sock': Failed to connect socket to "
        "'/var/run/libvirt/libvirt-sock': No such file or directory: Connection reset by peer",
        errors.LibvirtNotRunning,
    ),
    ("Cannot recv data: nc: unix connect failed: No such file or directory", errors.LibvirtNotRunning),
    ("sh: 1: virt-ssh-helper: not found", errors.LibvirtNotRunning),
]


@pytest.mark.parametrize(("said", "error"), SAYINGS, ids=[said[:40] for said, _ in SAYINGS])
def test_each_saying_of_ssh_becomes_its_error_with_the_host_in_it(said, error):
    found = classify(said, host="kvm-1")
    assert type(found) is error
    assert "kvm-1" in str(found) and found.host == "kvm-1" and found.raw == said


@pytest.mark.parametrize("said", ["", "mount: /mnt: Permission denied", "cat: /x: No such file or directory"])
def test_what_a_command_says_is_not_taken_for_ssh(said):
    assert classify(said, host="kvm-1") is None
