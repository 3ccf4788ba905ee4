"""pytest fixtures that give tests a lab. A folder takes them by `from tests.lab.fixtures import *` in its conftest.py.

KVMCONSOLE_LAB_INSTANCE chooses the instance, and pytest-xdist's workers count on from it, so that each has hosts of its
own; with KVMCONSOLE_LAB_KEEP=1 the lab stays up after the tests.
"""

import os
import re
from collections.abc import Iterator
from typing import Any, Protocol

import pytest

from .guest_xml import GuestSpec
from .lab import Lab
from .network import KVM_HOSTS
from .process import LabError

__all__ = ["netns_guest", "netns_lab", "uml_lab"]
PING_TIMEOUT_S = 60.0


class GuestFactory(Protocol):
    """Start a guest for one test: `guest("web", host="kvm-2", dirty_mib=60)`. It answers ping when this returns.

    It does not boot, which takes seconds, but is restored from a saved state (saved.py), except with a screen.
    """

    def __call__(self, name: str | None = None, *, host: str = "kvm-1", **options: Any) -> GuestSpec: ...


def _instance() -> int:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return int(os.environ.get("KVMCONSOLE_LAB_INSTANCE", "0")) + int(worker.removeprefix("gw"))


def _lab(engine: str) -> Iterator[Lab]:
    lab = Lab(engine=engine, instance=_instance(), say=print)
    try:
        lab.up()
        for guest in lab.guests.status():  # left by an earlier run that was broken off or kept its lab
            lab.guests.remove(guest["name"])
    except LabError as error:
        pytest.fail(str(error), pytrace=False)
    yield lab
    if os.environ.get("KVMCONSOLE_LAB_KEEP") != "1":
        lab.down()


def mend(lab: Lab) -> None:
    """Undo what a test may have broken: cuts, slow links, dead hosts, a dead or frozen libvirtd, full disks, a missing mount."""
    for name in KVM_HOSTS:
        if lab.host(name).is_up:  # before `up` asks a libvirtd that would not answer
            lab.host(name).thaw_libvirtd()
            lab.host(name).mend_definitions()
    lab.up()
    lab.host("kvm-1").heal()
    for name in KVM_HOSTS:
        lab.host(name).unshape()


@pytest.fixture(scope="session")
def netns_lab() -> Iterator[Lab]:
    """A lab of engine netns, up for the whole session."""
    yield from _lab("netns")


@pytest.fixture(scope="session")
def uml_lab() -> Iterator[Lab]:
    """A lab of engine uml, up for the whole session."""
    yield from _lab("uml")


@pytest.fixture
def netns_guest(netns_lab: Lab, request: pytest.FixtureRequest) -> Iterator[GuestFactory]:
    """Starts guests in `netns_lab`; after the test they are removed, and the lab is mended."""
    lab, started = netns_lab, list[str]()
    own = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:24].strip("-")

    def start(name: str | None = None, *, host: str = "kvm-1", **options: Any) -> GuestSpec:
        chosen = name or f"{own}-{len(started)}"
        if name:  # such a name may have been another test's
            lab.guests.remove(chosen)
        started.append(chosen)
        options = {"saved": not options.get("vnc"), **options}
        return lab.guests.start(chosen, host=host, wait_s=PING_TIMEOUT_S, **options)

    yield start
    mend(lab)
    for name in started:
        lab.guests.remove(name)
