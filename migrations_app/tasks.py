"""What workers do for migrations: a nudge starts a drive, a sweep picks up what nobody drives."""

from hosts import jobs
from migrations_app import recovery, runner


@jobs.task("migrations_app.drive")
def drive(pk: int) -> None:
    """Start driving migration `pk` in a thread of its own, so that the queue's threads stay free."""
    runner.launch(pk)


@jobs.sweep
def pick_up() -> None:
    """Go on with migrations that nobody drives, and ask again where nothing could be known."""
    recovery.sweep()
