"""The pages of hosts: who sees them, what they refuse, and what they keep."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from hosts import holds
from hosts.models import AuditEvent, Host
from tests import build

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(build.user("admin", role="admin"))
    return client


@pytest.mark.parametrize(
    "uri",
    [
        "qemu+ssh://root@h1;reboot/system",
        "qemu+ssh://$(id)@h1/system",
        "qemu+ssh://h1/system?command=sh",
        "http://h1/",
        "",
    ],
)
def test_a_bad_uri_is_refused_and_the_form_is_kept(admin: Client, uri: str) -> None:
    answer = admin.post("/hosts/add/", {"name": "kvm-1", "uri": uri})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert 'value="kvm-1"' in page
    assert answer.context["form"].errors["uri"]
    assert not Host.objects.exists()


def test_a_name_that_stands_in_a_path_of_the_console_is_refused(admin: Client) -> None:
    answer = admin.post("/hosts/add/", {"name": "add", "uri": "qemu+ssh://root@198.51.100.9/system"})
    assert answer.status_code == 422
    assert answer.context["form"].errors["name"]


def test_a_host_that_does_not_answer_is_stored_only_when_asked_to(admin: Client) -> None:
    # Nobody listens on port 1 of this machine, so the refusal is a real one.
    given = {"name": "kvm-1", "uri": "qemu+ssh://root@127.0.0.1:1/system"}
    answer = admin.post("/hosts/add/", given)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "The host refused the connection" in page
    assert "Save anyway" in page
    assert not Host.objects.exists()

    answer = admin.post("/hosts/add/", {**given, "anyway": "yes"})
    assert (answer.status_code, answer["Location"]) == (303, "/hosts/kvm-1/")
    assert Host.objects.get().state == "unreachable"
    outcomes = AuditEvent.objects.filter(action="add host").values_list("outcome", flat=True)
    assert sorted(outcomes) == ["failed", "succeeded"]


def test_a_key_is_not_trusted_without_its_fingerprint(admin: Client) -> None:
    given = {"name": "kvm-1", "uri": "qemu+ssh://root@127.0.0.1:1/system", "trust": "yes"}
    answer = admin.post("/hosts/add/", given)
    assert answer.status_code == 422
    assert "does not say whose key" in answer.content.decode()
    assert not AuditEvent.objects.filter(action="trust ssh host key", outcome="succeeded").exists()


def test_an_address_is_changed_only_if_it_answers(admin: Client) -> None:
    host = build.host("kvm-1")
    form = {"name": "kvm-1", "uri": "qemu+ssh://root@127.0.0.1:1/system"}
    assert admin.post("/hosts/kvm-1/edit/", form).status_code == 422
    host.refresh_from_db()
    assert host.uri == "qemu+ssh://root@kvm-1.example.net/system"
    renamed = admin.post("/hosts/kvm-1/edit/", {"name": "node-1", "uri": host.uri})
    assert renamed["Location"] == "/hosts/node-1/"


def test_removing_asks_first_and_is_refused_while_the_host_is_used(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.host("kvm-1")
    assert "out of the console?" in admin.get("/hosts/kvm-1/remove/").content.decode()
    assert Host.objects.exists()

    monkeypatch.setattr(holds, "HOLDS", [lambda host, vm: "migration #42 uses it"])
    answer = admin.post("/hosts/kvm-1/remove/", {"reason": "old"})
    assert answer.status_code == 422
    assert "migration #42 uses it" in answer.content.decode()
    assert Host.objects.exists()

    monkeypatch.setattr(holds, "HOLDS", [])
    assert admin.post("/hosts/kvm-1/remove/", {"reason": "old"}).status_code == 303
    assert not Host.objects.exists()
    assert AuditEvent.objects.get(action="remove host", outcome="succeeded").reason == "old"


def test_maintenance_goes_where_the_button_says_even_when_clicked_twice(admin: Client) -> None:
    host = build.host("kvm-1")
    for _ in range(2):
        assert admin.post("/hosts/kvm-1/maintenance/", {"maintenance": "begin"}).status_code == 303
    host.refresh_from_db()
    assert host.maintenance
    assert AuditEvent.objects.count() == 1
    admin.post("/hosts/kvm-1/maintenance/", {"maintenance": "end"})
    host.refresh_from_db()
    assert not host.maintenance


@pytest.mark.parametrize("path", ["refresh", "maintenance", "test"])
def test_nothing_acts_on_get(admin: Client, path: str) -> None:
    build.host("kvm-1")
    assert admin.get(f"/hosts/kvm-1/{path}/").status_code == 405


def test_the_list_is_filtered_and_its_part_is_the_same_rows(admin: Client) -> None:
    build.host("kvm-1")
    build.host("kvm-2", state="unreachable", error="no route")
    page = admin.get("/hosts/?state=unreachable").content.decode()
    assert "kvm-2" in page
    assert 'href="/hosts/kvm-1/"' not in page
    part = admin.get("/hosts/?state=unreachable", headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<section id="live-part"')
    assert "no route" in part
    whole = admin.get("/hosts/", headers={"HX-Request": "true", "HX-Boosted": "true"}).content.decode()
    assert "<!doctype html>" in whole
    assert "This filter can't be used" in admin.get("/hosts/?state=flying").content.decode()


def test_an_operator_of_a_group_sees_only_its_hosts_and_manages_none(client: Client) -> None:
    ours, theirs = build.group("ours"), build.group("theirs")
    build.host("kvm-1", groups=(ours,))
    build.host("kvm-2", groups=(theirs,))
    client.force_login(build.user("olga", role="operator", scope=ours))
    assert client.get("/hosts/kvm-1/").status_code == 200
    assert client.get("/hosts/kvm-2/").status_code == 404
    assert "kvm-2" not in client.get("/").content.decode()
    for path in ("add/", "kvm-1/edit/", "kvm-1/remove/"):
        assert client.get(f"/hosts/{path}").status_code == 403
        assert client.post(f"/hosts/{path}", {"name": "x"}).status_code == 403
    assert client.post("/hosts/kvm-1/maintenance/", {"maintenance": "begin"}).status_code == 403
    assert not AuditEvent.objects.exists()


def test_the_overview_names_what_needs_a_look(admin: Client) -> None:
    one, two = build.host("kvm-1"), build.host("kvm-2")
    build.host("kvm-3", state="unreachable", error="no route to 198.51.100.3")
    build.vm("web", on=one, also_defined_on=(two,))
    build.vm("batch", on=one, persistent=False)
    build.mount(on=two, state="missing")
    Host.objects.filter(name="kvm-1").update(libvirt_version="10.0.0", hypervisor_version="8.2.2")
    Host.objects.filter(name="kvm-2").update(libvirt_version="10.0.0", hypervisor_version="7.2.11")
    found = admin.get("/").context["troubles"]
    assert [one.title for trouble in found for one in trouble.items] == [
        "kvm-3 is unreachable",
        "/mnt on kvm-2: wanted but missing",
        "batch is transient",
        "web has a stale copy",
        "QEMU 7.2.11 on 1 host",
    ]
    for trouble in found:
        shown = admin.get(trouble.url)
        assert shown.status_code == 200 and "can't be used" not in shown.content.decode()
        assert trouble.title == "Versions that differ" or shown.context["page"].paginator.count == trouble.count
    assert [host.name for host in admin.get(found[-1].items[0].url).context["rows"]] == ["kvm-2"]


def test_the_map_has_every_host_one_may_see_and_says_how_it_is(admin: Client) -> None:
    site = build.group("site-a")
    build.host("kvm-1", groups=(site, build.group("site-b")))
    build.host("kvm-2", state="unreachable")
    build.host("<b>", maintenance=True)
    page = admin.get("/map/").content.decode()
    assert page.count("<title>") == 1 + 3
    assert "kvm-2: unreachable, 0 of 0 VMs running" in page and "✕</text>" in page
    assert "&lt;b&gt;: maintenance" in page and "<b>:" not in page
    assert page.index("site-a") < page.index("Without a group") and "site-b" not in page


def test_an_empty_console_says_what_to_do_first(admin: Client) -> None:
    page = admin.get("/").content.decode()
    assert "4 steps to the first live migration" in page
    assert 'href="/hosts/add/"' in page


def test_the_list_takes_the_same_statements_for_any_number_of_hosts(admin: Client) -> None:
    group = build.group("ours")

    def statements(*names: str) -> int:
        for name in names:
            build.vm(f"on-{name}", on=build.host(name, groups=(group,)))
        with CaptureQueriesContext(connection) as asked:
            assert admin.get("/hosts/").status_code == 200
        return len(asked)

    assert statements("kvm-1", "kvm-2") == statements(*(f"node-{number}" for number in range(20)))
