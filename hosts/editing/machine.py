"""A VM's name, memory, vCPUs and boot order."""

import re
from collections.abc import Sequence

from hosts import audit
from hosts.actions.elsewhere import ask_others
from hosts.domain_xml import Domain
from hosts.editing.changing import changing
from hosts.errors import InvalidInput, Refused
from hosts.hardware_xml import boots_a_kernel, most_vcpus, with_boot_order
from hosts.models import Host, VirtualMachine

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]{0,62}")
LEAST_MEMORY_MIB = 16
MOST_VCPUS = 1024


def checked_name(name: str, *, but: VirtualMachine | None = None) -> str:
    """A name that no VM has, `but` this one. Raises InvalidInput(field="name"), Refused."""
    if not NAME.fullmatch(name):
        message = (
            f"{name[:80]!r} can't be a VM's name: letters, digits, dots, dashes, underscores, + and @, 63 at most."
        )
        raise InvalidInput(message, field="name")
    taken = VirtualMachine.objects.filter(name=name, host__isnull=False)
    found = (taken.exclude(pk=but.pk) if but else taken).select_related("host").first()
    if found and found.host:
        message = f"A VM on {found.host.name} is named {name} already: the two could never be on one host."
        raise Refused(message, host=found.host.name, hint="Choose another name.")
    return name


def checked_memory(memory_mib: int, host: Host) -> int:
    """Raises InvalidInput(field="memory_mib") where `host` could never give it."""
    most = host.memory_mib or 2**40
    if not LEAST_MEMORY_MIB <= memory_mib <= most:
        message = f"A VM on {host.name} has from {LEAST_MEMORY_MIB} to {most} MiB of memory."
        raise InvalidInput(message, field="memory_mib")
    return memory_mib


def checked_vcpus(vcpus: int, host: Host) -> int:
    """Raises InvalidInput(field="vcpus") for more than `host` has CPUs: each vCPU would wait for another."""
    most = host.cpus or MOST_VCPUS
    if not 1 <= vcpus <= most:
        raise InvalidInput(f"A VM on {host.name} has from 1 to {most} vCPUs.", field="vcpus")
    return vcpus


def rename(*, vm: VirtualMachine, host: Host, name: str, actor: audit.Actor, reason: str = "") -> str:
    """Give a VM that is off another name; its UUID stays.

    Refused while another host has it too: libvirt there would refuse the guest under a name that is not the one it knows.
    """
    checked_name(name, but=vm)
    with changing("rename", vm, host, actor, reason, about=f"to {name}") as change:
        if change.is_active:
            message = f"{vm.name} runs on {host.name}; libvirt renames only what is off."
            raise Refused(message, host=host.name, vm=vm.name, hint="Shut it down first.")
        for answer in ask_others(vm=vm, host=host):
            if answer.error or answer.state is not None:
                where = answer.host.name
                said = "does not answer, so it may have" if answer.error else "has"
                raise Refused(
                    f"{where} {said} a copy of {vm.name} under this name: it would clash with the renamed one.",
                    host=where,
                    vm=vm.name,
                    hint=f"Remove the leftover on {where} first.",
                    raw=str(answer.error or ""),
                )
        change.guest.rename(name)
    return ""


def set_memory(*, vm: VirtualMachine, host: Host, memory_mib: int, actor: audit.Actor, reason: str = "") -> str:
    """How much memory it has: from its next start on, and now as far as its balloon goes."""
    checked_memory(memory_mib, host)
    with changing("set memory", vm, host, actor, reason, about=f"{memory_mib} MiB") as change:
        if change.xml:
            change.guest.define_memory(memory_mib)
        if not change.is_active:
            return ""
        now = Domain.parse(change.live_xml)
        if memory_mib > now.memory_mib:
            return change.at_next_start(f"it was started with {now.memory_mib} MiB and can't have more before")
        if memory_mib == now.current_memory_mib:
            return ""
        return change.try_live(lambda: change.guest.balloon(memory_mib))


def set_vcpus(*, vm: VirtualMachine, host: Host, vcpus: int, actor: audit.Actor, reason: str = "") -> str:
    """How many vCPUs it has: from its next start on, and now as far as it was started with room for them."""
    checked_vcpus(vcpus, host)
    with changing("set vCPUs", vm, host, actor, reason, about=str(vcpus)) as change:
        if change.xml:
            change.guest.define_vcpus(vcpus, most=max(vcpus, most_vcpus(change.xml)))
        if not change.is_active or Domain.parse(change.live_xml).vcpus == vcpus:
            return ""
        most = most_vcpus(change.live_xml)
        if vcpus > most:
            return change.at_next_start(f"it was started with room for {most} and can't have more before")
        return change.try_live(lambda: change.guest.plug_vcpus(vcpus))


def set_boot_order(
    *, vm: VirtualMachine, host: Host, devices: Sequence[str], actor: audit.Actor, reason: str = ""
) -> str:
    """What it boots from: targets of disks and drives, addresses of interfaces, in order; nothing else is tried."""
    with changing("set boot order", vm, host, actor, reason, about=", ".join(devices)[:200]) as change:
        if not change.xml:
            message = f"{vm.name} is transient: it has no definition to keep the order in."
            raise Refused(message, host=host.name, vm=vm.name, hint="Define it first.")
        change.define(lambda xml: with_boot_order(xml, devices))
        if boots_a_kernel(change.xml):
            return "It boots a kernel of its host directly; the order is only looked at when that is taken out."
        return "At next start." if change.is_active else ""
