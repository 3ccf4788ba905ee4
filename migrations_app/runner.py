"""Drives one migration through its steps. Each step is idempotent: driving one that already runs attaches to it."""

import logging
import time
from contextlib import ExitStack, suppress
from dataclasses import replace

from django.utils import timezone

from hosts import reach
from hosts.errors import DomainNotFound, HostError, MigrationFailed
from hosts.libvirt_client.domain import Guest
from hosts.models import Host
from migrations_app import disks, external, finish, offline, pictures, preflight, record, settling, views_of_hosts
from migrations_app.call import Call
from migrations_app.continuity import Continuity
from migrations_app.lease import Lease, in_thread, new_owner
from migrations_app.models import Kind, Migration, Origin
from migrations_app.plan import Options
from migrations_app.sampler import EVERY_S, Sampler, Stalled
from migrations_app.states import LABELS, State, StepState
from migrations_app.verdict import Finding

log = logging.getLogger(__name__)
MOST_ATTEMPTS = 5
"""How often a drive may break before it is no longer taken up again by itself."""
JOB_APPEARS_S = 3.0
"""How long libvirt may take until a job that was launched before can be seen, when another worker takes over: it shows one
from the moment at which it takes the call on, before it even asks the destination (measured with 9.0)."""
CALL_RETURNS_S, GIVEN_UP_S = 40.0, 5.0
"""How long libvirt's call may go on without a job: a dead connection to the destination takes it 30 s to notice. And after a
copy that stood still was given up: measured with a QEMU that hangs at the destination, the call then never returns."""
RESUMABLE_S = 150.0
"""TCP tries again after at most 120 s (TCP_RTO_MAX in Linux), so by then QEMU has noticed on a network that works again."""


def launch(pk: int) -> None:
    """Drive migration `pk` in a thread of its own."""
    in_thread(f"migration {pk}", lambda: drive(pk))


def drive(pk: int) -> None:
    """Take migration `pk` up and bring it to an end; returns at once where somebody else drives it."""
    migration = record.claim(pk, owner=new_owner())
    if migration is None:
        return
    with Lease(pk, migration.owner) as lease, ExitStack() as stack:
        try:
            _tell_of_takeover(migration)
            if migration.kind == Kind.OFFLINE:
                offline.OfflineMove(migration).run()
            else:
                Drive(migration, lease, stack.enter_context(Continuity(migration))).run()
        except record.Overtaken:
            log.info("migration %s was taken over by another worker", pk)
        except Exception as error:
            # One of the three loops that may catch all: what is true is asked of both hosts again by the sweep.
            log.exception("migration %s", pk)
            _note_crash(migration, error)
        finally:
            record.release(migration)


def _tell_of_takeover(migration: Migration) -> None:
    if migration.attempt > 1:
        label, _ = LABELS[State(migration.state)]
        why = "Resumed by another worker: whoever drove it before gave it back, ended, or fell silent."
        record.tell(migration, f"Taken up again: {label}", reason=why)


def _note_crash(migration: Migration, error: Exception) -> None:
    """Keep what broke; a drive that breaks again and again is left to a person, or failed where nothing was begun."""
    text = f"{type(error).__name__}: {error}"
    try:
        record.note(migration, raw_error=text)
        if migration.attempt < MOST_ATTEMPTS:
            return
        if migration.launched is None:
            record.fail(migration, HostError("The console failed before the migration began.", raw=text))
        else:
            views, found = settling.ask(migration)
            found = replace(found, choices=("look_again",))
            broke = HostError(text, raw=text)
            because = "The console itself fails at this migration."
            settling.call_a_person(migration, views, found, broke, because=because)
    except record.Overtaken:
        log.info("migration %s was taken over by another worker", migration.pk)


