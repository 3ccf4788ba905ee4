"""Who probes a guest besides the console, and what is kept and shown of it."""

from typing import Any

import pytest
from django.template.loader import get_template

from hosts.models import HostState
from hosts.ping import Pinger
from migrations_app.continuity import Continuity
from migrations_app.models import Migration
from migrations_app.observers import observer_of
from migrations_app.snapshot import snapshot
from migrations_app.states import State
from migrations_app.views.history import CSV_COLUMNS, csv_row
from tests import build

pytestmark = pytest.mark.django_db
FOUND = {
    "observer": {"host": "h3", "role": "third"},
    "probes": [
        {
            **{"name": "tcp", "title": "TCP port 22 from the console", "error": "", "switch_over": [2, 4]},
            **{"sent": 9, "lost": 1, "refused": 2, "longest_gap_ms": 340.0, "strip": [1, 1, 0, 2, 2, 1]},
        },
        {
            **{"name": "arp", "title": "ARP from h3, a third host", "error": "it has no python3 to ask by ARP with"},
            **{"sent": 0, "lost": 0, "refused": 0, "longest_gap_ms": None, "strip": [], "switch_over": None},
        },
    ],
    "announced": {"at": "2026-11-24T22:00:00+00:00", "kind": "rarp", "mac": "52:54:00:00:00:01"},
    "streams": [
        {"port": 49153, "what": "disks", "encrypted": False},
        {"port": 49152, "what": "memory", "encrypted": True},
    ],
    "switch_ports": [{"mac": "52:54:00:00:00:01", "host": "h1", "port": "eth0"}],
}


def test_a_third_host_is_taken_that_who_asked_may_operate() -> None:
    operator = build.user("otto", role="operator", scope=build.group("site-a"))
    migration = build.migration(by=operator)
    build.host("a-hidden", groups=(build.group("site-b"),))
    build.host("b-away", groups=(build.group("site-a"),), state=HostState.UNREACHABLE)
    found = observer_of(migration)
    assert found and (found.host.name, found.role) == ("h1", "source")
    build.host("third", groups=(build.group("site-a"),))
    found = observer_of(migration)
    assert found and (found.host.name, found.role) == ("third", "third")


def test_its_name_is_no_news_to_who_may_see_both_hosts() -> None:
    migration = build.migration(by=build.user("anna", role="admin"))
    assert migration.source and migration.destination
    migration.source.groups.add(build.group("site-a"))
    migration.destination.groups.add(build.group("site-b"))
    build.host("a-hidden", groups=(build.group("site-a"),))
    found = observer_of(migration)
    assert found and found.role == "source"
    both = build.host("both", groups=(build.group("site-a"), build.group("site-b")))
    found = observer_of(migration)
    assert found and found.host == both


def test_without_an_address_nothing_is_probed() -> None:
    migration = build.migration()
    with Continuity(migration) as continuity:
        continuity.note()
        words, good = continuity.wait_for_answers()
    assert (migration.ping, migration.continuity, good) == ({}, {}, True) and "not known" in words


def test_the_switch_over_is_marked_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against this machine, in whose name the migration's states are moved by hand."""
    monkeypatch.setattr("migrations_app.observers.observer_of", lambda _migration: None)
    migration = build.migration(ping_address="127.0.0.1", state=State.COPYING)
    with Continuity(migration) as continuity:
        assert isinstance(continuity.ping, Pinger)
        words, good = continuity.wait_for_answers()
        assert good and "longest gap" in words
        continuity.note()
        assert migration.ping["switch_over"] is None
        migration.state = State.VERIFYING
        continuity.wait_for_answers()
    first, last = migration.ping["switch_over"]
    assert 0 < first <= last <= len(migration.ping["strip"])


def test_the_fragment_shows_each_probe_with_the_gap_beside_the_downtime() -> None:
    migration = build.migration(
        state=State.COMPLETED,
        ping_address="198.51.100.10",
        ping={"sent": 90, "lost": 3, "longest_gap_ms": 210.0, "strip": [1, 0, 1], "switch_over": [1, 2]},
        downtime_ms=85,
        continuity=FOUND,
    )
    html = get_template("migrations_app/_ping.html").render({"m": snapshot(migration)})
    assert html.count("strip-bars") == 2 and html.count("strip-mark") == 2
    text = html.replace("\N{NO-BREAK SPACE}", " ")
    assert "Not probed: it has no python3" in text and "2 refused" in text
    assert "85 ms" in text and "210 ms" in text and "125 ms more" in text
    assert "the memory to port 49152, encrypted by TLS" in text and "the disks to port 49153, in the clear" in text
    assert "QEMU announce 52:54:00:00:00:01" in text and "by eth0" in text


def test_the_export_has_every_point_of_view() -> None:
    migration = build.migration(state=State.COMPLETED, continuity=FOUND, ping={"lost": 3, "longest_gap_ms": 210.0})
    row = dict(zip(CSV_COLUMNS, csv_row(migration), strict=True))
    assert (row["ping_lost"], row["ping_longest_gap_ms"]) == (3, 210.0)
    assert (row["tcp_lost"], row["tcp_longest_gap_ms"], row["arp_lost"]) == (1, 340.0, 0)
    assert row["second_ping_longest_gap_ms"] is None


def test_a_port_is_probed_only_with_an_address(admin_client: Any) -> None:
    source, destination = build.host("h1"), build.host("h2")
    vm = build.vm(on=source)
    body = {"vm": str(vm.uuid), "destination": destination.name, "probe_port": 22}
    answer = admin_client.post("/api/v1/migrations", body, content_type="application/json")
    assert answer.status_code == 422 and answer.json()["field"] == "ping_address"
    body |= {"ping_address": "198.51.100.9"}
    answer = admin_client.post("/api/v1/migrations", body, content_type="application/json")
    assert answer.status_code == 201 and Migration.objects.get().probe_port == 22


def test_why_nobody_looked_at_the_wire_is_said() -> None:
    migration = build.migration(continuity={"wire_error": "its login is not root, so it can't look at the wire"})
    html = get_template("migrations_app/_ping.html").render({"m": snapshot(migration)})
    assert "was not seen on the wire: its login is not root" in html


def test_a_migration_that_stops_for_a_person_has_no_switch_over_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migrations_app.observers.observer_of", lambda _migration: None)
    migration = build.migration(ping_address="127.0.0.1", state=State.COPYING)
    with Continuity(migration) as continuity:
        continuity.wait_for_answers()
        migration.state = State.NEEDS_ATTENTION
        continuity.note()
    assert migration.ping["switch_over"] is None
