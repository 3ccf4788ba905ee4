"""What may break while memory is copied, really broken: no guest is lost, none runs twice, no migration runs for ever."""

import pytest

from tests.console import Console
from tests.lab.fixtures import GuestFactory
from tests.lab.lab import Lab
from tests.real.fault_run import on_a_guest_of_its_own
from tests.real.faults import FAULTS, Fault

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if fault.name.endswith("-in-copy")], ids=lambda fault: fault.name
)
def test_no_guest_is_lost_and_none_runs_twice(
    fault: Fault, console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    on_a_guest_of_its_own(fault, console, netns_lab, netns_guest)
