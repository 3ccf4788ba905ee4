"""Takes pictures of a guest on its hosts, for conformance.py to compare."""

import logging
from typing import Any

from hosts import reach
from hosts.errors import DomainNotFound, HostError
from hosts.libvirt_client.domain import Guest
from hosts.models import Host, Placement
from hosts.stale_mark import is_marked_stale
from migrations_app.conformance import Other, Picture
from migrations_app.models import Migration

log = logging.getLogger(__name__)
ASK_S = 15.0


def take(guest: Guest) -> Picture:
    """A picture of `guest` as its host has it now: six calls. Raises HostError."""
    persistent = guest.is_persistent(timeout_s=ASK_S)
    return Picture(
        live_xml=guest.xml(timeout_s=ASK_S) if guest.is_active(timeout_s=ASK_S) else "",
        definition_xml=guest.xml(inactive=True, timeout_s=ASK_S) if persistent else "",
        autostart=persistent and guest.autostart(timeout_s=ASK_S),
        snapshots=guest.snapshot_names(timeout_s=ASK_S),
    )


def before(host: Host, uuid: str) -> dict[str, Any]:
    """What a migration's row keeps of the guest at its source, `before` and `source_xml`; nothing where it does not answer."""
    try:
        with reach.libvirt(host) as connection:
            picture = take(connection.guest(uuid, timeout_s=ASK_S))
    except HostError as error:
        log.info("no picture of %s on %s: %s", uuid, host.name, error)
        return {}
    return {"before": picture.to_dict(), "source_xml": picture.definition_xml}


def others(migration: Migration) -> list[Other]:
    """What every host but the destination says of the guest; the source is asked now, of the rest their rows tell."""
    found = [_of_source(migration.source, migration)] if migration.source else []
    rows = Placement.objects.filter(vm__uuid=migration.vm_uuid, present=True, persistent=True).select_related("host")
    for row in rows.exclude(host__in=[migration.source_id or 0, migration.destination_id or 0]):
        marked = bool(row.facts.get("marked_stale"))
        found.append(Other(row.host.name, row.host.is_online, True, row.autostart, marked))
    return found


def _of_source(host: Host, migration: Migration) -> Other:
    try:
        with reach.libvirt(host) as connection:
            state = connection.domain_state(str(migration.vm_uuid), timeout_s=ASK_S)
    except DomainNotFound:
        return Other(host.name)
    except HostError:
        return Other(host.name, known=False)
    marked = bool(state.persistent_xml and is_marked_stale(state.persistent_xml))
    return Other(host.name, defined=state.persistent, autostart=state.autostart, marked_stale=marked)
