"""The list of guests: columns, views, rows in place, notes and tags, and acts on many."""

import pytest
from django.test import Client

from hosts import access, actions, audit, inventory
from hosts.models import AuditEvent, SavedView, VirtualMachine
from migrations_app.states import State
from tests import build

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(build.user("olga", role="operator"))
    return client


def names(client: Client, query: str) -> list[str]:
    return [row["vm"].name for row in client.get(f"/vms/?{query}").context["rows"]]


def test_columns_are_chosen_by_the_address_and_unknown_ones_ignored(operator: Client) -> None:
    vm = build.vm("web", on=build.host("kvm-1"))
    head = operator.get("/vms/?columns=uuid&columns=note&columns=nonsense").content.decode().split("<thead")[1]
    assert ">UUID<" in head and ">Note<" in head and "vCPUs" not in head.split("</thead>")[0]
    assert str(vm.uuid) in head
    usual = operator.get("/vms/").content.decode().split("<thead")[1].split("</thead>")[0]
    assert "vCPUs" in usual and ">UUID<" not in usual


def test_note_and_tags_are_kept_audited_and_found(operator: Client) -> None:
    vm = build.vm("web", on=build.host("kvm-1"))
    build.vm("db", on=vm.host)
    given = {"tags": "Production, team:web production", "note": "Belongs to <b>Ann</b>"}
    assert operator.post(f"/vms/{vm.uuid}/describe/", given).status_code == 303
    vm.refresh_from_db()
    assert vm.tag_list == ["production", "team:web"]
    for query in ("q=belongs+ANN", "q=team:web", "tag=Production", "q=production+kvm-1"):
        assert names(operator, query) == ["web"], query
    assert names(operator, "tag=prod") == []
    event = AuditEvent.objects.get()
    assert (event.action, event.outcome) == ("describe VM", "succeeded")
    assert "→ production team:web" in event.detail
    assert "&lt;b&gt;Ann" in operator.get(f"/vms/{vm.uuid}/").content.decode()
    # A host's report must not wash them away.
    inventory.settle({vm.pk})
    assert names(operator, "tag=team:web") == ["web"]


@pytest.mark.parametrize(
    "given", [{"tags": "a;b"}, {"tags": " ".join(f"t{n}" for n in range(21))}, {"note": "x" * 2001}]
)
def test_tags_and_notes_that_cannot_be_are_refused(operator: Client, given: dict[str, str]) -> None:
    vm = build.vm("web", on=build.host("kvm-1"))
    assert operator.post(f"/vms/{vm.uuid}/describe/", given).status_code == 422
    vm.refresh_from_db()
    assert (vm.note, vm.tags) == ("", "")


def test_a_host_is_described_and_found_by_it(operator: Client) -> None:
    build.host("kvm-1")
    build.host("kvm-2")
    assert operator.post("/hosts/kvm-1/describe/", {"tags": "rack-7", "note": "PSU 2 is dead"}).status_code == 303
    for query in ("q=psu", "tag=rack-7"):
        assert [host.name for host in operator.get(f"/hosts/?{query}").context["rows"]] == ["kvm-1"]


def test_a_view_is_kept_replaced_and_removed_by_whose_it_is(operator: Client, client: Client) -> None:
    query = "state=running&columns=note"
    assert operator.post("/vms/views/", {"name": " Mine ", "query": query})["Location"] == f"/vms/?{query}"
    operator.post("/vms/views/", {"name": "Mine", "query": "state=paused"})
    view = SavedView.objects.get()
    assert (view.name, view.query) == ("Mine", "state=paused")
    assert 'href="/vms/?state=paused"' in operator.get("/vms/").content.decode()
    other = Client()
    other.force_login(build.user("otto", role="operator"))
    assert other.post(f"/vms/views/{view.pk}/remove/").status_code == 404
    assert operator.post(f"/vms/views/{view.pk}/remove/").status_code == 303
    assert not SavedView.objects.exists()


def test_rows_of_changed_guests_alone_and_only_of_those_one_may_see(client: Client) -> None:
    ours = build.group("ours")
    seen, hidden = build.vm("web", on=build.host("kvm-1", groups=(ours,))), build.vm("ledger", on=build.host("kvm-2"))
    client.force_login(build.user("olga", role="operator", scope=ours))
    answer = client.get(f"/vms/rows/?columns=note&vm={seen.uuid}&vm={hidden.uuid}&vm=nonsense").content.decode()
    assert f'id="vm-{seen.pk}"' in answer and "ledger" not in answer
    assert answer.count("<tr") == 1
    listed = client.get("/vms/?columns=note").content.decode()
    row = answer.split("<tbody>")[1].split("</tbody>")[0].strip()
    assert row in listed, "a row that is put in place must equal that of the list"


