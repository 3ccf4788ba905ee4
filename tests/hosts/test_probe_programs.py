"""The programs that probe from the console or a host, run for real against this machine."""

import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hosts import reach
from hosts.models import Host
from hosts.ping import Prober, ping_argv
from hosts.ping_log import PingLog
from hosts.probe_programs import TCP
from tests.console import eventually


@pytest.fixture
def service() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def tcp_prober(port: int) -> Prober:
    return Prober([sys.executable, "-I", str(TCP), "127.0.0.1", str(port), "0.05"], interval_s=0.05)


def test_a_service_that_answers_is_told_from_one_that_is_gone(service: socket.socket) -> None:
    with tcp_prober(service.getsockname()[1]) as prober:
        eventually(lambda: prober.summary().received >= 3, timeout_s=20, what="three answers")
        service.close()
        eventually(lambda: prober.summary().refused >= 3, timeout_s=20, what="three refusals")
        summary = prober.summary()
    assert summary.lost <= 1 and summary.longest_gap_ms and summary.longest_gap_ms > 100
    assert any(probe.refused for probe in prober.strip(240)) and prober.error == ""


def test_refusals_count_apart_and_do_not_end_a_gap() -> None:
    log = PingLog(interval_s=0.1)
    for line in (
        "[1000.0] 0 bytes from 198.51.100.10: icmp_seq=1 ttl=0 time=1.000 ms",
        "[1000.1] refused icmp_seq=2",
        "[1000.3] no answer yet for icmp_seq=3",
        "[1000.4] 0 bytes from 198.51.100.10: icmp_seq=4 ttl=0 time=1.000 ms",
    ):
        log.feed(line)
    summary = log.summary()
    assert (summary.sent, summary.received, summary.refused, summary.lost) == (4, 2, 1, 1)
    assert summary.longest_gap_ms == pytest.approx(400, abs=1)
    assert [(probe.ok, probe.refused) for probe in log.strip(9)][1] == (False, True)


def test_announcements_are_kept_with_their_time() -> None:
    log = PingLog(interval_s=0.1)
    log.feed("[1000.5] announced rarp 52:54:00:aa:bb:cc")
    assert [(one.kind, one.mac, one.at.timestamp()) for one in log.announcements] == [
        ("rarp", "52:54:00:aa:bb:cc", 1000.5)
    ]


def test_the_strip_can_be_that_about_a_moment() -> None:
    log = PingLog(interval_s=0.1)
    for number in range(1, 101):
        log.feed(f"[{1000 + number / 10:.3f}] 64 bytes from 198.51.100.10: icmp_seq={number} ttl=64 time=1.000 ms")
    began = log.strip(100)[0].t_s
    moment = datetime.fromtimestamp(1000.1 + 5, tz=UTC)
    shown = log.strip(30, around=moment)
    assert len(shown) == 30 and shown[0].t_s < log.since_first_s(moment) < shown[-1].t_s and began == 0


def test_a_probe_on_a_host_ends_with_its_input() -> None:
    """On this machine by the same script; what remains would be seen as a process with that address."""
    here = Host(name="here", uri="qemu:///system")
    prober = reach.prober(here, ping_argv("127.0.0.53", 0.1), interval_s=0.1, limit_s=60)
    prober.start()
    eventually(lambda: prober.summary().received >= 2, timeout_s=20, what="two answers")
    prober.stop()
    eventually(lambda: not running("127.0.0.53"), timeout_s=20, what="the ping to end")


def test_a_probe_that_can_not_run_says_why() -> None:
    here = Host(name="here", uri="qemu:///system")
    with reach.prober(here, ["sh", "-c", "echo it has no such thing"], interval_s=0.1, limit_s=60) as prober:
        eventually(lambda: prober.error, timeout_s=60, what="the error")
    assert prober.summary().sent == 0


def running(word: str) -> bool:
    """Does a process with `word` among its arguments run?"""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if word.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False
