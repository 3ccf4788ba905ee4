"""Interfaces of a VM."""

import re
import secrets

from hosts import audit
from hosts.editing.changing import changing
from hosts.errors import InvalidInput, Refused
from hosts.hardware_xml import find_nic, nic_xml, with_device, without_nic
from hosts.models import Host, Placement, VirtualMachine

KINDS = ("network", "bridge")
MODELS = ("virtio", "e1000e", "rtl8139")
BRIDGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
"""At most 15 characters: IFNAMSIZ of Linux, with its end."""
NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,62}")
MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")
"""The second digit is even: an odd one is a group's address."""
PREFIX = "52:54:00"
"""QEMU's own."""


def new_mac() -> str:
    """An address that no VM known here has."""
    taken = taken_macs()
    while True:
        mac = ":".join([PREFIX, *(f"{byte:02x}" for byte in secrets.token_bytes(3))])
        if mac not in taken:
            return mac


def taken_macs() -> set[str]:
    """The addresses of all VMs' interfaces, as the rows have them."""
    facts = Placement.objects.filter(present=True).values_list("facts", flat=True)
    return {nic.get("mac", "") for each in facts for nic in each.get("interfaces", [])}


def check_place(kind: str, source: str, *, fields: tuple[str, str] = ("kind", "source")) -> None:
    """Raises InvalidInput, at one of `fields`, for what can't be the name of a network or bridge."""
    if kind not in KINDS:
        raise InvalidInput("An interface is in a network or on a bridge.", field=fields[0])
    if not (NETWORK if kind == "network" else BRIDGE).fullmatch(source):
        raise InvalidInput(f"{source[:80]!r} can't be the name of a {kind}.", field=fields[1])


def add_nic(
    *,
    vm: VirtualMachine,
    host: Host,
    kind: str,
    source: str,
    model: str = "virtio",
    mac: str = "",
    actor: audit.Actor,
    reason: str = "",
) -> str:
    """Give it an interface into the libvirt network `source`, or on the host's bridge of that name.

    Without `mac` it gets one that no VM has. Raises InvalidInput, Refused.
    """
    check_place(kind, source)
    if model not in MODELS:
        raise InvalidInput(f"A model is one of {', '.join(MODELS)}.", field="model")
    mac = mac.strip().lower().replace("-", ":")
    if mac and not MAC.fullmatch(mac):
        raise InvalidInput(f"{mac[:40]!r} is no address of an interface, such as 52:54:00:12:34:56.", field="mac")
    if mac in taken_macs():
        raise InvalidInput(f"Another interface has the address {mac}.", field="mac")
    with changing("add interface", vm, host, actor, reason, about=f"{kind} {source}") as change:
        if kind == "network" and source not in change.connection.networks():
            raise Refused(
                f"{host.name} has no active network named {source}.",
                host=host.name,
                vm=vm.name,
                hint=f"Start it there: virsh net-start {source}",
            )
        device = nic_xml(kind=kind, source=source, mac=mac or new_mac(), model=model)
        change.define(lambda xml: with_device(xml, device))
        return change.try_live(lambda: change.guest.plug(device))


def remove_nic(*, vm: VirtualMachine, host: Host, mac: str, actor: audit.Actor, reason: str = "") -> str:
    """Take the interface with this address away."""
    with changing("remove interface", vm, host, actor, reason, about=mac) as change:
        if not any(find_nic(xml, mac) for xml in change.all_xml):
            raise Refused(f"{vm.name} has no interface {mac}.", host=host.name, vm=vm.name)
        return change.take_away(lambda xml: find_nic(xml, mac), lambda xml: without_nic(xml, mac))