def test_what_needs_attention_is_filtered_without_what_a_migration_explains(operator: Client) -> None:
    one, two = build.host("kvm-1"), build.host("kvm-2")
    build.vm("batch", on=one, persistent=False)
    build.vm("web", on=one, also_defined_on=(two,))
    torn, moving = build.vm("erp", on=one), build.vm("moving", on=one)
    for vm in (torn, moving):
        copy = vm.placements.get()
        copy.pk, copy.host = None, two
        copy.save()
        inventory.settle({vm.pk})
    build.migration(moving, to=two, state=State.SWITCHING)
    assert names(operator, "attention=two-hosts") == ["erp"]
    assert names(operator, "attention=transient") == ["batch"]
    assert names(operator, "attention=stale") == ["web"]
    assert names(operator, "attention=host-away") == []
    assert VirtualMachine.objects.get(name="moving").running_copies == 2


def test_many_are_shut_down_after_a_question_each_with_its_outcome(operator: Client) -> None:
    host = build.host("kvm-1", uri="qemu+tcp://127.0.0.1:1/system")
    vms = [build.vm(name, on=host) for name in ("web", "db")]
    off = build.vm("off", on=host, state="shut off")
    query = "&".join(f"vm={vm.uuid}" for vm in (*vms, off))
    page = operator.get(f"/vms/bulk/shutdown/?{query}").content.decode()
    assert "these 2 VMs" in page and "1 of the ticked ones is left out" in page
    assert not AuditEvent.objects.exists()
    done = operator.post("/vms/bulk/shutdown/", {"vm": [vm.uuid for vm in (*vms, off)], "reason": "power cut"})
    outcomes = {one.vm.name: (one.tone, one.text) for one in done.context["outcomes"]}
    assert outcomes["db"][0] == "error"
    assert outcomes["web"] == ("warning", "Left alone: kvm-1 does not answer.")
    assert AuditEvent.objects.get().reason == "power cut"


def test_nobody_acts_on_many_of_which_one_is_not_theirs(client: Client) -> None:
    ours, theirs = build.group("ours"), build.group("theirs")
    mine = build.vm("web", on=build.host("kvm-1", groups=(ours,)))
    seen = build.vm("db", on=build.host("kvm-2", groups=(theirs,)))
    user = build.user("olga", role="operator", scope=ours)
    build.user("vera", role="viewer")
    access.give_role(user=user, role="viewer", scope=theirs)
    client.force_login(user)
    assert client.post("/vms/bulk/start/", {"vm": [mine.uuid, seen.uuid]}).status_code == 403
    assert not AuditEvent.objects.exists()


def test_guests_are_found_by_the_new_name_of_their_host(operator: Client) -> None:
    host = build.host("kvm-1")
    build.vm("web", on=host)
    actions.edit_host(host=host, name="rack-7", actor=audit.SYSTEM)
    assert (names(operator, "q=rack-7"), names(operator, "q=kvm-1")) == (["web"], [])


def test_hosts_have_columns_and_views_of_their_own(operator: Client) -> None:
    host = build.host("kvm-1", cpu_model="EPYC")
    host.note = "PSU 2 is dead"
    host.save()
    usual = operator.get("/hosts/").content.decode()
    assert "Last seen" in usual and "PSU 2 is dead" not in usual
    query = "columns=note&columns=model"
    chosen = operator.get(f"/hosts/?{query}").content.decode()
    assert "PSU 2 is dead" in chosen and "EPYC" in chosen and 'data-label="Last seen"' not in chosen
    for kind, where in (("hosts", "/hosts/"), ("vms", "/vms/")):
        answer = operator.post("/vms/views/", {"name": "Notes", "query": query, "list": kind})
        assert answer["Location"] == f"{where}?{query}"
    assert operator.get("/hosts/").content.decode().count(">Notes</a>") == 1
    view = SavedView.objects.get(list="hosts")
    assert operator.post(f"/vms/views/{view.pk}/remove/")["Location"] == "/hosts/"
    assert SavedView.objects.get().list == "vms"
