"""One look at the wire serves all migrations that leave a host for the same address."""

from pathlib import Path

import pytest

from hosts.errors import HostError
from migrations_app import observers, wires
from tests import build
from tests.console import eventually

pytestmark = pytest.mark.django_db
PROGRAM = """
import sys, time
print("[1.0] stream 49152 memory plain", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Says what the real one would of one connection, since no guest leaves this machine."""
    (tmp_path / "wire.py").write_text(PROGRAM)
    monkeypatch.setattr(wires, "WIRE", tmp_path / "wire.py")


def test_the_second_joins_the_first_and_sees_what_comes_after() -> None:
    host = build.host("kvm-1", uri="test:///kvm-1")
    with wires.watched(host, "192.0.2.1") as first:
        eventually(lambda: first.streams, timeout_s=20, what="the first stream to be seen")
        with wires.watched(host, "192.0.2.1") as second, wires.watched(host, "192.0.2.2") as other:
            assert second.prober is first.prober and not second.streams
            assert other.prober is not first.prober
        assert not first.error and observers._sessions[host.pk] == 1
    assert not observers._sessions[host.pk]
    with wires.watched(host, "192.0.2.1") as later:
        assert later.prober is not first.prober


def test_where_too_many_probes_run_it_is_said() -> None:
    host = build.host("kvm-1", uri="test:///kvm-1")
    taken = [observers.take_session(host) for _ in range(observers.SESSIONS)]
    try:
        assert all(taken)
        with pytest.raises(HostError, match="run on kvm-1 already"), wires.watched(host, "192.0.2.1"):
            pass
    finally:
        for _ in taken:
            observers.give_session_back(host)
