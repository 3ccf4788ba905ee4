"""Acts on guests: a guest is started only where no other host can have it, leftovers are safe, every act is audited."""

from collections.abc import Callable

import pytest

from hosts import actions, holds, inventory, reach
from hosts.errors import DomainNotFound, HostError, Refused
from hosts.libvirt_client.connection import Connection
from hosts.models import Host, Placement, VmState
from tests import build
from tests.hosts.nodes import SHUT_OFF
from tests.hosts.web_node import ACTOR, WEB, NodeMaker, outcome, web

pytestmark = pytest.mark.django_db
GONE = "qemu+tcp://127.0.0.1:1/system"


def state_on(host: Host) -> str:
    with reach.libvirt(host) as connection:
        return str(_ask(connection))


def _ask(connection: Connection) -> str:
    return connection.domain_state(str(WEB)).state


def test_a_guest_is_started_shut_down_and_forced_off_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1", state=SHUT_OFF)
    actions.start(vm=web(), host=h1, actor=ACTOR)
    assert (state_on(h1), web().state, outcome()) == ("running", "running", ("start", "succeeded"))
    actions.destroy(vm=web(), host=h1, actor=ACTOR)
    assert (state_on(h1), web().state, outcome()) == ("shut off", "shut off", ("force off", "succeeded"))
    actions.start(vm=web(), host=h1, actor=ACTOR)
    actions.shutdown(vm=web(), host=h1, actor=ACTOR)
    assert (state_on(h1), web().state, outcome()) == ("shut off", "shut off", ("shut down", "succeeded"))


def test_a_guest_that_runs_on_another_host_is_not_started_on_the_test_driver(node: NodeMaker) -> None:
    h1, h2 = node("h1", state=SHUT_OFF), node("h2")
    Placement.objects.update(stale=False)
    with pytest.raises(Refused, match="web is running on h2, so it can't be started on h1"):
        actions.start(vm=web(), host=h1, actor=ACTOR)
    assert (state_on(h1), outcome()) == ("shut off", ("start", "refused"))
    assert web().host == h2


def test_what_the_rows_say_is_not_believed_for_a_start_on_the_test_driver(node: NodeMaker) -> None:
    h1, h2 = node("h1", state=SHUT_OFF), node("h2")
    Placement.objects.filter(host=h2).update(state=VmState.SHUTOFF)
    Placement.objects.update(stale=False)
    with pytest.raises(Refused, match="running on h2"):
        actions.start(vm=web(), host=h1, actor=ACTOR)
    Placement.objects.filter(host=h2).update(present=False)
    with pytest.raises(Refused, match="running on h2"):
        actions.start(vm=web(), host=h1, actor=ACTOR)


def test_no_answer_from_another_host_is_no_proof_that_the_guest_is_off_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1", state=SHUT_OFF)
    gone = build.host("gone", uri=GONE)
    Placement.objects.create(vm=web(), host=gone, state=VmState.SHUTOFF, persistent=True)
    with pytest.raises(
        Refused, match="gone does not answer, so nothing proves that web is not running there"
    ) as refusal:
        actions.start(vm=web(), host=h1, actor=ACTOR)
    assert "Bring gone back" in refusal.value.hint
    assert state_on(h1) == "shut off"


def test_a_leftover_definition_is_never_started_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1", state=SHUT_OFF)
    Placement.objects.update(stale=True)
    with pytest.raises(Refused, match="leftover"):
        actions.start(vm=web(), host=h1, actor=ACTOR)
    assert state_on(h1) == "shut off"


def test_a_host_in_maintenance_starts_nothing_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1", state=SHUT_OFF)
    actions.set_maintenance(host=h1, maintenance=True, actor=ACTOR)
    with pytest.raises(Refused, match="in maintenance"):
        actions.start(vm=web(), host=h1, actor=ACTOR)


@pytest.mark.parametrize(
    "act", [actions.start, actions.shutdown, actions.destroy, actions.define, actions.undefine_stale]
)
def test_a_guest_that_something_holds_is_left_alone_on_the_test_driver(
    act: Callable[..., None], node: NodeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    h1 = node("h1")
    monkeypatch.setattr(holds, "HOLDS", [lambda host, vm: "migration #7 moves it" if vm else ""])
    with pytest.raises(Refused, match="web is held: migration #7 moves it"):
        act(vm=web(), host=h1, actor=ACTOR)
    assert state_on(h1) == "running"


def test_two_starts_at_once_are_not_both_tried_on_the_test_driver(
    node: NodeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    h1, h2 = node("h1", state=SHUT_OFF), node("h2", state=SHUT_OFF)
    second: list[HostError] = []

    def ask_while_another_starts(**_: object) -> list[object]:
        with pytest.raises(Refused, match="Another start of web is under way, on h1") as refusal:
            actions.start(vm=web(), host=h2, actor=ACTOR)
        second.append(refusal.value)
        return []

    monkeypatch.setattr("hosts.actions.starting.ask_others", ask_while_another_starts)
    actions.start(vm=web(), host=h1, actor=ACTOR)
    assert len(second) == 1
    assert (state_on(h1), state_on(h2)) == ("running", "shut off")


def test_a_leftover_is_removed_only_while_another_host_has_the_guest_on_the_test_driver(node: NodeMaker) -> None:
    h1, h2 = node("h1", state=SHUT_OFF), node("h2")
    with reach.libvirt(h1) as connection:
        inventory.sync_host(h1, connection)
    assert Placement.objects.get(host=h1).stale
    with pytest.raises(Refused, match="not a leftover"):
        actions.undefine_stale(vm=web(), host=h2, actor=ACTOR)
    actions.undefine_stale(vm=web(), host=h1, actor=ACTOR)
    assert not Placement.objects.get(host=h1).present
    with pytest.raises(DomainNotFound):
        state_on(h1)
    assert (state_on(h2), outcome()) == ("running", ("remove leftover definition", "succeeded"))


def test_the_last_definition_is_not_removed_as_a_leftover_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1", state=SHUT_OFF)
    Placement.objects.update(stale=True)
    with pytest.raises(Refused, match="may be the last one"):
        actions.undefine_stale(vm=web(), host=h1, actor=ACTOR)
    assert state_on(h1) == "shut off"


def test_a_leftover_becomes_the_good_definition_only_when_the_guest_runs_nowhere_on_the_test_driver(
    node: NodeMaker,
) -> None:
    h1, h2 = node("h1", state=SHUT_OFF), node("h2")
    with pytest.raises(Refused, match="running on h2"):
        actions.adopt(vm=web(), host=h1, actor=ACTOR)
    actions.destroy(vm=web(), host=h2, actor=ACTOR)
    assert Placement.objects.get(host=h1).stale
    actions.adopt(vm=web(), host=h1, actor=ACTOR)
    assert not Placement.objects.get(host=h1).stale
    actions.start(vm=web(), host=h1, actor=ACTOR)
    assert state_on(h1) == "running"
    assert Placement.objects.get(host=h2).stale


def test_an_act_on_a_guest_that_is_gone_says_so_and_marks_it_absent_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1", state=SHUT_OFF)
    with reach.libvirt(h1) as connection:
        connection.guest(str(WEB)).undefine(timeout_s=5)
    with pytest.raises(DomainNotFound) as error:
        actions.start(vm=web(), host=h1, actor=ACTOR)
    assert (error.value.vm, error.value.host) == ("web", "h1")
    assert not Placement.objects.get(host=h1).present
    assert outcome() == ("start", "failed")
