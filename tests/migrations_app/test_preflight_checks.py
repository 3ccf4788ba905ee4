"""Facts in, findings out: each check blocks for its own reason and says what to do."""

from dataclasses import replace

import pytest

from hosts.domain_needs import Needs
from hosts.domain_xml import Blocker, Disk, Domain, Graphics, Interface
from migrations_app.plan import Options
from migrations_app.preflight.checks import Check, Facts, Folder, findings
from migrations_app.preflight.look import Look
from migrations_app.preflight.ports import Way

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
LOOK = Look(
    clock_s=(-0.1, 0.1),
    addresses=frozenset({"198.51.100.4"}),
    nodes=frozenset({0}),
    cpus=frozenset({0, 1}),
    cpu={"vendor_id": "AuthenticAMD", "model name": "EPYC", "microcode": "0x1", "flags": "fpu avx"},
    conf={"dynamic_ownership": "0"},
    qemu_user="libvirt-qemu",
    images={"/mnt/kvm/web.qcow2": "usable libvirt-qemu:kvm 600"},
    tls_folder="/etc/pki/qemu",
)
WAY = Way(host="198.51.100.4", resolved="198.51.100.4", tried=((49152, "open"), (49215, "open")))
PASSTHROUGH = replace(GUEST, cpu_mode="host-passthrough")
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
    source_look=LOOK,
    destination_look=LOOK,
    way=WAY,
    migration_address="198.51.100.4",
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
    ("snapshots", {"snapshots": 2}),
    ("checkpoints", {"checkpoints": 1}),
    ("managed_save", {"managed_save": True}),
    ("managed_save", {"saved_at_destination": True}),
    ("block_job", {"block_jobs": ("vda",)}),
    ("devices", {"domain": replace(GUEST, other_blockers=(Blocker("shmem", "x"),))}),
    ("numa", {"needs": Needs(nodes=frozenset({1}))}),
    ("pinning", {"needs": Needs(cpus=frozenset({7}))}),
    ("huge_pages", {"needs": Needs(huge_page_kib=2048)}),
    ("boot_files", {"needs": Needs(boot_files=("/k",)), "destination_look": replace(LOOK, files={"/k": False})}),
    ("folders", {"needs": Needs(folders=("/l",)), "destination_look": replace(LOOK, dirs={"/l": False})}),
    ("tpm", {"needs": Needs(has_emulated_tpm=True)}),
    ("graphics", {"domain": replace(GUEST, graphics=(Graphics("vnc", "203.0.113.9"),))}),
    ("cpu", {"domain": PASSTHROUGH, "destination_look": replace(LOOK, cpu={**LOOK.cpu, "flags": "fpu"})}),
    ("owners", {"destination_look": replace(LOOK, images={"/mnt/kvm/web.qcow2": "closed root:root 600"})}),
    ("pools", {"domain": replace(GUEST, disks=(replace(DISK, type="volume", source_pool="images"),))}),
    ("ports", {"way": replace(WAY, tried=((49152, "silent"),))}),
    ("ports", {"way": replace(WAY, tried=((49152, "refused No route to host"),))}),
    ("ports", {"way": Way(host="h", taken=True)}),
    ("address", {"migration_address": "", "way": replace(WAY, resolved="127.0.1.1")}),
    ("address", {"migration_address": "", "way": replace(WAY, resolved="")}),
    (
        "selinux",
        {
            "destination_look": replace(
                LOOK, selinux="Enforcing", virt_use_nfs="virt_use_nfs --> off", conf={"security_driver": "selinux"}
            )
        },
    ),
]


@pytest.mark.parametrize(
    ("name", "change"), FAULTS, ids=[f"{number}-{name}" for number, (name, _) in enumerate(FAULTS)]
)
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


WARNINGS = [
    ("versions", {"destination_libvirt": "8.0.0"}),
    ("versions", {"source_qemu": "8.1.0", "destination_qemu": "7.2.0"}),
    ("clocks", {"source_look": replace(LOOK, clock_s=(1.3, 1.5))}),
    ("cpu", {"domain": PASSTHROUGH, "destination_look": replace(LOOK, cpu={**LOOK.cpu, "microcode": "0x2"})}),
    ("ports", {"way": Way(host="h", unable="kvm-2 has no python3 to listen with")}),
    ("storage", {"folders": (replace(SHARE, copied=True),)}),
    ("control", {"peer_uri": "qemu+tcp://kvm-2/system"}),
    ("control", {"source_uri": "qemu+tcp://kvm-1/system"}),
    ("apparmor", {"source_look": replace(LOOK, has_apparmor=True)}),
    ("owners", {"destination_look": replace(LOOK, conf={}, images={"/mnt/kvm/web.qcow2": "closed root:root 600"})}),
]


@pytest.mark.parametrize(("name", "change"), WARNINGS, ids=[f"{n}-{name}" for n, (name, _) in enumerate(WARNINGS)])
def test_what_is_only_doubtful_is_a_warning(name: str, change: dict[str, object]) -> None:
    checks = findings(replace(GOOD, **change), Options())  # type: ignore[arg-type]
    assert {check.level for check in checks if check.name == name} == {"warning"}


