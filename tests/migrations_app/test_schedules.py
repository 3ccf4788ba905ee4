"""Schedules against the database: begun once, missed, refused; and their pages and API."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hosts import audit
from hosts.models import AuditEvent, Host, RoleBinding, VirtualMachine
from migrations_app import schedules
from migrations_app.models import Evacuation, Kind, Migration, Schedule, ScheduleRun
from migrations_app.schedules import firing
from tests import build

pytestmark = pytest.mark.django_db
WHEN = {"name": "tonight", "repeat": "once", "at": "2099-07-01T22:00", "zone": "Europe/Berlin", "window_minutes": 30}


@pytest.fixture
def hosts() -> list[Host]:
    return [build.host(name, memory_mib=8192, memory_free_mib=4096) for name in ("h1", "h2")]


@pytest.fixture
def vm(hosts: list[Host]) -> VirtualMachine:
    return build.vm("web", on=hosts[0])


def due(vm: VirtualMachine, to: Host, minutes_ago: float = 0, **fields: object) -> Schedule:
    user = fields.pop("user", None) or build.user("otto", role="operator")
    at = timezone.now() - timedelta(minutes=minutes_ago)
    given = {"cron": "", "at": at, "next_due": at, "user": user, "username": "otto", "window_minutes": 60, **fields}
    return build.schedule(vm=vm, to=to, **given)


def test_what_is_due_begins_once_as_its_owner(vm: VirtualMachine, hosts: list[Host]) -> None:
    row = due(vm, hosts[1], minutes_ago=1)
    schedules.sweep()
    schedules.sweep()
    run, migration = ScheduleRun.objects.get(), Migration.objects.get()
    assert (run.outcome, run.migration, run.note) == ("started", migration, "")
    assert migration.username == "otto" and migration.kind == Kind.LIVE
    row.refresh_from_db()
    assert row.next_due is None
    event = AuditEvent.objects.get(action="run schedule")
    assert (event.username, event.source, event.outcome) == ("otto", "schedule", "succeeded")


def test_later_than_its_window_it_is_missed_and_nothing_begins(vm: VirtualMachine, hosts: list[Host]) -> None:
    due(vm, hosts[1], minutes_ago=61)
    schedules.sweep()
    run = ScheduleRun.objects.get()
    assert run.outcome == "missed" and "61 minutes after" in run.note and not run.seen
    assert not Migration.objects.exists()


def test_days_without_the_console_are_shown_one_by_one_up_to_a_bound(vm: VirtualMachine, hosts: list[Host]) -> None:
    first = (timezone.now() - timedelta(days=40)).replace(minute=0, second=0, microsecond=0)
    hour = (timezone.now() - timedelta(hours=2)).hour
    first = first.replace(hour=hour)
    row = due(vm, hosts[1], cron=f"0 {hour} * * *", at=None, next_due=first)
    schedules.sweep()
    runs = list(ScheduleRun.objects.all())
    assert len(runs) == firing.SHOWN and {run.outcome for run in runs} == {"missed"}
    assert "earlier times were missed too" in runs[-1].note
    row.refresh_from_db()
    assert row.next_due is not None and row.next_due > timezone.now()
    assert not Migration.objects.exists()


def test_an_owner_who_lost_the_right_is_refused(vm: VirtualMachine, hosts: list[Host]) -> None:
    row = due(vm, hosts[1])
    RoleBinding.objects.filter(user=row.user).delete()
    schedules.sweep()
    run = ScheduleRun.objects.get()
    assert run.outcome == "refused" and "otto may no longer operate h1" in run.note
    assert not Migration.objects.exists()


@pytest.mark.parametrize("how", ["deleted", "inactive"])
def test_an_owner_without_an_account_is_refused(vm: VirtualMachine, hosts: list[Host], how: str) -> None:
    user = due(vm, hosts[1]).user
    assert user is not None
    if how == "deleted":
        user.delete()
    else:
        user.is_active = False
        user.save()
    schedules.sweep()
    run = ScheduleRun.objects.get()
    assert run.outcome == "refused" and "no active account" in run.note
    assert not Migration.objects.exists()


def test_a_vm_that_migrates_already_is_refused_with_the_reason(vm: VirtualMachine, hosts: list[Host]) -> None:
    build.migration(vm, to=hosts[1])
    due(vm, hosts[1])
    schedules.sweep()
    run = ScheduleRun.objects.get()
    assert run.outcome == "refused" and "already migrating" in run.note
    assert Migration.objects.count() == 1


def test_a_console_that_dies_while_it_begins_has_started_nothing(
    vm: VirtualMachine, hosts: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    due(vm, hosts[1])

    def dies(*_: object, **__: object) -> None:
        raise SystemExit

    monkeypatch.setattr(firing, "fire", dies)
    with pytest.raises(SystemExit):
        firing.sweep()
    monkeypatch.undo()
    schedules.sweep()
    run = ScheduleRun.objects.get()
    assert (run.outcome, run.note) == ("missed", firing.CUT_OFF)
    assert not Migration.objects.exists()


def test_an_evacuation_begins_as_a_plan_that_runs(vm: VirtualMachine, hosts: list[Host]) -> None:
    owner = build.user("otto", role="operator")
    options = schedules.Wanted(parallel=5, canary=True).to_dict()
    now = timezone.now()
    build.schedule(of=hosts[0], user=owner, username="otto", cron="", at=now, next_due=now, options=options)
    schedules.sweep()
    run, plan = ScheduleRun.objects.get(), Evacuation.objects.get()
    assert (run.outcome, run.evacuation, run.note) == ("started", plan, "")
    assert (plan.state, plan.parallel, plan.canary, plan.host) == ("running", 5, True, hosts[0])


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_begin_it_once() -> None:
    hosts = [build.host("h1"), build.host("h2")]
    row = due(build.vm("web", on=hosts[0]), hosts[1])
    gate, found = threading.Barrier(2), []

    def work() -> None:
        mine = Schedule.objects.get(pk=row.pk)
        gate.wait(10)
        found.append(firing.claim(mine, timezone.now()))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(run is not None for run in found) == [False, True]
    assert ScheduleRun.objects.count() == 1


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(build.user("olga", role="operator"))
    return client


def test_the_form_makes_one_and_its_page_shows_it(operator: Client, vm: VirtualMachine) -> None:
    assert "Which" not in operator.get(reverse("migrations:schedule-new"), {"vm": str(vm.uuid)}).content.decode()
    body = {**WHEN, "vm": str(vm.uuid), "destination": "h2", "policy": "gentle", "reason": "kernel"}
    answer = operator.post(reverse("migrations:schedules"), body)
    row = Schedule.objects.get()
    assert answer.status_code == 303 and answer["Location"] == row.get_absolute_url()
    assert row.next_due is not None and row.next_due.isoformat() == "2099-07-01T20:00:00+00:00"
    assert row.options["options"]["policy"] == "gentle" and row.username == "olga"
    page = operator.get(row.get_absolute_url()).content.decode()
    assert "once at 2099-07-01 22:00, Europe/Berlin" in page and "It has not run yet" in page
    form = operator.get(reverse("migrations:schedule-edit", args=[row.pk])).content.decode()
    assert "2099-07-01T22:00" in form and "kernel" in form


def test_the_form_of_a_host_asks_how_the_plan_runs(operator: Client, vm: VirtualMachine) -> None:
    body = {**WHEN, "repeat": "cron", "cron": "0 2 * * SAT", "host": "h1", "parallel": 4, "stop_after_failures": 0}
    assert operator.post(reverse("migrations:schedules"), body).status_code == 303
    row = Schedule.objects.get()
    assert (row.options["parallel"], row.host.name if row.host else "") == (4, "h1")
    assert "at 02:00 every Saturday, Europe/Berlin" in operator.get(reverse("migrations:schedules")).content.decode()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"at": ""}, "Enter a date"),
        ({"at": "2020-01-01T00:00"}, "has passed"),
        ({"zone": "Mars/Base"}, "no time zone"),
        ({"repeat": "cron", "cron": "0 2 30 2 *"}, "cron"),
        ({"window_minutes": 0}, "greater than or equal to 1"),
    ],
)
def test_a_wrong_form_is_shown_again(operator: Client, vm: VirtualMachine, wrong: dict[str, str], said: str) -> None:
    body = {**WHEN, "vm": str(vm.uuid), "destination": "h2", **wrong}
    answer = operator.post(reverse("migrations:schedules"), body)
    assert answer.status_code == 422 and said in answer.content.decode()
    assert not Schedule.objects.exists()


def test_the_preview_names_the_next_five_times(operator: Client) -> None:
    given = {**WHEN, "repeat": "cron", "cron": "0 2 29 2 *"}
    page = operator.get(reverse("migrations:schedule-preview"), given).content.decode()
    assert page.count("<time") == 5 and "day 29 of the month in February" in page


def test_what_was_missed_is_shown_until_a_person_has_seen_it(
    operator: Client, vm: VirtualMachine, hosts: list[Host]
) -> None:
    row = due(vm, hosts[1], minutes_ago=90)
    schedules.sweep()
    listed = reverse("migrations:schedules")
    assert "nightly was missed" in operator.get(listed).content.decode()
    operator.post(reverse("migrations:schedule-seen", args=[row.pk]))
    assert "nightly was missed" not in operator.get(listed).content.decode()


def test_run_now_switch_and_delete(operator: Client, vm: VirtualMachine, hosts: list[Host]) -> None:
    row = build.schedule(vm=vm, to=hosts[1])
    answer = operator.post(reverse("migrations:schedule-run", args=[row.pk]))
    migration = Migration.objects.get()
    assert answer["Location"] == migration.get_absolute_url() and migration.username == "olga"
    operator.post(reverse("migrations:schedule-switch", args=[row.pk]))
    row.refresh_from_db()
    assert not row.enabled and row.next_due is None
    operator.post(reverse("migrations:schedule-delete", args=[row.pk]))
    assert not Schedule.objects.exists() and Migration.objects.exists()


def test_the_api(operator: Client, vm: VirtualMachine) -> None:
    def send(method: str, path: str, body: dict[str, object] | None = None) -> tuple[int, dict[str, object]]:
        answer = getattr(operator, method)(path, body or {}, content_type="application/json")
        return answer.status_code, answer.json() if answer.content else {}

    path = reverse("migrations-api:schedules")
    body = {"name": "n", "vm": str(vm.uuid), "destination": "h2", "cron": "0 2 * * *", "options": {"live": True}}
    code, made = send("post", path, body)
    assert code == 201 and made["words"] == "at 02:00 every day, UTC" and made["runs"] == []
    one = reverse("migrations-api:schedule", args=[made["id"]])
    assert send("patch", one, {"at": "2099-01-01T02:00"})[1]["cron"] == ""
    assert send("patch", one, {"cron": "* * * * *"})[0] == 422
    assert send("patch", one, {"enabled": False})[1]["next_due"] is None
    code, run = send("post", reverse("migrations-api:schedule-run", args=[made["id"]]))
    assert code == 201 and run["outcome"] == "started" and run["migration"] == Migration.objects.get().pk
    assert send("post", path, {**body, "options": {"live": "yes"}, "name": "m"})[0] == 422
    assert operator.delete(one).status_code == 204


def test_a_name_that_is_taken_changes_nothing(vm: VirtualMachine, hosts: list[Host]) -> None:
    build.schedule("taken", vm=vm, to=hosts[1])
    actor = audit.Actor(user=build.user("otto", role="operator"), source="web")
    with pytest.raises(schedules.acts.InvalidInput, match="already"):
        schedules.save(
            name="taken", when=schedules.When(cron="0 2 * * *"), wanted=schedules.Wanted(), actor=actor, host=hosts[0]
        )
    assert Schedule.objects.count() == 1
