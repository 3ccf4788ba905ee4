"""The lab itself, engine netns: what every other real test stands on."""

import base64

import pytest

from tests.lab.fixtures import GuestFactory
from tests.lab.guest import answers_ping
from tests.lab.heartbeat import RING_START, SECTOR_BYTES
from tests.lab.lab import Lab
from tests.lab.network import HOSTS, KVM_HOSTS
from tests.lab.process import LabError, run, wait_for
from tests.real.lab_traces import namespaces, processes_in, traces

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
MIGRATE = ("migrate", "--live", "--p2p", "--persistent")


def test_a_second_up_changes_nothing(netns_lab: Lab) -> None:
    before = namespaces(netns_lab)
    netns_lab.up()
    assert namespaces(netns_lab) == before


def test_every_host_reaches_every_other_by_name_and_by_ssh(netns_lab: Lab) -> None:
    for source in netns_lab.hosts.values():
        for name in HOSTS:
            assert source.run(["ssh", "-o", "BatchMode=yes", name, "hostname"]).stdout.strip() == name
            address = netns_lab.host(name).address
            assert source.run(["ssh", "-o", "BatchMode=yes", address, "hostname"]).stdout.strip() == name


def test_this_machine_logs_in_with_the_key_and_host_keys_that_status_names(netns_lab: Lab) -> None:
    status = netns_lab.status()
    for host in status["hosts"]:
        argv = ["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-i", status["key"]]
        argv += ["-o", f"UserKnownHostsFile={status['known_hosts']}", host["ssh"], "hostname"]
        assert run(argv, timeout_s=20).stdout.strip() == host["name"]


def test_the_server_shows_its_export(netns_lab: Lab) -> None:
    shown = netns_lab.host("kvm-1").run(["showmount", "-e", "--no-headers", "nfs"]).stdout.split()
    assert shown == ["/home/image", str(netns_lab.network.subnet)]


def test_a_guest_lives_through_a_migration_there_and_back(netns_lab: Lab, netns_guest: GuestFactory) -> None:
    guest = netns_guest()
    before = netns_lab.guests.wait_for_beats(guest.name)
    for source, destination in (("kvm-1", "kvm-2"), ("kvm-2", "kvm-1")):
        uri = f"qemu+ssh://{destination}/system"
        netns_lab.host(source).virsh(*MIGRATE, "--unsafe", guest.name, uri)
        assert netns_lab.guests.host_of(guest.name) == destination
        assert answers_ping(guest.address)
    after = netns_lab.guests.wait_for_beats(guest.name)
    assert after.went_on_since(before), after


def test_guests_restored_from_one_saved_state_are_each_their_own(netns_lab: Lab, netns_guest: GuestFactory) -> None:
    guests = [netns_guest(), netns_guest()]
    for guest in guests:
        assert answers_ping(guest.address)
        assert guest.mac in run(["ip", "neigh", "show", guest.address], timeout_s=5).stdout
    boots = [netns_lab.guests.wait_for_beats(guest.name, count=1).boot_ids for guest in guests]
    assert len({*boots}) == 2 and all(len(ids) == 1 for ids in boots), boots


def test_without_shared_storage_libvirt_calls_the_migration_unsafe(netns_lab: Lab, netns_guest: GuestFactory) -> None:
    guest = netns_guest()
    with pytest.raises(LabError, match="Migration without shared storage is unsafe"):
        netns_lab.host("kvm-1").virsh(*MIGRATE, guest.name, "qemu+tcp://kvm-2/system")
    assert netns_lab.guests.host_of(guest.name) == "kvm-1"


def test_a_second_start_of_a_guest_shows_on_its_disk(netns_lab: Lab, netns_guest: GuestFactory) -> None:
    guest = netns_guest()
    netns_lab.guests.stop(guest.name)
    assert netns_lab.guests.host_of(guest.name) is None
    netns_lab.guests.start(guest.name, host="kvm-2", wait_s=60)
    after = netns_lab.guests.wait_for_beats(guest.name)
    assert after.restarts == 1
    assert not after.whole


def test_a_second_copy_of_a_running_guest_shows_on_its_disk(netns_lab: Lab, netns_guest: GuestFactory) -> None:
    """The copy is played by the test: it writes the beat that the guest is about to write, as one that is ahead would."""
    guest = netns_guest()
    beat = netns_lab.guests.wait_for_beats(guest.name)
    ahead = beat.last + 4
    record = f"beat {beat.boot_ids[0]} {ahead} 99.0".ljust(SECTOR_BYTES - 1) + "\n"
    server = netns_lab.host("nfs")
    server.run(["sh", "-c", "base64 -d >/tmp/beat"], input_text=base64.b64encode(record.encode()).decode())
    image = f"driver=qcow2,file.driver=file,file.locking=off,file.filename=/home/image/kvm/{guest.name}.qcow2"
    command = f"write -s /tmp/beat {(RING_START + ahead) * SECTOR_BYTES} {SECTOR_BYTES}"
    server.run(["qemu-io", "--image-opts", "-c", command, image])
    wait_for(
        lambda: netns_lab.heartbeat(guest.name).conflict is not None,
        timeout_s=20,
        what=f"{guest.name} to notice the other copy",
        interval_s=0.5,
    )
    assert not netns_lab.heartbeat(guest.name).whole


def test_a_cut_stops_packets_between_two_hosts_only(netns_lab: Lab, netns_guest: GuestFactory) -> None:
    first = netns_lab.host("kvm-1")

    def reaches(name: str) -> bool:
        return first.run(["ping", "-c1", "-W1", "-q", name], check=False).returncode == 0

    assert reaches("kvm-2")
    first.cut("kvm-2")
    assert not reaches("kvm-2")
    assert reaches("nfs")
    first.cut("machine")
    assert not answers_ping(first.address)
    first.heal()
    assert reaches("kvm-2")
    assert answers_ping(first.address)


def test_a_killed_libvirtd_finds_its_guest_again(netns_lab: Lab, netns_guest: GuestFactory) -> None:
    guest, host = netns_guest(), netns_lab.host("kvm-1")
    before = netns_lab.guests.wait_for_beats(guest.name)
    host.kill_libvirtd()
    assert not host.libvirtd_runs
    host.start_libvirtd()
    assert netns_lab.guests.host_of(guest.name) == "kvm-1"
    assert netns_lab.guests.wait_for_beats(guest.name).went_on_since(before)


def test_a_host_that_crashed_is_mended_by_up(netns_lab: Lab) -> None:
    netns_lab.crash("kvm-2")
    assert [host["up"] for host in netns_lab.status()["hosts"]] == [True, True, False]
    netns_lab.up()
    assert netns_lab.host("kvm-2").libvirtd_runs
    assert netns_lab.host("kvm-2").mounted_source() is not None


def test_down_leaves_nothing(netns_lab: Lab) -> None:
    netns_lab.guests.start("share")
    inside = namespaces(netns_lab)
    netns_lab.down()
    try:
        assert traces(netns_lab) == []
        wait_for(lambda: not processes_in(inside), timeout_s=5, what="killed processes to be gone")
        netns_lab.down()
    finally:
        netns_lab.up()


def test_down_takes_away_what_half_an_up_left(netns_lab: Lab) -> None:
    inside = namespaces(netns_lab)
    for host in KVM_HOSTS:  # as if `up` had been killed before it wrote the pids down
        (netns_lab.folder / host / "pid").unlink()
    netns_lab.down()
    try:
        assert traces(netns_lab) == []
        wait_for(lambda: not processes_in(inside), timeout_s=5, what="killed processes to be gone")
    finally:
        netns_lab.up()
