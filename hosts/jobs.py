"""Work behind the pages: huey carries the nudges, the rows carry the truth. Nothing else knows the queue."""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from huey.contrib.djhuey import HUEY, db_task

from hosts.libvirt_client.events import Event

LISTENERS: list[Callable[[int, Event], None]] = []
TASKS: dict[str, Callable[..., Any]] = {}
SWEEPS: list[Callable[[], None]] = []


def task(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as the task `name`, such as "migrations_app.admit"."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        TASKS[name] = db_task(name=name)(function)
        return function

    return register


def nudge(name: str, *args: Any) -> None:
    """Run the task `name` soon, once the current transaction has committed.

    Only a nudge: huey delivers at most once, so a sweep must find what a lost nudge left undone.
    """
    transaction.on_commit(lambda: TASKS[name](*args))


def sweep(function: Callable[[], None]) -> Callable[[], None]:
    """Register a function that every watcher process calls about every two seconds; it must be quick and idempotent."""
    SWEEPS.append(function)
    return function


def listener(function: Callable[[int, Event], None]) -> Callable[[int, Event], None]:
    """Register a function that the watcher calls with a host's id and each event of it; it must be quick."""
    LISTENERS.append(function)
    return function


__all__ = ["HUEY", "LISTENERS", "SWEEPS", "TASKS", "listener", "nudge", "sweep", "task"]
