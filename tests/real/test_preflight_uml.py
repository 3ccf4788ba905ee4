"""Preflight on real NFS: a destination without the share is found, and the button mounts it there."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.console import Console, eventually, new_console
from tests.lab.fixtures import GuestFactory
from tests.lab.lab import Lab

pytestmark = [pytest.mark.real, pytest.mark.uml, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def console(uml_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    console = new_console(Path(tmp_path_factory.mktemp("console")))
    console.add_lab(uml_lab)
    yield console
    console.kill()
    print(console.log.read_text()[-6000:])


def of(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(check for check in report["checks"] if check["name"] == name)


def test_the_share_is_mounted_by_the_fix_and_then_nothing_stands_in_the_way(
    console: Console, uml_lab: Lab, uml_guest: GuestFactory
) -> None:
    spec, destination = uml_guest(memory_mib=128), uml_lab.host("kvm-2")
    body = {"vm": console.vm(spec.name)["uuid"], "destination": "kvm-2"}
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
