"""Where else a guest is, asked of the hosts themselves at this moment: no answer is never "not there"."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.db import connections

from hosts import reach
from hosts.errors import DomainNotFound, HostError, Refused
from hosts.models import Host, VirtualMachine, VmState
from hosts.models.inventory import ACTIVE_STATES

ASK_TIMEOUT_S = 8.0
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """What one host said of a guest: its state, None where it does not know the guest, or why it gave no answer."""

    host: Host
    state: str | None = None
    persistent: bool = False
    stale: bool = False
    error: HostError | None = None

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES

    @property
    def is_good_definition(self) -> bool:
        """A definition that the guest may be started from."""
        return self.error is None and self.state is not None and self.persistent and not self.stale


def ask_others(*, vm: VirtualMachine, host: Host) -> list[Answer]:
    """Ask every host but `host` that lists `vm`, or listed it and is online, at once and with a time limit.

    A host that did not list the guest when it last answered and is away now is not asked: it is in the same position as
    a host that never had it.
    """
    rows = vm.placements.exclude(host=host).select_related("host")
    asked = [(row.host, row.stale) for row in rows if row.present or row.host.is_online]
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return list(pool.map(lambda pair: _ask(pair[0], vm, stale=pair[1]), asked))


def _ask(host: Host, vm: VirtualMachine, *, stale: bool) -> Answer:
    try:
        with reach.libvirt(host, timeout_s=ASK_TIMEOUT_S) as connection:
            found = connection.domain_state(str(vm.uuid))
    except DomainNotFound:
        return Answer(host=host)
    except HostError as error:
        return Answer(host=host, error=error)
    finally:
        connections.close_all()
    return Answer(host=host, state=str(found.state), persistent=found.persistent, stale=stale)


def require_not_active(*, vm: VirtualMachine, host: Host, answers: Sequence[Answer], act: str) -> None:
    """Raises Refused unless every answer proves that `vm` is not active on another host than `host`."""
    for answer in answers:
        if answer.is_active:
            raise Refused(
                f"{vm.name} is {answer.state} on {answer.host.name}, so it can't be {act} on {host.name}: "
                "two copies would write to the same disks.",
                host=host.name,
                vm=vm.name,
                hint=f"Shut it down on {answer.host.name} first, or migrate it from there to {host.name}.",
            )
    for answer in answers:
        if answer.error:
            raise Refused(
                f"{answer.host.name} does not answer, so nothing proves that {vm.name} is not running there; "
                f"it is not {act} on {host.name}.",
                host=host.name,
                vm=vm.name,
                hint=f"Bring {answer.host.name} back, or, if it is gone for good, remove it from the console first.",
                raw=str(answer.error),
            )
        if answer.state is not None and answer.state not in (VmState.SHUTOFF, VmState.CRASHED):
            raise Refused(
                f"{answer.host.name} says that {vm.name} is {answer.state}; that does not prove that it is off.",
                host=host.name,
                vm=vm.name,
                hint=f"Look at it on {answer.host.name}.",
            )
