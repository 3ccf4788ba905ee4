"""What a schedule is to do and when, as people enter it; checked here for form and API alike."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from hosts.errors import InvalidInput
from hosts.host_uri import validate_address
from migrations_app import recurrence
from migrations_app.evacuation.how import How
from migrations_app.models import Schedule
from migrations_app.plan import Options

LONGEST_WINDOW_MINUTES = 24 * 60
HOW = ("parallel", "canary", "stop_after_failures", "maintenance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """All that `actions.start` or, with `evacuation.How`, `evacuation.plan_evacuation` asks; kept in Schedule.options."""

    options: dict[str, Any] = field(default_factory=dict)
    ping_address: str = ""
    probe_port: int | None = None
    destinations: tuple[str, ...] = ()
    parallel: int = How().parallel
    canary: bool = False
    stop_after_failures: int = How().stop_after_failures
    maintenance: bool = False

    def __post_init__(self) -> None:
        Options.from_dict(self.options)
        self.how("")
        if self.ping_address:
            validate_address(self.ping_address, field="ping_address")

    @classmethod
    def of(cls, how: How) -> "Wanted":
        given = {name: getattr(how, name) for name in HOW}
        return cls(options=how.options.to_dict(), destinations=how.destinations, **given)

    @classmethod
    def read(cls, row: Schedule) -> "Wanted":
        """What the row has. Raises InvalidInput where this version no longer knows an option of it."""
        try:
            given = cls(**row.options)
        except TypeError as error:
            raise InvalidInput(f"The options of {row.name} are not known: {error}. Save it anew.") from None
        return given

    def to_dict(self) -> dict[str, Any]:
        names = ("options", "ping_address", "probe_port", *HOW)
        return {**{name: getattr(self, name) for name in names}, "destinations": list(self.destinations)}

    def how(self, reason: str) -> How:
        given = {name: getattr(self, name) for name in HOW}
        options = Options.from_dict(self.options)
        return How(options=options, destinations=tuple(self.destinations), reason=reason, **given)


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Once `at`, or repeatedly by `cron` in `zone`. Raises InvalidInput on both, neither, and on what never comes."""

    at: datetime | None = None
    cron: str = ""
    zone: str = "UTC"
    window_minutes: int = 60

    def __post_init__(self) -> None:
        recurrence.zone_of(self.zone)
        if bool(self.at) == bool(self.cron):
            raise InvalidInput("Give one of a time, and a cron expression.", field="at" if not self.cron else "cron")
        if not 1 <= self.window_minutes <= LONGEST_WINDOW_MINUTES:
            raise InvalidInput(f"The window is from 1 to {LONGEST_WINDOW_MINUTES} minutes.", field="window_minutes")
        if len(self.cron) > 100:
            raise InvalidInput("The cron expression may have 100 characters.", field="cron")
        if self.cron:
            recurrence.next_times(self.cron, self.zone, timezone.now(), 1)

    @classmethod
    def read(cls, row: Schedule) -> "When":
        return cls(at=row.at, cron=row.cron, zone=row.zone, window_minutes=row.window_minutes)

    def next_times(self, after: datetime, count: int = 1) -> list[datetime]:
        """The next times, the first first; none where its only time has passed."""
        if self.at is not None:
            return [self.at] if self.at > after else []
        return recurrence.next_times(self.cron, self.zone, after, count)

    def words(self) -> str:
        """Such as "at 02:00 every Saturday, Europe/Berlin"."""
        if self.at is not None:
            return f"once at {self.at.astimezone(recurrence.zone_of(self.zone)):%Y-%m-%d %H:%M}, {self.zone}"
        return f"{recurrence.describe(self.cron)}, {self.zone}"
