"""Preflight and estimates on real hosts: what is wrong there is found from there, and nothing is left behind."""

import time
from typing import Any

import pytest

from tests.console import Console, eventually
from tests.lab.fixtures import GuestFactory
from tests.lab.lab import Lab

pytestmark = pytest.mark.real


def preflight(console: Console, name: str, destination: str | None = "kvm-2", **options: Any) -> dict[str, Any]:
    body = {"vm": console.vm(name)["uuid"], "options": {"unsafe": True, **options}}
    if destination:
        body["destination"] = destination
    found: dict[str, Any] = console.api("POST", "migrations/preflight", body)
    return found


def check_of(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(check for check in report["checks"] if check["name"] == name)


def test_all_is_asked_in_a_second_and_nothing_stays(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    preflight(console, spec.name)  # opens the connections, and measures the guest
    started = time.perf_counter()
    report = preflight(console, spec.name)
    took = time.perf_counter() - started
    print(f"a preflight of one host took {took:.2f} s")
    assert not report["blocked"], report
    names = {check["name"] for check in report["checks"]}
    assert {"ports", "owners", "clocks", "storage", "peer", "devices", "cpu", "memory"} <= names
    ports = check_of(report, "ports")
    assert ports["level"] == "ok" and "49184" in ports["message"] and "49215" in ports["message"]

    def probes() -> str:
        return netns_lab.host("kvm-1").run(["sh", "-c", "ls -A /mnt/kvm | grep probe || true"]).stdout

    eventually(lambda: probes() == "", timeout_s=10, what="the probe files to be gone")


def test_a_port_that_the_destination_drops_is_found_from_the_source(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    rule = ["nft", "add", "rule", "inet", "closed", "input", "tcp", "dport", "49152-49215", "drop"]
    host = netns_lab.host("kvm-2")
    host.run(["nft", "add", "table", "inet", "closed"])
    try:
        host.run(["nft", "add", "chain", "inet", "closed", "input", "{ type filter hook input priority 0; }"])
        host.run(rule)
        report = preflight(console, spec.name)
    finally:
        host.run(["nft", "delete", "table", "inet", "closed"])
    ports = check_of(report, "ports")
    assert report["blocked"] and ports["level"] == "blocker"
    assert "kvm-1" in ports["message"] and "dropped" in ports["message"] and "49152" in ports["fix"]


def test_without_certificates_tls_is_refused_on_both_hosts(console: Console, netns_guest: GuestFactory) -> None:
    report = preflight(console, netns_guest().name, tls=True)
    missing = [check for check in report["checks"] if check["name"] == "tls"]
    assert [check["level"] for check in missing] == ["blocker", "blocker"]
    assert "kvm-1 lacks ca-cert.pem, client-cert.pem" in missing[0]["message"]
    assert "kvm-2 lacks ca-cert.pem, server-cert.pem" in missing[1]["message"]


def test_snapshots_forbid_it(console: Console, netns_lab: Lab, netns_guest: GuestFactory) -> None:
    spec = netns_guest()
    host = netns_lab.host("kvm-1")
    host.virsh("snapshot-create-as", spec.name, "before")
    report = preflight(console, spec.name)
    host.virsh("snapshot-delete", spec.name, "before")
    assert check_of(report, "snapshots")["level"] == "blocker"
    assert "snapshots" not in {check["name"] for check in preflight(console, spec.name)["checks"]}


def test_the_estimate_of_a_busy_guest_beside_the_fact(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest(memory_mib=256, dirty_mib=40)
    netns_lab.guests.wait_for_beats(spec.name, count=3)  # it answers ping before it writes
    first = preflight(console, spec.name)["estimate"]
    assert first["dirty_bytes_per_s"] > 0
    assert 0 < first["memory_used_bytes"] <= 256 * 2**20
    number = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True)
    console.reaches(number, "completed")
    before = preflight(console, spec.name, destination="kvm-1")["estimate"]
    back = console.migrate(spec.name, "kvm-1", address=spec.address, unsafe=True)
    console.reaches(back, "completed")
    again = preflight(console, spec.name)["estimate"]
    third = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True)
    done = console.reaches(third, "completed")
    print(f"estimates {before} and {again}; fact {done['total_ms']} ms, downtime {done['downtime_ms']} ms")
    assert again["total_s"] is not None and again["verdict"] in ("converges", "needs_help")
    assert done["estimate"]["total_s"] is not None


def test_all_hosts_at_once_best_first_and_a_dead_one_costs_nothing(console: Console, netns_guest: GuestFactory) -> None:
    spec = netns_guest()
    # TEST-NET-2 beyond the lab: nothing answers there.
    console.api("POST", "hosts", {"name": "away", "uri": "qemu+tcp://198.51.100.254/system"})
    try:
        preflight(console, spec.name, destination=None)
        started = time.perf_counter()
        hosts = preflight(console, spec.name, destination=None)["destinations"]
        took = time.perf_counter() - started
    finally:
        console.api("DELETE", "hosts/away")
    print(f"a preflight of two hosts took {took:.2f} s")
    assert [host["name"] for host in hosts] == ["kvm-2", "away"]
    assert not hosts[0]["blocked"] and check_of(hosts[0], "ports")["level"] == "ok"
    assert hosts[1]["blocked"] and "away" in check_of(hosts[1], "destination_reachable")["message"]


def test_a_local_medium_is_ejected_and_a_cpu_chosen_that_both_have(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec, host = netns_guest(), netns_lab.host("kvm-1")
    host.run(["truncate", "-s", "1M", "/var/lib/libvirt/local.iso"])
    medium = ["--type", "cdrom", "--mode", "readonly", "--targetbus", "ide", "--config"]
    host.virsh("attach-disk", spec.name, "/var/lib/libvirt/local.iso", "hdc", *medium)
    host.virsh("destroy", spec.name)
    host.virsh("start", spec.name)
    eventually(lambda: console.vm(spec.name)["state"] == "running", timeout_s=30, what="the guest to run again")
    report = preflight(console, spec.name)
    found = check_of(report, "files")
    assert (found["level"], found["fix_act"], found["fix_arg"]) == ("blocker", "eject", "hdc")
    body = {"vm": console.vm(spec.name)["uuid"], "destination": "kvm-2", "options": {"unsafe": True}}
    after = console.api("POST", "migrations/fix", {**body, "act": "eject", "arg": "hdc"})
    assert not after["blocked"], after
    assert "local.iso" not in host.virsh("dumpxml", spec.name) + host.virsh("dumpxml", "--inactive", spec.name)
    console.api("POST", "migrations/fix", {**body, "act": "eject", "arg": "vda"}, expect=409)
    console.api("POST", "migrations/fix", {**body, "act": "compatible_cpu"})
    definition = host.virsh("dumpxml", "--inactive", spec.name)
    assert "<cpu mode='custom'" in definition and "<model fallback='forbid'>" in definition
    acts = [row["action"] for row in console.api("GET", "audit")["items"]]
    assert "eject hdc" in acts and "choose compatible CPU" in acts
    number = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True)
    console.reaches(number, "completed")


def test_a_busy_guest_on_a_slow_link_is_foretold_not_to_converge(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    """The rate of the link is learnt from a migration that was cancelled; 80 Mbit/s are about 9 MiB/s, half of what the guest
    writes: it writes less than it should on a busy machine."""
    spec = netns_guest(memory_mib=256, dirty_mib=60)
    netns_lab.shape(80)
    for _ in range(3):  # the median of the pair's last five has to be that of the slow link
        number = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True, policy="manual")
        eventually(
            lambda number=number: console.migration(number)["progress"].get("transferred_bytes", 0) > 24 * 2**20,
            timeout_s=30,
            what="24 MiB to be copied",
        )
        console.api("POST", f"migrations/{number}/cancel")
        console.reaches(number, "cancelled", timeout_s=30)
    alone = preflight(console, spec.name, policy="manual")["estimate"]
    helped = preflight(console, spec.name, policy="fast")["estimate"]
    print(f"alone: {alone}; with post-copy: {helped}")
    assert 4 * 2**20 < alone["rate_bytes_per_s"] < 40 * 2**20
    assert (alone["verdict"], alone["converges"]) == ("will_not", False)
    assert helped["verdict"] == "needs_help" and helped["total_s"] > 5
