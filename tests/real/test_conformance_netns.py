"""After a real migration: compared with before, one definition, and it is the guest's own, whatever lay there before."""

import pytest

from hosts.domain_digest import definition_digest
from tests.console import Console
from tests.lab.fixtures import GuestFactory
from tests.lab.lab import Lab

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]


@pytest.mark.parametrize("persistent", [True, False])
def test_a_leftover_definition_is_replaced_by_the_guest_s_own(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory, persistent: bool
) -> None:
    """The ping-pong case: without PERSIST_DEST libvirt leaves what lay at the destination as it was."""
    spec = netns_guest()
    source, destination = netns_lab.host("kvm-1"), netns_lab.host("kvm-2")
    own = source.virsh("dumpxml", "--inactive", spec.name)
    source.virsh("autostart", spec.name)
    leftover = own.replace("<vcpu placement='static'>1<", "<vcpu placement='static'>3<")
    assert leftover != own
    destination.run(["virsh", "define", "/dev/stdin"], input_text=leftover)
    number = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True, persistent=persistent)
    done = console.reaches(number, "completed")
    now = destination.virsh("dumpxml", "--inactive", spec.name)
    assert definition_digest(now) == definition_digest(own)
    assert destination.virsh("domstats", "--vcpu", spec.name).split("vcpu.current=")[1].split()[0] == "1"
    define = next(step for step in done["steps"] if step["name"] == "define")
    assert ("took its place" in define["detail"]) is not persistent
    assert [row for row in done["conformance"] if row["level"] == "warning"] == []
    assert {"machine", "disks", "nics", "one_definition"} <= {row["name"] for row in done["conformance"]}
    verify = next(step for step in done["steps"] if step["name"] == "verify")
    assert "Nothing differs from before." in verify["detail"]
    assert "Autostart:      enable" in destination.virsh("dominfo", spec.name)
    assert spec.name not in source.virsh("list", "--all", "--name")
