"""Whether a host could be emptied: what is kept of a look, and when one is due."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hosts.models import Host, VmState
from migrations_app.evacuation import nightly, planning
from migrations_app.models import Evacuation
from tests import build

pytestmark = pytest.mark.django_db


@pytest.fixture
def hosts() -> list[Host]:
    return [build.host(name, memory_mib=8192, memory_free_mib=4096) for name in ("h1", "h2")]


def test_whether_a_host_could_be_emptied_names_who_would_stay(hosts: list[Host]) -> None:
    vms = [build.vm(name, on=hosts[0]) for name in ("web", "db")]
    build.vm("paused", on=hosts[0], state=VmState.PAUSED)
    plan = Evacuation(purpose=Evacuation.Purpose.EVACUATE, host=hosts[0], host_name="h1", username="kvmconsole")
    moves = [planning.move_of(plan, vm) for vm in hosts[0].vms.all()]
    found = nightly.verdict(plan, moves)
    assert (found["possible"], found["movable"], found["stuck"]) == (False, 2, 1)
    assert [reason["vm"] for reason in found["reasons"]] == ["paused"]
    fit = [move for move in moves if move.vm in vms]
    assert nightly.verdict(plan, fit)["possible"] is True


def test_each_host_is_due_once_a_night_from_its_second_day_on(hosts: list[Host]) -> None:
    build.vm("web", on=hosts[0])
    since = timezone.now()
    assert nightly.due(since) is None
    Host.objects.update(created=since - timedelta(days=2))
    assert nightly.due(since) == hosts[0]
    hosts[0].evacuability.create(possible=True)
    assert nightly.due(since) is None
