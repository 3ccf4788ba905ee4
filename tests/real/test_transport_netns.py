"""Ways of the guest's memory other than the usual one, on real hosts."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.console import Console, eventually
from tests.lab import certificates
from tests.lab.fixtures import GuestFactory
from tests.lab.guest_xml import LOCAL_FOLDER
from tests.lab.lab import Lab
from tests.real.guests import assert_guest, state_on

pytestmark = pytest.mark.real


def test_the_console_drives_a_migration_by_itself(console: Console, netns_lab: Lab, netns_guest: GuestFactory) -> None:
    spec = netns_guest()
    before = netns_lab.guests.wait_for_beats(spec.name)
    # TEST-NET-2 beyond the lab: the source can't reach the destination's libvirt there, the console does elsewhere.
    console.api("PATCH", "hosts/kvm-2", {"peer_uri": "qemu+tcp://198.51.100.254/system"})
    try:
        body = {"vm": console.vm(spec.name)["uuid"], "destination": "kvm-2", "options": {"unsafe": True}}
        peer = next(c for c in console.api("POST", "migrations/preflight", body)["checks"] if c["name"] == "peer")
        assert (peer["level"], peer["fix_act"]) == ("blocker", "direct")
        number = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True, direct=True)
        done = console.reaches(number, "completed")
    finally:
        console.api("PATCH", "hosts/kvm-2", {"peer_uri": ""})
    assert "--p2p" not in done["command"]
    assert_guest(netns_lab, spec.name, runs_on="kvm-2", not_on="kvm-1", before=before)


def test_a_direct_migration_ends_with_its_console_and_the_guest_stays(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    before = netns_lab.guests.wait_for_beats(spec.name)
    netns_lab.shape(80)
    number = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True, direct=True)
    eventually(
        lambda: console.migration(number)["progress"].get("transferred_bytes", 0) > 0,
        timeout_s=30,
        what="the copy to begin",
    )
    console.kill()
    console.start()
    failed = console.reaches(number, "failed", timeout_s=60)
    assert "console" in failed["error"] and "kvm-1" in failed["hint"]
    eventually(lambda: state_on(netns_lab, "kvm-2", spec.name) == "", timeout_s=60, what="kvm-2 to drop its half")
    assert_guest(netns_lab, spec.name, runs_on="kvm-1", not_on="kvm-2", before=before)


def test_through_the_tunnel_and_by_a_port_of_ones_own(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    before = netns_lab.guests.wait_for_beats(spec.name)
    there = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True, tunnelled=True)
    console.reaches(there, "completed")
    body = {"vm": console.vm(spec.name)["uuid"], "destination": "kvm-1", "options": {"unsafe": True, "port": 49199}}
    with ThreadPoolExecutor() as pool:  # the page checks one host and all hosts at the same time
        both = list(pool.map(lambda _: console.api("POST", "migrations/preflight", body), range(2)))
    assert not any(report["blocked"] for report in both), both
    back = console.migrate(spec.name, "kvm-1", address=spec.address, unsafe=True, port=49199)
    done = console.reaches(back, "completed")
    assert "tcp://" in done["command"] and ":49199" in done["command"]
    assert "49199" in next(check["message"] for check in done["preflight"] if check["name"] == "ports")
    assert_guest(netns_lab, spec.name, runs_on="kvm-1", not_on="kvm-2", before=before)


def parameters_of(lab: Lab, name: str) -> str:
    """QEMU's own word on the migration under way at kvm-1."""
    ask = '{"execute": "query-migrate-parameters"}'
    return lab.host("kvm-1").virsh("qemu-monitor-command", name, ask)


def test_tls_encrypts_memory_and_disks_and_the_page_says_so(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    certificates.install(netns_lab)
    try:
        spec = netns_guest(disk_folder=LOCAL_FOLDER, data_mib=32)
        before = netns_lab.guests.wait_for_beats(spec.name)
        netns_lab.shape(80)
        number = console.migrate(spec.name, "kvm-2", address=spec.address, tls=True, copy_storage="all")
        eventually(
            lambda: console.migration(number)["progress"].get("iteration", 0) > 0,
            timeout_s=120,
            what="the memory to be copied",
        )
        assert '"tls-creds":"objlibvirt_migrate_tls0"' in parameters_of(netns_lab, spec.name)
        for host in ("kvm-1", "kvm-2"):
            netns_lab.host(host).unshape()
        done = console.reaches(number, "completed", timeout_s=90)
    finally:
        certificates.remove(netns_lab)
    assert {(stream["what"], stream["encrypted"]) for stream in done["continuity"]["streams"]} == {
        ("disks", True),
        ("memory", True),
    }
    assert_guest(netns_lab, spec.name, runs_on="kvm-2", not_on="kvm-1", before=before)


def test_without_tls_it_is_seen_to_go_in_the_clear(console: Console, netns_lab: Lab, netns_guest: GuestFactory) -> None:
    spec = netns_guest(data_mib=8)
    number = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True, copy_storage="all")
    done = console.reaches(number, "completed", timeout_s=90)
    assert {(stream["what"], stream["encrypted"]) for stream in done["continuity"]["streams"]} == {
        ("disks", False),
        ("memory", False),
    }


def test_the_disks_port_is_tried_from_the_source_and_plain_tcp_is_warned_of(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest(data_mib=8)
    host = netns_lab.host("kvm-2")
    host.run(["nft", "add", "table", "inet", "closed"])
    options = {"unsafe": True, "copy_storage": "all", "port": 49180, "disks_port": 49300}
    body = {"vm": console.vm(spec.name)["uuid"], "destination": "kvm-2", "options": options}
    console.api("PATCH", "hosts/kvm-2", {"peer_uri": host.tcp_uri})
    try:
        host.run(["nft", "add", "chain", "inet", "closed", "input", "{ type filter hook input priority 0; }"])
        host.run(["nft", "add", "rule", "inet", "closed", "input", "tcp", "dport", "49300", "drop"])
        closed = console.api("POST", "migrations/preflight", body)
        host.run(["nft", "flush", "chain", "inet", "closed", "input"])
        opened = console.api("POST", "migrations/preflight", body)
    finally:
        host.run(["nft", "delete", "table", "inet", "closed"])
        console.api("PATCH", "hosts/kvm-2", {"peer_uri": ""})
    ports = next(check for check in closed["checks"] if check["name"] == "ports")
    assert ports["level"] == "blocker" and "49300: no answer" in ports["message"] and "49300" in ports["fix"]
    control = next(check for check in opened["checks"] if check["name"] == "control")
    assert not opened["blocked"], opened
    assert control["level"] == "warning" and "in the clear" in control["message"]
    number = console.migrate(spec.name, "kvm-2", address=spec.address, **options)
    done = console.reaches(number, "completed", timeout_s=90)
    assert {stream["port"] for stream in done["continuity"]["streams"]} == {49180, 49300}
