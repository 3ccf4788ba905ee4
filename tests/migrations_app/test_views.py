"""The pages of migrations: who sees and does what, fragments, refusals, and that text stays text."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from hosts.models import AuditEvent, HostState
from migrations_app import record
from migrations_app.models import Migration, TimelineEntry
from migrations_app.plan import Options
from migrations_app.states import State
from tests import build

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator() -> Client:
    return signed_in(build.user("olga", role="operator"))


@pytest.fixture
def viewer() -> Client:
    return signed_in(build.user("vera", role="viewer"))


def form_of(vm: Any, **given: Any) -> dict[str, Any]:
    defaults = {"vm": str(vm.uuid), "destination": "h2", "live": "on", "persistent": "on", "undefine_source": "on"}
    return {**defaults, **given}


READ = ["list", "export", "running", "detail", "live-xml"]
ACT = ["cancel", "postcopy", "pause-guest", "resume-guest", "raise-pause", "tune"]


def url(name: str, migration: Migration) -> str:
    by_pk = name not in ("list", "create", "new", "preflight", "running", "export")
    return reverse(f"migrations:{name}", args=[migration.pk] if by_pk else [])


@pytest.mark.parametrize("name", [*READ, *ACT, "new", "preflight", "create"])
def test_the_anonymous_are_sent_to_sign_in(name: str) -> None:
    migration = build.migration()
    for answer in (Client().get(url(name, migration)), Client().post(url(name, migration))):
        assert answer.status_code == 302
        assert answer.url.startswith(reverse("login"))
    assert Migration.objects.count() == 1


@pytest.mark.parametrize("name", READ)
def test_a_viewer_reads(name: str, viewer: Client) -> None:
    assert viewer.get(url(name, build.migration(live_xml="<domain/>"))).status_code == 200


@pytest.mark.parametrize("name", ACT)
def test_a_viewer_acts_on_nothing(name: str, viewer: Client) -> None:
    migration = build.migration(options=None)
    assert viewer.post(url(name, migration), {"bandwidth_mib": "5"}).status_code == 403
    migration.refresh_from_db()
    assert migration.cancel_requested is None
    assert migration.tuning == {}
    assert not AuditEvent.objects.exists()


def test_a_viewer_starts_nothing(viewer: Client) -> None:
    vm = build.vm(on=build.host("h1"))
    build.host("h2")
    assert viewer.get(reverse("migrations:new"), {"vm": vm.uuid}).status_code == 403
    assert viewer.post(reverse("migrations:create"), form_of(vm)).status_code == 403
    assert viewer.post(reverse("migrations:preflight"), form_of(vm)).status_code == 403
    assert not Migration.objects.exists()


@pytest.mark.parametrize("name", ["detail", "live-xml", "cancel", "tune"])
def test_a_migration_between_hosts_of_others_is_not_there(name: str) -> None:
    site = build.group("site-a")
    build.host("ours", groups=(site,))
    migration = build.migration(live_xml="<domain/>")
    client = signed_in(build.user(role="operator", scope=site))
    assert client.post(url(name, migration)).status_code == (404 if name in ("cancel", "tune") else 405)
    assert client.get(url(name, migration)).status_code == (405 if name == "tune" else 404)
    history = client.get(reverse("migrations:list"))
    assert (list(history.context["page"]), history.context["active"]) == ([], [])
    assert migration.command not in client.get(reverse("migrations:export")).content.decode()


def test_who_operates_the_source_only_may_watch_but_not_cancel() -> None:
    site = build.group("site-a")
    h1 = build.host("h1", groups=(site,))
    migration = build.migration(build.vm(on=h1), to=build.host("h2"))
    client = signed_in(build.user(role="operator", scope=site))
    page = client.get(url("detail", migration)).content.decode()
    assert "You may watch" in page
    assert "control-cancel" not in page
    assert client.post(url("cancel", migration)).status_code == 403


def test_the_only_possible_destination_is_chosen_already(operator: Client) -> None:
    vm = build.vm(on=build.host("h1"), address="198.51.100.20")
    build.host("h2")
    build.host("h3", state=HostState.UNREACHABLE)
    build.host("h4", maintenance=True)
    page = operator.get(reverse("migrations:new"), {"vm": vm.uuid}).content.decode()
    assert 'value="h2" checked' in page
    assert 'value="h3" disabled' in page
    assert 'value="h4" disabled' in page
    assert 'value="h1"' not in page
    assert "198.51.100.20" in page


def test_numbers_beyond_every_database_are_not_there(viewer: Client) -> None:
    assert viewer.get(f"/migrations/{10**40}/").status_code == 404
    assert viewer.get(reverse("migrations:list"), {"page": 10**40, "q": "9" * 40}).status_code == 200


def test_the_form_without_a_vm_is_not_there(operator: Client) -> None:
    assert operator.get(reverse("migrations:new")).status_code == 404
    assert operator.get(reverse("migrations:new"), {"vm": "' OR 1=1"}).status_code == 404


def test_a_click_on_migrate_queues_it_and_goes_to_its_page(operator: Client) -> None:
    vm = build.vm(on=build.host("h1"))
    build.host("h2")
    answer = operator.post(reverse("migrations:create"), form_of(vm, reason="OPS-7", ping_address="198.51.100.20"))
    migration = Migration.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/migrations/{migration.pk}/")
    shown = (migration.state, migration.source_name, migration.destination_name, migration.username, migration.reason)
    assert shown == (State.QUEUED, "h1", "h2", "olga", "OPS-7")
    assert (migration.ping_address, migration.steps.count()) == ("198.51.100.20", 6)
    event = AuditEvent.objects.get()
    assert (event.username, event.action, event.source, event.outcome) == ("olga", "migrate", "web", "pending")


def test_a_second_start_of_the_same_vm_is_refused_and_says_why(operator: Client) -> None:
    first = build.migration()
    answer = operator.post(reverse("migrations:create"), form_of(first.vm))
    assert answer.status_code == 422
    assert f"already migrating, see #{first.pk}" in answer.content.decode()
    assert Migration.objects.count() == 1
    assert AuditEvent.objects.get().outcome == "refused"


@pytest.mark.parametrize(
    "given", [{"destination": "h9"}, {"destination": ""}, {"bandwidth_mib": "-3"}, {"ping_address": "$(reboot)"}]
)
def test_bad_input_is_shown_with_422_and_starts_nothing(given: dict[str, str], operator: Client) -> None:
    vm = build.vm(on=build.host("h1"))
    build.host("h2")
    answer = operator.post(reverse("migrations:create"), form_of(vm, **given))
    assert answer.status_code == 422
    assert "field-error" in answer.content.decode()
    assert not Migration.objects.exists()
    assert not AuditEvent.objects.exists()


def test_the_preflight_of_hosts_that_do_not_answer_blocks_and_says_so(operator: Client) -> None:
    vm = build.vm(on=build.host("h1", uri="test:///does/not/exist"))
    build.host("h2", uri="test:///does/not/exist")
    answer = operator.post(reverse("migrations:preflight"), form_of(vm), headers={"hx-request": "true"})
    part = answer.content.decode()
    assert "<html" not in part
    assert "It can&#x27;t move like this" in part or "It can't move like this" in part
    assert "disabled" in part
    assert "virsh -c" in part
    whole = operator.post(reverse("migrations:preflight"), form_of(vm)).content.decode()
    assert "<html" in whole and "can't move like this" in whole
    assert not Migration.objects.exists()


def test_all_destinations_are_checked_at_once_and_say_why_not(operator: Client) -> None:
    vm = build.vm(on=build.host("h1", uri="test:///does/not/exist"))
    build.host("h2", uri="test:///does/not/exist")
    given = {"vm": str(vm.uuid), "destination": "h2"}
    part = operator.post(reverse("migrations:destinations"), given, headers={"hx-request": "true"}).content.decode()
    assert "<html" not in part and "Why not h2" in part and 'value="h2" checked' in part
    whole = operator.post(reverse("migrations:destinations"), {"vm": str(vm.uuid)}).content.decode()
    assert "<html" in whole and "Why not h2" in whole and "field-error" not in whole


def test_with_many_hosts_a_search_finds_one(operator: Client) -> None:
    vm = build.vm(on=build.host("h1"))
    for number in range(12):
        build.host(f"node-{number:02}", state=HostState.UNREACHABLE)
    page = operator.get(reverse("migrations:new"), {"vm": vm.uuid}).content.decode()
    assert "Find a destination" in page
    given = {"vm": str(vm.uuid), "find": "NODE-07"}
    part = operator.post(reverse("migrations:destinations"), given, headers={"hx-request": "true"}).content.decode()
    assert "node-07" in part and "node-08" not in part


def test_what_the_query_says_of_options_stands_in_the_form(operator: Client) -> None:
    vm = build.vm(on=build.host("h1"))
    build.host("h2")
    page = operator.get(reverse("migrations:new"), {"vm": vm.uuid, "unsafe": "on", "port": "49200"}).content.decode()
    assert 'value="49200"' in page


def test_cancel_asks_on_get_and_acts_on_post(operator: Client) -> None:
    migration = build.migration()
    page = operator.get(url("cancel", migration)).content.decode()
    assert all(name in page for name in ("web", "h1", "h2"))
    migration.refresh_from_db()
    assert migration.cancel_requested is None
    assert operator.post(url("cancel", migration)).status_code == 303
    migration.refresh_from_db()
    assert migration.cancel_requested is not None
    assert AuditEvent.objects.get().action == "cancel migration"


def test_cancel_after_the_switch_over_is_refused_with_422(operator: Client) -> None:
    migration = build.migration(state=State.VERIFYING)
    answer = operator.post(url("cancel", migration))
    assert answer.status_code == 422
    assert "the migration is verifying" in answer.content.decode()
    assert AuditEvent.objects.get().outcome == "refused"


def test_tuning_reaches_the_row_and_bad_figures_do_not(operator: Client) -> None:
    migration = build.migration()
    assert operator.post(url("tune", migration), {"max_downtime_ms": "500"}).status_code == 303
    migration.refresh_from_db()
    assert migration.tuning == {"max_downtime_ms": 500, "max_downtime_by_person": 1}
    assert migration.timeline.get().text == "Set maximum downtime 500 ms"
    assert operator.post(url("tune", migration), {"bandwidth_mib": "0"}).status_code == 422
    migration.refresh_from_db()
    assert migration.tuning["max_downtime_ms"] == 500


def test_postcopy_that_was_not_allowed_is_refused(operator: Client) -> None:
    answer = operator.post(url("postcopy", build.migration()))
    assert answer.status_code == 422
    assert "Post-copy was not allowed" in answer.content.decode()


def test_what_needs_attention_shows_both_hosts_and_the_choices(operator: Client) -> None:
    evidence = {"source": "does not answer", "destination": "says paused", "choices": ["look_again"], "asked": ""}
    migration = build.migration(state=State.NEEDS_ATTENTION, evidence=evidence, error="Nobody knows.")
    page = operator.get(url("detail", migration)).content.decode()
    assert all(text in page for text in ("does not answer", "says paused", "Ask both hosts again", "Nobody knows."))
    refused = operator.post(reverse("migrations:resolve", args=[migration.pk, "resume_at_source"]))
    assert refused.status_code == 422
    assert operator.get(reverse("migrations:resolve", args=[migration.pk, "destroy"])).status_code == 404
    migration.refresh_from_db()
    assert migration.state == State.NEEDS_ATTENTION


@pytest.mark.parametrize("state", list(State))
def test_the_page_of_every_state_shows_its_meaning(state: State, operator: Client) -> None:
    migration = build.migration(state=state, live_xml="<domain/>", error="boom" if state == State.FAILED else "")
    page = operator.get(url("detail", migration)).content.decode()
    assert 'id="live-part"' in page
    for fragment in ("status", "steps", "progress", "ping"):
        assert page.count(f'id="migration-{migration.pk}-{fragment}"') == 1
    assert ("control-cancel" in page) == (state in (State.QUEUED, State.CHECKING, State.COPYING))


def test_a_guest_that_came_over_can_be_sent_back(operator: Client) -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    migration = build.migration(build.vm(on=h2), to=h2, state=State.COMPLETED)
    Migration.objects.filter(pk=migration.pk).update(source=h1, source_name="h1")
    page = operator.get(url("detail", migration)).content.decode()
    assert f"?vm={migration.vm_uuid}&amp;destination=h1" in page
    assert "Migrate back to h1" in page


def test_what_failed_can_be_tried_again(operator: Client) -> None:
    migration = build.migration(state=State.FAILED)
    page = operator.get(url("detail", migration)).content.decode()
    assert f"?vm={migration.vm_uuid}&amp;destination=h2" in page
    assert "Try again" in page


def test_hostile_names_are_shown_as_text(operator: Client) -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    vm = build.vm(HOSTILE, on=h1)
    xml = f"<name>{HOSTILE}</name>"
    migration = build.migration(vm, to=h2, reason=HOSTILE, error=HOSTILE, raw_error=HOSTILE, live_xml=xml)
    pages = [
        operator.get(reverse("migrations:list")),
        operator.get(url("detail", migration)),
        operator.get(url("cancel", migration)),
        operator.get(reverse("migrations:new"), {"vm": vm.uuid}),
    ]
    for page in pages:
        assert HOSTILE not in page.content.decode()
        assert "&lt;script&gt;" in page.content.decode()
    download = operator.get(url("live-xml", migration))
    assert "attachment" in download["Content-Disposition"]
    assert "<" not in download["Content-Disposition"]


def test_the_timeline_shows_each_decision_with_its_reason_and_as_text(viewer: Client) -> None:
    migration = build.migration()
    record.tell(migration, HOSTILE, kind=TimelineEntry.Kind.DECISION, reason="the guest writes 18 MiB/s")
    page = viewer.get(url("detail", migration)).content.decode()
    assert "the guest writes 18 MiB/s" in page and HOSTILE not in page
    assert f'id="migration-{migration.pk}-timeline"' in page and "autopilot" in page


def test_what_the_autopilot_asks_is_answered_by_a_person(operator: Client, viewer: Client) -> None:
    tuning = {"asked_for_ms": 2000, "wanted_pause_ms": 5200}
    migration = build.migration(tuning=tuning)
    assert "Allow 5.2" in operator.get(url("detail", migration)).content.decode()
    assert "raise-pause" not in viewer.get(url("detail", migration)).content.decode()
    asked = operator.get(url("raise-pause", migration)).content.decode()
    assert "5.2" in asked and "allowed now" in asked
    assert operator.post(url("raise-pause", migration)).status_code == 303
    migration.refresh_from_db()
    assert migration.tuning["max_pause_ms"] == 5200
    assert migration.timeline.get().kind == "act"
    assert AuditEvent.objects.get(action="allow a longer pause").outcome == "succeeded"
    assert operator.post(url("raise-pause", migration)).status_code == 422
    assert AuditEvent.objects.filter(action="allow a longer pause").latest("pk").outcome == "refused"


def test_a_guest_that_was_paused_is_resumed_by_cancelling(operator: Client) -> None:
    migration = build.migration(tuning={"paused": 1})
    page = operator.get(url("detail", migration)).content.decode()
    assert "Resume the guest" in page and "Pause the guest" not in page
    assert operator.post(url("resume-guest", migration)).status_code == 303
    migration.refresh_from_db()
    assert migration.cancel_requested and migration.tuning["paused"] == 1


def test_post_copy_can_not_be_cancelled(operator: Client) -> None:
    migration = build.migration(options=Options(policy="fast"))
    assert operator.post(url("postcopy", migration)).status_code == 303
    assert (
        reverse("migrations:cancel", args=[migration.pk]) not in operator.get(url("detail", migration)).content.decode()
    )
    refused = operator.post(url("cancel", migration))
    assert refused.status_code == 422 and "post-copy" in refused.content.decode()


def test_a_check_brings_the_verdict_to_the_policies(operator: Client) -> None:
    vm = build.vm(on=build.host("h1", uri="qemu+tcp://127.0.0.1:1/system", ssh="root@127.0.0.1:1"))
    build.host("h2", uri="qemu+tcp://127.0.0.1:2/system", ssh="root@127.0.0.1:2")
    answer = operator.post(reverse("migrations:preflight"), form_of(vm), headers={"HX-Request": "true"})
    assert 'id="policy-verdict" hx-swap-oob="true"' in answer.content.decode()
