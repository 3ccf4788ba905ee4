"""When a schedule is due: five cron fields with fixed times of day, in a time zone. Pure; the arithmetic is cronsim's."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from hosts.errors import InvalidInput

MOST_TIMES_A_DAY = 24
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = tuple(datetime(2000, month, 1).strftime("%B") for month in range(1, 13))
_FIXED = re.compile(r"\d{1,2}(,\d{1,2})*")


def zone_of(name: str) -> ZoneInfo:
    """The time zone named as in the IANA database, such as Europe/Berlin. Raises InvalidInput."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise InvalidInput(f"There is no time zone {name!r}; an example is Europe/Berlin.", field="zone") from None


def local_time(text: str, zone: ZoneInfo) -> datetime:
    """The moment that a clock in `zone` shows as `text` (2026-03-29T02:30); the first where the clock shows it twice.

    Raises InvalidInput where it is no time, or one that the clock skips.
    """
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no date and time such as 2026-03-29T22:30.", field="at") from None
    if given.tzinfo is not None:
        return given
    aware = given.replace(tzinfo=zone)
    try:
        back = aware.astimezone(UTC).astimezone(zone)
    except OverflowError:
        raise InvalidInput(f"{text!r} is out of reach.", field="at") from None
    if back.replace(tzinfo=None) != given:
        raise InvalidInput(
            f"{text!r} does not exist in {zone.key}: the clock skips it that night. Choose another time.", field="at"
        )
    return aware


def times_after(cron: str, start: datetime) -> Iterator[datetime]:
    """The times at which `cron` is due after `start` (aware, in the schedule's zone), in UTC, without an end.

    A time of day that the clock skips is due when the clock has jumped; one that it shows twice is due the first time.
    Raises InvalidInput on a wrong expression, and on one that no date ever matches.
    """
    _check(cron)
    try:
        times = CronSim(cron, start)
        previous = start.astimezone(UTC)  # times of one zone compare by the clock's face, which goes back once a year
        for found in times:
            moment = found.astimezone(UTC)
            if moment > previous:
                yield moment
                previous = moment
    except CronSimError as error:
        raise InvalidInput(f"{cron!r} is no cron expression: {error}.", field="cron") from None
    except (OverflowError, ValueError):
        pass


def next_times(cron: str, zone: str, after: datetime, count: int) -> list[datetime]:
    """The next `count` times after `after`. Raises InvalidInput as `times_after`, and where there is none."""
    found = list(islice(times_after(cron, after.astimezone(zone_of(zone))), count))
    if not found:
        raise InvalidInput(f"{cron!r} names a date that never comes, such as 30 February.", field="cron")
    return found


def _check(cron: str) -> None:
    fields = cron.split()
    if len(fields) != 5:
        raise InvalidInput(
            "Give five fields: minute, hour, day of the month, month, day of the week; such as 0 2 * * SAT.",
            field="cron",
        )
    if not (_FIXED.fullmatch(fields[0]) and _FIXED.fullmatch(fields[1])):
        raise InvalidInput("Minute and hour must be numbers, or lists such as 1,13.", field="cron")
    if len(fields[0].split(",")) * len(fields[1].split(",")) > MOST_TIMES_A_DAY:
        raise InvalidInput(f"At most {MOST_TIMES_A_DAY} times a day.", field="cron")


def describe(cron: str) -> str:
    """`cron` in words, such as "at 02:00 every Saturday". Raises InvalidInput."""
    _check(cron)
    minute, hour, day, month, weekday = cron.upper().split()
    clock = sorted(f"{int(h):02}:{int(m):02}" for h in hour.split(",") for m in minute.split(","))
    times, days, weekdays = _and(clock), _day(day), _weekday(weekday)
    if (day, month) == ("*", "*"):
        return f"at {times} every day" if weekday == "*" else f"at {times} every {weekdays}"
    parts = [f"at {times}"]
    if day != "*" and weekday != "*":
        joint = " and " if day.startswith("*") or weekday.startswith("*") else " or "
        parts.append(f"on {days}{joint}on {weekdays}")
    elif day != "*":
        parts.append(f"on {days}")
    else:
        parts.append("every day" if weekday == "*" else f"every {weekdays}")
    parts.append("" if month == "*" else f"in {_named(month, MONTHS, 1)}")
    return " ".join(part for part in parts if part)


def _day(text: str) -> str:
    if text in ("L", "LW"):
        return "the last day of the month" if text == "L" else "the last weekday of the month"
    return f"day {_named(text, (), 0)} of the month"


def _weekday(text: str) -> str:
    return _named(text, DAYS, 0)


def _named(text: str, names: tuple[str, ...], first: int) -> str:
    """The terms of a field with numbers and short names written out."""

    def word(token: str) -> str:
        if token.isdigit() and first <= int(token) < first + len(names):
            return names[int(token) - first]
        return next((name for name in names if len(token) == 3 and name.upper().startswith(token)), token)

    def term(part: str) -> str:
        if "#" in part:
            name, _, nth = part.partition("#")
            return f"{word(name)} number {nth} of the month"
        if part.endswith("L") and part[:-1].isdigit():
            return f"last {word(part[:-1])} of the month"
        head, _, step = part.partition("/")
        begin, _, end = head.partition("-")
        said = f"{word(begin)} to {word(end)}" if end else word(begin)
        return f"{said} in steps of {step}" if step else said

    return _and([term(part) for part in text.split(",")])


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
