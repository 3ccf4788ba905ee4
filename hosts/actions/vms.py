"""What the console does to a guest besides migrating it. Each checks its safety rules itself and is audited."""

from collections.abc import Callable

from django.utils import timezone

from hosts import audit, forgotten, inventory, reach
from hosts.actions.elsewhere import ask_others, require_not_active
from hosts.actions.framing import ACT_TIMEOUT_S, acting, guest_on, require_placement
from hosts.actions.shutting_down import shutdown, stop_waiting
from hosts.actions.starting import claim, require_may_start
from hosts.compatible_cpu import CompatibleCpu
from hosts.domain_xml import METADATA_URI, Domain
from hosts.errors import Refused
from hosts.models import Host, Placement, VirtualMachine
from hosts.stale_mark import PREFIX, stale_mark


def start(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Start `vm` from its definition on `host`; where its memory was saved there, it goes on from that.

    Refused where a migration holds it, and by the rules of starting.py.
    """
    with acting("start", vm, host, actor, reason), claim(vm, host), guest_on(vm, host) as (_, guest):
        require_may_start(vm, host, guest, act="started")
        guest.create(timeout_s=ACT_TIMEOUT_S)


def reboot(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Ask the guest to restart itself."""
    with acting("reboot", vm, host, actor, reason), guest_on(vm, host) as (_, guest):
        guest.reboot(timeout_s=ACT_TIMEOUT_S)


def destroy(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Force the guest off at once, as if its plug was pulled."""
    with acting("force off", vm, host, actor, reason), guest_on(vm, host) as (_, guest):
        guest.destroy(timeout_s=ACT_TIMEOUT_S)


def define(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Make the running transient guest persistent on `host`, from its own live definition."""
    with acting("define", vm, host, actor, reason), guest_on(vm, host) as (connection, guest):
        if not guest.is_active(timeout_s=ACT_TIMEOUT_S):
            raise Refused(
                f"{vm.name} does not run on {host.name}, so there is no live definition to keep.",
                host=host.name,
                vm=vm.name,
            )
        if not guest.is_persistent(timeout_s=ACT_TIMEOUT_S):
            forgotten.require_room(host)
            connection.define(guest.xml(inactive=True, secure=True, timeout_s=ACT_TIMEOUT_S), timeout_s=ACT_TIMEOUT_S)


def redefine(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Make what runs on `host` the guest's definition there. The one that it had, with changes that wait, is replaced."""
    with acting("define from what runs", vm, host, actor, reason), guest_on(vm, host) as (connection, guest):
        if not guest.is_active(timeout_s=ACT_TIMEOUT_S):
            raise Refused(
                f"{vm.name} does not run on {host.name}, so there is nothing to define it from.",
                host=host.name,
                vm=vm.name,
            )
        connection.define(guest.xml(secure=True, migratable=True, timeout_s=ACT_TIMEOUT_S), timeout_s=ACT_TIMEOUT_S)


def mark_stale(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Keep a leftover definition, but harmless: autostart off, and marked so that no console starts it.

    Refused unless the guest is off on `host` and another host says, now, that it is active there.
    """
    with acting("mark definition as stale", vm, host, actor, reason), guest_on(vm, host) as (_, guest):
        lives_on = [answer.host.name for answer in ask_others(vm=vm, host=host) if answer.is_active]
        if guest.is_active(timeout_s=ACT_TIMEOUT_S) or not lives_on:
            raise Refused(
                f"{vm.name} is not proven to live on another host than {host.name}, so its definition is not marked.",
                host=host.name,
                vm=vm.name,
            )
        guest.set_autostart(False, timeout_s=ACT_TIMEOUT_S)
        mark = stale_mark(lives_on=lives_on[0], since=timezone.now())
        guest.set_metadata(mark, key=PREFIX, uri=METADATA_URI, timeout_s=ACT_TIMEOUT_S)


def undefine_stale(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Remove a leftover definition; disks are never touched.

    Refused unless the guest is off on `host`, and another host says, now, that it runs there or has a good definition.
    """
    with acting("remove leftover definition", vm, host, actor, reason), guest_on(vm, host) as (_, guest):
        placement = require_placement(vm, host)
        if not placement.stale or guest.is_active(timeout_s=ACT_TIMEOUT_S):
            raise Refused(
                f"The definition of {vm.name} on {host.name} is not a leftover, so it stays.",
                host=host.name,
                vm=vm.name,
            )
        if not any(answer.is_active or answer.is_good_definition for answer in ask_others(vm=vm, host=host)):
            raise Refused(
                f"No other host says that it has {vm.name}: the definition on {host.name} may be the last one.",
                host=host.name,
                vm=vm.name,
                hint="Bring the host where the guest lives back, then try again.",
            )
        guest.undefine(timeout_s=ACT_TIMEOUT_S)


def adopt(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Make the leftover definition on `host` the good one, so that the guest can be started from it again.

    Refused unless every other host that has the guest says, now, that it is not active there.
    """
    with acting("make definition the good one", vm, host, actor, reason), guest_on(vm, host) as (_, guest):
        placement = require_placement(vm, host)
        require_not_active(vm=vm, host=host, answers=ask_others(vm=vm, host=host), act="made the good copy")
        guest.unmark_stale(timeout_s=ACT_TIMEOUT_S)
        Placement.objects.filter(pk=placement.pk).update(stale=False)
        inventory.settle({vm.pk})


def eject(*, vm: VirtualMachine, host: Host, target: str, actor: audit.Actor, reason: str = "") -> None:
    """Take the medium out of the drive `target`. Refused where there is no such CD-ROM or floppy drive."""
    with acting(f"eject {target}", vm, host, actor, reason), guest_on(vm, host) as (_, guest):
        guest.eject(target, timeout_s=ACT_TIMEOUT_S)


def compatible_cpu(*, vm: VirtualMachine, host: Host, other: Host) -> CompatibleCpu:
    """The CPU for `vm` that both hosts can give. Changes nothing; raises HostError where a host can't say."""
    with reach.libvirt(host) as connection:
        domain = Domain.parse(connection.guest(str(vm.uuid)).xml(timeout_s=ACT_TIMEOUT_S))
        where = {
            "emulator": domain.emulator,
            "arch": domain.arch,
            "machine": domain.machine,
            "domain_type": domain.domain_type,
        }
        with reach.libvirt(other) as there:
            capabilities = [each.domain_capabilities(**where, timeout_s=ACT_TIMEOUT_S) for each in (connection, there)]
        return CompatibleCpu(connection.baseline_cpu(capabilities, **where))


def use_compatible_cpu(*, vm: VirtualMachine, host: Host, other: Host, actor: audit.Actor, reason: str = "") -> None:
    """Define `vm` with a CPU that both hosts can give; it takes effect at its next start."""
    with acting("choose compatible CPU", vm, host, actor, reason), guest_on(vm, host) as (connection, guest):
        cpu = compatible_cpu(vm=vm, host=host, other=other)
        xml = guest.xml(inactive=True, secure=True, timeout_s=ACT_TIMEOUT_S)
        connection.define(cpu.put_into(xml), timeout_s=ACT_TIMEOUT_S)


ACTS: dict[str, Callable[..., None]] = {
    "start": start,
    "shutdown": shutdown,
    "stop-waiting": stop_waiting,
    "reboot": reboot,
    "destroy": destroy,
    "define": define,
    "redefine": redefine,
    "mark-stale": mark_stale,
    "undefine-stale": undefine_stale,
    "adopt": adopt,
}
"""By the name that paths give them, the same for pages and API."""
