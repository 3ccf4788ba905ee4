"""The rules that every way to start a guest keeps: a boot, a restore, a revert to a snapshot of a running guest."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.cache import cache

from hosts.actions.elsewhere import ask_others, require_not_active
from hosts.actions.framing import ACT_TIMEOUT_S, require_placement
from hosts.errors import Refused
from hosts.libvirt_client.domain import Guest
from hosts.models import Host, VirtualMachine

CLAIM_S = 400
"""A start is over by then: asking the others, libvirt's own start, and the reading of saved memory have shorter limits."""


def require_may_start(vm: VirtualMachine, host: Host, guest: Guest, *, act: str) -> None:
    """Raises Refused on a host in maintenance, for a leftover definition, and unless every other host that has the guest
    says, now, that it is not active there."""
    if host.maintenance:
        raise Refused(
            f"{host.name} is in maintenance; {vm.name} is not {act} there.",
            host=host.name,
            vm=vm.name,
            hint="End the maintenance of the host first.",
        )
    require_good_copy(vm, host, guest)
    require_not_active(vm=vm, host=host, answers=ask_others(vm=vm, host=host), act=act)


def require_good_copy(vm: VirtualMachine, host: Host, guest: Guest) -> None:
    """Raises Refused for a leftover definition: the guest, and its disks, belong to another host."""
    # The row may not know the mark yet: definitions are read some time after a host was added.
    if require_placement(vm, host).stale or guest.metadata(timeout_s=ACT_TIMEOUT_S) is not None:
        raise Refused(
            f"The definition of {vm.name} on {host.name} is a leftover: the guest lives on another host.",
            host=host.name,
            vm=vm.name,
            hint="Do it where it lives. If that copy is lost for good, make this definition the good one first.",
        )


def require_own_disks(vm: VirtualMachine, host: Host, guest: Guest, *, act: str) -> None:
    """Raises Refused unless nothing but this copy can be writing to the guest's disks.

    One that is active here has them; of one that is off, every other host that has it must say, now, that it is off there.
    """
    require_good_copy(vm, host, guest)
    if not guest.is_active(timeout_s=ACT_TIMEOUT_S):
        require_not_active(vm=vm, host=host, answers=ask_others(vm=vm, host=host), act=act)


def require_nothing_saved(vm: VirtualMachine, host: Host, guest: Guest, *, act: str) -> None:
    """Raises Refused where memory was saved: it would later be restored to disks or devices that are no longer the same."""
    if guest.kept_states(timeout_s=ACT_TIMEOUT_S).managed_save:
        raise Refused(
            f"{host.name} has saved memory of {vm.name}, which fits the guest only as it was; it is not {act}.",
            host=host.name,
            vm=vm.name,
            hint="Restore it and shut it down, or discard its saved memory.",
        )


@contextmanager
def claim(vm: VirtualMachine, host: Host) -> Iterator[None]:
    """One start of a guest at a time: two at once would each find that the other host does not run it yet."""
    key = f"start-of-vm-{vm.pk}"
    if not cache.add(key, host.name, timeout=CLAIM_S):
        raise Refused(
            f"Another start of {vm.name} is under way, on {cache.get(key) or 'a host'}.",
            host=host.name,
            vm=vm.name,
            hint="Wait for its outcome.",
        )
    try:
        yield
    finally:
        cache.delete(key)
