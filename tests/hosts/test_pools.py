"""Pools and volumes on libvirt's test driver, a real libvirt for all but uploads; who uses a volume, over all hosts."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from hosts import actions, audit, pools
from hosts.errors import HostError, InvalidInput, Refused
from hosts.models import AuditEvent, Host, StoragePool, Volume
from hosts.moving_images import facts, guests
from hosts.pools import users
from tests import build
from tests.hosts.nodes import write_node

pytestmark = pytest.mark.django_db
ACTOR = audit.Actor(user=None, source="command")
GIB = 2**30


@pytest.fixture
def host() -> Host:
    """The test driver's host that lives as long as this process."""
    row = build.host("h1", uri="test:///default")
    actions.refresh_host(row)
    return row


@pytest.fixture
def pool(host: Host, monkeypatch: Any) -> Any:
    """A pool of our own, taken away after the test; there is no qemu-img that could look into the driver's volumes."""
    monkeypatch.setattr(guests, "chains", lambda host, paths: {})
    pools.define(host=host, name="images", kind="dir", target="/mnt/images", actor=ACTOR)
    yield StoragePool.objects.get(host=host, name="images")
    row = StoragePool.objects.filter(host=host, name="images").first()
    if row:
        for volume in row.volumes.all():
            pools.delete(volume=volume, actor=ACTOR)
        pools.POOL_ACTS["undefine"](pool=row, actor=ACTOR)


def volume(pool: StoragePool, name: str = "a.qcow2", **given: Any) -> Volume:
    given = {"format": "qcow2", "capacity_bytes": GIB, **given}
    pools.create(pool=pool, name=name, actor=ACTOR, **given)
    return Volume.objects.select_related("pool__host").get(pool=pool, name=name)


def test_a_pool_lives_and_goes_on_the_test_driver(host: Host, pool: StoragePool) -> None:
    assert (pool.active, pool.autostart, pool.kind, pool.target) == (True, True, "dir", "/mnt/images")
    for act, expected in [
        ("stop", (False, True)),
        ("start", (True, True)),
        ("autostart-off", (True, False)),
        ("refresh", (True, False)),
    ]:
        pools.POOL_ACTS[act](pool=pool, actor=ACTOR)
        pool.refresh_from_db()
        assert (pool.active, pool.autostart) == expected, act
    pools.POOL_ACTS["undefine"](pool=pool, actor=ACTOR)
    assert not StoragePool.objects.filter(host=host, name="images").exists()
    assert set(AuditEvent.objects.values_list("outcome", flat=True)) == {"succeeded"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "a/b"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "-a"}, "name"),
        ({"kind": "logical"}, "kind"),
        ({"target": "/etc"}, "target"),
        ({"target": "/mnt/it's"}, "target"),
        ({"kind": "netfs", "source": "nonsense"}, "source"),
    ],
)
def test_a_pool_that_makes_no_sense_is_refused_before_a_host_is_asked(given: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        pools.define(host=build.host("h1"), actor=ACTOR, **{"name": "p", "kind": "dir", "target": "/mnt/p", **given})  # type: ignore[arg-type]
    assert refusal.value.field == field
    assert not AuditEvent.objects.exists()


def test_one_pool_for_each_name_and_folder(host: Host, pool: StoragePool) -> None:
    for name, target in (("images", "/mnt/other"), ("other", "/mnt/images")):
        with pytest.raises(Refused, match="already"):
            pools.define(host=host, name=name, kind="dir", target=target, actor=ACTOR)


def test_many_hosts_each_say_what_came_of_it(host: Host, pool: StoragePool) -> None:
    away = build.host("away", uri="qemu+tcp://127.0.0.1:1/system")
    found = pools.define_on(hosts=[away], name="images", kind="dir", target="/mnt/images", actor=ACTOR)
    assert isinstance(found["away"], HostError)


def test_volumes_are_made_cloned_and_deleted_on_the_test_driver(pool: StoragePool) -> None:
    row = volume(pool, 'it\'s "odd" & new.qcow2')
    assert (row.format, row.capacity_bytes) == ("qcow2", GIB)
    pools.clone(volume=row, name="b.qcow2", actor=ACTOR)
    assert set(pool.volumes.values_list("name", flat=True)) == {row.name, "b.qcow2"}
    pools.delete(volume=row, actor=ACTOR)
    assert list(pool.volumes.values_list("name", flat=True)) == ["b.qcow2"]


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".hidden", "-rf", "a\nb", "x" * 250])
def test_a_name_that_is_no_file_name_is_refused(pool: StoragePool, name: str) -> None:
    with pytest.raises(InvalidInput):
        volume(pool, name)
    assert not pool.volumes.exists()


