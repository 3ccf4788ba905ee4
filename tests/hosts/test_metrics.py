"""Figures: rates from counters, packed series, what is written when, and what pages and API make of it."""

import time
import uuid
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from hosts import charts, metrics, reach
from hosts.libvirt_client.connection import Target, open_connection
from hosts.libvirt_client.stats import guest_counters, read_usage
from hosts.metrics import Recorder, store
from hosts.models import Host, HostSeries, VirtualMachine, VmSeries
from hosts.rates import METRICS, Counters, Mean, rates, with_totals
from hosts.series import FINE, RESOLUTIONS, column, patch
from hosts.watcher import Watcher
from hosts.watcher import usage as usage_look
from tests import build
from tests.console import eventually

NOW = 1_814_400_000.0  # the first second of a chunk of each resolution
GIB = 2.0**30


def counters(at: float, *, run: str = "1", **used: Any) -> Counters:
    return Counters(at=at, run=run, **used)


def test_a_rate_is_what_was_used_per_second() -> None:
    before, now = counters(100, cpu=50.0, disk_read=0.0), counters(110, cpu=65.0, disk_read=1000.0, memory=GIB)
    assert dict(zip(METRICS, rates(before, now), strict=True)) == {
        "cpu": 1.5,
        "memory": GIB,
        "disk_read": 100.0,
        "disk_write": None,
        "net_rx": None,
        "net_tx": None,
    }


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(None, id="the first look"),
        pytest.param(counters(100, cpu=70.0), id="the counter fell"),
        pytest.param(counters(100, run="2", cpu=1.0), id="it restarted"),
        pytest.param(counters(10, cpu=1.0), id="too long ago"),
        pytest.param(counters(110, cpu=1.0), id="the same moment"),
    ],
)
def test_a_rate_is_unknown_where_the_counters_can_not_be_compared(before: Counters | None) -> None:
    assert rates(before, counters(110, cpu=65.0))[0] is None


def test_a_mean_leaves_out_what_is_unknown_and_a_host_adds_up_its_guests() -> None:
    one, two = (1.0, None, 10.0, 1.0, 1.0, 1.0), (3.0, None, None, 1.0, 1.0, 2.0)
    mean = Mean()
    mean.add(one)
    mean.add(two)
    assert mean.values() == (2.0, None, 10.0, 1.0, 1.0, 1.5)
    assert with_totals((8.0, GIB, None, None, None, None), [one, two]) == (8.0, GIB, 10.0, 2.0, 2.0, 3.0)


def test_a_chunk_keeps_what_it_had_and_is_exact_to_a_thousandth() -> None:
    packed = patch(b"", {3: (1.23, 7.7 * GIB, 123456.0, 0.0, None, 9e12)}, count=60)
    packed = patch(packed, {4: (2.0, None, None, None, None, None)}, count=60)
    assert len(packed) == 60 * 12
    assert column(packed, "cpu", count=60)[2:6] == [None, pytest.approx(1.23, rel=1e-3), 2.0, None]
    assert column(packed, "memory", count=60)[3:5] == [pytest.approx(7.7 * GIB, rel=1e-3), None]
    assert column(packed, "disk_read", count=60)[3] == pytest.approx(123456, rel=1e-3)
    assert column(packed, "net_tx", count=60)[3] == 65504 * 2.0**20  # half precision ends there


def test_libvirts_figures_become_counters() -> None:
    stats = {
        "cpu.time": 2_500_000_000,
        "balloon.current": 1048576,
        "balloon.unused": 524288,
        "net.count": 2,
        "net.0.rx.bytes": 5,
        "net.1.rx.bytes": 6,
        "block.count": 1,
        "block.0.rd.bytes": 7,
    }
    found = guest_counters(stats, at=1, run="3")
    assert (found.cpu, found.memory, found.net_rx, found.net_tx, found.disk_read) == (2.5, 0.5 * GIB, 11, None, 7)
    assert guest_counters({"balloon.rss": 100, "balloon.current": 80}, at=1, run="3").memory == 80 * 1024


def feed(recorder: Recorder, host: Host, vms: list[VirtualMachine], *, looks: int, first: float = NOW) -> None:
    """A look each 10 s, at which each guest has used half a CPU and read 2 MiB/s."""
    for turn in range(looks + 1):
        at = first - 10 + turn * 10 + 1
        used = {str(vm.uuid): counters(at, cpu=turn * 5.0, memory=GIB, disk_read=turn * 20.0 * 2**20) for vm in vms}
        recorder.note(host.pk, counters(at, cpu=turn * 20.0, memory=4 * GIB), used, now=at)


