"""Pause, resume, reset, save and autostart of a guest: each refuses what could let it run twice."""

from collections.abc import Callable

from hosts import audit
from hosts.actions.elsewhere import ask_others, require_not_active
from hosts.actions.framing import ACT_TIMEOUT_S, acting, guest_on, require_placement
from hosts.errors import Refused
from hosts.inventory import WAITING_REASONS
from hosts.libvirt_client.domain import Guest
from hosts.libvirt_client.states import State
from hosts.models import Host, VirtualMachine

SAVE_TIMEOUT_S = 300.0
"""A save writes the guest's whole memory to the host's disk: 16 GiB at 100 MiB/s take 160 s."""


def pause(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Let the guest stand still; its memory stays where it is."""
    with acting("pause", vm, host, actor, reason), guest_on(vm, host) as (_, guest):
        guest.suspend(timeout_s=ACT_TIMEOUT_S)


def resume(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Let a paused guest go on.

    Refused for the paused half of a migration, and unless every other host that has the guest says, now, that it is not
    active there.
    """
    with acting("resume", vm, host, actor, reason), guest_on(vm, host) as (_, guest):
        state, why = guest.state(timeout_s=ACT_TIMEOUT_S)
        if state == State.PAUSED and why in WAITING_REASONS:
            raise Refused(
                f"{vm.name} on {host.name} is paused by a migration ({why}): its other half may be the one that runs.",
                host=host.name,
                vm=vm.name,
                hint="Look at its migrations: the one that left it so can settle it.",
            )
        require_not_active(vm=vm, host=host, answers=ask_others(vm=vm, host=host), act="resumed")
        guest.resume(timeout_s=ACT_TIMEOUT_S)


def reset(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Press the guest's reset button: it restarts at once, whatever it was doing."""
    with acting("reset", vm, host, actor, reason), guest_on(vm, host) as (_, guest):
        guest.reset(timeout_s=ACT_TIMEOUT_S)


def save(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Write the guest's memory to its host's disk and switch it off; its next start there goes on from that.

    Refused for a transient guest, which would be gone.
    """
    with acting("save", vm, host, actor, reason), guest_on(vm, host) as (_, guest):
        if not guest.is_persistent(timeout_s=ACT_TIMEOUT_S):
            raise Refused(
                f"{vm.name} on {host.name} is transient: it has no definition to be restored to.",
                host=host.name,
                vm=vm.name,
                hint="Define it first.",
            )
        guest.save(timeout_s=SAVE_TIMEOUT_S)


def discard_save(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Throw the saved memory away: the next start is a boot, as after a power cut."""
    with acting("discard saved memory", vm, host, actor, reason), guest_on(vm, host) as (_, guest):
        guest.discard_save(timeout_s=ACT_TIMEOUT_S)


def autostart(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Let the guest start with its host. Refused for a leftover definition, and for one that lives elsewhere."""
    with acting("autostart on", vm, host, actor, reason), guest_on(vm, host) as (_, guest):
        _require_good_definition(vm, host, guest)
        require_not_active(vm=vm, host=host, answers=ask_others(vm=vm, host=host), act="started with the host")
        guest.set_autostart(True, timeout_s=ACT_TIMEOUT_S)


def no_autostart(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Leave the guest off when its host boots."""
    with acting("autostart off", vm, host, actor, reason), guest_on(vm, host) as (_, guest):
        guest.set_autostart(False, timeout_s=ACT_TIMEOUT_S)


def _require_good_definition(vm: VirtualMachine, host: Host, guest: Guest) -> None:
    if require_placement(vm, host).stale:
        raise Refused(
            f"The definition of {vm.name} on {host.name} is a leftover: the guest lives on another host.",
            host=host.name,
            vm=vm.name,
            hint="Switch autostart on where it lives.",
        )
    if not guest.is_persistent(timeout_s=ACT_TIMEOUT_S):
        message = f"{vm.name} on {host.name} is transient: what has no definition can't start with its host."
        raise Refused(message, host=host.name, vm=vm.name, hint="Define it first.")


ACTS: dict[str, Callable[..., None]] = {
    "pause": pause,
    "resume": resume,
    "reset": reset,
    "save": save,
    "discard-save": discard_save,
    "autostart": autostart,
    "no-autostart": no_autostart,
}
"""By the name that paths give them, the same for pages and API."""
