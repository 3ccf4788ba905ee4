"""All guests of a host, or one, as values. Each function makes its calls on the given connection."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

import libvirt

from hosts.libvirt_client.states import State, reason_of, state_of


@dataclass(frozen=True, slots=True)
class DomainName:
    """A guest of a host, without its definitions."""

    uuid: str
    name: str
    state: State
    reason: str


@dataclass(frozen=True, slots=True)
class DomainState:
    """One host's view of a guest. `live_xml` while it is active, `persistent_xml` where it is defined; no secrets.

    Both are None where its definitions were not asked for.
    """

    uuid: str
    name: str
    state: State
    reason: str
    persistent: bool
    autostart: bool
    managed_save: bool
    live_xml: str | None
    persistent_xml: str | None


def read_names(raw: libvirt.virConnect) -> list[DomainName]:
    """One call."""
    return [
        DomainName(domain.UUIDString(), domain.name(), *_state_from(stats)) for domain, stats in _all_with_state(raw)
    ]


def read_all(raw: libvirt.virConnect, definitions: Container[str] | None = None) -> list[DomainState]:
    """Four calls for all, and one for each definition of the guests in `definitions` (UUIDs; None: of all)."""
    listed = _all_with_state(raw)
    persistent = _uuids(raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT))
    autostart = _uuids(raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART))
    managed_save = _uuids(raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE))
    found = []
    for domain, stats in listed:
        uuid = domain.UUIDString()
        state, reason = _state_from(stats)
        live_xml = persistent_xml = None
        if definitions is None or uuid in definitions:
            try:
                live_xml, persistent_xml = _definitions(domain, state, persistent=uuid in persistent)
            except libvirt.libvirtError as error:
                # Gone, moved or stopped since it was listed: the next look, or its event, tells.
                if error.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
                    raise
                continue
        found.append(
            DomainState(
                uuid=uuid,
                name=domain.name(),
                state=state,
                reason=reason,
                persistent=uuid in persistent,
                autostart=uuid in autostart,
                managed_save=uuid in managed_save,
                live_xml=live_xml,
                persistent_xml=persistent_xml,
            )
        )
    return found


def read_one(domain: libvirt.virDomain) -> DomainState:
    """Five calls and one for each definition."""
    state, reason = read_state(domain)
    persistent = bool(domain.isPersistent())
    live_xml, persistent_xml = _definitions(domain, state, persistent=persistent)
    return DomainState(
        uuid=domain.UUIDString(),
        name=domain.name(),
        state=state,
        reason=reason,
        persistent=persistent,
        autostart=persistent and bool(domain.autostart()),
        managed_save=persistent and bool(domain.hasManagedSaveImage()),
        live_xml=live_xml,
        persistent_xml=persistent_xml,
    )


def read_state(domain: libvirt.virDomain) -> tuple[State, str]:
    number, reason = domain.state()
    state = state_of(number)
    return state, reason_of(state, reason)


def _all_with_state(raw: libvirt.virConnect) -> list[tuple[libvirt.virDomain, dict[str, int]]]:
    # The state alone: other groups ask QEMU, and wait for one that hangs.
    listed: list[tuple[libvirt.virDomain, dict[str, int]]] = raw.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)
    return listed


def _state_from(stats: dict[str, int]) -> tuple[State, str]:
    state = state_of(stats.get("state.state", 0))
    return state, reason_of(state, stats.get("state.reason", 0))


def _definitions(domain: libvirt.virDomain, state: State, *, persistent: bool) -> tuple[str | None, str | None]:
    is_active = state not in (State.SHUT_OFF, State.CRASHED)
    live_xml = domain.XMLDesc() if is_active else None
    return live_xml, domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) if persistent else None


def _uuids(domains: Iterable[libvirt.virDomain]) -> frozenset[str]:
    return frozenset(domain.UUIDString() for domain in domains)