def test_what_does_not_fit_or_has_its_name_taken_is_refused(pool: StoragePool) -> None:
    row = volume(pool)
    with pytest.raises(Refused, match="already"):
        volume(pool)
    with pytest.raises(Refused, match="MiB free"):
        volume(pool, "big.raw", format="raw", capacity_bytes=2**49, full=True)
    with pytest.raises(InvalidInput, match="only grows"):
        pools.resize(volume=row, capacity_bytes=GIB // 2, actor=ACTOR)
    with pytest.raises(InvalidInput, match="base"):
        volume(pool, "top.raw", format="raw", backing=row.name)


@pytest.mark.parametrize("running", [True, False])
def test_a_volume_that_a_vm_of_any_host_names_is_not_deleted(pool: StoragePool, tmp_path: Path, running: bool) -> None:
    """The other host sees the same share at another path; its guest is asked there, not looked up."""
    row = volume(pool)
    build.mount(on=pool.host, target="/mnt/images")
    uri = write_node(
        tmp_path / "node.xml", {"web": build.uuid.uuid4()}, state="1" if running else "5", disk="/srv/i/a.qcow2"
    )
    build.mount(on=build.host("h2", uri=uri), target="/srv/i")
    assert [(use.vm, use.host, use.active) for use in users.ask(row)] == [("web", "h2", running)]
    with pytest.raises(Refused, match="it is a disk of web on h2"):
        pools.delete(volume=row, actor=ACTOR)
    if running:
        with pytest.raises(Refused, match="not cloned"):
            pools.clone(volume=row, name="copy.qcow2", actor=ACTOR)
        with pytest.raises(Refused, match="not resized"):
            pools.resize(volume=row, capacity_bytes=2 * GIB, actor=ACTOR)
    assert pool.volumes.filter(pk=row.pk).exists()
    Host.objects.filter(name="h2").delete()


def test_a_backing_file_is_not_deleted(pool: StoragePool, monkeypatch: Any) -> None:
    base, top = volume(pool, "base.qcow2"), volume(pool, "top.qcow2")
    chain = {top.path: facts.Image(format="qcow2", chain=(base.path,))}
    with monkeypatch.context() as patch:
        patch.setattr(guests, "chains", lambda host, paths: {path: chain[path] for path in paths if path in chain})
        for act in (
            lambda: pools.delete(volume=base, actor=ACTOR),
            lambda: pools.resize(volume=base, capacity_bytes=2 * GIB, actor=ACTOR),
        ):
            with pytest.raises(Refused, match=r"it is what is below top\.qcow2"):
                act()


def test_a_host_that_gives_no_answer_proves_nothing(pool: StoragePool) -> None:
    row = volume(pool)
    build.mount(on=pool.host, target="/mnt/images")
    build.mount(on=build.host("away", uri="qemu+tcp://127.0.0.1:1/system"), target="/mnt/images")
    with pytest.raises(Refused, match="away does not answer"):
        pools.delete(volume=row, actor=ACTOR)
    assert pool.volumes.filter(pk=row.pk).exists()
    Host.objects.filter(name="away").delete()


def test_the_page_says_who_uses_each_volume_and_lists_what_nobody_does(client: Client) -> None:
    host = build.host("h1")
    row = build.pool("images", on=host, target="/mnt/kvm")
    for name in ("web.qcow2", "free.qcow2"):
        row.volumes.create(name=name, path=f"/mnt/kvm/{name}", format="qcow2")
    row.volumes.create(name="top.qcow2", path="/mnt/kvm/top.qcow2", format="qcow2", backing="/mnt/kvm/free.qcow2")
    build.vm("web", on=host, disk="/mnt/kvm/web.qcow2")
    client.force_login(build.user("olga", role="operator"))
    page = client.get("/hosts/h1/pools/images/")
    assert "web on h1" in page.content.decode() and page.context["unused_count"] == 1
    unused = client.get("/hosts/h1/pools/images/?unused=1")
    assert [row["volume"].name for row in unused.context["rows"]] == ["top.qcow2"]
    chain = client.get("/hosts/h1/pools/images/volumes/top.qcow2/")
    assert [link["path"] for link in chain.context["chain"]] == ["/mnt/kvm/free.qcow2"]
    asked = client.get("/hosts/h1/pools/images/volumes/web.qcow2/delete/").content.decode()
    assert "web on h1 (disk)" in asked and Volume.objects.count() == 3


def test_a_running_guests_pool_is_not_stopped(client: Client) -> None:
    host = build.host("h1")
    row = build.pool("images", on=host, target="/mnt/kvm")
    build.vm("web", on=host, disk="/mnt/kvm/web.qcow2")
    for act in ("stop", "undefine"):
        with pytest.raises(Refused, match="web runs from it"):
            pools.POOL_ACTS[act](pool=row, actor=ACTOR)
