"""The log is fed with lines of iputils 20221126 (Debian 12); the pinger itself pings this machine."""

import time

import pytest

from hosts.errors import InvalidInput
from hosts.ping import Pinger
from hosts.ping_log import KEPT_PROBES, PingLog, PingSummary
from tests.lab.process import wait_for


def answer(sequence: int, at: float, rtt_ms: float = 1.0) -> str:
    return f"[{at:.6f}] 64 bytes from 198.51.100.10: icmp_seq={sequence} ttl=64 time={rtt_ms:.3f} ms\n"


def silence(sequence: int, at: float) -> str:
    return f"[{at:.6f}] no answer yet for icmp_seq={sequence}\n"


def log_of(*lines: str, interval_s: float = 0.1) -> PingLog:
    log = PingLog(interval_s=interval_s)
    for line in lines:
        log.feed(line)
    return log


def test_a_steady_guest_has_a_gap_of_one_interval():
    summary = log_of(*(answer(number, 1000 + number / 10) for number in range(1, 11))).summary()
    assert (summary.sent, summary.received, summary.lost) == (10, 10, 0)
    assert summary.longest_gap_ms == pytest.approx(100, abs=0.2)
    assert summary.first_at and summary.last_at and (summary.last_at - summary.first_at).total_seconds() == 0.9


def test_the_gap_goes_from_the_last_answer_before_a_loss_to_the_next():
    lines = [answer(1, 1000.0), answer(2, 1000.1), silence(3, 1000.3), silence(4, 1000.4), answer(5, 1000.45)]
    summary = log_of(*lines).summary()
    assert (summary.sent, summary.received, summary.lost) == (5, 3, 2)
    assert summary.longest_gap_ms == pytest.approx(350, abs=0.2)


def test_a_gap_that_lasts_still_counts_up_to_the_last_missing_answer():
    log = log_of(answer(1, 1000.0), silence(2, 1000.2), silence(3, 1000.3))
    assert log.summary().longest_gap_ms == pytest.approx(300, abs=0.2)
    log.feed(answer(4, 1000.35))
    assert log.summary().longest_gap_ms == pytest.approx(350, abs=0.2)


def test_a_late_answer_is_an_answer_after_all():
    log = log_of(answer(1, 1000.0), silence(2, 1000.2), answer(2, 1000.25, rtt_ms=150))
    assert (log.summary().lost, log.summary().received) == (0, 2)
    assert log.strip(5)[1].ok and log.strip(5)[1].rtt_ms == 150


def test_a_guest_that_never_answered_has_losses_and_no_gap():
    summary = log_of(*(silence(number, 1000 + number) for number in range(1, 4))).summary()
    assert summary == PingSummary(sent=3, received=0, lost=3)


def test_a_router_that_says_unreachable_is_no_answer_and_counted_once():
    lines = [silence(1, 1000.1), "[1003.000000] From 198.51.100.1 icmp_seq=1 Destination Host Unreachable"]
    assert log_of(*lines).summary().lost == 1


def test_doubled_answers_count_once():
    doubled = answer(1, 1000.1).replace("ms\n", "ms (DUP!)\n")
    assert log_of(answer(1, 1000.0), doubled, answer(1, 1000.2)).summary().received == 1


def test_sequence_numbers_go_on_after_they_start_again():
    log = PingLog(interval_s=0.1)
    for number in range(65530, 65545):
        log.feed(answer(number % 65536, 1000 + number / 10))
    assert log.summary().sent == 65544
    assert [probe.ok for probe in log.strip(100)] == [True] * 15


def test_the_strip_holds_the_latest_probes_with_their_times():
    log = log_of(answer(1, 1000.001), silence(2, 1000.2), answer(3, 1000.201))
    assert [(probe.t_s, probe.ok) for probe in log.strip(10)] == [(0.0, True), (0.1, False), (0.2, True)]
    assert [probe.t_s for probe in log.strip(2)] == [0.1, 0.2]
    assert log.strip(0) == []


def test_a_long_run_keeps_its_sums_and_forgets_old_probes():
    log = log_of(*(answer(number, 1000 + number / 10) for number in range(1, KEPT_PROBES + 100)))
    assert log.summary().received == KEPT_PROBES + 99
    assert len(log.strip(KEPT_PROBES * 2)) == KEPT_PROBES


def test_this_machine_answers():
    with Pinger("127.0.0.1", 0.05) as pinger:
        wait_for(lambda: pinger.summary().received >= 5, timeout_s=10, what="five answers of 127.0.0.1")
    summary = pinger.summary()
    assert summary.lost == 0 and pinger.error == ""
    assert [probe.ok for probe in pinger.strip(5)] == [True] * 5


def test_an_address_that_never_answers_is_survived():
    with Pinger("198.51.100.254", 0.05) as pinger:
        wait_for(lambda: pinger.summary().lost >= 3, timeout_s=10, what="three missing answers")
        assert pinger.error == ""
    assert pinger.summary().received == 0


def test_a_name_that_does_not_resolve_is_an_error_in_pings_words():
    with Pinger("no-such-host.invalid", 0.2) as pinger:
        wait_for(lambda: pinger.error != "", timeout_s=20, what="ping to give up")
        assert "not known" in pinger.error or "resolution" in pinger.error
        assert pinger.summary() == PingSummary()


def test_stopping_twice_or_before_the_start_is_fine():
    pinger = Pinger("127.0.0.1")
    pinger.stop()
    pinger.start()
    pinger.stop()
    started = time.monotonic()
    pinger.stop()
    assert time.monotonic() - started < 1


def test_what_is_no_address_is_refused():
    with pytest.raises(InvalidInput):
        Pinger("-f 127.0.0.1")
