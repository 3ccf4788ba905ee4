"""The pages of plans: a new one, its review, what can be done to it, rules, and whether a host could be emptied."""

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hosts.models import Host, VirtualMachine, VmState
from migrations_app.evacuation import reporting
from migrations_app.models import Evacuability, Evacuation, Kind, Move, PlacementRule
from migrations_app.states import State
from tests import build

pytestmark = pytest.mark.django_db
HOW = {"parallel": 3, "stop_after_failures": 2, "canary": "on", "reason": "new memory", "unsafe": "on"}


@pytest.fixture
def hosts() -> list[Host]:
    return [build.host(name, memory_mib=8192, memory_free_mib=4096) for name in ("h1", "h2", "h3")]


@pytest.fixture
def vms(hosts: list[Host]) -> list[VirtualMachine]:
    return [build.vm(name, on=hosts[0]) for name in ("web", "db")]


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(build.user("otto", role="operator"))
    return client


def page_of(client: Client, plan: Evacuation) -> str:
    answer = client.get(plan.get_absolute_url())
    assert answer.status_code == 200
    return answer.content.decode()


def test_evacuate_makes_a_plan_to_review_and_moves_nothing(operator: Client, vms: list[VirtualMachine]) -> None:
    form = operator.get(reverse("migrations:evacuation-new"), {"host": "h1"}).content.decode()
    assert "Empty h1" in form and 'value="h2"' in form and 'value="h1" id="id_to' not in form
    answer = operator.post(reverse("migrations:evacuations"), {"host": "h1", **HOW})
    plan = Evacuation.objects.get()
    assert answer.status_code == 303 and answer["Location"] == plan.get_absolute_url()
    assert (plan.state, plan.parallel, plan.canary, plan.stop_after_failures) == ("planned", 3, True, 2)
    assert plan.options["unsafe"] is True and plan.reason == "new memory"
    text = page_of(operator, plan)
    assert "Start: move 2 VMs" in text and "Memory of the hosts" in text and "Memory, step by step" in text
    assert "Not checked yet." in text and "Checking each VM against every host: 0 of 2" in text


def test_ticked_vms_become_a_plan(operator: Client, vms: list[VirtualMachine]) -> None:
    assert 'form="bulk"' in operator.get(reverse("hosts:vms")).content.decode()
    ticked = [str(vm.uuid) for vm in vms]
    form = operator.get(reverse("migrations:evacuation-new"), {"vm": ticked}).content.decode()
    assert "Move 2 VMs" in form and "web" in form and "db" in form
    operator.post(reverse("migrations:evacuations"), {"vm": ticked, **HOW})
    assert Evacuation.objects.get().purpose == Evacuation.Purpose.BULK
    assert "Which VMs?" in operator.get(reverse("migrations:evacuation-new")).content.decode()


@pytest.mark.parametrize(("field", "value"), [("parallel", "0"), ("stop_after_failures", "-1"), ("to", "h9")])
def test_what_makes_no_sense_is_said_at_its_field_and_nothing_is_made(
    operator: Client, vms: list[VirtualMachine], field: str, value: str
) -> None:
    answer = operator.post(reverse("migrations:evacuations"), {"host": "h1", **HOW, field: value})
    assert answer.status_code == 422 and "field-error" in answer.content.decode()
    assert not Evacuation.objects.exists()


def test_the_page_says_what_can_not_move_and_offers_what_can_be_done(operator: Client, hosts: list[Host]) -> None:
    vm = build.vm("paused", on=hosts[0], state=VmState.PAUSED)
    plan = build.plan(vm, to=hosts[1], of=hosts[0])
    move = plan.moves.get()
    operator.post(reverse("migrations:evacuation-check", args=[plan.pk]))
    text = page_of(operator, plan)
    assert "1 can&#x27;t move" in text or "1 can't move" in text
    assert "It is paused" in text and "disabled" in text
    operator.post(reverse("migrations:move-skip", args=[plan.pk, move.pk]))
    move.refresh_from_db()
    assert move.state == Move.State.SKIPPED


def test_another_destination_is_chosen_on_the_page(
    operator: Client, hosts: list[Host], vms: list[VirtualMachine]
) -> None:
    plan = build.plan(*vms, to=hosts[1], of=hosts[0])
    move = plan.moves.first()
    assert move
    path = reverse("migrations:move-destination", args=[plan.pk, move.pk])
    assert operator.post(path, {"destination": "h3"}).status_code == 303
    move.refresh_from_db()
    assert move.destination == hosts[2] and move.chosen
    assert operator.post(path, {"destination": "h1"}).status_code == 422
    assert operator.post(path, {"destination": "nowhere"}).status_code == 404