@pytest.mark.django_db
def test_figures_are_kept_at_falling_resolution() -> None:
    host = build.host("h1")
    vm, recorder = build.vm("web", on=host), Recorder()
    feed(recorder, host, [vm], looks=130)
    recorder.flush()
    now = NOW + 1299
    hour, day = metrics.history(vm, "hour", now=now), metrics.history(vm, "day", now=now)
    assert (len(hour.columns["cpu"]), len(day.columns["cpu"])) == (360, 1440)
    assert hour.columns["cpu"][-130:] == [pytest.approx(0.5)] * 130
    assert hour.columns["cpu"][:-130] == [None] * 230
    assert hour.columns["disk_read"][-1] == pytest.approx(2 * 2**20)
    assert [value for value in day.columns["cpu"] if value] == [pytest.approx(0.5)] * 21  # the last minute is not over
    assert [value for value in metrics.history(vm, "fortnight", now=now).columns["cpu"] if value] == [
        pytest.approx(0.5)
    ] * 2
    of_host = metrics.history(host, "hour", now=now).columns
    assert (of_host["cpu"][-1], of_host["disk_read"][-1]) == (pytest.approx(2), pytest.approx(2 * 2**20))


@pytest.mark.django_db
def test_a_second_process_adds_to_a_chunk_and_takes_nothing_from_it() -> None:
    host = build.host("h1")
    vm, first, second = build.vm("web", on=host), Recorder(), Recorder()
    feed(first, host, [vm], looks=3, first=NOW + 20)
    first.flush()
    feed(second, host, [vm], looks=3, first=NOW + 80)
    second.flush()
    points = metrics.history(vm, "hour", now=NOW + 119).columns["cpu"]
    assert points[-10:] == [*[pytest.approx(0.5)] * 3, None, None, None, *[pytest.approx(0.5)] * 3, None]
    assert VmSeries.objects.filter(of=vm, step_s=10).count() == 1


@pytest.mark.django_db
def test_a_move_leaves_no_false_rate() -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    vm, recorder = build.vm("web", on=h1), Recorder()
    recorder.note(h1.pk, counters(1), {str(vm.uuid): counters(1, cpu=1.0)}, now=NOW)
    recorder.note(h2.pk, counters(5), {str(vm.uuid): counters(5, cpu=900.0)}, now=NOW + 10)
    recorder.flush()
    assert metrics.history(vm, "hour", now=NOW + 30).is_empty


@pytest.mark.django_db
def test_a_flush_takes_a_fixed_number_of_statements_per_100_vms() -> None:
    def statements(count: int, host: Host) -> int:
        vms = [VirtualMachine(uuid=uuid.uuid4(), name=f"vm{number}") for number in range(count)]
        VirtualMachine.objects.bulk_create(vms)
        recorder = Recorder()
        feed(recorder, host, vms, looks=2, first=NOW + 20)
        with CaptureQueriesContext(database) as seen:
            assert recorder.flush(coarse=False) == count + 1
        return len(seen)

    assert statements(3, build.host("h1")) == statements(90, build.host("h2")) <= 14


