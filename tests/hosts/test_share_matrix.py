"""Shares by hosts: each state of a cell, hosts unlike the others, what is offered and mounted nowhere; and the job for many."""

import pytest
from django.test import Client

from hosts import group_mounts, mounts, share_matrix
from hosts.errors import Unreachable, WouldHide
from hosts.models import AuditEvent, Export, GroupMount, GroupMountHost, Host, Mount
from hosts.share_matrix import Cell
from tests import build

pytestmark = pytest.mark.django_db
SHARE, OPTIONS = "198.51.100.2:/home/image", "rw,vers=4.2,hard,proto=tcp,timeo=600"
State = GroupMountHost.State


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(build.user("olga", role="operator"))
    return client


def cells(source: str = SHARE) -> dict[str, Cell]:
    user = build.user("vera", role="viewer")
    found = share_matrix.rows_of(user, list(Host.objects.order_by("name")))
    return next({cell.host.name: cell for cell in row.cells} for row in found if row.source == source)


def test_each_cell_says_how_the_share_is_there() -> None:
    hosts = {name: build.host(name) for name in "abcdefgh"}
    build.mount(on=hosts["a"], options=OPTIONS, latency_ms=2.0)
    build.mount(on=hosts["b"], options=OPTIONS, latency_ms=900.0)
    build.mount(on=hosts["c"], options=OPTIONS.replace("rw", "ro"))
    build.mount(on=hosts["d"], options=OPTIONS, state="stale")
    build.mount(on=hosts["e"], source="198.51.100.9:/other")
    build.mount(on=hosts["f"], state="missing", wanted=True)
    build.mount(on=hosts["g"], state="not mounted")
    found = {name: cell.state for name, cell in cells().items()}
    assert found == {
        "a": "healthy",
        "b": "slow",
        "c": "read-only",
        "d": "stale",
        "e": "other source",
        "f": "missing",
        "g": "not wanted",
        "h": "not wanted",
    }


def test_a_host_unlike_the_others_is_pointed_out() -> None:
    for name in ("a", "b", "c"):
        build.mount(on=build.host(name), options=OPTIONS)
    build.mount(on=build.host("d"), options=OPTIONS.replace("4.2", "3"))
    build.mount(on=build.host("e"), options=OPTIONS, target="/srv")
    found = cells()
    assert [found[name].differs for name in "abc"] == [[], [], []]
    assert [(one.name, one.mine, one.theirs) for one in found["d"].differs] == [("vers", "3", "4.2")]
    assert (found["e"].elsewhere, found["d"].elsewhere) == ("/srv", "")


def test_a_server_has_one_row_under_all_its_names_and_its_offers_have_rows_too() -> None:
    server = build.nfs_server("nas-1", ssh="root@nas-1.example.net")
    server.facts = {"exports": [{"path": "/srv/new", "client": "198.51.100.0/24", "options": "rw", "ours": True}]}
    server.save()
    build.mount(on=build.host("a"))
    build.mount(on=build.host("b"), source="nas-1:/home/image/")
    Export.objects.create(
        server="198.51.100.2", path="/home/image", clients="*", seen=server.checked or "2026-01-01T00:00Z"
    )
    found = share_matrix.rows_of(build.user("vera", role="viewer"), list(Host.objects.order_by("name")))
    assert [(row.source, row.clients) for row in found] == [(SHARE, "*"), ("198.51.100.2:/srv/new", "198.51.100.0/24")]
    assert [cell.state for row in found for cell in row.cells] == ["healthy", "healthy", "not wanted", "not wanted"]


def test_the_page_and_a_cell_of_it(operator: Client) -> None:
    site = build.group("site-a")
    build.mount(on=build.host("kvm-1", groups=(site,)), options=OPTIONS)
    build.host("kvm-2", groups=(site,))
    build.mount(on=build.host("kvm-3"), options=OPTIONS.replace("hard", "soft"))
    page = operator.get("/storage/matrix/?group=site-a").content.decode()
    assert "kvm-3" not in page
    assert "Mount on kvm-2" in page
    cell = operator.get("/storage/matrix/", {"source": SHARE, "on": "kvm-2"}).content.decode()
    assert 'name="back"' in cell and 'value="/mnt"' in cell and "vers=4.2,hard,_netdev,nofail" in cell
    odd = operator.get("/storage/matrix/", {"source": SHARE, "on": "kvm-3"}).content.decode()
    assert "soft hands the guest an I/O error" in odd
    assert "Remount…" in odd and "Unmount…" in odd
    assert operator.get("/storage/matrix/", {"source": SHARE, "on": "nowhere"}).status_code == 404


def test_a_form_leads_back_only_to_this_console(operator: Client) -> None:
    mount = build.mount(on=build.host("kvm-1"))
    path = f"/hosts/kvm-1/mounts/{mount.pk}/unmount/"
    assert 'value="/storage/matrix/?on=a"' in operator.get(path, {"back": "/storage/matrix/?on=a"}).content.decode()
    for hostile in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"):
        assert operator.get(path, {"back": hostile}).context["back"] == "/hosts/kvm-1/mounts/"


