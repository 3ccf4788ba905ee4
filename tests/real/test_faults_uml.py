"""Faults of the storage on real NFS, see faults_uml.py: no write is lost, no guest runs twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console import Console, new_console
from tests.lab.fixtures import GuestFactory
from tests.lab.lab import Lab
from tests.real.fault_run import play
from tests.real.faults import Fault, Scene
from tests.real.faults_uml import FAULTS_UML

pytestmark = [pytest.mark.real, pytest.mark.uml, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def console(uml_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    console = new_console(Path(tmp_path_factory.mktemp("console")))
    console.add_lab(uml_lab)
    yield console
    console.kill()
    print(console.log.read_text()[-6000:])


@pytest.mark.parametrize("fault", FAULTS_UML, ids=lambda fault: fault.name)
def test_no_write_is_lost_and_no_guest_runs_twice(
    fault: Fault, console: Console, uml_lab: Lab, uml_guest: GuestFactory
) -> None:
    spec = uml_guest(fault.name, memory_mib=128)
    before = uml_lab.guests.wait_for_beats(spec.name, count=1)
    play(fault, Scene(console, uml_lab, spec), before=before, timeout_s=400)
