"""Facts in, findings out: each check blocks for its own reason and says what to do."""

from dataclasses import replace

import pytest

from hosts.domain_xml import Disk, Domain, Interface
from migrations_app.plan import Options
from migrations_app.preflight.checks import Check, Facts, Folder, findings

DISK = Disk(target="vda", device="disk", type="file", source="/mnt/kvm/web.qcow2", driver_format="qcow2", cache="none")
GUEST = Domain(
    uuid="4dea22b3-1d52-d8f3-2516-782e98ab3fa0",
    name="web",
    memory_mib=512,
    current_memory_mib=512,
    vcpus=1,
    machine="pc-i440fx-7.2",
    arch="x86_64",
    emulator="/usr/bin/qemu-system-x86_64",
    domain_type="kvm",
    disks=(DISK,),
    interfaces=(Interface(mac="52:54:00:00:00:01", type="bridge", source="br0"),),
)
SHARE = Folder("/mnt/kvm", "nfs:/home/image", "nfs4", "nfs:/home/image", "nfs4", same=True)
GOOD = Facts(
    vm_name="web",
    source="kvm-1",
    destination="kvm-2",
    state="running",
    domain=GUEST,
    source_libvirt="9.0.0",
    destination_libvirt="9.0.0",
    memory_free_mib=4096,
    cpu="superset",
    links=frozenset({"br0", "eth0"}),
    folders=(SHARE,),
)


def blockers(facts: Facts, options: Options | None = None) -> dict[str, Check]:
    return {check.name: check for check in findings(facts, options or Options()) if check.level == "blocker"}


def test_nothing_blocks_a_good_migration() -> None:
    checks = findings(GOOD, Options())
    assert {check.level for check in checks} == {"ok"}
    assert {"hosts_reachable", "peer", "running", "memory", "machine", "cpu", "network", "storage", "cache"} <= {
        check.name for check in checks
    }


FAULTS = [
    ("destination_reachable", {"destination_error": "no route to host"}),
    ("source_reachable", {"source_error": "no route to host"}),
    ("hosts_differ", {"same_machine": True}),
    ("maintenance", {"maintenance": True}),
    ("peer", {"peer_error": "Host key verification failed."}),
    ("running", {"state": "shut off"}),
    ("job", {"job": True}),
    ("name", {"other_of_same_name": "0b3f1a52-0000-0000-0000-000000000000"}),
    ("copy", {"known_at_destination": "running"}),
    ("memory", {"memory_free_mib": 100}),
    ("machine", {"capabilities_error": "machine type is not supported"}),
    ("cpu", {"cpu": "incompatible", "cpu_text": "avx512f missing"}),
    ("network", {"links": frozenset({"eth0"})}),
    ("storage", {"folders": (replace(SHARE, same=False, problem="not there"),)}),
    ("files", {"missing_files": ("/mnt/kvm/web.qcow2",)}),
    ("cache", {"folders": (replace(SHARE, source_kind="ext4"),)}),
    ("cache", {"domain": replace(GUEST, disks=(replace(DISK, cache="writeback"),))}),
]


@pytest.mark.parametrize(("name", "change"), FAULTS, ids=[name for name, _ in FAULTS])
def test_each_fault_blocks_under_its_own_name_with_a_fix(name: str, change: dict[str, object]) -> None:
    found = blockers(replace(GOOD, **change))  # type: ignore[arg-type]
    assert name in found
    assert found[name].message and found[name].fix


def test_unsafe_turns_the_cache_blocker_into_a_warning_but_never_the_storage_one() -> None:
    bind = replace(SHARE, source_kind="ext4")
    assert "cache" not in blockers(replace(GOOD, folders=(bind,)), Options(unsafe=True))
    apart = replace(bind, same=False, problem="not there")
    assert "storage" in blockers(replace(GOOD, folders=(apart,)), Options(unsafe=True))


def test_a_leftover_definition_at_the_destination_is_only_a_warning() -> None:
    checks = findings(replace(GOOD, known_at_destination="shut off"), Options())
    assert next(check for check in checks if check.name == "copy").level == "warning"


def test_a_disk_without_a_known_file_system_is_not_called_safe_by_its_path_alone() -> None:
    unproven = Folder("/mnt/kvm", problem="a host took too long to look at it")
    assert "storage" in blockers(replace(GOOD, folders=(unproven,)))
