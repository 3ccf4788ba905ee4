"""How figures and times are written."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosts.templatetags import units


def plain(text: str) -> str:
    return text.replace(units.SPACE, " ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1_610_612_736, "1.5 GiB"),
        (1024**2 - 1, "1 MiB"),
        (107_374_182_400, "100 GiB"),
        (1024**6, "1024 PiB"),
        ("2048", "2 KiB"),
    ],
)
def test_bytes_are_written_in_binary_units(value: int | str, text: str) -> None:
    assert plain(units.bytes_(value)) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0 B"), (160, "160 MiB"), (4096, "4 GiB"), (1536, "1.5 GiB")])
def test_mib_are_written_in_the_unit_that_fits(value: int, text: str) -> None:
    assert plain(units.mib(value)) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0.0 MiB/s"), (124_151_398, "118.4 MiB/s"), (52_428_800, "50.0 MiB/s")]
)
def test_a_rate_keeps_its_unit_and_its_decimal(value: int, text: str) -> None:
    assert plain(units.rate(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 ms"),
        (0.42, "0.4 ms"),
        (9, "9 ms"),
        (240.4, "240 ms"),
        (999.6, "1.00 s"),
        (1830, "1.83 s"),
        (72_000, "1 min 12 s"),
    ],
)
def test_milliseconds_become_seconds_from_a_second_on(value: float, text: str) -> None:
    assert plain(units.ms(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (0.42, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (72, "1 min 12 s"),
        (3600, "1 h"),
        (3700, "1 h 1 min"),
        (3605, "1 h"),
        (90_000, "1 d 1 h"),
        (-72, "-1 min 12 s"),
    ],
)
def test_a_duration_is_written_in_its_two_largest_units(value: float, text: str) -> None:
    assert plain(units.duration(value)) == text


@given(st.floats(allow_nan=True, allow_infinity=True) | st.text() | st.none() | st.booleans())
def test_no_value_makes_a_figure_fail(value: float | str | None) -> None:
    for show in (units.bytes_, units.mib, units.rate, units.ms, units.duration, units.percent):
        assert show(value)


@pytest.mark.parametrize(
    "show", [units.bytes_, units.mib, units.rate, units.ms, units.duration, units.percent, units.when]
)
@pytest.mark.parametrize("value", [None, "", "soon", float("nan")])
def test_unknown_is_a_dash_and_not_zero(show: Callable[[object], str], value: object) -> None:
    assert show(value) == units.UNKNOWN


@pytest.mark.parametrize(("value", "text"), [(0, "0 %"), (99.96, "99 %"), (100, "100 %")])
def test_100_percent_is_shown_only_when_all_is_done(value: float, text: str) -> None:
    assert plain(units.percent(value)) == text


def test_a_moment_is_written_in_utc_with_its_iso_form() -> None:
    at = datetime(2026, 11, 23, 11, 33, 5, 250_000, tzinfo=timezone(timedelta(hours=1)))
    html = '<time datetime="2026-11-23T10:33:05.250Z" data-local>2026-11-23 10:33:05 UTC</time>'
    assert units.when(at) == html
    assert units.when(at.isoformat()) == html


def test_a_moment_without_a_zone_counts_as_utc() -> None:
    assert units.moment("2026-11-23T10:33:05") == datetime(2026, 11, 23, 10, 33, 5, tzinfo=UTC)


def test_an_impossible_date_is_a_dash() -> None:
    assert units.when("2026-02-31T10:00:00Z") == units.UNKNOWN
