"""What is read out of a host's logs: the right time by the host's own clock, no chatter, no secrets, never an exception."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hosts.errors import Unreachable
from migrations_app import diagnosis, host_logs
from migrations_app.host_logs import HostLog
from migrations_app.models import Migration
from migrations_app.states import State
from tests import build

NOW = datetime(2026, 11, 24, 22, 6, 30, tzinfo=UTC)
QEMU = """2026-11-24 21:00:00.000+0000: starting up libvirt version: 9.0.0
-object '{"qom-type":"secret","id":"masterKey0"}' \\
2026-11-24 22:05:30.696+0000: initiating migration
2026-11-24T22:06:25.465070Z qemu-system-x86_64: failed to save SaveStateEntry with id(name): 3(ram): -5
2026-11-24T22:06:25.466198Z qemu-system-x86_64: -vnc password=hunter2: Broken pipe
2026-11-24T22:06:55.466198Z qemu-system-x86_64: too late
"""
LIBVIRTD = """2026-11-24 22:06:23.624+0000: 61: warning : qemuDomainObjTaintMsg:6603 : Domain id=2 is tainted: high-privileges
2026-11-24 22:06:25.466+0000: 70: error : qemuMigrationJobCheckStatus:1869 : job 'migration out' failed
"""
JOURNAL = "2026-11-24T22:06:25+0000 kvm-1 libvirtd[70]: End of file while reading data: Input/output error\n"


def parsed(qemu: str, libvirtd: str, *, clock: datetime = NOW) -> HostLog:
    said = f"{round(clock.timestamp())}\n=== qemu\n{qemu}\n=== libvirtd\n{libvirtd}"
    since, until = NOW - timedelta(seconds=20), NOW + timedelta(seconds=5)
    return host_logs.parse(said, host="h1", role="source", now=NOW, since=since, until=until)


def test_the_lines_of_that_time_are_kept_without_chatter_and_secrets() -> None:
    found = parsed(QEMU, LIBVIRTD)
    assert [line[20:40] for line in found.qemu] == ["465070Z qemu-system-", "466198Z qemu-system-"]
    assert len(found.libvirtd) == 1 and "migration out" in found.libvirtd[0]
    assert "hunter2" not in str(found)


def test_a_host_whose_clock_is_wrong_is_read_by_its_own_clock() -> None:
    ahead = parsed(QEMU, LIBVIRTD, clock=NOW + timedelta(hours=1))
    assert ahead.qemu == () and ahead.libvirtd == ()
    later = QEMU.replace("22:0", "23:0")
    assert len(parsed(later, "", clock=NOW + timedelta(hours=1)).qemu) == 2


def test_the_journal_s_form_is_read_too() -> None:
    assert len(parsed("", JOURNAL).libvirtd) == 1


def test_many_and_long_lines_are_bounded() -> None:
    line = "2026-11-24 22:06:25.000+0000: 70: error : " + "x" * 5000 + "\n"
    found = parsed("", line * 500)
    assert len(found.libvirtd) == host_logs.MOST_LINES
    assert max(map(len, found.libvirtd)) == host_logs.LONGEST_LINE


@pytest.mark.parametrize("said", ["", "nonsense", "=== qemu\n=== libvirtd\n", "\x00\xff"])
def test_what_makes_no_sense_is_said(said: str) -> None:
    since = until = NOW
    assert host_logs.parse(said, host="h1", role="source", now=NOW, since=since, until=until).error


@pytest.mark.django_db
def test_a_made_up_host_that_is_away_or_gone_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise Unreachable("h1 can't be reached", host="h1")

    monkeypatch.setattr(host_logs.reach, "run", away)
    found = host_logs.of_host(build.host("h1"), "h1", "source", vm="web", since=NOW, until=NOW)
    assert "h1 can't be reached" in found.error
    assert "removed" in host_logs.of_host(None, "h2", "destination", vm="web", since=NOW, until=NOW).error
    assert host_logs.of_host(build.host("h3"), "h3", "source", vm="a/b", since=NOW, until=NOW).error


@pytest.mark.django_db
def test_a_failure_is_explained_once_with_made_up_lines_of_both_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = [
        HostLog("h1", "source", libvirtd=("error : Lost connection to destination host",)),
        HostLog("h2", "destination", error="away"),
    ]
    asked = []
    monkeypatch.setattr(host_logs, "of_both", lambda *given: asked.append(given) or logs)
    row = build.migration(
        state=State.FAILED, launched=NOW, error="It failed", raw_error="passwd=hunter2 End of file while reading data"
    )
    diagnosis.diagnose(row.pk)
    diagnosis.diagnose(row.pk)
    row.refresh_from_db()
    assert len(asked) == 1
    assert row.explanation["name"] == "destination_lost"
    assert row.explanation["hosts"][0]["libvirtd"] == list(logs[0].libvirtd)
    assert row.explanation["hosts"][1]["error"] == "away"
    assert "hunter2" not in str(row.explanation)


@pytest.mark.django_db
@pytest.mark.parametrize(("state", "launched"), [(State.COMPLETED, NOW), (State.FAILED, None)])
def test_nothing_is_explained_that_did_not_fail_in_libvirt(state: State, launched: datetime | None) -> None:
    row = build.migration(state=state, launched=launched)
    diagnosis.diagnose(row.pk)
    assert Migration.objects.get(pk=row.pk).explanation == {}
