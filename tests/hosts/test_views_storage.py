"""The pages of mounts: what is refused before a host is asked, and what is kept of the form."""

import pytest
from django.test import Client

from hosts.models import AuditEvent, Mount
from tests import build

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(build.user("olga", role="operator"))
    return client


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target", "/"),
        ("target", "/mnt/.."),
        ("target", "/etc"),
        ("target", "mnt"),
        ("target", "/mnt/$(id)"),
        ("source", "198.51.100.2:/home/my image"),
        ("source", "198.51.100.2:/home/'image'"),
        ("source", '198.51.100.2:/home/"image"'),
        ("source", "198.51.100.2;reboot:/home"),
        ("source", "/home/image"),
        ("options", "rw,exec;id"),
    ],
)
def test_bad_input_is_refused_at_its_field_and_no_host_is_asked(operator: Client, field: str, value: str) -> None:
    build.host("kvm-1")
    given = {"source": "198.51.100.2:/home/image", "target": "/mnt", "options": "", field: value}
    answer = operator.post("/hosts/kvm-1/mounts/", given)
    assert answer.status_code == 422
    form = answer.context["form"]
    assert form.errors[field]
    assert form["source"].value() == given["source"]
    assert not Mount.objects.exists()
    # What is refused for its looks is not an act, or one that was refused: never one that reached a host.
    assert not AuditEvent.objects.exclude(outcome="refused").exists()


def test_a_host_that_does_not_answer_is_named_and_the_form_is_kept(operator: Client) -> None:
    build.host("kvm-1", uri="qemu+ssh://root@127.0.0.1:1/system")
    answer = operator.post("/hosts/kvm-1/mounts/", {"source": "198.51.100.2:/home/image", "target": "/mnt"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "data-error" in page
    assert 'value="198.51.100.2:/home/image"' in page
    assert AuditEvent.objects.get().outcome == "failed"
    assert not Mount.objects.exists()


def test_unmounting_asks_first(operator: Client) -> None:
    mount = build.mount(on=build.host("kvm-1"), in_fstab=True)
    page = operator.get(f"/hosts/kvm-1/mounts/{mount.pk}/unmount/").content.decode()
    assert "Take 198.51.100.2:/home/image off kvm-1?" in page
    assert 'name="forget_fstab"' in page
    assert "checked" in page
    assert Mount.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_mount_of_another_host_is_not_found(operator: Client) -> None:
    build.host("kvm-1")
    mount = build.mount(on=build.host("kvm-2"))
    assert operator.get(f"/hosts/kvm-1/mounts/{mount.pk}/unmount/").status_code == 404


def test_only_what_is_not_mounted_is_forgotten(operator: Client) -> None:
    host = build.host("kvm-1")
    mounted, gone = build.mount(on=host), build.mount(on=host, target="/old", state="not mounted")
    assert operator.post(f"/hosts/kvm-1/mounts/{gone.pk}/forget/").status_code == 303
    answer = operator.post(f"/hosts/kvm-1/mounts/{mounted.pk}/forget/")
    assert answer.status_code == 422
    assert "still mounted" in answer.content.decode()
    assert [mount.target for mount in Mount.objects.all()] == ["/mnt"]


def test_an_export_fills_the_form(operator: Client) -> None:
    build.host("kvm-1")
    answer = operator.get("/hosts/kvm-1/mounts/?source=198.51.100.2:/home/image")
    assert 'value="198.51.100.2:/home/image"' in answer.content.decode()
    part = operator.get("/hosts/kvm-1/mounts/", headers={"HX-Request": "true", "HX-Target": "mount-source"})
    assert 'id="mount-source"' in part.content.decode()
    table = operator.get("/hosts/kvm-1/mounts/", headers={"HX-Request": "true", "HX-Target": "live-part"})
    assert 'id="mount-source"' not in table.content.decode()


@pytest.mark.parametrize("server", ["", "a;reboot", "$(id)", "a b", "-e"])
def test_a_server_that_is_no_address_is_not_asked(operator: Client, server: str) -> None:
    answer = operator.get("/exports/", {"server": server})
    assert answer.status_code == 422
    assert "is not a host name or IP address" in answer.content.decode()


def test_a_viewer_sees_mounts_and_changes_none(client: Client) -> None:
    mount = build.mount(on=build.host("kvm-1"))
    client.force_login(build.user("vera", role="viewer"))
    page = client.get("/hosts/kvm-1/mounts/").content.decode()
    assert "198.51.100.2:/home/image" in page
    assert "Unmount" not in page
    assert client.post("/hosts/kvm-1/mounts/", {"source": "a:/b", "target": "/mnt"}).status_code == 403
    assert client.post(f"/hosts/kvm-1/mounts/{mount.pk}/unmount/").status_code == 403
    assert client.post(f"/hosts/kvm-1/mounts/{mount.pk}/forget/").status_code == 403
    assert client.get("/exports/?server=198.51.100.2").status_code == 403


def test_shares_are_counted_over_the_hosts_that_one_may_see(operator: Client) -> None:
    for name in ("kvm-1", "kvm-2"):
        build.mount(on=build.host(name))
    build.mount(on=build.host("kvm-3"), target="/srv", state="stale")
    share = operator.get("/storage/").context["shares"][0]
    assert (share["hosts"], share["healthy"], share["bad"], share["targets"]) == (3, 2, 1, 2)
    assert [row.target for row in operator.get("/storage/?state=stale").context["page"]] == ["/srv"]
    build.pool(on=Mount.objects.first().host)  # type: ignore[union-attr]
    assert "images" in operator.get("/storage/?tab=pools").content.decode()
