"""Drives one migration through its steps. Each step is idempotent: driving one that already runs attaches to it."""

import logging
import threading
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from django.db import connections
from django.utils import timezone

from hosts import reach
from hosts.errors import DomainNotFound, HostError, MigrationFailed
from hosts.libvirt_client.connection import Connection
from hosts.libvirt_client.domain import Guest
from hosts.models import Host
from hosts.ping import Pinger
from migrations_app import disks, finish, offline, pictures, plan, preflight, record, views_of_hosts
from migrations_app.lease import Lease, new_owner
from migrations_app.models import Kind, Migration
from migrations_app.plan import Options
from migrations_app.sampler import Sampler
from migrations_app.states import State, StepState
from migrations_app.verdict import Finding, View, judge

log = logging.getLogger(__name__)
PING_EVERY_S = 0.05
MOST_ATTEMPTS = 5
"""How often a drive may break before it is no longer taken up again by itself."""
JOB_APPEARS_S = 10.0
"""How long libvirt may take until a job that was launched before can be seen, when another worker takes over."""


def launch(pk: int) -> None:
    """Drive migration `pk` in a thread of its own."""
    threading.Thread(target=_drive_and_clean_up, args=(pk,), name=f"migration {pk}", daemon=True).start()


def _drive_and_clean_up(pk: int) -> None:
    try:
        drive(pk)
    finally:
        connections.close_all()


def drive(pk: int) -> None:
    """Take migration `pk` up and bring it to an end; returns at once where somebody else drives it."""
    migration = record.claim(pk, owner=new_owner())
    if migration is None:
        return
    with Lease(pk, migration.owner) as lease, ExitStack() as stack:
        pinger = None
        if migration.ping_address:
            pinger = stack.enter_context(Pinger(migration.ping_address, interval_s=PING_EVERY_S))
        try:
            if migration.kind == Kind.OFFLINE:
                offline.OfflineMove(migration).run()
            else:
                Drive(migration, lease, pinger).run()
        except record.Overtaken:
            log.info("migration %s was taken over by another worker", pk)
        except Exception as error:
            # One of the three loops that may catch all: what is true is asked of both hosts again by the sweep.
            log.exception("migration %s", pk)
            _note_crash(migration, error)
        finally:
            record.release(migration)


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
            source, destination = views_of_hosts.both(migration)
            found = evidence(source, destination, ("look_again",), None) | {"raw": text}
            record.needs_attention(migration, error="The console itself fails at this migration.", evidence=found)
    except record.Overtaken:
        log.info("migration %s was taken over by another worker", migration.pk)


