"""What a full sync of a host with 500 guests costs: calls to libvirt counted on the wire, and seconds, side by side with
asking guest by guest.

The host is libvirt's test driver in a libvirtd of its own, so the calls are real RPC over a real socket; the guests run
nothing, and a network's way there and back is added by the relay that counts (0 and 0.3 ms). The bars: at most 10 calls, and
at least 5 times as fast as one call per guest. Reported, not asserted; asserted is that every guest was found.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from hosts import inventory
from hosts.libvirt_client.connection import Connection, Target, open_connection
from hosts.libvirt_client.domain_list import read_state
from hosts.models import Host, Placement
from hosts.watcher.definitions import AT_ONCE
from tests import build
from tests.benchmarks.report import keep, percentile
from tests.daemon import Counter, libvirtd, uri_of
from tests.hosts.nodes import write_node

pytestmark = [pytest.mark.bench, pytest.mark.django_db, pytest.mark.timeout(600)]
GUESTS, ROUNDS = 500, 5
DELAYS_S = (0.0, 0.0003)
BAR_CALLS, BAR_RATIO = 10, 5


@contextmanager
def daemon() -> Iterator[tuple[Path, Path]]:
    """A libvirtd, and a folder with a short path, as sockets want it."""
    with TemporaryDirectory(prefix="kvm", dir="/tmp") as name, libvirtd(Path(name) / "l") as socket:
        yield Path(name), socket


def test_a_full_sync_of_500_guests_on_the_test_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    # Our URIs name QEMU's hosts alone; this one names the test driver behind a socket.
    monkeypatch.setattr(Target, "full_uri", lambda target: target.uri)
    figures = {}
    with daemon() as (folder, socket):
        write_node(folder / "node.xml", {f"app-{number:03d}": uuid.uuid4() for number in range(GUESTS)})
        for delay_s in DELAYS_S:
            host = build.host(f"kvm-{delay_s * 1000:g}", uri="test:///default")
            counter = Counter(folder / f"c{delay_s}", to=socket, delay_s=delay_s)
            target = Target(host.name, uri_of(str(folder / "node.xml"), counter.path))
            with open_connection(target, timeout_s=60) as connection:
                figures[f"{delay_s * 1000:g} ms"] = measure(host, connection, counter)
            Placement.objects.all().delete()
    report(figures)


def measure(host: Host, connection: Connection, counter: Counter) -> dict[str, Any]:
    def timed(work: Callable[[], Any], rounds: int = ROUNDS) -> dict[str, float]:
        times, calls = [], counter.calls
        for _ in range(rounds):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
        return {"calls": (counter.calls - calls) / rounds, "p50_ms": percentile(times, 50) * 1000}

    look = inventory.look_at(connection, definitions=())
    assert len(look.domains) == GUESTS
    uuids = [each.uuid for each in look.domains]
    raw = connection.raw
    known = look.info.host_uuid, look.info.hostname

    def definitions() -> None:
        for first in range(0, GUESTS, AT_ONCE):
            part = uuids[first : first + AT_ONCE]
            inventory.note_look(host, inventory.look_at(connection, info=look.info, definitions=part, only=part))

    found = {
        "first sync of a host": timed(lambda: inventory.look_at(connection, definitions=())),
        "first sync of a connection": timed(lambda: inventory.look_at(connection, known=known, definitions=())),
        "sync after that": timed(lambda: inventory.look_at(connection, info=look.info, definitions=())),
        "one call a guest: its state alone": timed(lambda: [read_state(each) for each in raw.listAllDomains()]),
        "guest by guest, what a sync tells": timed(lambda: [connection.domain_state(each) for each in uuids], 1),
        "rows: all new": timed(lambda: inventory.note_look(host, look), 1),
        "rows: nothing changed": timed(lambda: inventory.note_look(host, look)),
        "all definitions, and their rows": timed(definitions, 1),
    }
    assert Placement.objects.filter(host=host, facts__vcpus=2).count() == GUESTS
    return found


def report(figures: dict[str, Any]) -> None:
    for way, rows in figures.items():
        print(f"\n{GUESTS} guests, {way} added to each call\n{'':<36} {'calls':>7} {'p50 ms':>8}")
        for name, row in rows.items():
            print(f"{name:<36} {row['calls']:>7.0f} {row['p50_ms']:>8.1f}")
        sync = rows["first sync of a connection"]
        rows["ratio"] = {
            name: rows[name]["p50_ms"] / sync["p50_ms"]
            for name in ("one call a guest: its state alone", "guest by guest, what a sync tells")
        }
        for name, ratio in rows["ratio"].items():
            print(f"{name}: {ratio:.1f} times as long as the first sync (bar {BAR_RATIO})")
        print(f"calls <= {BAR_CALLS}: {'yes' if sync['calls'] <= BAR_CALLS else 'no'}")
    keep("full-sync", figures)