@pytest.mark.django_db
def test_what_is_too_old_goes_and_the_setting_bounds_it(settings: Any) -> None:
    vm = build.vm("web", on=build.host("h1"))
    for resolution in RESOLUTIONS:
        for days in (0, 1, 10, 20, 400):
            start, _ = resolution.place(int((NOW - days * 86_400) // resolution.step_s))
            VmSeries.objects.create(of=vm, step_s=resolution.step_s, start=start, points=b"")
    left = lambda: [VmSeries.objects.filter(step_s=step).count() for step in (10, 60, 600, 7200)]  # noqa: E731
    store.prune(NOW)
    assert left() == [1, 2, 3, 4]
    settings.METRICS_DAYS = 1
    store.prune(NOW)
    assert left() == [1, 2, 2, 2]


@pytest.mark.django_db
def test_a_vm_that_is_gone_has_no_place_for_its_figures() -> None:
    host, recorder = build.host("h1"), Recorder()
    recorder.note(host.pk, counters(1), {str(uuid.uuid4()): counters(1, cpu=1.0)}, now=NOW)
    recorder.note(host.pk, counters(11), {str(uuid.uuid4()): counters(11, cpu=2.0, memory=GIB)}, now=NOW + 10)
    recorder.flush()
    assert not VmSeries.objects.exists() and not HostSeries.objects.exists()


@pytest.mark.django_db
def test_pages_draw_the_figures_with_a_table_beside_and_the_api_answers_them(client: Client) -> None:
    host = build.host("h1")
    vm, recorder = build.vm("web", on=host), Recorder()
    client.force_login(build.user(role="viewer"))
    assert "No figures yet" in client.get(f"/vms/{vm.uuid}/metrics/").content.decode()
    feed(recorder, host, [vm], looks=5, first=time.time() - 50)
    recorder.flush()
    for path in (f"/vms/{vm.uuid}/metrics/", "/hosts/h1/metrics/?span=hour"):
        html = client.get(path).content.decode()
        assert html.count("<polyline") >= 3 and "<table" in html and "2\N{NO-BREAK SPACE}MiB/s" in html
    assert ">50 %<" in html and ">4\N{NO-BREAK SPACE}GiB<" in html
    answer = client.get(f"/api/v1/vms/{vm.uuid}/metrics").json()
    assert (answer["span"], answer["step_s"], len(answer["cpu"])) == ("hour", 10, 360)
    assert 0.5 in answer["cpu"] and answer["net_rx"] == [None] * 360
    assert client.get("/api/v1/hosts/h1/metrics?span=day").json()["step_s"] == 60
    assert client.get("/api/v1/hosts/h1/metrics?span=century").status_code == 400
    elsewhere = build.user("eva", role="viewer", scope=build.group("elsewhere"))
    client.force_login(elsewhere)
    for path in (f"/vms/{vm.uuid}/metrics/", "/hosts/h1/metrics/", f"/api/v1/vms/{vm.uuid}/metrics"):
        assert client.get(path).status_code == 404


@pytest.mark.django_db
def test_lists_draw_a_line_for_each_row_and_its_latest_figure(client: Client) -> None:
    host = build.host("h1", cpus=4)
    vms, recorder = [build.vm(name, on=host) for name in ("web", "db")], Recorder()
    VirtualMachine.objects.update(vcpus=2)
    client.force_login(build.user(role="viewer"))
    feed(recorder, host, vms[:1], looks=20, first=time.time() - 200)
    recorder.flush()
    half_of_four, quarter_of_two = "50\N{NO-BREAK SPACE}%", "25\N{NO-BREAK SPACE}%"
    rows = client.get(f"/vms/rows/?vm={vms[0].uuid}&vm={vms[1].uuid}").content.decode()
    assert rows.count("<polyline") == 1 and rows.count(quarter_of_two) == 1
    assert client.get("/vms/").content.decode().count("<polyline") == 1
    assert "<polyline" not in client.get("/vms/?columns=state").content.decode()
    assert half_of_four in client.get("/hosts/").content.decode()
    assert quarter_of_two in client.get("/hosts/h1/").content.decode()


@pytest.mark.django_db
def test_sparks_of_a_page_take_one_statement_however_many_rows() -> None:
    host = build.host("h1")
    vms, recorder = [build.vm(f"vm{n}", on=host) for n in range(4)], Recorder()
    feed(recorder, host, vms, looks=12, first=NOW)
    recorder.flush()
    with CaptureQueriesContext(database) as seen:
        found = metrics.sparks(VmSeries, [vm.pk for vm in vms], now=NOW + 119)
    assert len(seen) == 1 and set(found) == {vm.pk for vm in vms}
    assert found[vms[0].pk] == [*[None] * 28, pytest.approx(0.5), pytest.approx(0.5)]


def test_libvirts_figures_are_read_on_the_test_driver() -> None:
    """It tells of a host's CPU and memory, and of a guest that it runs: nothing of what that used."""
    with open_connection(Target("t", "test:///default"), timeout_s=10) as connection:
        usage = read_usage(connection)
    assert usage.host.cpu and usage.host.memory is not None
    assert [found.cpu for found in usage.guests.values()] == [None]


@pytest.mark.django_db(transaction=True)
def test_the_watcher_keeps_what_a_host_uses_on_the_test_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    host, watcher = build.host("t", uri="test:///default"), Watcher()
    monkeypatch.setattr(usage_look, "EVERY_S", 0.2)
    watcher.start()
    eventually(lambda: metrics.recorder._last.get(host.pk), timeout_s=10, what="a look at what the host uses")
    watcher.stop()
    reach.forget(host)
    assert HostSeries.objects.filter(of=host, step_s=FINE.step_s).exists()


def test_a_host_that_does_not_answer_is_asked_more_and_more_seldom() -> None:
    assert [usage_look.pause_s(failures) for failures in range(1, 7)] == [20, 40, 80, 160, 300, 300]
    look = usage_look.UsageLook(Host(pk=1, name="away", uri="qemu+tcp://127.0.0.1:1/system"))
    look._look()
    look._look()
    now = look.due
    look.ask_if_due(now)
    look.stop()
    assert look.due == now + 40


def test_a_line_is_broken_where_nothing_is_known() -> None:
    assert charts.lines([0, 5, None, 10], width=30, height=10, top=10) == ["0.0,10.0 10.0,5.0", "30.0,0.0 32.0,0.0"]
    assert charts.lines([None, None], width=30, height=10, top=10) == []
    assert charts.thinned([1, 3, None, None, 5], count=3) == [2, None, 5]
