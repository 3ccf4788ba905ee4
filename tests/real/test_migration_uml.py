"""Moving over real NFS: a destination without the share is found, and the button mounts it there; and faults of the storage on
the way, see faults_uml.py: no write is lost, no guest runs twice. One guest and one console, since both take long here.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.console import Console, eventually, new_console
from tests.lab.fixtures import mend
from tests.lab.guest_xml import GuestSpec
from tests.lab.lab import Lab
from tests.real.fault_run import play
from tests.real.faults import Fault, Scene
from tests.real.faults_uml import FAULTS_UML

pytestmark = [pytest.mark.real, pytest.mark.uml, pytest.mark.timeout(900)]
PING_TIMEOUT_S = 240


@pytest.fixture(scope="module")
def console(uml_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    console = new_console(Path(tmp_path_factory.mktemp("console")))
    console.add_lab(uml_lab)
    yield console
    console.kill()
    print(console.log.read_text()[-6000:])


@pytest.fixture(scope="module")
def started(uml_lab: Lab) -> Iterator[GuestSpec]:
    uml_lab.guests.remove("on-nfs")
    yield uml_lab.guests.start("on-nfs", memory_mib=128, wait_s=PING_TIMEOUT_S)
    uml_lab.guests.remove("on-nfs")


@pytest.fixture
def guest(uml_lab: Lab, started: GuestSpec) -> Iterator[GuestSpec]:
    """The guest, at kvm-1 as a first test finds it; afterwards the lab is mended."""
    if uml_lab.guests.host_of(started.name) == "kvm-2":
        back = (
            "migrate",
            "--live",
            "--p2p",
            "--persistent",
            "--undefinesource",
            started.name,
            "qemu+ssh://kvm-1/system",
        )
        uml_lab.host("kvm-2").virsh(*back, timeout_s=150)
    yield started
    mend(uml_lab)


def of(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(check for check in report["checks"] if check["name"] == name)


def test_the_share_is_mounted_by_the_fix_and_then_nothing_stands_in_the_way(
    console: Console, uml_lab: Lab, guest: GuestSpec
) -> None:
    destination = uml_lab.host("kvm-2")
    body = {"vm": console.vm(guest.name)["uuid"], "destination": "kvm-2"}
    source_mounts = eventually(
        lambda: console.api("GET", "hosts/kvm-1/mounts")["items"], timeout_s=60, what="the share of kvm-1 to be listed"
    )
    destination.unmount_share()
    report = console.api("POST", "migrations/preflight", body)
    storage = of(report, "storage")
    assert (storage["level"], storage["fix_act"]) == ("blocker", "mount"), storage
    after = console.api("POST", "migrations/fix", {**body, "act": "mount", "arg": storage["fix_arg"]})
    assert destination.mounted_source() == source_mounts[0]["source"]
    started = time.perf_counter()
    again = console.api("POST", "migrations/preflight", body)
    print(f"a preflight over NFS took {time.perf_counter() - started:.2f} s")
    for found in (after, again):
        assert not found["blocked"], [check for check in found["checks"] if check["level"] == "blocker"]
        assert of(found, "storage")["level"] == of(found, "cache")["level"] == of(found, "owners")["level"] == "ok"


@pytest.mark.parametrize("fault", FAULTS_UML, ids=lambda fault: fault.name)
def test_no_write_is_lost_and_no_guest_runs_twice(
    fault: Fault, console: Console, uml_lab: Lab, guest: GuestSpec
) -> None:
    before = uml_lab.guests.wait_for_beats(guest.name, count=1)
    play(fault, Scene(console, uml_lab, guest), before=before, timeout_s=400)
