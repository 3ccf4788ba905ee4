"""The lab itself, engine uml: real NFS between real kernels. That a guest moves over it test_story_uml.py shows."""

import json

import pytest

from tests.lab.lab import Lab
from tests.lab.network import HOSTS, KVM_HOSTS
from tests.lab.process import wait_for
from tests.real.lab_traces import namespaces, processes_in, traces

pytestmark = [pytest.mark.real, pytest.mark.uml, pytest.mark.timeout(400)]


def test_a_second_up_changes_nothing(uml_lab: Lab) -> None:
    before = namespaces(uml_lab)
    uml_lab.up()
    assert namespaces(uml_lab) == before


def test_every_host_has_a_kernel_of_its_own_and_reaches_the_others(uml_lab: Lab) -> None:
    boots = {host.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout for host in uml_lab.hosts.values()}
    assert len(boots) == len(HOSTS)
    assert uml_lab.host("kvm-1").run(["ssh", "-o", "BatchMode=yes", "kvm-2", "hostname"]).stdout.strip() == "kvm-2"


def test_the_storage_is_mounted_by_nfs_from_what_the_server_exports(uml_lab: Lab) -> None:
    server = uml_lab.host("nfs").address
    for name in KVM_HOSTS:
        host = uml_lab.host(name)
        shown = host.run(["showmount", "-e", "--no-headers", server]).stdout.split()
        assert shown == ["/home/image", str(uml_lab.network.subnet)]
        found = json.loads(host.run(["findmnt", "--json", "/mnt"]).stdout)["filesystems"][0]
        assert (found["source"], found["fstype"]) == (f"{server}:/home/image", "nfs4")


def test_a_mount_can_be_taken_away_and_made_again(uml_lab: Lab) -> None:
    host = uml_lab.host("kvm-2")
    host.unmount_share()
    assert host.mounted_source() is None
    host.mount_share()
    uml_lab.host("kvm-1").run(["sh", "-c", "echo hello >/mnt/probe"])
    assert host.run(["cat", "/mnt/probe"]).stdout == "hello\n"
    host.run(["rm", "/mnt/probe"])


def test_down_leaves_nothing(uml_lab: Lab) -> None:
    inside = namespaces(uml_lab)
    uml_lab.down()
    try:
        assert traces(uml_lab) == []
        wait_for(lambda: not processes_in(inside), timeout_s=5, what="killed processes to be gone")
        uml_lab.down()
    finally:
        uml_lab.up()
