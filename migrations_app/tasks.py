"""What workers do for migrations: nudges admit and drive, sweeps find what no nudge did."""

from datetime import datetime

from hosts import jobs
from hosts.libvirt_client.events import Event
from hosts.models import Host
from migrations_app import admission, adoption, diagnosis, history, recovery, runner, schedules
from migrations_app.evacuation import checking, nightly, running


@jobs.task("migrations_app.drive")
def drive(pk: int) -> None:
    """Start driving migration `pk`, which needs no place in the queue, in a thread of its own."""
    runner.launch(pk)


@jobs.task("migrations_app.admit")
def admit() -> None:
    """Let those of the queue begin that may, each in a thread of its own, so that the queue's threads stay free."""
    let_begin()


@jobs.sweep
def let_begin() -> None:
    """The safety net of the nudges: give away places that are free."""
    for pk in admission.fill():
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


@jobs.task("migrations_app.diagnose")
def diagnose(pk: int) -> None:
    """Say why migration `pk` failed."""
    diagnosis.diagnose(pk)


@jobs.task("migrations_app.look_for_job")
def look_for_job(host_pk: int, uuid: str) -> None:
    """Take in the migration of a guest that leaves a host, where nobody here began it."""
    adoption.look_for_job(host_pk, uuid)


@jobs.task("migrations_app.take_in_completed")
def take_in_completed(host_pk: int, uuid: str, began: str) -> None:
    """The same for one that was over at once."""
    adoption.take_in_completed(host_pk, uuid, datetime.fromisoformat(began))


@jobs.listener
def hear(host_pk: int, event: Event) -> None:
    """A host's event: it may tell of a migration that nobody here began."""
    adoption.heard(host_pk, event)


@jobs.sweep
def find_external() -> None:
    """Find migrations of others, and explain failures whose nudge was lost."""
    adoption.sweep()
    diagnosis.sweep()


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


@jobs.sweep
def once_an_hour() -> None:
    """Forget what is over for longer than history is kept."""
    history.sweep()


@jobs.sweep
def what_is_due() -> None:
    """Start what schedules say; what is too late for that becomes a missed run that people are shown."""
    schedules.sweep()