def test_clocks_are_called_apart_only_where_the_answers_prove_it() -> None:
    slow = replace(GOOD, source_look=replace(LOOK, clock_s=(-3.0, 3.0)))
    assert next(check for check in findings(slow, Options()) if check.name == "clocks").level == "ok"


def test_tls_needs_certificates_on_both_hosts_only_where_it_is_asked_for() -> None:
    assert "tls" not in {check.name for check in findings(GOOD, Options())}
    found = [check for check in findings(GOOD, Options(tls=True)) if check.name == "tls"]
    assert [check.message.split(" lacks")[0] for check in found] == ["kvm-1", "kvm-2"]


def test_plain_tcp_is_said_to_show_what_it_shows() -> None:
    plain = replace(GOOD, peer_uri="qemu+tcp://kvm-2/system", source_uri="qemu+ssh://root@kvm-1/system")

    def told(options: Options) -> str:
        return next(check.message for check in findings(plain, options) if check.name == "control")

    assert "memory and control go" in told(Options()) and "kvm-1" not in told(Options())
    assert "memory" not in told(Options(tls=True))
    assert "memory and control go" in told(Options(tunnelled=True))


def test_a_taken_port_of_the_disks_blocks_by_its_number() -> None:
    taken = replace(GOOD, way=replace(WAY, disks_taken=True))
    assert "49300" in blockers(taken, Options(copy_storage="all", disks_port=49300))["ports"].message


def test_the_tunnel_needs_no_port() -> None:
    closed = replace(GOOD, way=replace(WAY, tried=((49152, "silent"),)))
    assert blockers(closed)["ports"].fix_act == "tunnel"
    assert "ports" not in blockers(closed, Options(tunnelled=True))


def test_a_migration_driven_by_the_console_needs_no_peer_and_says_what_that_means() -> None:
    cut = replace(GOOD, peer_error="Connection refused")
    assert blockers(cut)["peer"].fix_act == "direct"
    checks = findings(cut, Options(direct=True))
    assert "console" in next(check.message for check in checks if check.name == "peer")
    assert not blockers(cut, Options(direct=True))


FIXES = [
    ("maintenance", "end_maintenance", "kvm-2", {"maintenance": True}),
    ("cache", "unsafe", "", {"folders": (replace(SHARE, source_kind="ext4"),)}),
    ("cpu", "compatible_cpu", "", {"cpu": "incompatible"}),
    (
        "storage",
        "mount",
        "/mnt/kvm",
        {"folders": (replace(SHARE, same=False, problem="nothing there", destination_mount="/dev/sda1"),)},
    ),
    (
        "devices",
        "eject",
        "sda",
        {"domain": replace(GUEST, disks=(DISK, Disk("sda", "cdrom", "block", source="/dev/sr0", readonly=True)))},
    ),
    (
        "files",
        "eject",
        "sda",
        {
            "domain": replace(GUEST, disks=(DISK, Disk("sda", "cdrom", "file", source="/iso/a.iso", readonly=True))),
            "missing_files": ("/iso/a.iso",),
        },
    ),
]


@pytest.mark.parametrize(("name", "act", "arg", "change"), FIXES, ids=[f"{name}-{act}" for name, act, _, _ in FIXES])
def test_a_fix_that_is_safe_is_offered(name: str, act: str, arg: str, change: dict[str, object]) -> None:
    found = blockers(replace(GOOD, **change))[name]  # type: ignore[arg-type]
    assert (found.fix_act, found.fix_arg) == (act, arg)


def test_unsafe_is_not_offered_where_the_storage_is_not_proven() -> None:
    unproven = replace(GOOD, folders=(replace(SHARE, source_kind="ext4", same=False, problem="not there"),))
    assert blockers(unproven)["cache"].fix_act == ""


MOUNTED = "rw,relatime,vers=4.2,hard,proto=tcp,timeo=600,clientaddr=198.51.100.11"


@pytest.mark.parametrize(
    ("there", "level", "words"),
    [
        (MOUNTED.replace(".11", ".12"), "ok", "NFS 4.2, hard, the same options"),
        (MOUNTED.replace("4.2", "3"), "warning", "NFS version 4.2 here, 3 there"),
        (MOUNTED.replace("hard", "soft"), "warning", "On failure hard here, soft there"),
        (MOUNTED.replace("rw", "ro"), "blocker", "read-only on kvm-2"),
        ("", "", ""),
    ],
)
def test_a_share_that_is_mounted_otherwise_is_told(there: str, level: str, words: str) -> None:
    share = replace(SHARE, source_kind="nfs4", source_options=MOUNTED if there else "", destination_options=there)
    found = [check for check in findings(replace(GOOD, folders=(share,)), Options()) if check.name == "mounts"]
    assert [check.level for check in found] == ([level] if level else [])
    assert all(words in check.message for check in found)
