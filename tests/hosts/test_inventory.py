"""What hosts report becomes rows: where a guest is, which copies are leftovers, and how many statements it takes."""

import threading
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hosts import inventory
from hosts.errors import HostError
from hosts.inventory.placements import Report, record
from hosts.models import Host, HostState, Placement, VirtualMachine, VmState
from tests import build

pytestmark = pytest.mark.django_db
WEB = uuid.UUID("6a4e0d1c-0000-4000-8000-000000000001")


def report(uid: uuid.UUID = WEB, *, name: str = "web", state: str = VmState.RUNNING, **fields: Any) -> Report:
    values = {"reason": "", "persistent": True, "autostart": False, "managed_save": False, "definition_digest": "d1"}
    return Report(uuid=uid, name=name, state=state, **{**values, "facts": {"vcpus": 2, "memory_mib": 512}, **fields})


def say(host: Host, *reports: Report, asked: datetime | None = None) -> None:
    record(host=host, reports=reports, asked=asked or timezone.now())


def web() -> VirtualMachine:
    return VirtualMachine.objects.get(uuid=WEB)


def placement(host: Host) -> Placement:
    return Placement.objects.get(vm__uuid=WEB, host=host)


def test_a_guest_is_where_it_runs_not_where_it_is_only_defined() -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    say(h1, report(state=VmState.SHUTOFF))
    assert (web().host, web().state) == (h1, "shut off")
    say(h2, report())
    assert (web().host, web().state, web().vcpus, web().memory_mib) == (h2, "running", 2, 512)


def test_a_shut_off_definition_becomes_stale_when_the_guest_runs_elsewhere_and_stays_so() -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    say(h1, report(state=VmState.SHUTOFF))
    assert not placement(h1).stale
    say(h2, report())
    assert placement(h1).stale
    say(h2, report(state=VmState.SHUTOFF))
    assert placement(h1).stale and not placement(h2).stale
    assert (web().host, web().state) == (h2, "shut off")


def test_a_stale_definition_is_good_again_once_the_guest_runs_there() -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    say(h1, report(state=VmState.SHUTOFF))
    say(h2, report())
    say(h2, report(state=VmState.SHUTOFF))
    say(h1, report())
    assert not placement(h1).stale
    assert placement(h2).stale


def test_a_mark_in_the_definition_makes_it_stale_for_a_console_that_never_saw_the_guest_elsewhere() -> None:
    h1 = build.host("h1")
    say(h1, report(state=VmState.SHUTOFF, facts={"marked_stale": True}))
    assert placement(h1).stale


def test_what_a_host_no_longer_lists_is_marked_absent_and_the_guest_hidden() -> None:
    h1 = build.host("h1")
    say(h1, report())
    say(h1)
    assert (placement(h1).present, placement(h1).state) == (False, "unknown")
    assert web() not in inventory.known_vms(VirtualMachine.objects.all())
    say(h1, report())
    assert web() in inventory.known_vms(VirtualMachine.objects.all())


def test_an_answer_to_an_older_question_does_not_overwrite_a_newer_one() -> None:
    h1, before = build.host("h1"), timezone.now() - timedelta(seconds=1)
    say(h1, report(state=VmState.PAUSED))
    say(h1, report(state=VmState.RUNNING), asked=before)
    assert placement(h1).state == "paused"
    say(h1, asked=before)
    assert placement(h1).present


def test_a_guest_on_a_host_that_went_away_is_unknown_until_another_host_has_it() -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    say(h1, report())
    inventory.mark_unreachable(host=h1, error=HostError("h1 is gone", hint="Look at it."))
    assert (web().host, web().state) == (h1, VmState.UNKNOWN)
    h1.refresh_from_db()
    assert (h1.state, h1.error, h1.hint) == (HostState.UNREACHABLE, "h1 is gone", "Look at it.")
    say(h2, report())
    assert (web().host, web().state) == (h2, "running")


def test_a_guest_that_runs_on_two_hosts_is_a_conflict_and_an_incoming_copy_is_none() -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    say(h1, report())
    say(h2, report(state=VmState.PAUSED, reason="migration"))
    assert not inventory.in_conflict(web())
    assert web().host == h1
    say(h2, report())
    assert inventory.in_conflict(web())


def test_one_event_changes_one_guest_only() -> None:
    h1, other = build.host("h1"), uuid.uuid4()
    say(h1, report(), report(other, name="db"))
    record(host=h1, reports=[], asked=timezone.now(), only=[other])
    assert placement(h1).present
    assert not Placement.objects.get(vm__uuid=other).present


@pytest.mark.parametrize("changed", [False, True])
def test_a_sync_takes_as_many_statements_for_400_guests_as_for_10(changed: bool) -> None:
    def statements(count: int, host: Host) -> int:
        uids = [uuid.uuid4() for _ in range(count)]
        say(host, *[report(uid, name=f"vm{uid}") for uid in uids])
        paused = VmState.PAUSED if changed else VmState.RUNNING
        with CaptureQueriesContext(
            database,
        ) as seen:
            say(
                host,
                *[report(uid, name=f"vm{uid}", state=paused if uid == uids[0] else VmState.RUNNING) for uid in uids],
            )
        return len(seen)

    assert statements(10, build.host("h1")) == statements(400, build.host("h2")) <= 12


def test_a_first_sync_takes_a_fixed_number_of_statements_per_batch() -> None:
    def statements(count: int, host: Host) -> int:
        with CaptureQueriesContext(database) as seen:
            say(host, *[report(uuid.uuid4(), name=f"vm{number}") for number in range(count)])
        return len(seen)

    assert statements(5, build.host("h1")) == statements(50, build.host("h2")) <= 14


def test_nothing_is_told_to_the_pages_when_nothing_changed(live_events: Any) -> None:
    h1 = build.host("h1")
    say(h1, report())
    assert {event["topic"] for event in live_events()} == {"vms", "vm-list", f"vm.{WEB}"}
    say(h1, report())
    assert live_events() == []


@pytest.mark.django_db(transaction=True)
def test_two_hosts_that_report_the_same_guests_at_once_agree_in_the_end() -> None:
    hosts = [build.host(f"h{number}") for number in range(3)]
    uids = [uuid.UUID(int=number) for number in range(20)]
    failures: list[Exception] = []

    def report_often(host: Host, mine: int) -> None:
        try:
            for turn in range(6):
                runs_here = turn == 5 and mine == 0
                state = VmState.RUNNING if runs_here else VmState.SHUTOFF
                order = uids if mine % 2 else uids[::-1]
                say(host, *[report(uid, name=f"vm{turn}", state=state) for uid in order])
        except Exception as error:
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=report_often, args=(host, number)) for number, host in enumerate(hosts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert set(VirtualMachine.objects.values_list("host__name", "state")) == {("h0", "running")}
    assert Placement.objects.filter(stale=True).count() == 2 * len(uids)
