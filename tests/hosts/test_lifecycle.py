"""Pause, resume, reset, save, autostart: what they do, and that none of them lets a guest run twice."""

import pytest
from django.test import Client

from hosts import holds, inventory
from hosts.errors import Refused
from hosts.libvirt_client.domain import Guest
from hosts.libvirt_client.states import State
from hosts.models import AuditEvent, Placement
from tests import build
from tests.hosts.nodes import SHUT_OFF
from tests.hosts.web_node import WEB, NodeMaker, do, on, outcome

pytestmark = pytest.mark.django_db


def test_a_guest_is_paused_and_goes_on_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    do("pause", h1)
    assert (on(h1).state, outcome()) == ("paused", ("pause", "succeeded"))
    do("resume", h1)
    assert (on(h1).state, outcome()) == ("running", ("resume", "succeeded"))


def test_a_guest_is_not_resumed_while_another_host_runs_it_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    do("pause", h1)
    node("h2")
    with pytest.raises(Refused, match="web is running on h2, so it can't be resumed on h1"):
        do("resume", h1)
    assert (on(h1).state, outcome()) == ("paused", ("resume", "refused"))


@pytest.mark.parametrize("why", inventory.WAITING_REASONS)
def test_the_paused_half_of_a_migration_is_not_resumed(
    why: str, node: NodeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is put into libvirt's mouth: the test driver does not migrate."""
    h1 = node("h1")
    do("pause", h1)
    monkeypatch.setattr(Guest, "state", lambda self, **_: (State.PAUSED, why))
    with pytest.raises(Refused, match="paused by a migration"):
        do("resume", h1)
    assert on(h1).state == "paused"


def test_a_guest_is_saved_and_restored_by_its_next_start_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    do("save", h1)
    assert (on(h1).state, on(h1).managed_save, outcome()) == ("shut off", True, ("save", "succeeded"))
    do("start", h1)
    assert (on(h1).state, on(h1).managed_save) == ("running", False)


def test_saved_memory_is_thrown_away_once_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    do("save", h1)
    do("discard-save", h1)
    assert not on(h1).managed_save
    with pytest.raises(Refused, match="no saved memory"):
        do("discard-save", h1)


def test_autostart_is_switched_on_and_off_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    do("autostart", h1)
    assert on(h1).autostart
    do("no-autostart", h1)
    assert not on(h1).autostart


def test_a_leftover_definition_gets_no_autostart_on_the_test_driver(node: NodeMaker) -> None:
    h1, _ = node("h1", state=SHUT_OFF), node("h2")
    assert on(h1).stale
    with pytest.raises(Refused, match="leftover"):
        do("autostart", h1)
    assert not on(h1).autostart


def test_what_runs_elsewhere_gets_no_autostart_here_on_the_test_driver(node: NodeMaker) -> None:
    h1, _ = node("h1", state=SHUT_OFF), node("h2")
    Placement.objects.update(stale=False)
    with pytest.raises(Refused, match="running on h2"):
        do("autostart", h1)
    assert not on(h1).autostart


@pytest.mark.parametrize("act", ["pause", "resume", "reset", "save", "discard-save", "autostart", "no-autostart"])
def test_nothing_is_done_to_a_guest_that_a_migration_holds_on_the_test_driver(
    act: str, node: NodeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    h1 = node("h1")
    monkeypatch.setattr(holds, "HOLDS", [lambda host, vm: "migration #7 moves it" if vm else ""])
    with pytest.raises(Refused, match="web is held: migration #7 moves it"):
        do(act, h1)
    assert (on(h1).state, on(h1).managed_save, on(h1).autostart) == ("running", False, False)


@pytest.mark.parametrize(
    ("act", "command"),
    [("reset", "virsh reset"), ("save", "virsh managedsave"), ("discard-save", "virsh managedsave-remove")],
)
def test_what_loses_something_is_asked_for_first_and_shows_its_command(
    act: str, command: str, client: Client, node: NodeMaker
) -> None:
    h1 = node("h1")
    client.force_login(build.user("olga", role="operator"))
    page = client.get(f"/vms/{WEB}/{act}/").content.decode()
    assert f"{command} {WEB}" in page and "h1" in page
    assert not AuditEvent.objects.exists() and on(h1).state == "running"


def test_the_page_offers_what_fits_the_state_on_the_test_driver(client: Client, node: NodeMaker) -> None:
    h1 = node("h1")
    client.force_login(build.user("olga", role="operator"))

    def page() -> str:
        return client.get(f"/vms/{WEB}/").content.decode()

    assert "Pause" in page() and "Resume" not in page()
    assert client.post(f"/vms/{WEB}/pause/").status_code == 303
    assert "Resume" in page()
    client.post(f"/vms/{WEB}/resume/")
    assert client.post(f"/vms/{WEB}/save/").status_code == 303
    assert "Restore on h1" in page() and "Discard its saved memory" in page()
    assert on(h1).managed_save


def test_saved_memory_is_not_restored_while_the_guest_lives_elsewhere_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    do("save", h1)
    node("h2")
    assert on(h1).stale
    with pytest.raises(Refused, match="leftover"):
        do("start", h1)
    Placement.objects.update(stale=False)
    with pytest.raises(Refused, match="web is running on h2, so it can't be started on h1"):
        do("start", h1)
    assert (on(h1).state, on(h1).managed_save) == ("shut off", True)
