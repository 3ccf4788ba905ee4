"""What is measured is used while it is fresh, and the rate between hosts comes from migrations that had no limit."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hosts.models import Host, VirtualMachine
from migrations_app import measuring
from migrations_app.estimate import OVERHEAD_S
from migrations_app.models import DirtyRateSample, Migration
from migrations_app.states import State
from tests import build

pytestmark = pytest.mark.django_db
MIB = 1024 * 1024


def moved(vm: VirtualMachine, to: Host, *, mib: int = 200, elapsed_ms: int = 2000, **fields: Any) -> Migration:
    """A migration that copied `mib` in `elapsed_ms`, and took a second more than that."""
    now = timezone.now()
    return build.migration(
        vm,
        to=to,
        state=State.COMPLETED,
        launched=now,
        started=now,
        finished=now + timedelta(milliseconds=elapsed_ms + 1000),
        transferred_bytes=mib * MIB,
        progress={"transferred_bytes": mib * MIB, "elapsed_ms": elapsed_ms},
        **fields,
    )


@pytest.fixture
def hosts() -> tuple[Host, Host, Host]:
    return build.host("h1"), build.host("h2"), build.host("h3")


def test_a_measurement_is_used_for_five_minutes_and_no_longer(hosts: tuple[Host, Host, Host]) -> None:
    vm = build.vm(on=hosts[0])
    measuring.keep(vm, mib_per_s=12, seconds=1)
    known = measuring.known(vm, hosts[0], hosts[1], memory_used_mib=100)
    assert known.dirty_bytes_per_s == 12 * MIB and known.memory_used_bytes == 100 * MIB
    DirtyRateSample.objects.update(at=timezone.now() - timedelta(minutes=6))
    assert measuring.known(vm, hosts[0], hosts[1], memory_used_mib=None).dirty_bytes_per_s is None


def test_only_the_latest_measurements_are_kept(hosts: tuple[Host, Host, Host]) -> None:
    vm, other = build.vm(on=hosts[0]), build.vm("db", on=hosts[0])
    measuring.keep(other, mib_per_s=1, seconds=1)
    for number in range(measuring.KEPT + 5):
        measuring.keep(vm, mib_per_s=number, seconds=1)
    kept = DirtyRateSample.objects.filter(vm_uuid=vm.uuid)
    assert kept.count() == measuring.KEPT
    assert measuring.fresh(vm).mib_per_s == measuring.KEPT + 4  # type: ignore[union-attr]
    assert measuring.fresh(other) is not None


def test_the_rate_is_that_of_the_pair_else_of_the_source_else_unknown(hosts: tuple[Host, Host, Host]) -> None:
    h1, h2, h3 = hosts
    vm = build.vm(on=h1)
    nothing = measuring.known(vm, h1, h2, memory_used_mib=None)
    assert (nothing.rate_bytes_per_s, nothing.rate_from, nothing.overhead_s) == (None, "", OVERHEAD_S)
    moved(build.vm("a", on=h1), h3, mib=100)
    assert measuring.known(vm, h1, h2, memory_used_mib=None).rate_from == "source"
    moved(build.vm("b", on=h1), h2, mib=200)
    found = measuring.known(vm, h1, h2, memory_used_mib=None)
    assert (found.rate_bytes_per_s, found.rate_from) == (100 * MIB, "pair")
    assert found.overhead_s == pytest.approx(1.0)


def test_limited_and_tiny_migrations_say_nothing_of_the_rate(hosts: tuple[Host, Host, Host]) -> None:
    h1, h2, _ = hosts
    vm = build.vm(on=h1)
    moved(build.vm("a", on=h1), h2, tuning={"bandwidth_mib": 5})
    moved(build.vm("b", on=h1), h2, mib=1)
    assert measuring.known(vm, h1, h2, memory_used_mib=None).rate_bytes_per_s is None


def test_of_the_used_memory_only_what_was_sent_the_last_times_counts(hosts: tuple[Host, Host, Host]) -> None:
    h1, h2, _ = hosts
    vm = build.vm(on=h1)
    moved(vm, h2, mib=100, estimate={"memory_used_bytes": 200 * MIB}, downtime_ms=80)
    assert measuring.known(vm, h1, h2, memory_used_mib=200).sent_share == 0.5
    moved(build.vm("big", on=h1), h2, estimate={"memory_ms": 60}, downtime_ms=85)
    assert measuring.known(vm, h1, h2, memory_used_mib=200).base_downtime_ms == 25
