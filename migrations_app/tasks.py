"""What workers do for migrations: a nudge starts a drive, a sweep picks up what nobody drives."""

from hosts import jobs
from hosts.models import Host
from migrations_app import recovery, runner
from migrations_app.evacuation import checking, nightly, running


@jobs.task("migrations_app.drive")
def drive(pk: int) -> None:
    """Start driving migration `pk` in a thread of its own, so that the queue's threads stay free."""
    runner.launch(pk)


@jobs.task("migrations_app.check_plan")
def check_plan(pk: int) -> None:
    """Look whether the moves of plan `pk` can be made."""
    checking.launch(pk)


@jobs.task("migrations_app.go_on_with_plan")
def go_on_with_plan(pk: int) -> None:
    """A move of plan `pk` is over, or somebody asked for something: begin what is next."""
    running.go_on(pk)


@jobs.task("migrations_app.check_evacuability")
def check_evacuability(pk: int) -> None:
    """Look whether a host could be emptied."""
    if host := Host.objects.filter(pk=pk).first():
        nightly.launch(host)


@jobs.sweep
def pick_up() -> None:
    """Go on with migrations that nobody drives, and ask again where nothing could be known."""
    recovery.sweep()


@jobs.sweep
def plans_go_on() -> None:
    """Go on with plans under way, and with checks that nobody makes any more."""
    running.sweep()
    checking.sweep()


@jobs.sweep
def once_a_night() -> None:
    """Find out for each host whether it could be emptied."""
    nightly.sweep()
