"""The rows of migrations: single ones, batches of them, schedules, and what is known for the next."""

from migrations_app.models.batch import Evacuability, Evacuation, Move, PlacementRule
from migrations_app.models.migration import (
    LARGE,
    STATE_CHOICES,
    Kind,
    Migration,
    MigrationSample,
    MigrationStep,
    Origin,
    TimelineEntry,
)
from migrations_app.models.schedule import Schedule, ScheduleRun
from migrations_app.models.tuning import DirtyRateSample, QueueLimits

__all__ = [
    "LARGE",
    "STATE_CHOICES",
    "DirtyRateSample",
    "Evacuability",
    "Evacuation",
    "Kind",
    "Migration",
    "MigrationSample",
    "MigrationStep",
    "Move",
    "Origin",
    "PlacementRule",
    "QueueLimits",
    "Schedule",
    "ScheduleRun",
    "TimelineEntry",
]
