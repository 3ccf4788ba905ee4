"""The pages of guests: what they show, whom they refuse, and what asks before it acts."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from hosts import inventory
from hosts.models import AuditEvent
from tests import build

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(build.user("olga", role="operator"))
    return client


def test_a_name_that_looks_like_markup_is_shown_as_text(operator: Client) -> None:
    one, two = build.host("kvm-1"), build.host("kvm-2")
    vm = build.vm(SCRIPT, on=one, persistent=False, also_defined_on=(two,), disk='/mnt/"><img src=x>.qcow2')
    for path in ("/", "/vms/", "/hosts/kvm-1/", f"/vms/{vm.uuid}/", f"/vms/{vm.uuid}/destroy/", "/vms/?q=%3Cscript%3E"):
        page = operator.get(path).content.decode()
        assert "&lt;script&gt;alert(1)" in page, path
        assert "<script>alert" not in page, path
        assert "<img src=x>" not in page, path


def test_the_list_is_searched_filtered_sorted_and_paged(operator: Client) -> None:
    one, two = build.host("kvm-1"), build.host("kvm-2")
    for number in range(60):
        build.vm(f"app-{number:02d}", on=one if number % 2 else two, memory_mib=512 + number)
    build.vm("off", on=one, state="shut off")

    def names(query: str) -> list[str]:
        return [row["vm"].name for row in operator.get(f"/vms/{query}").context["rows"]]

    assert names("?q=app-07") == ["app-07"]
    assert names("?state=shut+off") == ["off"]
    assert names("?q=app-07&state=&host=") == ["app-07"]
    assert names("?sort=-memory_mib")[0] == "app-59"
    assert names("?host=kvm-2&page=1")[:2] == ["app-00", "app-02"]
    assert len(names("?page=1")) == 50
    assert names("?page=2")[-1] == "off"
    assert "Nothing matches" in operator.get("/vms/?q=nosuch").content.decode()


def test_only_an_active_guest_can_be_migrated_from_the_list(operator: Client) -> None:
    host = build.host("kvm-1")
    running, off = build.vm("web", on=host), build.vm("db", on=host, state="shut off")
    page = operator.get("/vms/").content.decode()
    assert f"/migrations/new/?vm={running.uuid}" in page
    assert f"?vm={off.uuid}" not in page


def test_flags_say_transient_stale_and_two_hosts(operator: Client) -> None:
    one, two = build.host("kvm-1"), build.host("kvm-2")
    build.vm("batch", on=one, persistent=False)
    build.vm("web", on=one, also_defined_on=(two,))
    torn = build.vm("erp", on=one)
    copy = torn.placements.get()
    copy.pk, copy.host = None, two
    copy.save()
    inventory.settle({torn.pk})
    flags = {row["vm"].name: row["flags"] for row in operator.get("/vms/").context["rows"]}
    assert flags == {"batch": ["transient"], "erp": ["two hosts"], "web": ["stale copy"]}
    assert "runs on two hosts" in operator.get(f"/vms/{torn.uuid}/").content.decode()


@pytest.mark.parametrize("act", ["shutdown", "reboot", "destroy", "undefine-stale", "adopt"])
def test_what_cannot_be_undone_asks_on_a_page_of_its_own(operator: Client, act: str) -> None:
    one, two = build.host("kvm-1"), build.host("kvm-2")
    vm = build.vm("web", on=one, also_defined_on=(two,))
    page = operator.get(f"/vms/{vm.uuid}/{act}/?host=kvm-2").content.decode()
    assert 'name="host" value="kvm-2"' in page
    assert "web" in page
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("act", ["start", "define", "stop-waiting"])
def test_nothing_acts_on_get(operator: Client, act: str) -> None:
    vm = build.vm("web", on=build.host("kvm-1"))
    assert operator.get(f"/vms/{vm.uuid}/{act}/").status_code == 405


def test_an_act_that_fails_says_why_on_the_page_of_the_guest(operator: Client) -> None:
    host = build.host("kvm-1", uri="qemu+tcp://127.0.0.1:1/system")
    vm = build.vm("web", on=host, state="shut off")
    answer = operator.post(f"/vms/{vm.uuid}/start/")
    assert answer.status_code == 503
    page = answer.content.decode()
    assert "The host refused the connection" in page
    assert "As each host sees it" in page
    # The answer stands at the address of the act, which a live part must not read again.
    assert f'hx-get="/vms/{vm.uuid}/"' in page
    assert AuditEvent.objects.get().outcome == "failed"


def test_an_unknown_act_and_an_unknown_guest_are_not_found(operator: Client) -> None:
    vm = build.vm("web", on=build.host("kvm-1"))
    assert operator.post(f"/vms/{vm.uuid}/explode/").status_code == 404
    assert operator.get("/vms/00000000-0000-0000-0000-000000000000/").status_code == 404


def test_a_viewer_sees_but_may_not_act(client: Client) -> None:
    client.force_login(build.user("vera", role="viewer"))
    vm = build.vm("web", on=build.host("kvm-1"))
    page = client.get(f"/vms/{vm.uuid}/").content.decode()
    assert f"/vms/{vm.uuid}/shutdown/" not in page
    assert "Migrate" not in client.get("/vms/").content.decode().split('id="live-part"')[1].split("</section>")[0]
    for act in ("start", "shutdown", "destroy"):
        assert client.post(f"/vms/{vm.uuid}/{act}/").status_code == 403
    assert not AuditEvent.objects.exists()


def test_rights_follow_the_host_where_the_copy_is(client: Client) -> None:
    ours, theirs = build.group("ours"), build.group("theirs")
    one, two = build.host("kvm-1", groups=(ours,)), build.host("kvm-2", groups=(theirs,))
    vm = build.vm("web", on=one, also_defined_on=(two,))
    hidden = build.vm("hidden", on=two)
    client.force_login(build.user("olga", role="operator", scope=ours))
    page = client.get(f"/vms/{vm.uuid}/").content.decode()
    assert "kvm-1" in page
    assert "kvm-2" not in page
    assert client.get(f"/vms/{hidden.uuid}/").status_code == 404
    assert client.post(f"/vms/{vm.uuid}/undefine-stale/", {"host": "kvm-2"}).status_code == 404


def test_the_list_takes_the_same_statements_for_any_number_of_guests(operator: Client) -> None:
    one, two = build.host("kvm-1"), build.host("kvm-2")

    def statements(*names: str) -> int:
        for name in names:
            build.vm(name, on=one, also_defined_on=(two,))
        with CaptureQueriesContext(connection) as asked:
            assert operator.get("/vms/").status_code == 200
        return len(asked)

    assert statements("web", "db") == statements(*(f"app-{number}" for number in range(30)))
