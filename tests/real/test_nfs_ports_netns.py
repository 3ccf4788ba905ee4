"""A silent NFS server on a real network: its service, a firewall that drops or rejects, and a machine that is off, told apart."""

from collections.abc import Iterator

import pytest

from hosts import nfs_ports
from hosts.mounts import knocking
from tests.lab.host import LabHost
from tests.lab.lab import Lab

pytestmark = pytest.mark.real
FIREWALL = (
    "nft add table inet t; nft add chain inet t i '{ type filter hook input priority 0; }'; nft add rule inet t i"
)
LISTEN = "nc -lk 2049 >/dev/null 2>&1 </dev/null & echo $! >/run/listener"
FAULTS = {
    "the service is stopped": (":", "No NFS server answers on"),
    "a firewall drops": (f"{LISTEN}; {FIREWALL} tcp dport '{{ 111, 2049 }}' drop", "A firewall drops what"),
    "a firewall rejects": (
        f"{LISTEN}; {FIREWALL} tcp dport '{{ 111, 2049 }}' reject with icmpx host-unreachable",
        "A firewall rejects what",
    ),
    "the service hangs": (LISTEN, "its NFS server gives no answer"),
    "everything is dropped": (f"{LISTEN}; {FIREWALL} ip saddr != 127.0.0.1 drop", "no sign of life"),
}


@pytest.fixture
def server(netns_lab: Lab) -> Iterator[LabHost]:
    host = netns_lab.host("nfs")
    yield host
    host.run(["sh", "-c", "nft delete table inet t; kill $(cat /run/listener); rm -f /run/listener"], check=False)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_keeps_a_server_silent_is_told(fault: str, server: LabHost) -> None:
    script, words = FAULTS[fault]
    server.run(["sh", "-c", script])
    found = knocking.knock(None, server.address)
    assert found
    told = nfs_ports.explain_mount(found, server=server.address, host="this machine")
    assert words in str(told), found
    assert server.address in str(told)
    # This machine's own address there, so that the fix lets in nobody else.
    assert found.source == server.network.gateway
