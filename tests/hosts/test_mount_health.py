"""The health of mounts: what a look stores, what is drawn of it, and the alert where running VMs lose their storage."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hosts import mounts, reach
from hosts.models import Mount, MountSample
from hosts.mounts import check, scripts
from hosts.nfs import parse_mountstats
from hosts.templatetags.traces import line, lost_marks, mount_traces, rates
from tests import build

# From /proc/self/mountstats of a kernel 6.1, cut to the lines that the script keeps.
STATS = """\
device 198.51.100.2:/home/image mounted on /mnt with fstype nfs4 statvers=1.1
\tbytes:\t0 0 4096 8192 1048576 2097152 1 2
device 198.51.100.2:/srv mounted on /srv with fstype nfs statvers=1.1
\tbytes:\t1 2 3 4 5 6 7 8
"""
MOUNTED = """{"filesystems": [{"target": "/mnt", "source": "198.51.100.2:/home/image", "fstype": "nfs4",
 "options": "rw,vers=4.2,hard"}]}\n"""
OLD = "2026-01-01T00:00:00+00:00"


def test_bytes_over_the_wire_are_read_by_target() -> None:
    assert parse_mountstats(STATS) == {"/mnt": (1048576, 2097152), "/srv": (5, 6)}
    assert parse_mountstats("device rootfs mounted on / with fstype rootfs\n\tbytes:\t1 2 3 4 5 6\n") == {}
    assert parse_mountstats("") == {}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a pretended host says to the two scripts of a look."""
    said = {"health": "0 0 1500 4096 1000 400\n"}

    def run(host: Any, argv: list[str], **_: Any) -> Any:
        looks = argv[2] == scripts.LOOK
        text = f"{MOUNTED}{scripts.SEPARATOR}\n{scripts.SEPARATOR_OF_STATS}\n{STATS}" if looks else said["health"]
        return type("Result", (), {"stdout": text, "returncode": 0})

    monkeypatch.setattr(reach, "run", run)
    return said


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    topics: list[str] = []
    monkeypatch.setattr(check.live, "publish", lambda topic, **_: topics.append(topic))
    return topics


@pytest.mark.django_db
def test_a_look_keeps_a_sample_and_who_runs_from_the_mount(answers: dict[str, str]) -> None:
    host = build.host("kvm-1")
    build.vm("web", on=host)
    build.vm("off", on=host, state="shut off")
    build.vm("elsewhere", on=host, disk="/srv/other.qcow2")
    row = next(row for row in mounts.check_mounts(host) if row.target == "/mnt")
    assert (row.users, row.latency_ms) == (["web"], 1.5)
    sample = MountSample.objects.get(mount=row)
    assert (sample.latency_ms, sample.read_bytes, sample.written_bytes) == (1.5, 1048576, 2097152)
    MountSample.objects.update(at=OLD)
    mounts.check_mounts(host)
    assert MountSample.objects.get(mount=row).at > datetime.fromisoformat(OLD)


@pytest.mark.django_db
def test_storage_that_goes_away_under_a_running_vm_is_told_on_every_page(
    answers: dict[str, str], told: list[str], client: Client
) -> None:
    host = build.host("kvm-1")
    build.vm("web", on=host)
    client.force_login(build.user("vera", role="viewer"))
    mounts.check_mounts(host)
    assert "alerts" not in told
    assert "Storage is gone" not in client.get("/vms/").content.decode()
    answers["health"] = "0 137 5000000 \n"
    mounts.check_mounts(host)
    assert told.count("alerts") == 1
    for path in ("/", "/vms/", "/migrations/", "/storage/alert/"):
        page = client.get(path).content.decode()
        assert "Storage is gone under running VMs" in page, path
        assert "web" in page
    assert client.get("/").context["troubles"][0].title == "Storage gone under running VMs"
    mounts.check_mounts(host)
    assert told.count("alerts") == 1
    answers["health"] = "0 0 1500 4096 1000 400\n"
    mounts.check_mounts(host)
    assert told.count("alerts") == 2
    assert "Storage is gone" not in client.get("/storage/alert/").content.decode()


@pytest.mark.django_db
def test_who_may_not_see_the_host_is_not_told(client: Client) -> None:
    build.mount(on=build.host("kvm-1", groups=(build.group("site-a"),)), state="stale", users=["secret-vm"])
    client.force_login(build.user("stan", role="operator", scope=build.group("site-b")))
    assert "secret-vm" not in client.get("/storage/alert/").content.decode()
    assert "secret-vm" not in client.get("/storage/").content.decode()


def sample(seconds: float, latency_ms: float | None = 1.0, read: int | None = 0) -> MountSample:
    at = datetime.fromisoformat(OLD) + timedelta(seconds=seconds)
    return MountSample(at=at, latency_ms=latency_ms, read_bytes=read, written_bytes=0)


def test_rates_leave_out_gaps_and_new_mounts() -> None:
    found = rates([sample(0, read=0), sample(30, read=3000), sample(60, read=10), sample(600, read=9999)], "read_bytes")
    assert [rate for _, rate in found] == [100.0]
    assert rates([sample(0, read=None), sample(30, read=5)], "read_bytes") == []


def test_a_line_breaks_where_nothing_was_answered() -> None:
    path = line([(0, 1.0), (30, 2.0), (60, None), (90, 1.0)], 0, 90, 2.0)
    assert (path.count("M"), path.count("L")) == (2, 1)
    assert lost_marks([(0, 1.0), (60, None)], 0, 60) == "M360.0 44V0"


def test_the_charts_say_the_same_in_words() -> None:
    shown = mount_traces([sample(0, 2.0), sample(30, None), sample(60, 40.0)])
    assert (shown["now_ms"], shown["top_ms"], shown["silent"]) == (40.0, 40.0, 1)
    assert "width" not in mount_traces([sample(0)])


@pytest.mark.django_db
def test_the_mounts_page_draws_each_mount_with_one_statement_for_all(client: Client) -> None:
    host = build.host("kvm-1")
    client.force_login(build.user("vera", role="viewer"))
    counts = []
    for number in range(2):
        for each in range(3):
            row = build.mount(on=host, target=f"/srv/{number}-{each}")
            for k in range(3):
                MountSample.objects.create(mount=row, at=timezone.now() + timedelta(seconds=30 * k), latency_ms=k)
        with CaptureQueriesContext(connection) as asked:
            page = client.get("/hosts/kvm-1/mounts/").content.decode()
        counts.append(len(asked))
    assert counts[0] == counts[1]
    assert page.count("trace-latency") == 6
    assert Mount.objects.count() == 6
