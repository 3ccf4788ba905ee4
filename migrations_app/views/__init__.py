"""The pages of migrations: the history, a new one, one of them, and what can be done to it."""

from migrations_app.views.acts import confirm, resolve, tune
from migrations_app.views.detail import bug_report, detail, live_xml
from migrations_app.views.estimates import estimates
from migrations_app.views.evacuability import evacuabilities, evacuability
from migrations_app.views.fix import fix
from migrations_app.views.history import export, history, running
from migrations_app.views.moves import map_moves
from migrations_app.views.new import check, create, destinations, new
from migrations_app.views.plan_acts import move_act, move_destination, plan_act
from migrations_app.views.plans import change_plan, new_plan, plan, plans
from migrations_app.views.queue import queue, queue_limits, requeue
from migrations_app.views.rules import remove_rule, rule, rule_list
from migrations_app.views.schedules import (
    change_schedule,
    new_schedule,
    schedule,
    schedule_delete,
    schedule_list,
    schedule_preview,
    schedule_run,
    schedule_seen,
    schedule_switch,
)

__all__ = [
    "bug_report",
    "change_plan",
    "change_schedule",
    "check",
    "confirm",
    "create",
    "destinations",
    "detail",
    "estimates",
    "evacuabilities",
    "evacuability",
    "export",
    "fix",
    "history",
    "live_xml",
    "map_moves",
    "move_act",
    "move_destination",
    "new",
    "new_plan",
    "new_schedule",
    "plan",
    "plan_act",
    "plans",
    "queue",
    "queue_limits",
    "remove_rule",
    "requeue",
    "resolve",
    "rule",
    "rule_list",
    "running",
    "schedule",
    "schedule_delete",
    "schedule_list",
    "schedule_preview",
    "schedule_run",
    "schedule_seen",
    "schedule_switch",
    "tune",
]
