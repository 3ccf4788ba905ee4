"""Asks both hosts, not the page, where a guest is and whether its disk lost a write or saw a second copy."""

import time

from lxml import etree
from lxml.builder import E

from tests.console import eventually
from tests.lab.heartbeat import Heartbeat
from tests.lab.host import LabHost
from tests.lab.lab import Lab


def state_on(lab: Lab, host: str, name: str) -> str:
    """What virsh on `host` says of the guest; "" where it does not know it."""
    found = [domain for domain in lab.guests.on(lab.host(host)) if domain["name"] == name]
    return str(found[0]["state"]) if found else ""


def assert_guest(
    lab: Lab,
    name: str,
    *,
    runs_on: str,
    not_on: str,
    persistent: bool = True,
    defined_on_other: bool = False,
    before: Heartbeat,
) -> None:
    """It runs on one host and is not active on the other, is defined as said, and its disk tells of one unbroken life."""
    domains = {host: {d["name"]: d for d in lab.guests.on(lab.host(host))} for host in (runs_on, not_on)}
    assert domains[runs_on][name]["state"] == "running"
    assert domains[runs_on][name]["persistent"] is persistent
    if defined_on_other:
        assert domains[not_on][name]["state"] == "shut off"
    else:
        assert name not in domains[not_on]
    time.sleep(1.2)  # one beat of the guest
    eventually(
        lambda: lab.heartbeat(name).went_on_since(before),
        timeout_s=60,
        what=f"the heartbeat of {name} to go on without a gap; it is {lab.heartbeat(name)} and was {before}",
        every_s=0.5,
    )


def assert_started_anew(lab: Lab, name: str, *, runs_on: str, not_on: str, before: Heartbeat) -> None:
    """It was lost with a host or its QEMU, and started once again: there, on one host only, never beside another copy."""
    assert state_on(lab, runs_on, name) == "running"
    assert state_on(lab, not_on, name) in ("", "shut off")
    heart = eventually(
        lambda: (
            (now := lab.heartbeat(name))
            and now.boot_ids[:1] == before.boot_ids
            and now.restarts == 1
            and now.last
            and now
        ),
        timeout_s=60,
        what=f"{name} to boot once more; it is {lab.heartbeat(name)}",
        every_s=0.5,
    )
    assert heart.conflict is None and not heart.missing


def define_diskless(host: LabHost, name: str) -> None:
    """Define an empty machine of 32 MiB without a disk there: it starts at once, and has nothing to lose."""
    system = E.os(E.type("hvm", arch="x86_64", machine="pc"))
    domain = E.domain(E.name(name), E.memory("32", unit="MiB"), E.vcpu("1"), system, type="qemu")
    host.run(["virsh", "define", "/dev/stdin"], input_text=etree.tostring(domain, encoding="unicode"))


def remove_diskless(host: LabHost, name: str) -> None:
    host.run(["virsh", "destroy", name], check=False)
    host.run(["virsh", "undefine", name], check=False)
