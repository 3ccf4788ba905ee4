"""The pages of NFS servers: what is shown, what is refused before a server is asked."""

import pytest
from django.test import Client

from hosts import nfs_servers
from hosts.models import AuditEvent, NfsServer
from tests import build

pytestmark = pytest.mark.django_db
FACTS = {
    "is_serving": True,
    "has_exportfs": True,
    "mountd": True,
    "rpcbind": False,
    "versions": ["4.2"],
    "exports": [{"path": "/srv/images", "client": "192.0.2.0/24", "options": "rw", "ours": True}],
    "clients": [{"address": "192.0.2.11", "name": "kvm-1", "version": "4.2", "idle_s": 3, "path": ""}],
}


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(build.user("anna", role="admin"))
    return client


def test_a_server_shows_what_it_serves_and_what_is_wrong(admin: Client) -> None:
    server = build.nfs_server(facts=FACTS)
    page = admin.get(server.get_absolute_url()).content.decode()
    for words in ("/srv/images", "192.0.2.0/24", "kvm-1", "rpcbind does not run", "Take back"):
        assert words in page
    assert "nas-1" in admin.get("/nfs-servers/").content.decode()


def test_bad_exports_are_refused_at_their_field_and_no_server_is_asked(admin: Client) -> None:
    server = build.nfs_server()
    for field, value in (("path", "/srv/my images"), ("clients", "*"), ("options", "rw,async")):
        given = {"path": "/srv/images", "clients": "192.0.2.0/24", field: value}
        answer = admin.post(server.get_absolute_url(), given)
        assert answer.status_code == 422
        assert answer.context["form"].errors[field]
    assert not AuditEvent.objects.exists()


def test_a_server_that_can_not_be_reached_is_not_stored(admin: Client) -> None:
    answer = admin.post("/nfs-servers/add/", {"name": "nas-2", "address": "192.0.2.9", "ssh": "root@127.0.0.1:1"})
    assert answer.status_code == 422
    assert "refused the connection" in answer.content.decode()
    assert not NfsServer.objects.exists()
    assert AuditEvent.objects.get().outcome == "failed"


def test_who_needs_an_export_is_known_by_address_and_path() -> None:
    server, host = build.nfs_server(), build.host("kvm-1")
    build.mount(on=host, source="198.51.100.2:/home/image", target="/mnt")
    build.vm("web", on=host, disk="/mnt/kvm/web.qcow2")
    assert nfs_servers.users_of(server, "/home/image") == (["kvm-1"], ["web on kvm-1"])
    assert nfs_servers.users_of(server, "/home") == (["kvm-1"], ["web on kvm-1"])
    assert nfs_servers.users_of(server, "/home/im") == ([], [])
    assert nfs_servers.users_of(build.nfs_server("nas-2", address="198.51.100.9"), "/home/image") == ([], [])


def test_taking_back_asks_first(admin: Client) -> None:
    server, host = build.nfs_server(facts=FACTS), build.host("kvm-1")
    build.mount(on=host, source="198.51.100.2:/srv/images")
    page = admin.get(f"{server.get_absolute_url()}unexport/?path=/srv/images").content.decode()
    assert "Stop exporting /srv/images from nas-1?" in page
    assert "kvm-1" in page
    assert not AuditEvent.objects.exists()
