"""Same storage, proven: probe files really written and read on this machine, and what is made of every answer."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from hosts import audit, proof_renewal, sharing
from hosts.errors import InvalidInput
from hosts.models import AuditEvent, Host, SharingProof
from migrations_app.preflight import _with_proofs
from migrations_app.preflight.facts import Facts, Folder
from tests import build

HERE = "test:///default"
"""libvirt's test driver: a host whose commands run on this machine."""


def two_hosts() -> list[Host]:
    return [build.host(name, uri=HERE) for name in ("kvm-1", "kvm-2")]


@pytest.fixture(autouse=True)
def _no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "launch", lambda *_: None)


def prove(path: Path, hosts: list[Host]) -> dict[tuple[str, str], SharingProof]:
    event = audit.begin(actor=audit.SYSTEM, action="prove same storage", target=path)
    found = sharing.prove(path=str(path), hosts=hosts, event=event)
    return {(proof.writer.name, proof.reader.name): proof for proof in found}


@pytest.mark.django_db
def test_two_hosts_that_are_one_machine_see_the_same_storage_and_nothing_is_left(tmp_path: Path) -> None:
    hosts = two_hosts()
    found = prove(tmp_path, hosts)
    assert {pair: proof.outcome for pair, proof in found.items()} == {
        ("kvm-1", "kvm-2"): "same",
        ("kvm-2", "kvm-1"): "same",
    }
    assert list(tmp_path.iterdir()) == []
    assert AuditEvent.objects.get().detail == "2 of 2 pairs see the same storage"
    first = found["kvm-1", "kvm-2"].at
    assert prove(tmp_path, hosts)["kvm-1", "kvm-2"].at > first
    assert SharingProof.objects.count() == 2


@pytest.mark.django_db
def test_a_folder_that_is_not_there_is_not_proven(tmp_path: Path) -> None:
    found = prove(tmp_path / "none", two_hosts())["kvm-1", "kvm-2"]
    assert (found.outcome, "is no folder here" in found.detail) == ("unproven", True)


@pytest.mark.django_db
def test_a_host_that_is_away_is_not_proven_and_the_others_are(tmp_path: Path) -> None:
    hosts = [*two_hosts(), build.host("away", uri="qemu+ssh://root@127.0.0.1:1/system")]
    found = prove(tmp_path, hosts)
    assert (found["kvm-1", "kvm-2"].outcome, found["kvm-1", "away"].outcome) == ("same", "unproven")
    assert found["away", "kvm-1"].detail


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("sh: 3: cannot create /mnt/x: Permission denied", "no_root_squash"),
        ("sh: 3: cannot create /mnt/x: Read-only file system", "Remount it with rw"),
        ("printf: write error: No space left on device", "the share is full"),
        ("printf: write error: Disk quota exceeded", "quota"),
        ("sh: 3: cannot create /mnt/x: Stale file handle", "Unmount it there and mount it again"),
        ("something else", "something else"),
    ],
)
def test_why_nothing_can_be_written_is_told_with_the_fix(said: str, words: str) -> None:
    told = sharing.in_words(said, path="/mnt", host="kvm-1")
    assert words in told
    assert "/mnt on kvm-1" in told


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        ("probe probe 42\n", "same"),
        ("probe probe 43\n", "copy"),
        ("probe  \n", "apart"),
        ("", "apart"),
        ("probe other 42\n", "apart"),
    ],
)
def test_what_the_reader_sees_decides(read: str, outcome: str) -> None:
    hosts = Host(pk=1, name="a"), Host(pk=2, name="b")
    assert sharing._judge(*hosts, "probe", ("42\n", ""), (read, ""))[0] == outcome
    assert sharing._judge(*hosts, "probe", ("", "It is full."), (read, "")) == ("unproven", "It is full.")


@pytest.mark.django_db
def test_a_preflight_keeps_what_it_has_shown_and_recalls_it_where_it_can_show_nothing() -> None:
    kvm_1, kvm_2 = two_hosts()
    build.mount(on=kvm_1, target="/mnt")
    facts = Facts(vm_name="web", source="kvm-1", destination="kvm-2", folders=(Folder("/mnt/kvm", same=True),))
    points = sharing.mount_points(kvm_1, ["/mnt/kvm"])
    assert _with_proofs(kvm_1, kvm_2, facts, points) == facts
    proof = SharingProof.objects.get()
    assert (proof.path, proof.writer, proof.reader, proof.outcome) == ("/mnt", kvm_1, kvm_2, "same")
    silent = Facts(vm_name="web", source="kvm-1", destination="kvm-2", folders=(Folder("/mnt/kvm", problem="late"),))
    assert _with_proofs(kvm_1, kvm_2, silent, points).folders[0].last_same == f"{proof.at:%Y-%m-%d %H:%M} UTC"
    assert _with_proofs(kvm_2, kvm_1, silent, sharing.mount_points(kvm_2, ["/mnt/kvm"])).folders[0].last_same == ""