class Drive:
    """One worker's turn with one migration."""

    def __init__(self, migration: Migration, lease: Lease, continuity: Continuity) -> None:
        self.m, self.lease, self.continuity = migration, lease, continuity
        self.options = Options.from_dict(migration.options)

    def run(self) -> None:
        """Go on from the state that the row has."""
        if self.m.state == State.CHECKING and not self.check():
            return
        if self.m.state in (State.COPYING, State.SWITCHING):
            self.copy()
        if self.m.state in (State.VERIFYING, State.DEFINING):
            self.finish()
        self.continuity.conclude()
        if self.m.is_over:
            record.thin(self.m)
            disks.settle(self.m)

    def finish(self) -> None:
        """Verify, define, clean up; a host that stops answering is asked again until it does."""
        try:
            kind = external.Outcome if self.m.origin == Origin.EXTERNAL else finish.Finish
            kind(self.m, self.options, self.continuity).run()
        except HostError as error:
            views, found = settling.ask(self.m)
            choices = found.choices or ("look_again",)
            because = f"The guest has moved, but not all is done: {error}"
            settling.call_a_person(self.m, views, replace(found, choices=choices), error, because=because)

    def check(self) -> bool:
        """Preflight; True where it may go on."""
        record.begin_step(self.m, "check")
        if self._cancelled():
            return False
        if self.m.source:
            reach.warm(self.m.source)
        if self.m.vm is None or self.m.destination is None or self.m.source is None or self.m.vm.host != self.m.source:
            where = self.m.vm.host.name if self.m.vm and self.m.vm.host else "no host"
            message = f"{self.m.vm_name} is not on {self.m.source_name} any more but on {where}."
            record.fail(self.m, HostError(message, hint="Look where it is, and start again."))
            return False
        report = preflight.run_or_recall(
            vm=self.m.vm, destination=self.m.destination, options=self.options, ignore=self.m
        )
        record.note(self.m, preflight=[check.to_dict() for check in report.checks], estimate=report.estimate)
        if report.blocked:
            first = report.blockers[0]
            more = f" ({len(report.blockers) - 1} more below)" if len(report.blockers) > 1 else ""
            record.end_step(self.m, "check", StepState.FAILED, first.message)
            record.fail(self.m, HostError(f"{first.message}{more}", hint=first.fix))
            return False
        record.note(self.m, **pictures.before(self.m.source, str(self.m.vm_uuid)))
        disks.plan(self.m, report)
        warnings = [check.message for check in report.checks if check.level == "warning"]
        record.end_step(self.m, "check", StepState.WARNING if warnings else StepState.DONE, " ".join(warnings))
        if self._cancelled():
            return False
        record.begin_step(self.m, "copy")
        record.advance(self.m, State.COPYING)
        return True

    def _cancelled(self) -> bool:
        """End it before libvirt was ever asked, where that is wished."""
        if not self._wants_to_cancel():
            return False
        record.advance(self.m, State.CANCELLED)
        return True

    def copy(self) -> None:
        """Ask libvirt to migrate, or attach to what was asked before, and watch until it is over; then ask both hosts."""
        error: HostError | None = None
        if self.m.source is not None:
            try:
                error = self._copy_from(self.m.source)
            except DomainNotFound:
                pass  # it has left the source; the verdict says whither
            except HostError as trouble:
                error = trouble
        stalled = isinstance(error, Stalled)
        if stalled or self.m.origin != Origin.EXTERNAL or not external.settled(self.m):
            settling.settle(self.m, error, stalled=stalled)

    def _copy_from(self, source: Host) -> HostError | None:
        with reach.libvirt(source) as watching, ExitStack() as stack:
            guest = watching.guest(str(self.m.vm_uuid), timeout_s=15)
            sampler = Sampler(self.m, guest, self.continuity)
            if self.m.launched is not None and not self.m.tuning.get("resume_postcopy"):
                self._attach(sampler)
                if sampler.stalled or not self._never_begun():
                    return sampler.stalled
            resumes = self._prepare_call(guest)
            calling = stack.enter_context(reach.libvirt(source))
            call = Call(calling.guest(str(self.m.vm_uuid), timeout_s=15), self.m, self.options, resumes=resumes)
            # A connection in which a call still hangs is for nobody else.
            stack.callback(lambda: None if call.is_over() else calling.close())
            call.start()
            # A call that does not return although its job is long gone tells nothing more: the hosts do.
            over = lambda: call.is_over() or sampler.quiet * EVERY_S > self._patience_s(sampler)  # noqa: E731
            sampler.watch(over, lost=self.lease.is_lost, pause=call.wait)
            self._note_end(sampler, watching.guest(str(self.m.vm_uuid), timeout_s=15), call.error)
            return sampler.stalled or (call.error if call.is_over() else self._no_answer(resumes=resumes))

    @staticmethod
    def _patience_s(sampler: Sampler) -> float:
        return GIVEN_UP_S if sampler.stalled else CALL_RETURNS_S

    def _no_answer(self, *, resumes: bool) -> HostError:
        """What a call that does not return is told as; where the guest is, both hosts decide."""
        if resumes:
            return MigrationFailed(
                f"libvirt did not get the post-copy going again within {CALL_RETURNS_S:.0f} s.",
                hint=f"QEMU on {self.m.destination_name} may itself wait for memory that it lacks; then no host can resume it.",
            )
        return MigrationFailed("libvirt's call did not return, although its job is gone.")

    def _attach(self, sampler: Sampler) -> None:
        """Another worker asked libvirt; its job goes on without it, so watch that job until there is none."""
        patience = round(JOB_APPEARS_S / EVERY_S) if not self.m.progress else 5
        sampler.progress = replace(sampler.progress, percent=self.m.progress.get("percent", 0))
        sampler.watch(lambda: sampler.quiet > patience, lost=self.lease.is_lost)

    def _never_begun(self) -> bool:
        """The worker that was to ask libvirt died before libvirt heard of it: nobody ever saw a job, and nothing has moved.

        Asked for twice would do no harm: libvirt lets one migration of a guest run at a time.
        """
        if self.m.progress or self.options.direct or self._wants_to_cancel():
            return False
        _, found = settling.ask(self.m)
        if found.finding is not Finding.AT_SOURCE:
            return False
        record.tell(
            self.m, "Asked libvirt again", reason=f"The worker before ended before libvirt had begun. {found.because}"
        )
        return True

    def _prepare_call(self, guest: Guest) -> bool:
        """Write down that libvirt is about to be asked; whether to go on with a post-copy that broke."""
        if self.m.launched is not None and self.m.tuning.get("resume_postcopy"):
            record.note(self.m, tuning={**self.m.tuning, "resume_postcopy": 0})
            self._make_resumable(guest)
            return True
        disks.create(self.m)
        # The maximum downtime is no parameter of the call: the sampler sets it as soon as there is a job.
        wanted = self.options.max_downtime_ms
        tuning = {"max_downtime_ms": wanted, "max_downtime_by_person": 1} if wanted else {}
        record.note(self.m, launched=timezone.now(), tuning=tuning)
        return False

    def _make_resumable(self, guest: Guest) -> None:
        """Wait until both QEMUs have given the broken connection up; only then does libvirt let a post-copy be resumed."""
        with suppress(HostError):  # refused where it has given up already
            guest.pause_postcopy(timeout_s=settling.ACT_S)
        limit = time.monotonic() + RESUMABLE_S
        while time.monotonic() < limit:
            if self.lease.is_lost():
                raise record.Overtaken(str(self.m))
            source, destination = views_of_hosts.both(self.m)
            if source.broke_in_postcopy and destination.broke_in_postcopy:
                return
            time.sleep(1)
        raise MigrationFailed(
            f"{self.m.destination_name} has not noticed in {RESUMABLE_S:.0f} s that the connection broke.",
            hint="Is the network between the hosts whole again? Then try once more.",
        )

    def _wants_to_cancel(self) -> bool:
        return Migration.objects.filter(pk=self.m.pk, cancel_requested__isnull=False).exists()

    def _note_end(self, sampler: Sampler, guest: Guest, error: HostError | None) -> None:
        """Keep libvirt's final figures while the source still has them; after an error they are an earlier job's."""
        self.continuity.note()
        if error is None:
            finish.note_final_figures(self.m, guest)
