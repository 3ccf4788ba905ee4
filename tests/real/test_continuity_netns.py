"""What is seen of a guest while it moves: from the console, from another host, and of a service in it."""

from typing import Any

import pytest

from tests.console import Console, eventually
from tests.lab import identity
from tests.lab.fixtures import GuestFactory
from tests.lab.lab import Lab
from tests.real.guests import assert_guest

pytestmark = pytest.mark.real


def start(console: Console, name: str, destination: str, **more: Any) -> int:
    body = {"vm": console.vm(name)["uuid"], "destination": destination, "options": {"unsafe": True}, **more}
    return int(console.api("POST", "migrations", body)["id"])


def probes_of(found: dict[str, Any]) -> dict[str, Any]:
    return {probe["name"]: probe for probe in found["continuity"]["probes"]}


def left_on(lab: Lab, host: str, address: str) -> str:
    """The probes that still run there."""
    found = lab.host(host).run(["ps", "-eo", "args"]).stdout.splitlines()
    return "\n".join(line for line in found if address in line and "qemu" not in line)


def test_from_two_hosts_and_a_port_and_nothing_stays(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    before = netns_lab.guests.wait_for_beats(spec.name)
    number = start(console, spec.name, "kvm-2", ping_address=spec.address, probe_port=80)
    done = console.reaches(number, "completed")
    done = eventually(
        lambda: (now := console.migration(number))["continuity"].get("switch_ports") and now,
        timeout_s=20,
        what="the last look at the switch",
    )
    seen = probes_of(done)
    assert done["continuity"]["observer"] == {"host": "kvm-1", "role": "source"}
    assert set(seen) == {"tcp", "ping", "arp"} and all(probe["error"] == "" for probe in seen.values()), seen
    for probe in (done["ping"], *seen.values()):
        assert probe["sent"] > 5 and probe["longest_gap_ms"] < 5000, probe
        assert probe["switch_over"] and probe["switch_over"][0] < len(probe["strip"]), probe
        print(probe.get("name", "console"), probe["sent"], probe["lost"], probe["longest_gap_ms"])
    print("downtime", done["downtime_ms"], "announced", done["continuity"]["announced"])
    assert "Port 80 answers" in next(step["detail"] for step in done["steps"] if step["name"] == "verify")
    assert done["continuity"]["announced"]["mac"] == spec.mac
    assert [found["port"] for found in done["continuity"]["switch_ports"]] == ["eth0"]
    eventually(lambda: not left_on(netns_lab, "kvm-1", spec.address), timeout_s=20, what="the probes to end")
    assert_guest(netns_lab, spec.name, runs_on="kvm-2", not_on="kvm-1", before=before)


def test_a_closed_port_is_refused_and_a_killed_console_leaves_no_probe(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    netns_lab.shape(80)
    number = start(console, spec.name, "kvm-2", ping_address=spec.address, probe_port=81)
    eventually(
        lambda: (
            probes_of(now).get("tcp", {}).get("refused", 0) > 3
            if (now := console.migration(number))["continuity"]
            else False
        ),
        timeout_s=60,
        what="the closed port to be refused",
    )
    eventually(lambda: left_on(netns_lab, "kvm-1", spec.address), timeout_s=30, what="the probes to run")
    console.kill()
    eventually(lambda: not left_on(netns_lab, "kvm-1", spec.address), timeout_s=60, what="the probes to end")
    console.start()
    done = console.reaches(number, "completed", timeout_s=120)
    verify = next(step for step in done["steps"] if step["name"] == "verify")
    assert verify["state"] == "warning" and "Port 81 refuses" in verify["detail"]


def test_a_third_host_probes_where_there_is_one(console: Console, netns_lab: Lab, netns_guest: GuestFactory) -> None:
    """The lab's NFS server takes no guests, but libvirtd can run there for a while."""
    nfs = netns_lab.host("nfs")
    write = "mkdir -p /etc/libvirt && cat >/etc/libvirt/libvirtd.conf"
    nfs.run(
        ["sh", "-c", write], input_text=identity.LIBVIRTD_CONF.format(uuid=identity.host_uuid(netns_lab.network, "nfs"))
    )
    nfs.start_libvirtd()
    try:
        console.add_host(netns_lab, "nfs")
        eventually(lambda: console.api("GET", "hosts/nfs")["state"] == "online", timeout_s=60, what="nfs to be online")
        spec = netns_guest()
        number = start(console, spec.name, "kvm-2", ping_address=spec.address)
        done = console.reaches(number, "completed")
        assert done["continuity"]["observer"] == {"host": "nfs", "role": "third"}
        seen = probes_of(done)
        assert seen["ping"]["sent"] > 5 and seen["arp"]["sent"] > 5, seen
        assert done["continuity"]["announced"], done["continuity"]
    finally:
        console.api("DELETE", "hosts/nfs", expect=(204, 404))
        nfs.kill_libvirtd()
