"""A job in which nothing moves is noticed, one that moves slowly is not; a drive that hangs loses its lease."""

import subprocess
import threading
from typing import Any

import pytest

from migrations_app import lease, record
from migrations_app.stall import BEGIN_S, STALL_S, Stall


def test_what_moves_a_little_never_stalls() -> None:
    stall = Stall()
    assert not any(stall.see(moved_bytes=second, now_s=float(second)) for second in range(1, 1000))


def test_what_stands_still_stalls_after_its_time() -> None:
    stall = Stall()
    assert not stall.see(moved_bytes=1, now_s=0.0)
    assert not stall.see(moved_bytes=1, now_s=STALL_S)
    assert stall.see(moved_bytes=1, now_s=STALL_S + 1)
    stall.forgive(STALL_S + 1)
    assert not stall.see(moved_bytes=1, now_s=STALL_S + 2)


def test_any_figure_that_changes_is_a_sign_of_life() -> None:
    stall = Stall()
    stall.see("running", moved_bytes=1, now_s=0.0)
    assert not stall.see("paused", moved_bytes=1, now_s=STALL_S + 1)


def test_the_first_byte_may_take_longer() -> None:
    stall = Stall()
    stall.see(moved_bytes=0, now_s=0.0)
    assert not stall.see(moved_bytes=0, now_s=BEGIN_S)
    assert stall.see(moved_bytes=0, now_s=BEGIN_S + 1)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Time that passes at once; the lease's row is made to answer that it is ours."""
    monkeypatch.setattr("hosts.lease.BEAT_S", 0.01)
    monkeypatch.setattr("hosts.lease.SILENT_S", 0.05)
    beaten = threading.Semaphore(0)
    monkeypatch.setattr(record, "beat", lambda _pk, owner: beaten.release() or True)
    monkeypatch.setattr("hosts.lease.connections.close_all", lambda: None)
    return beaten


def test_a_drive_that_hangs_loses_its_lease_without_a_row_being_asked(quick: threading.Semaphore) -> None:
    with lease.Lease(1, "somebody") as held:
        assert quick.acquire(timeout=10)
        held._thread.join(timeout=10)
        assert not held._thread.is_alive() and held.is_lost()


def test_an_owner_is_dead_only_where_its_process_is_proven_gone() -> None:
    mine = lease.new_owner()
    place = mine.partition(":")[0]
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert len(mine) <= 80 and not lease.is_dead(mine)
    assert lease.is_dead(f"{place}:{gone.pid}:abc")
    assert not lease.is_dead(f"{place}0:{gone.pid}:abc")
    assert not any(lease.is_dead(owner) for owner in ("", "cancel", "h1:1:abc", f"{place}:x:abc", place))
