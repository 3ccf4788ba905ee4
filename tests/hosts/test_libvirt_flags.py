import libvirt
import pytest

from hosts.errors import Unsupported
from hosts.libvirt_client import flags
from hosts.libvirt_client.states import _REASONS, State, reason_of, state_of


def test_flags_are_libvirts_own_numbers():
    bits = flags.flag_bits(["live", "peer2peer", "persist_dest"])
    assert bits == libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_PERSIST_DEST
    assert flags.flag_bits([]) == 0


def test_every_flag_that_this_binding_knows_has_a_name():
    known = {
        value for name, value in vars(libvirt).items() if name.startswith("VIR_MIGRATE_") and isinstance(value, int)
    }
    assert known <= set(flags.MIGRATE_FLAGS.values())


def test_every_parameter_that_this_binding_knows_has_a_name():
    known = {value for name, value in vars(libvirt).items() if name.startswith("VIR_MIGRATE_PARAM_")}
    assert known <= set(flags.MIGRATE_PARAMETERS.values())


def test_parameters_go_under_libvirts_keys_without_those_that_are_none():
    values = {"uri": "tcp://192.0.2.1", "bandwidth": 100, "dest_xml": None, "migrate_disks": ("vda", "vdb")}
    assert flags.typed_parameters(values) == {
        "migrate_uri": "tcp://192.0.2.1",
        "bandwidth": 100,
        "migrate_disks": ["vda", "vdb"],
    }


def test_an_option_too_new_for_this_libvirt_is_refused_by_name(monkeypatch):
    monkeypatch.setitem(flags.MIGRATE_FLAGS, "zerocopy", None)
    with pytest.raises(Unsupported, match="zerocopy"):
        flags.flag_bits(["zerocopy"])


def test_a_name_that_is_no_option_is_a_mistake_of_ours():
    with pytest.raises(KeyError):
        flags.flag_bits(["lively"])
    with pytest.raises(KeyError):
        flags.typed_parameters({"url": "x"})


@pytest.mark.parametrize(
    ("state", "prefix"),
    [(State.RUNNING, "RUNNING"), (State.PAUSED, "PAUSED"), (State.SHUT_OFF, "SHUTOFF"), (State.CRASHED, "CRASHED")],
)
def test_every_reason_that_this_binding_knows_has_a_word(state, prefix):
    # VIR_DOMAIN_PAUSED itself is a state, not a reason
    numbers = {value for name, value in vars(libvirt).items() if name.startswith(f"VIR_DOMAIN_{prefix}_")}
    assert numbers <= set(range(len(_REASONS[state])))


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (libvirt.VIR_DOMAIN_RUNNING, "running"),
        (libvirt.VIR_DOMAIN_PAUSED, "paused"),
        (libvirt.VIR_DOMAIN_SHUTOFF, "shut off"),
        (libvirt.VIR_DOMAIN_SHUTDOWN, "in shutdown"),
        (libvirt.VIR_DOMAIN_CRASHED, "crashed"),
        (99, "unknown"),
    ],
)
def test_states_have_the_words_of_virsh(number, state):
    assert state_of(number) == state


def test_reasons_that_decide_after_a_crash_have_libvirts_names():
    assert reason_of(State.PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION) == "migration"
    assert reason_of(State.PAUSED, libvirt.VIR_DOMAIN_PAUSED_POSTCOPY_FAILED) == "post-copy failed"
    assert reason_of(State.SHUT_OFF, libvirt.VIR_DOMAIN_SHUTOFF_MIGRATED) == "migrated"
    assert reason_of(State.RUNNING, 99) == "unknown"
