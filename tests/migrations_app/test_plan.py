"""Options become the right flags, parameters and virsh command, and nonsense is refused."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosts.errors import InvalidInput
from migrations_app import plan
from migrations_app.plan import Options

PLACES = {
    "vm_name": "share",
    "source_uri": "qemu+ssh://root@kvm-1/system",
    "destination_uri": "qemu+ssh://root@kvm-2/system",
    "migration_address": "198.51.100.4",
}

SOFT = ["--auto-converge-initial", "5", "--auto-converge-increment", "20"]
"""The policy Automatic begins to slow a guest down more softly than QEMU by itself."""


def test_the_defaults_are_those_of_the_design() -> None:
    expected = {"live", "peer2peer", "persist_dest", "abort_on_error", "auto_converge"}
    assert set(plan.flag_names(Options())) == expected
    assert set(plan.flag_names(Options(policy="gentle"))) == expected - {"auto_converge"}
    assert Options().unsafe is False


def test_the_source_is_never_undefined_by_libvirt_itself() -> None:
    assert "undefine_source" not in plan.flag_names(Options(undefine_source=True))


def test_the_command_says_what_the_flags_say() -> None:
    command = plan.command(Options(unsafe=True, bandwidth_mib=100, timeout_s=60, on_timeout="pause"), **PLACES)
    assert shlex.split(command) == [
        *["virsh", "-c", "qemu+ssh://root@kvm-1/system", "migrate", "--p2p", "--verbose", "--abort-on-error"],
        *["--live", "--persistent", "--undefinesource", "--unsafe", "--auto-converge", *SOFT, "--bandwidth", "100"],
        *["--timeout", "60", "--timeout-suspend", "share", "qemu+ssh://root@kvm-2/system", "tcp://198.51.100.4"],
    ]


GOLDEN = [
    ("tunnelled", Options(tunnelled=True), "--p2p", "--tunnelled", ""),
    ("tls", Options(tls=True), "--p2p", "--tls", "tcp://198.51.100.4"),
    ("port", Options(port=49200), "--p2p", "", "tcp://198.51.100.4:49200"),
    ("direct", Options(direct=True), "", "", "tcp://198.51.100.4"),
]


@pytest.mark.parametrize(("name", "options", "p2p", "switch", "uri"), GOLDEN, ids=[row[0] for row in GOLDEN])
def test_the_command_of_each_transport(name: str, options: Options, p2p: str, switch: str, uri: str) -> None:
    told = ["virsh", "-c", "qemu+ssh://root@kvm-1/system", "migrate", p2p, "--verbose", "--abort-on-error", "--live"]
    told += [
        "--persistent",
        "--undefinesource",
        "--auto-converge",
        switch,
        *SOFT,
        "share",
        "qemu+ssh://root@kvm-2/system",
        uri,
    ]
    assert shlex.split(plan.command(options, **PLACES)) == [word for word in told if word]


def test_a_direct_migration_is_not_peer_to_peer() -> None:
    assert "peer2peer" not in plan.flag_names(Options(direct=True))


def test_a_name_with_shell_characters_stays_one_argument() -> None:
    command = plan.command(Options(), **{**PLACES, "vm_name": "a; rm -rf '/'"})
    assert shlex.split(command)[-3] == "a; rm -rf '/'"


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert plan.parameters(Options(), migration_address="2001:db8::2")["uri"] == "tcp://[2001:db8::2]"


@pytest.mark.parametrize(
    "values",
    [
        {"unsave": True},
        {"unsafe": "yes"},
        {"unsafe": 1},
        {"bandwidth_mib": True},
        {"bandwidth_mib": -1},
        {"max_downtime_ms": 10**9},
        {"on_timeout": "explode"},
        {"timeout_s": 60, "on_timeout": "postcopy"},
        {"postcopy": True, "parallel_connections": 2},
        {"policy": "fast", "parallel_connections": 2},
        {"policy": "best"},
        {"policy": "must_finish"},
        {"tunnelled": True, "tls": True},
        {"tunnelled": True, "direct": True},
        {"tunnelled": True, "copy_storage": "all"},
        {"copy_storage": "some"},
        {"max_pause_ms": 0},
    ],
    ids=str,
)
def test_nonsense_is_refused_and_names_its_field(values: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as caught:
        Options.from_dict(values)
    assert caught.value.field


@given(st.builds(Options, unsafe=st.booleans(), live=st.booleans(), bandwidth_mib=st.integers(0, 100_000)))
def test_options_survive_the_row(options: Options) -> None:
    assert Options.from_dict(options.to_dict()) == options


def test_who_asks_for_auto_converge_gets_qemus_own_steps() -> None:
    assert plan.parameters(Options(), migration_address="")["auto_converge_initial"] == 5
    for options in (Options(auto_converge=True), Options(policy="must_finish", finish_within_s=60)):
        assert options.allows_auto_converge and plan.parameters(options, migration_address="") == {}
