"""What may break while a guest moves, really broken: no guest is lost, none runs twice, no migration runs for ever."""

import pytest

from tests.console import Console
from tests.lab.fixtures import GuestFactory
from tests.lab.lab import Lab
from tests.real.fault_run import play
from tests.real.faults import FAULTS, Fault, Scene

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_no_guest_is_lost_and_none_runs_twice(
    fault: Fault, console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    # A name of its own: a migration that is left over by one fault holds its guest.
    spec = netns_guest(f"f{FAULTS.index(fault)}-{fault.name}"[:24].rstrip("-"), transient=fault.transient)
    before = netns_lab.guests.wait_for_beats(spec.name, count=1)
    play(fault, Scene(console, netns_lab, spec), before=before)
