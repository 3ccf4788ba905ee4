"""When a schedule is due: over both changes of the clock, at ends of months, on leap days, and on dates that never come."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from hosts.errors import InvalidInput
from migrations_app import recurrence

BERLIN = "Europe/Berlin"


def due(cron: str, after: datetime, count: int = 3, zone: str = BERLIN) -> list[str]:
    found = recurrence.next_times(cron, zone, after, count)
    return [time.astimezone(UTC).strftime("%Y-%m-%d %H:%M") for time in found]


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def test_the_hour_stays_that_of_the_wall_clock_over_both_changes() -> None:
    assert due("0 4 * * *", at(2026, 3, 28), 2) == ["2026-03-28 03:00", "2026-03-29 02:00"]
    assert due("0 4 * * *", at(2026, 10, 24), 2) == ["2026-10-24 02:00", "2026-10-25 03:00"]


def test_a_time_that_the_clock_skips_is_due_once_after_the_jump() -> None:
    assert due("30 2 * * *", at(2026, 3, 28, 12), 2) == ["2026-03-29 01:00", "2026-03-30 00:30"]


def test_a_list_of_times_names_no_moment_twice_at_the_jump() -> None:
    assert due("0 2,3,4 * * *", at(2026, 3, 28, 12), 3) == ["2026-03-29 01:00", "2026-03-29 02:00", "2026-03-30 00:00"]


@pytest.mark.parametrize("after", [at(2026, 10, 25, 0, 30), at(2026, 10, 25, 1, 10), at(2026, 10, 25, 1, 30)])
def test_a_time_that_the_clock_shows_twice_is_due_the_first_time_only(after: datetime) -> None:
    assert due("30 2 * * *", at(2026, 10, 24, 12), 2) == ["2026-10-25 00:30", "2026-10-26 01:30"]
    assert due("30 2 * * *", after, 1) == ["2026-10-26 01:30"]


def test_ends_of_months_and_leap_days() -> None:
    assert due("0 0 31 * *", at(2026, 1, 31, 12), 2, "UTC") == ["2026-03-31 00:00", "2026-05-31 00:00"]
    assert due("0 0 L * *", at(2028, 2, 1), 2, "UTC") == ["2028-02-29 00:00", "2028-03-31 00:00"]
    assert due("0 0 29 2 *", at(2026, 1, 1), 2, "UTC") == ["2028-02-29 00:00", "2032-02-29 00:00"]


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("0 2 30 2 *", "cron"),
        ("0 2 * *", "five fields"),
        ("*/5 2 * * *", "must be numbers"),
        ("0 * * * *", "must be numbers"),
        ("0 25 * * *", "Bad hour"),
        ("0 2 * * FOO", "Bad day-of-week"),
        ("0,15,30,45 1,2,3,4,5,6,7 * * *", "At most 24"),
        ("", "five fields"),
    ],
)
def test_a_wrong_expression_is_said_to_be_one(cron: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        recurrence.next_times(cron, "UTC", at(2026, 1, 1), 1)
    assert caught.value.field == "cron"


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd", "/etc/passwd", "Europe"])
def test_a_zone_that_is_none(zone: str) -> None:
    with pytest.raises(InvalidInput, match="no time zone"):
        recurrence.zone_of(zone)


def test_one_time_is_that_of_the_zone_and_one_that_the_clock_skips_is_none() -> None:
    zone = ZoneInfo(BERLIN)
    assert recurrence.local_time("2026-07-01T22:00", zone).astimezone(UTC) == at(2026, 7, 1, 20)
    assert recurrence.local_time("2026-07-01T22:00Z", zone) == at(2026, 7, 1, 22)
    for text, said in (("2026-03-29T02:30", "skips"), ("soon", "no date"), ("2026-02-30T01:00", "no date")):
        with pytest.raises(InvalidInput, match=said):
            recurrence.local_time(text, zone)


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 2 * * *", "at 02:00 every day"),
        ("30 22 * * sat", "at 22:30 every Saturday"),
        ("0 1,13 * * 1-5", "at 01:00 and 13:00 every Monday to Friday"),
        ("0 3 1,15 * *", "at 03:00 on day 1 and 15 of the month"),
        ("0 3 L 12 *", "at 03:00 on the last day of the month in December"),
        ("0 3 * * 6#1", "at 03:00 every Saturday number 1 of the month"),
        ("0 3 13 * FRI", "at 03:00 on day 13 of the month or on Friday"),
    ],
)
def test_in_words(cron: str, words: str) -> None:
    assert recurrence.describe(cron) == words
