"""The addresses of running guests, as far as the host knows them without asking the guest."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import libvirt

from hosts.libvirt_client.connection import Connection

LOOKUP_TIMEOUT_S = 15.0
# What libvirt's own DHCP server gave out, then what the host's kernel has spoken to (virDomainInterfaceAddressesSource).
# The guest agent is left out: a guest that hangs would hold up the answer.
_SOURCES = (libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP)


def find_addresses(
    connection: Connection, uuids: Iterable[str], *, timeout_s: float = LOOKUP_TIMEOUT_S
) -> dict[str, str]:
    """One usable address per guest, by UUID; guests of which the host knows none are left out. Raises HostError."""
    wanted = list(uuids)
    return connection.call(lambda: _find(connection.raw, wanted), timeout_s=timeout_s)


def _find(raw: libvirt.virConnect, uuids: list[str]) -> dict[str, str]:
    found = {}
    for uuid in uuids:
        try:
            domain = raw.lookupByUUIDString(uuid)
        except libvirt.libvirtError:
            continue  # gone by now
        if address := next(filter(None, (_ask(domain, source) for source in _SOURCES)), None):
            found[uuid] = address
    return found


def _ask(domain: libvirt.virDomain, source: int) -> str | None:
    try:
        return _usable(domain.interfaceAddresses(source))
    except libvirt.libvirtError:
        return None  # off by now, or a driver that does not know this source


def _usable(listed: dict[str, dict[str, list[dict[str, str]] | None]]) -> str | None:
    """The first IPv4 address that others can reach, else the first such IPv6 one."""
    texts = [entry["addr"] for interface in listed.values() for entry in interface.get("addrs") or []]
    addresses = [ipaddress.ip_address(text) for text in texts]
    usable = [address for address in addresses if not (address.is_loopback or address.is_link_local)]
    return str(min(usable, key=lambda address: address.version)) if usable else None