@pytest.mark.django_db
def test_the_pages_show_proofs_and_a_button_asks_for_new_ones(client: Client) -> None:
    kvm_1, kvm_2 = two_hosts()
    for host in (kvm_1, kvm_2):
        build.mount(on=host, options="rw,vers=4.2,hard")
    build.host("other", uri=HERE)
    sharing.record(path="/mnt", writer=kvm_1, reader=kvm_2, outcome="apart", detail="It does not appear there.")
    client.force_login(build.user("olga", role="operator"))
    page = client.get("/storage/matrix/", {"source": "198.51.100.2:/home/image", "on": "kvm-1"}).content.decode()
    assert "0 of 1 pairs proven the same" in page
    assert "It does not appear there." in page
    assert "It does not appear there." in client.get("/hosts/kvm-2/").content.decode()
    (row,) = client.get("/api/v1/sharing-proofs").json()["items"]
    assert (row["writer"], row["reader"], row["outcome"]) == ("kvm-1", "kvm-2", "apart")
    assert client.post("/storage/prove/", {"path": "/mnt"}).status_code == 303
    assert AuditEvent.objects.get(action="prove same storage").host_names == ["kvm-1", "kvm-2"]
    body = {"path": "/mnt", "hosts": ["kvm-1", "kvm-2"]}
    assert client.post("/api/v1/sharing-proofs", body, content_type="application/json").status_code == 202


@pytest.fixture
def renewals(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[list[str]]]:
    """Run the sweep as if its minute were over; the hosts of each proof that was begun so far."""

    def run() -> list[list[str]]:
        cache.delete("proofs-looked-at")
        proof_renewal.sweep()
        begun = AuditEvent.objects.filter(action="prove same storage", reason=proof_renewal.REASON).order_by("pk")
        return [event.host_names for event in begun]

    cache.clear()
    return run


@pytest.mark.django_db
def test_what_is_not_proven_is_proven_by_itself_and_again_after_a_day(
    tmp_path: Path, renewals: Callable[[], list[list[str]]]
) -> None:
    hosts = two_hosts()
    mounts = [build.mount(on=host, target=str(tmp_path)) for host in hosts]
    assert renewals() == [["kvm-1", "kvm-2"]]
    assert renewals() == [["kvm-1", "kvm-2"]]  # within the hour it is not begun again, whatever came of it
    prove(tmp_path, hosts)
    cache.clear()
    assert len(renewals()) == 1
    SharingProof.objects.filter(writer=hosts[0]).update(at=timezone.now() - proof_renewal.RENEWED_AFTER)
    assert len(renewals()) == 2
    found = prove(tmp_path, hosts)["kvm-1", "kvm-2"]
    assert found.age_s < 60 and not found.is_old
    assert AuditEvent.objects.filter(reason=proof_renewal.REASON).count() == 2
    cache.clear()
    mounts[0].delete()
    SharingProof.objects.all().delete()
    assert len(renewals()) == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("mount", "host"),
    [
        ({"state": "stale"}, {}),
        ({"state": "missing"}, {}),
        ({"source": "198.51.100.2:/home/other"}, {}),
        ({"kind": "ext4"}, {}),
        ({}, {"state": "unreachable"}),
    ],
)
def test_nothing_is_written_by_itself_where_the_share_is_not_the_same_and_answering(
    mount: dict[str, str], host: dict[str, str], renewals: Callable[[], list[list[str]]]
) -> None:
    build.mount(on=build.host("kvm-1"))
    build.mount(on=build.host("kvm-2", **host), **mount)
    assert renewals() == []


@pytest.mark.django_db
def test_many_hosts_are_proven_so_many_at_a_time(
    renewals: Callable[[], list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "MOST_HOSTS", 2)
    for number in range(5):
        build.mount(on=build.host(f"kvm-{number}"))
    for _ in range(3):
        begun = renewals()
    assert begun == [["kvm-0", "kvm-1"], ["kvm-2", "kvm-3"]]


@pytest.mark.django_db
def test_an_old_proof_is_marked_and_every_proof_shows_its_age(client: Client) -> None:
    kvm_1, kvm_2 = two_hosts()
    for host in (kvm_1, kvm_2):
        build.mount(on=host)
    for writer, reader, days in ((kvm_1, kvm_2, 3), (kvm_2, kvm_1, 1)):
        sharing.record(path="/mnt", writer=writer, reader=reader, outcome="same")
        SharingProof.objects.filter(writer=writer).update(at=timezone.now() - timedelta(days=days))
    client.force_login(build.user("vera", role="viewer"))
    page = client.get("/storage/matrix/", {"source": "198.51.100.2:/home/image", "on": "kvm-1"}).content.decode()
    assert "2 of 2 pairs proven the same, the oldest 3\N{NO-BREAK SPACE}d ago" in page
    assert page.count("no longer renewed") == 1
    assert "1\N{NO-BREAK SPACE}d ago" in client.get("/hosts/kvm-2/").content.decode()


@pytest.mark.django_db
def test_one_host_alone_and_a_hostile_path_are_refused() -> None:
    hosts = two_hosts()
    for path, chosen in (("/mnt", hosts[:1]), ("/mnt/$(id)", hosts), ("mnt", hosts), ("/etc", hosts)):
        with pytest.raises(InvalidInput):
            sharing.ask(path=path, hosts=chosen, actor=audit.SYSTEM)
    assert not AuditEvent.objects.exists()
