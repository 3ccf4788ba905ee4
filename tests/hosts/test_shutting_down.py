"""A shutdown with a time limit: its progress, its end, and what is offered when the guest does not listen."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from hosts import actions, holds
from hosts.errors import HostError, InvalidInput, Refused
from hosts.libvirt_client.domain import Guest
from hosts.models import AuditEvent, Host, Placement, Shutdown
from tests import build
from tests.hosts.web_node import ACTOR, WEB, NodeMaker, do, on, outcome, web

pytestmark = pytest.mark.django_db


def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test driver's guests always listen."""
    monkeypatch.setattr(Guest, "shutdown", lambda self, **_: None)


def let_time_pass(seconds: int) -> None:
    Shutdown.objects.update(asked=timezone.now() - timedelta(seconds=seconds))
    actions.look_after_shutdowns()


def test_a_guest_that_listens_ends_the_wait_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    do("shutdown", h1, limit_s=60)
    assert (on(h1).state, Shutdown.objects.count()) == ("shut off", 0)
    event = AuditEvent.objects.get(action="shut down")
    assert event.outcome == "succeeded" and event.detail.startswith("off after")


def test_a_guest_that_does_not_listen_is_never_forced_off(node: NodeMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the test driver, whose guest is made deaf."""
    h1 = node("h1")
    deaf(monkeypatch)
    do("shutdown", h1, limit_s=60)
    assert outcome() == ("shut down", "pending")
    let_time_pass(30)
    assert not Shutdown.objects.get().overdue and 49 < Shutdown.objects.get().percent < 52
    let_time_pass(61)
    row = Shutdown.objects.get()
    assert (row.overdue, row.percent, on(h1).state) == (True, 100, "running")
    assert (outcome(), AuditEvent.objects.get().detail) == (("shut down", "failed"), "not off after 60 s")
    do("destroy", h1)
    actions.look_after_shutdowns()
    assert not Shutdown.objects.exists()


def test_asking_again_begins_anew_and_nobody_has_to_wait(node: NodeMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    h1 = node("h1")
    deaf(monkeypatch)
    do("shutdown", h1, limit_s=60)
    do("shutdown", h1, limit_s=90)
    assert Shutdown.objects.get().limit_s == 90
    assert list(AuditEvent.objects.order_by("pk").values_list("outcome", flat=True)) == ["cancelled", "pending"]
    do("stop-waiting", h1)
    assert not Shutdown.objects.exists() and on(h1).state == "running"
    assert AuditEvent.objects.filter(outcome="pending").count() == 0


def test_a_guest_that_moved_is_not_waited_for_where_it_was(node: NodeMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    h1 = node("h1")
    deaf(monkeypatch)
    do("shutdown", h1, limit_s=60)
    h2 = node("h2")
    Placement.objects.filter(host=h1).update(present=False, state="unknown")
    actions.refresh_host(h2)
    web().__class__.objects.update(host=h2, state="running")
    actions.look_after_shutdowns()
    assert not Shutdown.objects.exists()
    assert AuditEvent.objects.get(action="shut down").detail == "it runs on h2 now"


def test_a_host_that_is_silent_says_not_that_the_guest_is_off(node: NodeMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    h1 = node("h1")
    deaf(monkeypatch)
    do("shutdown", h1, limit_s=60)
    Placement.objects.update(state="unknown")
    let_time_pass(30)
    assert Shutdown.objects.filter(overdue=False).exists()
    let_time_pass(61)
    assert Shutdown.objects.filter(overdue=True).exists()


@pytest.mark.parametrize("limit_s", [0, 9, 3601, -5])
def test_a_limit_that_makes_no_sense_is_refused(limit_s: int, client: Client) -> None:
    vm = build.vm("web", on=build.host("h1"))
    with pytest.raises(InvalidInput) as refusal:
        actions.shutdown(vm=vm, host=Host.objects.get(), limit_s=limit_s, actor=ACTOR)
    assert refusal.value.field == "limit_s"
    client.force_login(build.user("olga", role="operator"))
    assert client.post(f"/vms/{vm.uuid}/shutdown/", {"limit_s": limit_s}).status_code == 422
    answer = client.post(f"/api/v1/vms/{vm.uuid}/shutdown", {"limit_s": limit_s}, content_type="application/json")
    assert (answer.status_code, answer.json()["field"]) == (422, "limit_s")
    assert not AuditEvent.objects.exists()


def test_what_is_refused_or_fails_is_not_waited_for(node: NodeMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    h1 = node("h1")
    monkeypatch.setattr(holds, "HOLDS", [lambda host, vm: "migration #7 moves it" if vm else ""])
    with pytest.raises(Refused, match="migration #7"):
        do("shutdown", h1, limit_s=60)
    monkeypatch.setattr(holds, "HOLDS", [])
    do("destroy", h1)
    with pytest.raises(HostError):
        do("shutdown", h1, limit_s=60)
    assert not Shutdown.objects.exists()


def test_the_page_shows_how_much_time_has_passed_and_then_asks(
    client: Client, node: NodeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    node("h1")
    deaf(monkeypatch)
    client.force_login(build.user("olga", role="operator"))
    assert f"virsh shutdown {WEB}" in client.get(f"/vms/{WEB}/shutdown/").content.decode()
    assert client.post(f"/vms/{WEB}/shutdown/", {"limit_s": "60"}).status_code == 303
    part = client.get(f"/vms/{WEB}/shutting-down/").content.decode()
    assert 'hx-trigger="every 2s"' in part and "<progress" in part
    assert client.get(f"/api/v1/vms/{WEB}").json()["shutdown"]["overdue"] is False
    let_time_pass(61)
    for path in (f"/vms/{WEB}/", f"/vms/{WEB}/shutting-down/"):
        page = client.get(path).content.decode()
        assert "did not shut down within 1\N{NO-BREAK SPACE}min" in page and "Leave it running" in page, path
    assert client.get(f"/api/v1/vms/{WEB}").json()["shutdown"]["overdue"] is True
    client.force_login(build.user("vera", role="viewer"))
    assert "Leave it running" not in client.get(f"/vms/{WEB}/shutting-down/").content.decode()
