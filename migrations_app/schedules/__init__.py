"""Migrations and evacuations at a time, or again and again.

A sweep claims each due time with one row, a ScheduleRun, so that it is begun once whatever dies when; a time that passed
while nobody swept is shown as missed, and not begun late without a person's word.
"""

from migrations_app.schedules.acts import mark_seen, remove, run_now, save, switch
from migrations_app.schedules.firing import sweep
from migrations_app.schedules.wanted import Wanted, When

__all__ = ["Wanted", "When", "mark_seen", "remove", "run_now", "save", "sweep", "switch"]