def test_one_bad_host_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = [build.host(name) for name in ("good", "away", "full", "there")]
    build.mount(on=hosts[3])
    monkeypatch.setattr(mounts, "check_mounts", lambda host: list(Mount.objects.filter(host=host)))
    monkeypatch.setattr(mounts, "mount", _mount_on_a_pretended_host)
    actor = group_mounts.audit.SYSTEM
    job = group_mounts.start(hosts=hosts, source=SHARE, target="/mnt", actor=actor)
    _drive_in_this_thread(job, monkeypatch)
    found = {row.host.name: row for row in job.hosts.select_related("host")}
    assert {name: row.state for name, row in found.items()} == {
        "good": State.MOUNTED,
        "away": State.FAILED,
        "full": State.FAILED,
        "there": State.THERE,
    }
    assert (found["full"].can_move, found["away"].can_move) == (True, False)
    assert found["away"].message == "away is away." and found["away"].hint
    job.refresh_from_db()
    assert job.finished
    assert (job.owner, AuditEvent.objects.get(action="mount on many").outcome) == ("", "failed")


def _mount_on_a_pretended_host(*, host: Host, source: str, target: str, **_: object) -> Mount:
    if host.name == "away":
        raise Unreachable("away is away.", host="away")
    if host.name == "full":
        raise WouldHide("It would hide files.", host="full")
    return build.mount(on=host, source=source, target=target, version="4.2")


def _drive_in_this_thread(job: GroupMount, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's transaction is not seen by other threads."""

    class Here:
        def __init__(self, **_: object) -> None: ...
        def __enter__(self) -> "Here":
            return self

        def __exit__(self, *_: object) -> None: ...
        def submit(self, work: object, *given: object) -> "Here":
            work(*given)  # type: ignore[operator]
            return self

        def result(self) -> None: ...

    monkeypatch.setattr(group_mounts, "ThreadPoolExecutor", Here)
    monkeypatch.setattr(group_mounts.connections, "close_all", lambda: None)
    monkeypatch.setattr(group_mounts.Lease, "_beat", lambda lease: None)
    group_mounts.drive(job.pk)


def test_a_job_whose_worker_died_goes_on_with_those_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = [build.host(name) for name in ("done", "midway", "waiting")]
    job = build.group_mount(
        *hosts, states=("mounted", "running", "waiting"), owner="dead", heartbeat="2020-01-01T00:00Z"
    )
    launched: list[int] = []
    monkeypatch.setattr(group_mounts, "launch", launched.append)
    group_mounts.sweep()
    assert launched == [job.pk]
    monkeypatch.setattr(mounts, "check_mounts", lambda host: [])
    monkeypatch.setattr(mounts, "mount", _mount_on_a_pretended_host)
    _drive_in_this_thread(job, monkeypatch)
    assert set(job.hosts.values_list("state", flat=True)) == {State.MOUNTED}
    assert Mount.objects.count() == 2
    group_mounts.sweep()
    assert launched == [job.pk]


def test_bad_input_begins_nothing(operator: Client) -> None:
    build.host("kvm-1")
    for given in ({"source": "nonsense", "target": "/mnt"}, {"source": SHARE, "target": "/etc"}):
        answer = operator.post("/storage/group-mounts/", given)
        assert answer.status_code == 422
        assert answer.context["form"].errors
    assert not GroupMount.objects.exists()
    assert not AuditEvent.objects.exists()


def test_the_button_begins_a_job_and_its_page_shows_each_host(operator: Client) -> None:
    site = build.group("site-a")
    build.host("kvm-1", groups=(site,))
    build.host("kvm-2")
    answer = operator.post(
        "/storage/group-mounts/", {"source": SHARE, "target": "/mnt", "on": "site-a", "persist": "on"}
    )
    assert answer.status_code == 303
    job = GroupMount.objects.get()
    assert ([row.host.name for row in job.hosts.all()], job.persist) == (["kvm-1"], True)
    job.hosts.update(state=State.FAILED, message="kvm-1 is away.", hint="Start it.", can_move=True)
    page = operator.get(answer["Location"]).content.decode()
    assert "kvm-1 is away." in page and "Move what is there…" in page


def test_the_api_gives_the_matrix_and_begins_a_job(operator: Client) -> None:
    host = build.host("kvm-1")
    build.mount(on=host, options=OPTIONS, latency_ms=3.0)
    (share,) = operator.get("/api/v1/shares").json()["items"]
    assert (share["source"], share["target"], share["clients"]) == (SHARE, "/mnt", None)
    assert share["hosts"][0] | {"mount": 0} == {
        "host": "kvm-1", "state": "healthy", "mount": 0, "target": "/mnt", "latency_ms": 3.0, "differences": []
    }  # fmt: skip
    body = {"source": SHARE, "target": "/mnt", "hosts": ["kvm-1"]}
    answer = operator.post("/api/v1/group-mounts", body, content_type="application/json")
    assert answer.status_code == 202
    assert operator.get(f"/api/v1/group-mounts/{answer.json()['id']}").json()["hosts"][0]["state"] == "waiting"
    unknown = operator.post("/api/v1/group-mounts", body | {"hosts": ["none"]}, content_type="application/json")
    assert unknown.status_code == 404
