"""On libvirt's own test driver: a real libvirt in this process, without migration."""

import threading
import time
from pathlib import Path
from uuid import uuid4

import pytest

from hosts.errors import (
    ConnectionRefused,
    DomainNotFound,
    InvalidInput,
    LibvirtNotRunning,
    NameUnresolved,
    PoolNotFound,
    Refused,
    TimedOut,
    Unreachable,
    Unsupported,
)
from hosts.libvirt_client import events
from hosts.libvirt_client.connection import Connection, Target, open_connection
from hosts.libvirt_client.domain import Guest
from hosts.libvirt_client.events import Event
from tests.hosts.nodes import SHUT_OFF, write_node
from tests.lab.process import wait_for

UNKNOWN = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def connection():
    with open_connection(Target("h1", "test:///default"), timeout_s=5) as opened:
        yield opened


@pytest.fixture
def guest(connection: Connection) -> Guest:
    return connection.find_by_name("test")


def test_a_host_says_what_it_is_on_the_test_driver(connection):
    info = connection.info()
    assert (info.cpus, info.memory_mib, info.cpu_arch, info.libvirt_version.count(".")) == (16, 3072, "i686", 2)
    assert connection.free_memory_mib() == info.memory_free_mib
    assert connection.networks() == ["default"]


def test_a_guest_is_listed_with_state_and_both_definitions_on_the_test_driver(connection):
    (domain,) = connection.domains()
    assert (domain.name, domain.state, domain.persistent, domain.autostart) == ("test", "running", True, False)
    assert domain.live_xml and domain.persistent_xml and domain.live_xml != domain.persistent_xml
    assert connection.domain_state(domain.uuid) == domain
    (name,) = connection.domain_names()
    assert (name.uuid, name.name, name.state) == (domain.uuid, "test", "running")


def test_a_guest_that_is_off_has_no_live_xml_on_the_test_driver(tmp_path: Path):
    uri = write_node(tmp_path / "node.xml", {"a": uuid4(), "b": uuid4()}, state=SHUT_OFF)
    with open_connection(Target("h1", uri), timeout_s=5) as connection:
        domains = connection.domains()
    assert {domain.name: (str(domain.state), domain.live_xml) for domain in domains} == {
        "a": ("shut off", None),
        "b": ("shut off", None),
    }


def test_pools_and_volumes_are_listed_on_the_test_driver(connection):
    (pool,) = connection.pools()
    assert (pool.name, pool.kind, pool.active, pool.target) == ("default-pool", "dir", True, "/default-pool")
    assert pool.capacity_bytes == 100 * 2**30
    xml = "<volume><name>a.qcow2</name><capacity unit='MiB'>5</capacity></volume>"
    connection.raw.storagePoolLookupByName(pool.name).createXML(xml)
    connection.refresh_pool(pool.name)
    (volume,) = connection.volumes(pool.name)
    assert (volume.name, volume.path, volume.capacity_bytes) == ("a.qcow2", "/default-pool/a.qcow2", 5 * 2**20)


def test_what_is_not_there_is_named_on_the_test_driver(connection):
    with pytest.raises(DomainNotFound, match=f"h1 does not know VM {UNKNOWN}"):
        connection.guest(UNKNOWN)
    with pytest.raises(DomainNotFound, match="h1 does not know nope"):
        connection.find_by_name("nope")
    with pytest.raises(DomainNotFound):
        connection.domain_state(UNKNOWN)
    with pytest.raises(PoolNotFound):
        connection.volumes("nope")
    with pytest.raises(PoolNotFound):
        connection.refresh_pool("nope")


def test_a_guest_goes_through_its_states_on_the_test_driver(guest):
    guest.suspend()
    assert guest.state() == ("paused", "user")
    guest.resume()
    guest.destroy()
    assert guest.state() == ("shut off", "destroyed") and not guest.is_active()
    with pytest.raises(Refused, match="not running"):
        guest.destroy()
    guest.create()
    assert guest.state() == ("running", "booted") and guest.is_persistent()


def test_a_definition_is_made_and_removed_on_the_test_driver(connection, guest):
    copy = guest.xml(inactive=True).replace("<name>test<", "<name>copy<").replace(guest.uuid, str(uuid4()))
    defined = connection.define(copy)
    assert (defined.name, defined.is_active(), defined.autostart()) == ("copy", False, False)
    defined.set_autostart(True)
    assert defined.autostart()
    defined.undefine()
    with pytest.raises(DomainNotFound):
        connection.find_by_name("copy")


def test_a_mark_is_set_read_and_taken_away_on_the_test_driver(guest):
    assert guest.metadata() is None
    guest.set_metadata("<k:stale xmlns:k='urn:kvmconsole:domain:1' on='h2'/>")
    assert "stale" in (guest.metadata() or "")
    assert "urn:kvmconsole:domain:1" in guest.xml(inactive=True)
    guest.unmark_stale()
    guest.unmark_stale()
    assert guest.metadata() is None and guest.title() == ""


