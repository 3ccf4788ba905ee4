"""Moves the definition of a guest that is off: handed over by libvirt, verified, and only then taken from the source.

At no moment do both hosts start it by themselves: the source's autostart goes before the definition arrives, and the
destination gets it after the source has lost its own. Each step can be done again.
"""

from contextlib import ExitStack

from django.utils import timezone

from hosts import reach
from hosts.actions.elsewhere import ask_others, require_not_active
from hosts.domain_digest import definition_digest
from hosts.errors import DomainNotFound, HostError, MigrationFailed
from hosts.libvirt_client.connection import Connection
from hosts.libvirt_client.domain import Guest
from hosts.models import Host
from migrations_app import finish, preflight, record, views_of_hosts
from migrations_app.models import Kind, Migration
from migrations_app.plan import Options, offline_flag_names
from migrations_app.states import State, StepState

OFF = ("shut off", "crashed")
AUTOSTART = "autostart"
"""In the migration's tuning: whether the guest is to be started with its host, so that a restart does not forget it."""


class Started(HostError):
    """Somebody started the guest meanwhile."""


class OfflineMove:
    """One worker's turn with one migration of kind OFFLINE."""

    def __init__(self, migration: Migration) -> None:
        self.m, self.options = migration, Options.from_dict(migration.options)
        self.uuid = str(migration.vm_uuid)

    def run(self) -> None:
        """Go on from the state that the row has."""
        if self.m.state == State.CHECKING and not self.check():
            return
        if self.m.state == State.COPYING and not self.hand_over():
            return
        try:
            if self.m.state == State.VERIFYING and not self.verify():
                return
            if self.m.state == State.DEFINING:
                self.settle()
        except HostError as error:
            self.stop(f"The definition has arrived, but not all is done: {error}", error)

    @property
    def source(self) -> Host:
        return self._host(self.m.source, self.m.source_name)

    @property
    def destination(self) -> Host:
        return self._host(self.m.destination, self.m.destination_name)

    @staticmethod
    def _host(host: Host | None, name: str) -> Host:
        if host is None:
            raise HostError(f"{name} was removed from the console.", hint="Add it again.")
        return host

    def check(self) -> bool:
        """Preflight, and no other host may run it; True where it may go on."""
        record.begin_step(self.m, "check")
        try:
            blocker, warnings = self._findings()
        except HostError as error:
            blocker, warnings = error, []
        if blocker:
            record.end_step(self.m, "check", StepState.FAILED, str(blocker))
            record.fail(self.m, blocker)
            return False
        if Migration.objects.filter(pk=self.m.pk, cancel_requested__isnull=False).exists():
            record.advance(self.m, State.CANCELLED)
            return False
        record.end_step(self.m, "check", StepState.WARNING if warnings else StepState.DONE, " ".join(warnings))
        record.begin_step(self.m, "copy")
        record.advance(self.m, State.COPYING)
        return True

    def _findings(self) -> tuple[HostError | None, list[str]]:
        vm = self.m.vm
        if vm is None or vm.host is None or vm.host != self.m.source:
            where = vm.host.name if vm and vm.host else "no host"
            told = f"{self.m.vm_name} is not on {self.m.source_name} any more but on {where}."
            return HostError(told, hint="Look where it is, and start again."), []
        report = preflight.run(
            vm=vm, destination=self.destination, options=self.options, ignore=self.m, kind=Kind.OFFLINE
        )
        record.note(self.m, preflight=[check.to_dict() for check in report.checks])
        if report.blocked:
            first = report.blockers[0]
            return HostError(first.message, hint=first.fix), []
        require_not_active(vm=vm, host=vm.host, answers=ask_others(vm=vm, host=vm.host), act="moved")
        return None, [check.message for check in report.warnings]

    def hand_over(self) -> bool:
        """Let libvirt define it at the destination; what fails is undone, and the guest stays where it was."""
        try:
            with reach.libvirt(self.source) as connection:
                guest = connection.guest(self.uuid, timeout_s=finish.ASK_S)
                self._require_off(guest)
                self._remember(guest)
                if self.m.tuning.get(AUTOSTART):
                    guest.set_autostart(False)
                self._ask_libvirt(guest)
        except HostError as error:
            self._undo(error)
            return False
        record.end_step(self.m, "copy", detail=f"{self.m.source_name} handed the definition over.")
        record.end_step(self.m, "switch_over", StepState.SKIPPED, "It is off.")
        record.begin_step(self.m, "verify")
        record.advance(self.m, State.VERIFYING)
        return True

    def _require_off(self, guest: Guest) -> None:
        state, _ = guest.state(timeout_s=finish.ASK_S)
        if state not in OFF:
            raise Started(
                f"{self.m.vm_name} is {state} on {guest.host} now.", hint="Migrate it live, or shut it down first."
            )

    def _remember(self, guest: Guest) -> None:
        """Keep its definition in the history before anything is changed."""
        if self.m.launched is None:
            autostart = guest.autostart(timeout_s=finish.ASK_S)
            xml = guest.xml(inactive=True, timeout_s=finish.ASK_S)
            record.note(self.m, launched=timezone.now(), source_xml=xml, tuning={AUTOSTART: int(autostart)})

    def _ask_libvirt(self, guest: Guest) -> None:
        with ExitStack() as stack:
            to: str | Connection = self.destination.uri_for_peers
            if self.options.direct:
                to = stack.enter_context(reach.open_own(self.destination))
            guest.migrate(to, {}, offline_flag_names(self.options))

    def verify(self) -> bool:
        """The destination has it, as it was, and it is off at the source. False: undone."""
        record.begin_step(self.m, "verify")
        source, destination = views_of_hosts.both(self.m)
        if not source.reachable or not destination.reachable:
            silent = self.m.source_name if not source.reachable else self.m.destination_name
            raise HostError(f"{silent} does not answer.")
        if source.present and source.state not in OFF:
            self._undo(Started(f"{self.m.vm_name} was started on {self.m.source_name} meanwhile."))
            return False
        if not destination.present:
            self._undo(MigrationFailed(f"{self.m.destination_name} has no definition of {self.m.vm_name}."))
            return False
        with reach.libvirt(self.destination) as connection:
            guest = connection.guest(self.uuid, timeout_s=finish.ASK_S)
            if source.present and guest.autostart(timeout_s=finish.ASK_S):
                guest.set_autostart(False)  # an old copy there had it
            xml = guest.xml(inactive=True, timeout_s=finish.ASK_S)
        record.note(self.m, live_xml=xml)
        same = definition_digest(xml) == definition_digest(self.m.source_xml)
        words = f"{self.m.destination_name} has the definition; it is off on {self.m.source_name}."
        words += "" if same else " It differs from the one at the source: compare the two in this history."
        record.end_step(self.m, "verify", StepState.DONE if same else StepState.WARNING, words)
        record.advance(self.m, State.DEFINING)
        return True

    def settle(self) -> None:
        """The good definition is the destination's from here on; then the source's goes, or is marked as stale."""
        record.begin_step(self.m, "define")
        with reach.libvirt(self.destination) as connection:
            connection.guest(self.uuid, timeout_s=finish.ASK_S).unmark_stale()
        record.end_step(self.m, "define", detail="libvirt defined it; the definition was read back.")
        finish.Finish(self.m, self.options, None).clean_up()
        if self.m.tuning.get(AUTOSTART):
            with reach.libvirt(self.destination) as connection:
                connection.guest(self.uuid, timeout_s=finish.ASK_S).set_autostart(True)
        finish.tell_inventory(self.m)
        record.advance(self.m, State.COMPLETED, error="", hint="")

    def _undo(self, error: HostError) -> None:
        """The guest stays at the source: what was changed there is put back, and what arrived is taken away again."""
        try:
            self._take_back()
            with reach.libvirt(self.source) as connection:
                guest = connection.guest(self.uuid, timeout_s=finish.ASK_S)
                if self.m.tuning.get(AUTOSTART) and guest.is_persistent(timeout_s=finish.ASK_S):
                    guest.set_autostart(True)
        except HostError as trouble:
            self.stop(f"{error} And it could not be undone: {trouble}", error)
            return
        finish.tell_inventory(self.m)
        hint = f"{self.m.vm_name} is still defined on {self.m.source_name}. {error.hint}".strip()
        record.fail(self.m, HostError(str(error), hint=hint, raw=error.raw))

    def _take_back(self) -> None:
        """Undefine at the destination what is off there, while the source has its own; libvirt mostly did so itself."""
        if self.m.launched is None or any(c["name"] == "copy" and c["level"] == "warning" for c in self.m.preflight):
            return  # nothing was begun, or an old copy had been there before
        source = views_of_hosts.view(self.m.source, self.uuid)
        if not source.reachable or not source.present or not source.persistent:
            raise HostError(f"{self.m.source_name} does not say that it has the definition.")
        with reach.libvirt(self.destination) as connection:
            try:
                guest = connection.guest(self.uuid, timeout_s=finish.ASK_S)
            except DomainNotFound:
                return
            self._require_off(guest)
            guest.undefine()

    def stop(self, told: str, error: HostError) -> None:
        """A person may look; the sweep goes on by itself once both hosts answer."""
        source, destination = views_of_hosts.both(self.m)
        evidence = {
            "source": source.in_words(),
            "destination": destination.in_words(),
            "error": str(error),
            "raw": error.raw,
            "choices": ["look_again"],
            "asked": timezone.now().isoformat(),
        }
        record.needs_attention(self.m, error=told, evidence=evidence)


def look_again(migration: Migration) -> None:
    """Go on with one that needed attention where both hosts answer again."""
    source, destination = views_of_hosts.both(migration)
    if source.reachable and destination.reachable:
        record.advance(migration, State.VERIFYING, error="", hint="", evidence={})
    else:
        found = {"source": source.in_words(), "destination": destination.in_words()}
        record.note(migration, evidence=migration.evidence | found)
        record.publish(migration)
