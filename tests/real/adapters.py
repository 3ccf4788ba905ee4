"""What the tests of the adapters share: a keyring that the lab's hosts let in, and connections with it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hosts.host_uri import HostUri
from hosts.libvirt_client.connection import Connection, Target, open_connection
from hosts.ssh import SshKeyring, SshTarget, scan_host_key
from tests.lab.host import LabHost
from tests.lab.lab import Lab
from tests.lab.network import KVM_HOSTS

__all__ = ["connect", "keyring", "ssh_target", "target"]

Connect = Callable[[str], Connection]


def authorize(keyring: SshKeyring, host: LabHost) -> None:
    """Let the keyring's key in as root."""
    host.run(["sh", "-c", "cat >> /root/.ssh/authorized_keys"], input_text=f"{keyring.public_key}\n")


def target(host: LabHost, keyring: SshKeyring) -> Target:
    return Target(host.name, host.uri, ssh_command=str(keyring.wrapper))


def ssh_target(host: LabHost, keyring: SshKeyring) -> SshTarget:
    address = HostUri.parse(host.uri).ssh_target
    assert address
    return SshTarget(address, keyring, host=host.name)


@pytest.fixture(scope="module")
def keyring(netns_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> SshKeyring:
    """The console's own keys (in a folder with a blank in its name), let in and trusting both hosts."""
    keyring = SshKeyring(Path(tmp_path_factory.mktemp("ssh")) / "key ring")
    for name in KVM_HOSTS:
        host = netns_lab.host(name)
        authorize(keyring, host)
        keyring.trust(host.address, 22, scan_host_key(host.address, 22, timeout_s=5))
    return keyring


@pytest.fixture
def connect(netns_lab: Lab, keyring: SshKeyring) -> Iterator[Connect]:
    """Open a connection to a host of the lab; all are closed after the test."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(open_connection(target(netns_lab.host(name), keyring), timeout_s=15))