@pytest.mark.parametrize(
    "act",
    [
        lambda guest: guest.job_stats(),
        lambda guest: guest.start_dirty_rate(1),
        lambda guest: guest.migrate("x", {}, []),
    ],
    ids=["job_stats", "start_dirty_rate", "migrate"],
)
def test_what_the_test_driver_can_not_do_is_said_on_the_test_driver(guest, act):
    with pytest.raises(Unsupported):
        act(guest)


def test_events_come_as_values_until_the_subscription_ends_on_the_test_driver(connection, guest):
    seen: list[Event] = []
    subscription = events.subscribe(connection, seen.append)
    guest.suspend()
    guest.resume()
    guest.destroy()
    connection.refresh_pool("default-pool")
    wait_for(lambda: len(seen) >= 4, timeout_s=5, what="four events")
    assert [(event.kind, event.name, event.what, event.detail) for event in seen] == [
        ("lifecycle", "test", "suspended", "paused"),
        ("lifecycle", "test", "resumed", "unpaused"),
        ("lifecycle", "test", "stopped", "destroyed"),
        ("pool_refresh", "default-pool", "refreshed", ""),
    ]
    assert seen[0].uuid == guest.uuid and seen[0].at is not None
    subscription.close()
    subscription.close()
    guest.create()
    time.sleep(0.1)
    assert len(seen) == 4


def test_a_listener_that_fails_does_not_stop_the_events_on_the_test_driver(connection, guest, caplog):
    seen: list[Event] = []

    def put(event: Event) -> None:
        seen.append(event)
        raise RuntimeError("a mistake of ours")

    events.subscribe(connection, put)
    guest.suspend()
    guest.resume()
    wait_for(lambda: len(seen) >= 2, timeout_s=5, what="two events")
    assert "a mistake of ours" in caplog.text


def test_a_call_that_hangs_breaks_the_connection_and_holds_up_nobody_on_the_test_driver(connection):
    release = threading.Event()
    started = time.monotonic()
    with pytest.raises(TimedOut, match=r"h1 did not answer within 0\.2 s"):
        connection.call(lambda: release.wait(30), timeout_s=0.2)
    assert not connection.is_alive()
    with pytest.raises(Unreachable, match="broken"):
        connection.info()
    connection.close()
    assert time.monotonic() - started < 5
    release.set()


def test_calls_from_many_threads_take_turns_on_the_test_driver(connection):
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(connection.info().cpus)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [16] * 20


def test_a_closed_connection_answers_no_more_on_the_test_driver(connection, guest):
    connection.close()
    connection.close()
    assert not connection.is_alive()
    with pytest.raises(Unreachable, match="closed"):
        guest.state()


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("qemu+tcp://127.0.0.1:1/system", ConnectionRefused),
        ("qemu+ssh://127.0.0.1:1/system", ConnectionRefused),
        ("qemu+tcp://no-such-host.invalid/system", NameUnresolved),
        ("qemu+tcp://127.0.0.1:1/system?command=id", InvalidInput),
        ("lxc:///system", InvalidInput),
    ],
)
def test_a_host_that_is_not_reached_says_why(uri, error):
    with pytest.raises(error):
        open_connection(Target("h1", uri), timeout_s=10)


def test_a_machine_without_libvirtd_says_so():
    if Path("/run/libvirt/libvirt-sock").exists():
        pytest.skip("a libvirtd runs on this machine")
    with pytest.raises(LibvirtNotRunning, match="libvirtd does not run on h1"):
        open_connection(Target("h1", "qemu:///system"), timeout_s=10)


def test_the_parameters_of_an_ssh_uri_are_ours():
    target = Target("h1", "qemu+ssh://root@h1:22/system", ssh_command="/data/a b/ssh")
    assert target.full_uri() == "qemu+ssh://root@h1:22/system?no_tty=1&command=%2Fdata%2Fa%20b%2Fssh"
    assert Target("h1", "qemu+tls://h1/system", ssh_command="/x").full_uri() == "qemu+tls://h1/system"


def test_an_opening_that_takes_too_long_is_given_up_and_closed_when_it_comes(monkeypatch):
    from hosts.libvirt_client import connection as module

    opened, release = [], threading.Event()

    def slow(uri):
        release.wait(10)
        raw = real(uri)
        opened.append(raw)
        return raw

    real = module._open
    monkeypatch.setattr(module, "_open", slow)
    with pytest.raises(TimedOut, match=r"h1 did not answer within 0\.1 s"):
        open_connection(Target("h1", "test:///default"), timeout_s=0.1)
    release.set()
    wait_for(lambda: opened and _is_closed(opened[0]), timeout_s=5, what="the late connection to be closed")


def _is_closed(raw) -> bool:
    return raw._o is None


def test_what_is_kept_of_a_guest_and_what_a_driver_does_not_know(guest: Guest) -> None:
    kept = guest.kept_states()
    assert (kept.snapshots, kept.checkpoints, kept.managed_save) == (0, 0, False)
    assert guest.block_jobs(["vda"]) == ()
    with pytest.raises(Refused, match="no CD-ROM"):
        guest.eject("sda")