def test_a_plan_is_started_stopped_and_shown_as_it_runs(
    operator: Client, hosts: list[Host], vms: list[VirtualMachine]
) -> None:
    plan = build.plan(*vms, to=hosts[1], of=hosts[0])
    assert operator.post(reverse("migrations:evacuation-start", args=[plan.pk])).status_code == 303
    migration = build.migration(vms[0], to=hosts[1], state=State.COPYING, progress={"percent": 50})
    plan.moves.filter(vm=vms[0]).update(state=Move.State.RUNNING, migration=migration)
    text = page_of(operator, plan)
    assert "Stop after the current ones" in text and f"migration #{migration.pk}" in text
    assert reporting.snapshot(plan)["percent"] == 25
    assert operator.post(reverse("migrations:evacuation-start", args=[plan.pk])).status_code == 422
    operator.post(reverse("migrations:evacuation-stop", args=[plan.pk]))
    plan.refresh_from_db()
    assert plan.state == Evacuation.State.STOPPING
    assert "stopping after the current ones" in page_of(operator, plan)


def test_how_it_runs_can_be_changed_while_it_does_not(
    operator: Client, hosts: list[Host], vms: list[VirtualMachine]
) -> None:
    plan = build.plan(*vms, to=hosts[1], of=hosts[0])
    path = reverse("migrations:evacuation-edit", args=[plan.pk])
    assert operator.post(path, {**HOW, "to": ["h3"]}).status_code == 303
    plan.refresh_from_db()
    assert plan.destinations == ["h3"] and {move.destination_name for move in plan.moves.all()} == {"h3"}
    Evacuation.objects.update(state=Evacuation.State.RUNNING)
    assert operator.post(path, HOW).status_code == 422


def test_a_completed_evacuation_offers_the_way_home(
    operator: Client, hosts: list[Host], vms: list[VirtualMachine]
) -> None:
    plan = build.plan(*vms, to=hosts[1], of=hosts[0], state=Evacuation.State.COMPLETED, finished=timezone.now())
    plan.moves.update(state=Move.State.DONE)
    VirtualMachine.objects.update(host=hosts[1])
    assert "2 guests can come home" in page_of(operator, plan)
    part = operator.get(reverse("migrations:evacuability", args=["h1"])).content.decode()
    assert "Bring them home" in part
    operator.post(reverse("migrations:evacuations"), {"home_of": plan.pk, **HOW})
    home = Evacuation.objects.get(home_of=plan)
    assert {move.destination_name for move in home.moves.all()} == {"h1"}
    assert "Bring guests home" in page_of(operator, home)


def test_rules_are_made_changed_and_removed(operator: Client, vms: list[VirtualMachine]) -> None:
    rules = reverse("migrations:rules")
    assert "No rule yet" in operator.get(rules).content.decode()
    given = {"name": "two of a kind", "kind": "apart", "vms": [vm.pk for vm in vms]}
    assert operator.post(rules, given).status_code == 303
    rule = PlacementRule.objects.get()
    assert operator.post(rules, given).status_code == 422
    assert operator.post(rules, {**given, "name": "one", "vms": [vms[0].pk]}).status_code == 422
    path = reverse("migrations:rule", args=[rule.pk])
    assert operator.post(path, {**given, "kind": "together"}).status_code == 303
    assert "keep together" in operator.get(rules).content.decode()
    operator.post(reverse("migrations:rule-remove", args=[rule.pk]))
    assert not PlacementRule.objects.exists()


def test_whether_hosts_could_be_emptied_is_told_with_the_trend(operator: Client, hosts: list[Host]) -> None:
    reasons = [{"vm": "web", "why": "No host can take it: h2: needs 9000 MiB, 100 MiB are free."}]
    for possible in (True, False):
        told = {} if possible else {"stuck": 1, "reasons": reasons}
        Evacuability.objects.create(host=hosts[0], possible=possible, movable=3, **told)
    page = operator.get(reverse("migrations:evacuabilities")).content.decode()
    assert "0 of 1 host could be emptied" in page and "needs 9000 MiB" in page
    part = operator.get(reverse("migrations:evacuability", args=["h1"])).content.decode()
    assert "1 of 4 VMs would stay" in part and "Of the last 2 looks yes, no" in part
    assert operator.post(reverse("migrations:evacuability", args=["h1"])).status_code == 303


@pytest.mark.parametrize("state", [*Evacuation.State.values])
def test_every_state_of_a_plan_has_a_page(
    operator: Client, hosts: list[Host], vms: list[VirtualMachine], state: str
) -> None:
    plan = build.plan(*vms, to=hosts[1], of=hosts[0], state=state)
    for move, one in zip(plan.moves.all(), Move.State.values[-2:], strict=True):
        Move.objects.filter(pk=move.pk).update(state=one, kind=Kind.OFFLINE)
    assert f"plan-{plan.pk}-progress" in page_of(operator, plan)
    assert f"#{plan.pk}" in operator.get(reverse("migrations:evacuations")).content.decode()


def test_fragments_need_nothing_but_their_data() -> None:
    move = {"id": 7, "state": "copying", "percent": 42}
    assert 'id="move-7-live"' in render_to_string("migrations_app/_move.html", {"move": move})
