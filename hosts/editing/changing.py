"""What every change of a VM is framed by: the definition first, then what runs, and what of it must wait."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hosts import audit
from hosts.actions.framing import ACT_TIMEOUT_S, acting, guest_on
from hosts.actions.starting import require_good_copy, require_nothing_saved
from hosts.errors import Busy, HostError, Refused, TimedOut, Unreachable
from hosts.libvirt_client.connection import Connection
from hosts.libvirt_client.domain import Guest
from hosts.models import Host, VirtualMachine

LET_GO_S = 10.0
"""How long the running guest may take to let go of a device, before we say that it has not."""
POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Changing:
    """A guest that may be changed, and how it is."""

    connection: Connection
    guest: Guest
    live_xml: str
    xml: str

    @property
    def is_active(self) -> bool:
        return bool(self.live_xml)

    @property
    def all_xml(self) -> tuple[str, ...]:
        """What runs and what is defined."""
        return tuple(xml for xml in (self.live_xml, self.xml) if xml)

    def define(self, change: Callable[[str], str]) -> None:
        """Change its definition, if it has one. Raises Refused where libvirt can't have what comes out."""
        if self.xml:
            self.connection.define(change(self.xml), validate=True, timeout_s=ACT_TIMEOUT_S)

    def try_live(self, change: Callable[[], None]) -> str:
        """Change what runs, if it does; why it has to wait for the next start, "" if it has not."""
        if not self.is_active:
            return ""
        try:
            change()
        except (Unreachable, TimedOut, Busy):
            raise
        except HostError as error:
            if not self.xml:
                raise
            return f"At next start: what runs could not be changed ({error.raw or error})."
        return ""

    def take_away(self, find: Callable[[str], str | None], without: Callable[[str], str]) -> str:
        """Take a device out of the definition and of what runs; what is not so yet, "" if all is."""
        self.define(without)
        device = find(self.live_xml) if self.is_active else None
        if device is None:
            return ""
        return self.try_live(lambda: self.guest.unplug(device)) or self._wait_until_gone(find)

    def at_next_start(self, why: str) -> str:
        """What is said of a change that only the definition has. Raises Refused where there is none."""
        if not self.xml:
            message = f"{self.guest.name} is transient and {why}."
            raise Refused(message, host=self.guest.host, vm=self.guest.name, hint="Define it first.")
        return f"At next start: {why}."

    def _wait_until_gone(self, find: Callable[[str], str | None]) -> str:
        """Wait for the running guest to let go of a device; "" when it has."""
        end = time.monotonic() + LET_GO_S
        while find(self.guest.xml(timeout_s=ACT_TIMEOUT_S)):
            if time.monotonic() > end:
                return "The running guest was asked to let go of it and has not yet; at its next start it is gone."
            time.sleep(POLL_S)
        return ""


@contextmanager
def changing(
    action: str, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str, *, about: str = ""
) -> Iterator[Changing]:
    """Audit the change; refuse it for a leftover, while a migration holds the guest, and while its memory is saved."""
    with acting(action, vm, host, actor, reason, about=about), guest_on(vm, host) as (connection, guest):
        require_good_copy(vm, host, guest)
        is_active = guest.is_active(timeout_s=ACT_TIMEOUT_S)
        if not is_active:
            require_nothing_saved(vm, host, guest, act="changed")
        yield Changing(
            connection=connection,
            guest=guest,
            live_xml=guest.xml(timeout_s=ACT_TIMEOUT_S) if is_active else "",
            xml=guest.xml(inactive=True, secure=True) if guest.is_persistent(timeout_s=ACT_TIMEOUT_S) else "",
        )
