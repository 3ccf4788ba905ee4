"""What was expected of a guest's migrations beside what came, six times over the same pair of hosts: printed, not asserted."""

import pytest

from tests.console import Console
from tests.lab.fixtures import GuestFactory
from tests.real.test_preflight_netns import preflight

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]


def test_the_estimates_of_a_guest_come_close(console: Console, netns_guest: GuestFactory) -> None:
    spec = netns_guest(memory_mib=256, dirty_mib=30)
    hosts = ["kvm-2", "kvm-1"]
    for number in range(6):
        to = hosts[number % 2]
        preflight(console, spec.name, destination=to)
        done = console.reaches(console.migrate(spec.name, to, address=spec.address, unsafe=True), "completed")
        if done["estimate"]["total_s"] is not None:
            told = (
                done["estimate"]["total_s"],
                done["total_ms"] / 1000,
                done["estimate"]["downtime_ms"],
                done["downtime_ms"],
            )
            print("expected {:.1f} s, took {:.1f} s; downtime expected {} ms, was {} ms".format(*told))
    assert done["estimate"]["verdict"] == "converges"
