"""Plans and rules over the API."""

from typing import Any

import pytest
from django.test import Client

from hosts import jobs
from hosts.models import ApiToken, Host, VirtualMachine
from migrations_app.models import Evacuation, Migration, Move
from tests import build

pytestmark = pytest.mark.django_db


class Api:
    def __init__(self) -> None:
        self.headers = {"Authorization": f"Bearer {ApiToken.issue(user=build.user('otto', role='operator'))}"}

    def __call__(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        send = getattr(Client(), method.lower())
        answer = send(f"/api/v1/{path}", body or {}, content_type="application/json", headers=self.headers)
        assert answer.status_code == expect, answer.content
        return answer.json() if answer.content else None


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def vms() -> list[VirtualMachine]:
    hosts = [build.host(name, memory_mib=8192, memory_free_mib=4096) for name in ("h1", "h2")]
    return [build.vm(name, on=hosts[0]) for name in ("web", "db")]


def test_a_host_is_evacuated_by_one_call(api: Api, vms: list[VirtualMachine]) -> None:
    body = {"options": {"unsafe": True}, "parallel": 4, "destinations": ["h2"]}
    plan = api("POST", "hosts/h1/evacuate", body, expect=201)
    assert plan["state"] == "running" and plan["is_checking"] and plan["total"] == 2
    assert {move["destination"] for move in plan["moves"]} == {"h2"}
    assert plan["steps"] == [
        {
            "number": 1,
            "moves": [move["vm"] for move in plan["moves"]],
            "names": ["db", "web"],
            "reserved_mib": {"h2": 1024},
            "free_mib": {"h1": 4096, "h2": 3072},
        }
    ]
    assert not Migration.objects.exists()  # each begins once it was checked
    assert api("GET", "evacuations?host=h1&state=running")["count"] == 1
    api("POST", "hosts/h1/evacuate", expect=409)


@pytest.mark.django_db(transaction=True)
def test_a_host_that_is_emptied_at_once_is_looked_at_for_the_run_alone(
    api: Api, vms: list[VirtualMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    look = lambda pk: seen.append(Evacuation.objects.get(pk=pk).state)  # noqa: E731
    monkeypatch.setitem(jobs.TASKS, "migrations_app.check_plan", look)
    monkeypatch.setitem(jobs.TASKS, "migrations_app.go_on_with_plan", lambda pk: None)
    api("POST", "hosts/h1/evacuate", expect=201)
    assert seen == ["running"]
    api("POST", "evacuations", {"vms": [str(vms[0].uuid)]}, expect=201)
    assert seen == ["running", "planned"]


def test_the_steps_ahead_count_what_has_moved_already(api: Api, vms: list[VirtualMachine]) -> None:
    number = api("POST", "hosts/h1/evacuate", expect=201)["id"]
    Move.objects.filter(vm_name="web").update(state=Move.State.DONE)
    [step] = api("GET", f"evacuations/{number}")["steps"]
    assert step["names"] == ["db"] and step["free_mib"] == {"h1": 4608, "h2": 3072}


def test_a_plan_is_made_changed_and_discarded(api: Api, vms: list[VirtualMachine]) -> None:
    body = {"vms": [str(vm.uuid) for vm in vms], "canary": True, "reason": "load"}
    plan = api("POST", "evacuations", body, expect=201)
    assert plan["state"] == "planned" and plan["purpose"] == "bulk" and plan["canary"]
    path = f"evacuations/{plan['id']}"
    assert api("PATCH", path, {"parallel": 7})["parallel"] == 7
    assert api("GET", path)["reason"] == "load"
    move = f"{path}/moves/{plan['moves'][0]['id']}"
    assert api("POST", f"{move}/skip")["counts"]["skipped"] == 1
    assert api("POST", f"{move}/retry")["counts"]["planned"] == 2
    assert api("PATCH", move, {"destination": "h2"})["moves"][0]["chosen"]
    api("PATCH", move, {"destination": "h1"}, expect=409)
    api("PATCH", move, {"destination": "h9"}, expect=422)
    assert api("POST", f"{path}/discard", expect=202)["state"] == "discarded"
    api("POST", f"{path}/start", expect=409)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"host": "h1", "vms": ["2fb6f1f7-6f3b-4d0b-9c7b-0c36a5f7a001"]}, 400),
        ({"host": "h9"}, 422),
        ({"host": "h1", "destinations": ["h9"]}, 422),
        ({"host": "h1", "destinations": ["h1"]}, 422),
        ({"host": "h1", "parallel": 0}, 400),
        ({"host": "h1", "options": {"live": "yes"}}, 422),
        ({"home_of": 99}, 422),
    ],
)
def test_bad_input_is_refused_and_nothing_is_made(
    api: Api, vms: list[VirtualMachine], body: dict[str, Any], status: int
) -> None:
    api("POST", "evacuations", body, expect=status)
    assert not Evacuation.objects.exists() and not Move.objects.exists()


def test_rules(api: Api, vms: list[VirtualMachine]) -> None:
    body = {"name": "pair", "kind": "together", "vms": [str(vm.uuid) for vm in vms]}
    rule = api("POST", "placement-rules", body, expect=201)
    assert sorted(vm["name"] for vm in rule["vms"]) == ["db", "web"]
    api("POST", "placement-rules", body, expect=422)
    path = f"placement-rules/{rule['id']}"
    assert api("PUT", path, {**body, "kind": "apart"})["kind"] == "apart"
    assert api("GET", "placement-rules")["count"] == 1
    api("DELETE", path, expect=204)
    api("GET", path, expect=404)


def test_looks_at_a_host(api: Api, vms: list[VirtualMachine]) -> None:
    Host.objects.get(name="h1").evacuability.create(possible=True, movable=2)
    [look] = api("GET", "hosts/h1/evacuability")["items"]
    assert look["possible"] and look["movable"] == 2 and look["host"] == "h1"
    api("POST", "hosts/h1/evacuability", expect=202)
