"""The console's ssh key on the lab's hosts, for tests that call the services in this process."""

from hosts import actions, audit, reach
from hosts.ssh import scan_host_key
from tests.lab.lab import Lab

ACTOR = audit.Actor(user=None, source="command")


def authorise(lab: Lab, name: str) -> None:
    """Let the console log in."""
    append = 'echo "$1" >>/root/.ssh/authorized_keys'
    lab.host(name).run(["sh", "-c", append, "lab", reach.keyring().public_key])


def trust_key(lab: Lab, name: str) -> None:
    """Let the console know the host's ssh key, without asking its libvirtd."""
    address = lab.host(name).address
    reach.keyring().trust(address, 22, scan_host_key(address, 22, timeout_s=10))


def trust(lab: Lab, name: str) -> None:
    """Let the console in, and let it know the host's key."""
    authorise(lab, name)
    found = actions.test_connection(name=name, uri=lab.host(name).uri)
    prints = [key.fingerprint_sha256 for key in found.host_keys]
    actions.trust_host_key(hostname=found.hostname, port=found.port, fingerprints=prints, actor=ACTOR)
