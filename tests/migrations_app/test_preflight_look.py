"""What scripts on a host said becomes values; half an answer becomes fewer facts, never wrong ones."""

import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from migrations_app.preflight import ports
from migrations_app.preflight.look import END, LOOK, parse
from migrations_app.preflight.ranking import Standing, ranked

WANTED = [("folder", "/mnt/kvm"), ("image", "/mnt/kvm/web.qcow2"), ("file", "/boot/x"), ("dir", "/var/log")]
SAID = """clock\t1000.5
hostname\tkvm-2.example.net
links\tbr0 eth0 lo
addresses\t198.51.100.4 2001:db8::4
nodes\t0-1
cpus\t0-3
cpu\tvendor_id : AuthenticAMD|microcode : 0x1|flags : fpu avx|
conf\tdynamic_ownership=0
conf\tmigration_port_min=50000
huge\t2048kB 12
qemu_user\tlibvirt-qemu
tls\t/etc/pki/qemu ca-cert.pem server-cert.pem
mount\t{"filesystems": [{"target": "/mnt", "source": "nfs:/home/image", "fstype": "nfs4"}]}
probe\tabc 77
image\tclosed root:root 600
file\tabsent
dir\tthere
end\tok
"""


def test_a_whole_answer() -> None:
    look = parse(SAID, WANTED, asked_s=1000.0, answered_s=1000.25)
    assert look.clock_s == (0.25, 0.5)
    assert look.links == {"br0", "eth0", "lo"} and look.nodes == {0, 1} and look.cpus == {0, 1, 2, 3}
    assert look.cpu["flags"] == "fpu avx" and look.free_huge_pages == {2048: 12}
    assert look.ports == (50000, 49215) and look.tls_files == {"ca-cert.pem", "server-cert.pem"}
    assert (look.folders["/mnt/kvm"].kind, look.folders["/mnt/kvm"].probe) == ("nfs4", "abc")
    assert look.images == {"/mnt/kvm/web.qcow2": "closed root:root 600"}
    assert look.files == {"/boot/x": False} and look.dirs == {"/var/log": True}


def test_the_script_itself(tmp_path: Path) -> None:
    """On this machine, as itself."""
    (tmp_path / "disk").touch()
    wanted = [("folder", str(tmp_path)), ("image", str(tmp_path / "disk")), ("file", str(tmp_path / "none"))]
    flat = [part for pair in wanted for part in pair]
    argv = ["sh", "-c", LOOK, "kvmconsole", "source", "token", *flat]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout
    assert said.endswith(END)
    found = parse(said, wanted, asked_s=0, answered_s=0)
    assert found.hostname and found.cpus and found.qemu_user
    assert found.folders[str(tmp_path)].probe == "written" and found.images and found.files


def test_of_many_guests_paths_each_is_shown_its_own() -> None:
    whole = parse(SAID, WANTED, asked_s=1000.0, answered_s=1000.25)
    mine = whole.only([("folder", "/mnt/kvm"), ("dir", "/var/log")])
    assert (mine.folders, mine.dirs) == (whole.folders, whole.dirs)
    assert not mine.images and not mine.files
    assert mine.hostname == whole.hostname and mine.cpus == whole.cpus


@given(st.integers(0, len(SAID)))
def test_half_an_answer_is_no_error(length: int) -> None:
    look = parse(SAID[:length], WANTED, asked_s=0, answered_s=1)
    assert set(look.images) <= {"/mnt/kvm/web.qcow2"}


def test_what_the_listener_and_the_source_say() -> None:
    said = "hostname kvm-2\nlistening 49152 49215\npid 71\n"
    assert ports.read_listening(said) == ports.Listening("kvm-2", (49152, 49215), pid="71")
    assert ports.read_listening("hostname kvm-2\ntaken 49300\nlistening\n") == ports.Listening("kvm-2", (), True)
    assert ports.read_listening("hostname kvm-2\nunable\n") == ports.Listening("kvm-2", None)
    said = "resolved 198.51.100.4\nport 49215 silent\nport 49152 open\nport 49160 refused Connection refused\n"
    way = ports.read_way("kvm-2", said)
    assert way.resolved == "198.51.100.4"
    assert way.tried == ((49152, "open"), (49160, "refused Connection refused"), (49215, "silent"))


def standing(name: str, **fields: object) -> Standing:
    return Standing(
        **{"name": name, "blocked": False, "reachable": True, "memory_free_mib": 100, "total_s": None, **fields}
    )  # type: ignore[arg-type]


def test_the_best_destination_comes_first() -> None:
    hosts = [
        standing("silent", blocked=True, reachable=False, memory_free_mib=9000),
        standing("blocked", blocked=True, memory_free_mib=9000),
        standing("small"),
        standing("large-slow", memory_free_mib=8000, total_s=60.0),
        standing("large-fast", memory_free_mib=7900, total_s=5.0),
    ]
    assert ranked(hosts)[0] in ("large-fast", "large-slow")
    assert ranked(hosts)[2:] == ["small", "blocked", "silent"]


def test_about_the_same_room_lets_the_faster_way_decide() -> None:
    assert ranked(
        [standing("a", memory_free_mib=8000, total_s=60.0), standing("b", memory_free_mib=8001, total_s=5.0)]
    ) == ["b", "a"]