class Drive:
    """One worker's turn with one migration."""

    def __init__(self, migration: Migration, lease: Lease, pinger: Pinger | None) -> None:
        self.m, self.lease, self.pinger = migration, lease, pinger
        self.options = Options.from_dict(migration.options)

    def run(self) -> None:
        """Go on from the state that the row has."""
        if self.m.state in (State.QUEUED, State.CHECKING) and not self.check():
            return
        if self.m.state in (State.COPYING, State.SWITCHING):
            self.copy()
        if self.m.state in (State.VERIFYING, State.DEFINING):
            self.finish()
        if self.m.is_over:
            record.thin(self.m)
            disks.settle(self.m)

    def finish(self) -> None:
        """Verify, define, clean up; a host that stops answering is asked again until it does."""
        try:
            finish.Finish(self.m, self.options, self.pinger).run()
        except HostError as error:
            source, destination = views_of_hosts.both(self.m)
            found = evidence(source, destination, ("look_again",), error)
            record.needs_attention(self.m, error=f"The guest has moved, but not all is done: {error}", evidence=found)

    def check(self) -> bool:
        """Preflight; True where it may go on."""
        if self.m.state == State.QUEUED:
            record.advance(self.m, State.CHECKING, started=timezone.now())
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
        report = preflight.run(vm=self.m.vm, destination=self.m.destination, options=self.options, ignore=self.m)
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
        if not Migration.objects.filter(pk=self.m.pk, cancel_requested__isnull=False).exists():
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
        self.settle(error)

    def _copy_from(self, source: Any) -> HostError | None:
        with reach.libvirt(source) as watching, ExitStack() as stack:
            sampler = Sampler(self.m, watching.guest(str(self.m.vm_uuid), timeout_s=15), self.pinger)
            if self.m.launched is None:
                disks.create(self.m)
                # The maximum downtime is no parameter of the call: the sampler sets it as soon as there is a job.
                tuning = {"max_downtime_ms": self.options.max_downtime_ms} if self.options.max_downtime_ms else {}
                record.note(self.m, launched=timezone.now(), tuning=tuning)
                calling = stack.enter_context(reach.libvirt(source))
                call = Call(calling.guest(str(self.m.vm_uuid), timeout_s=15), self.m, self.options)
                # A connection in which a call still hangs is for nobody else.
                stack.callback(lambda: None if call.is_over() else calling.close())
                call.start()
                sampler.watch(call.is_over, lost=lambda: self.lease.lost, pause=call.wait)
                self._note_end(sampler, watching.guest(str(self.m.vm_uuid), timeout_s=15), call.error)
                return call.error
            # Another worker asked libvirt; its job goes on without it, so watch that job until there is none.
            patience = round(JOB_APPEARS_S / 0.2) if not self.m.progress else 5
            sampler.progress = replace(sampler.progress, percent=self.m.progress.get("percent", 0))
            sampler.watch(lambda: sampler.quiet > patience, lost=lambda: self.lease.lost)
            return None

    def _note_end(self, sampler: Sampler, guest: Guest, error: HostError | None) -> None:
        """Keep libvirt's final figures while the source still has them; after an error they are an earlier job's."""
        sampler.note_ping()
        if error is None:
            finish.note_final_figures(self.m, guest)

    def settle(self, error: HostError | None) -> None:
        """Both hosts say where the guest is; that, never the call's result, decides."""
        source, destination = views_of_hosts.both(self.m)
        verdict = judge(source, destination)
        if verdict.finding is Finding.UNDER_WAY:
            log.info("migration %s is under way: %s", self.m.pk, verdict.because)
            return  # the sweep attaches to it
        if verdict.finding is Finding.AT_DESTINATION:
            self._switched()
        elif verdict.finding is Finding.AT_SOURCE:
            self._stayed(error)
        elif verdict.finding is Finding.RESUME_AT_SOURCE and self.m.tuning.get("paused"):
            self._resume(self.m.source)
            self._stayed(error)
        elif verdict.finding is Finding.RESUME_AT_DESTINATION and self.m.tuning.get("paused"):
            self._resume(self.m.destination)
            self._switched()
        else:
            record.needs_attention(
                self.m, error=verdict.because, evidence=evidence(source, destination, verdict.choices, error)
            )

    def _switched(self) -> None:
        record.end_step(self.m, "copy")
        record.end_step(self.m, "switch_over")
        record.begin_step(self.m, "verify")
        record.advance(self.m, State.VERIFYING)

    def _stayed(self, error: HostError | None) -> None:
        """The guest is safe at the source: cancelled as wished, or failed."""
        if Migration.objects.filter(pk=self.m.pk, cancel_requested__isnull=False).exists():
            record.advance(self.m, State.CANCELLED)
            return
        text = str(error) if error else "libvirt ended the migration without a message."
        if error is None and self.options.direct and self.m.attempt > 1:
            text = "The console that drove this migration ended, so libvirt cancelled it."
        known = error or MigrationFailed(text)
        hint = f"{self.m.vm_name} runs on at {self.m.source_name}. {known.hint}"
        record.fail(self.m, HostError(text, hint=hint, raw=known.raw))

    def _resume(self, host: Host | None) -> None:
        """We paused the guest, so we let it go on: it is proven not to be active on the other host."""
        assert host
        with reach.libvirt(host) as connection:
            connection.guest(str(self.m.vm_uuid), timeout_s=15).resume(timeout_s=finish.ASK_S)


def evidence(source: View, destination: View, choices: tuple[str, ...], error: HostError | None) -> dict[str, Any]:
    """What both hosts said, for the person who must decide."""
    return {
        "source": source.in_words(),
        "destination": destination.in_words(),
        "error": str(error) if error else "",
        "raw": error.raw if error else "",
        "choices": list(choices),
        "asked": timezone.now().isoformat(),
    }


class Call:
    """libvirt's blocking migrate call, in a thread of its own."""

    def __init__(self, guest: Guest, migration: Migration, options: Options) -> None:
        assert migration.destination
        self.error: HostError | None = None
        self._guest, self._options = guest, options
        self._destination = migration.destination
        self._disks = disks.targets(migration)
        address = migration.destination.migration_address
        self._parameters = plan.parameters(options, migration_address=address, disks=self._disks)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"migrate {migration.pk}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def is_over(self) -> bool:
        return self._over.is_set()

    def wait(self, seconds: float) -> None:
        """Return when it is over, at the latest after `seconds`."""
        self._over.wait(seconds)

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                to: str | Connection = self._destination.uri_for_peers
                if self._options.direct:
                    to = stack.enter_context(reach.open_own(self._destination))
                self._guest.migrate(to, self._parameters, plan.flag_names(self._options, self._disks))
        except HostError as error:
            self.error = error
        except Exception as error:
            log.exception("migrate")
            self.error = MigrationFailed(f"{type(error).__name__}: {error}")
        finally:
            self._over.set()
