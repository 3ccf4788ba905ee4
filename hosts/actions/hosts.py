"""Adding, changing and removing hosts."""

import re
from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from hosts import audit, holds, inventory, live, mounts, reach
from hosts.actions.connection import accept_new_keys, test_connection
from hosts.errors import HostError, InvalidInput, Refused
from hosts.host_uri import HostUri, validate_address, validate_ssh_target
from hosts.models import Host, HostGroup

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
RESERVED = ("add",)
"""Words that stand where a name would in a path."""
SYNC_TIMEOUT_S = 15.0


def add_host(
    *,
    name: str,
    uri: str,
    ssh: str = "",
    peer_uri: str = "",
    migration_address: str = "",
    groups: Iterable[HostGroup] = (),
    actor: audit.Actor,
    require_connection: bool = True,
    accept_new_host_key: bool = False,
) -> Host:
    """Store a host and read its inventory.

    With `require_connection` a host that can't be reached is not stored, and the reason is raised; without, it is stored
    with its state and error, and the watcher keeps trying. Raises InvalidInput, which stores nothing, or HostError.
    """
    host = Host(**_checked(name=name, uri=uri, ssh=ssh, peer_uri=peer_uri, migration_address=migration_address))
    _require_unique(host)
    with audit.act(actor=actor, action="add host", target=f"host {host.name} ({host.uri})", hosts=[host]):
        if accept_new_host_key:
            _accept_keys(host, actor, required=require_connection)
        if require_connection:
            _require_connection(host)
        _store(host, groups)
    refresh_host(host)
    return host


def edit_host(*, host: Host, actor: audit.Actor, require_connection: bool = True, **changes: Any) -> Host:
    """Change the fields named in `changes`: name, uri, ssh, peer_uri, migration_address, groups.

    A new address is tried first, as in `add_host`; refused while a migration uses the host. Raises InvalidInput, HostError.
    """
    groups = changes.pop("groups", None)
    editable = ("name", "uri", "ssh", "peer_uri", "migration_address")
    values = {field: changes.pop(field, getattr(host, field)) for field in editable}
    if changes:
        raise InvalidInput(f"A host has no field {', '.join(changes)}.", field=next(iter(changes)))
    edited = Host(pk=host.pk, **_checked(**values))
    _require_unique(edited)
    moved = (edited.uri, edited.ssh) != (host.uri, host.ssh)
    differing = [field for field in editable if getattr(edited, field) != getattr(host, field)]
    with audit.act(actor=actor, action="edit host", target=f"host {host.name}", hosts=[host]) as event:
        event.detail = ", ".join(f"{field}: {getattr(host, field)} → {getattr(edited, field)}" for field in differing)
        if differing and (held := holds.why(host=host)):
            raise Refused(f"{host.name} can't be changed: {held}.", host=host.name)
        if moved and require_connection:
            _require_connection(edited)
        for field in editable:
            setattr(host, field, getattr(edited, field))
        _store(host, groups, update_fields=editable)
        if "name" in differing:
            inventory.settle_host(host)  # guests are found by the name of their host
    if moved:
        reach.forget(host)
        refresh_host(host)
    return host


def remove_host(*, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Forget a host and what only it knew; nothing is done on the host. Refused while a migration uses it."""
    with audit.act(actor=actor, action="remove host", target=f"host {host.name}", hosts=[host], reason=reason):
        if held := holds.why(host=host):
            raise Refused(
                f"{host.name} can't be removed: {held}.", host=host.name, hint="Wait until that is over, or cancel it."
            )
        inventory.forget_host(host)
        reach.forget(host)


def refresh_host(host: Host) -> None:
    """Sync all of a host now, mounts included, and note its state; an unreachable host is a state, not an error."""
    try:
        with reach.libvirt(host, timeout_s=SYNC_TIMEOUT_S) as connection:
            inventory.sync_host(host, connection)
    except HostError as error:
        inventory.mark_unreachable(host=host, error=error)
    else:
        mounts.check_mounts(host)
    # A watcher that waits in its back-off tries again at once.
    Host.objects.filter(pk=host.pk).update(sync_requested=timezone.now())


def set_maintenance(*, host: Host, maintenance: bool, actor: audit.Actor, reason: str = "") -> None:
    """Take a host out of service, or back: in maintenance it gets no guests, and what runs on it stays."""
    action = "begin maintenance" if maintenance else "end maintenance"
    with audit.act(actor=actor, action=action, target=f"host {host.name}", hosts=[host], reason=reason):
        host.maintenance = maintenance
        host.save(update_fields=["maintenance"])
        live.publish("hosts", hosts=[host.pk])
        live.publish(f"host.{host.pk}", hosts=[host.pk])


def _checked(*, name: str, uri: str, ssh: str, peer_uri: str, migration_address: str) -> dict[str, str]:
    """The fields in canonical form. Raises InvalidInput with the field's name."""
    if name.lower() in RESERVED:
        raise InvalidInput(f"{name!r} can't be a host's name: the console's own pages use it.", field="name")
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} can't be a host's name: 1 to 63 letters, digits, dots, dashes and underscores, "
            "beginning with a letter or digit.",
            field="name",
        )
    return {
        "name": name,
        "uri": HostUri.parse(uri).text,
        "ssh": str(validate_ssh_target(ssh)) if ssh.strip() else "",
        "peer_uri": _checked_peer_uri(peer_uri),
        "migration_address": validate_address(migration_address, field="migration_address")
        if migration_address.strip()
        else "",
    }


def _checked_peer_uri(text: str) -> str:
    if not text.strip():
        return ""
    try:
        return HostUri.parse(text).text
    except InvalidInput as error:
        raise InvalidInput(str(error), field="peer_uri", hint=error.hint) from error


def _require_unique(host: Host) -> None:
    """One row per name and per address: a machine added twice would show each of its guests as running twice."""
    others = Host.objects.exclude(pk=host.pk)
    if others.filter(name__iexact=host.name).exists():
        raise InvalidInput(f"There is a host named {host.name} already.", field="name")
    if other := others.filter(uri=host.uri).first():
        raise InvalidInput(f"{host.uri} is already here as {other.name}.", field="uri")


def _require_connection(host: Host) -> None:
    """Raises what a test of the connection found, and Refused where it is a machine that is here already."""
    found = test_connection(name=host.name, uri=host.uri, ssh=host.ssh)
    if found.error:
        raise found.error
    if found.info and (other := inventory.same_machine(host, found.info)):
        raise InvalidInput(
            f"{host.uri} is the same machine as {other.name} (host UUID {found.info.host_uuid}).", field="uri"
        )


def _accept_keys(host: Host, actor: audit.Actor, *, required: bool) -> None:
    try:
        accept_new_keys(host=host, actor=actor)
    except HostError:
        if required:
            raise


def _store(host: Host, groups: Iterable[HostGroup] | None, update_fields: Iterable[str] | None = None) -> None:
    try:
        with transaction.atomic():
            host.save(update_fields=update_fields)
            if groups is not None:
                host.groups.set(groups)
            live.publish("hosts", hosts=[host.pk])
            if update_fields:
                live.publish(f"host.{host.pk}", hosts=[host.pk])
    except IntegrityError as error:
        raise InvalidInput(f"There is a host named {host.name} already.", field="name") from error
