"""Pools of one host, or of many."""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.db import connections

from hosts import audit, inventory, reach
from hosts.errors import HostError, InvalidInput, Refused
from hosts.libvirt_client.connection import Connection
from hosts.libvirt_client.storage import Storage, pool_xml
from hosts.models import Host, Placement, StoragePool
from hosts.models.inventory import ACTIVE_STATES
from hosts.mounts.users import is_below
from hosts.nfs import NfsSource, validate_target

CONNECT_TIMEOUT_S = 15.0
AT_ONCE = 8
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def define(
    *, host: Host, name: str, kind: str, target: str, source: str = "", autostart: bool = True, actor: audit.Actor
) -> None:
    """Define a pool of kind dir or netfs on `host`, start it, and let it start with libvirtd.

    One that can't be started is taken away again, so that no half of it stays. Raises InvalidInput, Refused, HostError.
    """
    xml = _checked_xml(name=name, kind=kind, target=target, source=source)
    with audit.act(actor=actor, action="define pool", target=f"pool {name} on {host.name}", hosts=[host]):
        with own_storage(host) as (connection, storage):
            known = {pool.name: pool for pool in connection.pools()}
            if name in known:
                raise Refused(
                    f"{host.name} has a pool named {name} already.", host=host.name, hint="Choose another name."
                )
            same = [pool.name for pool in known.values() if pool.target == target.rstrip("/")]
            if same:
                raise Refused(
                    f"The pool {same[0]} on {host.name} is over {target} already.",
                    host=host.name,
                    hint="Use that pool.",
                )
            storage.define(xml)
            try:
                storage.start(name)
                if autostart:
                    storage.set_autostart(name, True)
            except HostError as error:
                if connection.is_alive():
                    storage.undefine(name)
                error.hint = f"Is {target} there on {host.name}? Nothing was kept of the pool."
                raise
        sync(host)


def define_on(*, hosts: Sequence[Host], actor: audit.Actor, **pool: str) -> dict[str, HostError | None]:
    """The same on several hosts at once; by host, what went wrong there."""
    _checked_xml(**{key: pool.get(key, "") for key in ("name", "kind", "target", "source")})

    def one(host: Host) -> HostError | None:
        try:
            define(host=host, actor=actor, **pool)  # type: ignore[arg-type]
        except HostError as error:
            return error
        finally:
            connections.close_all()
        return None

    if len(hosts) == 1:
        try:
            define(host=hosts[0], actor=actor, **pool)  # type: ignore[arg-type]
        except HostError as error:
            return {hosts[0].name: error}
        return {hosts[0].name: None}
    with ThreadPoolExecutor(max_workers=AT_ONCE) as workers:
        return dict(zip([host.name for host in hosts], workers.map(one, hosts), strict=True))


def start(*, pool: StoragePool, actor: audit.Actor) -> None:
    _act("start pool", pool, actor, lambda storage: storage.start(pool.name))


def stop(*, pool: StoragePool, actor: audit.Actor) -> None:
    """Refused while a VM that is active on the host has a disk in it."""
    _act("stop pool", pool, actor, lambda storage: storage.stop(pool.name), unused=True)


def refresh(*, pool: StoragePool, actor: audit.Actor) -> None:
    _act("refresh pool", pool, actor, lambda storage: storage.refresh(pool.name))


def autostart_on(*, pool: StoragePool, actor: audit.Actor) -> None:
    _act("start pool with libvirtd", pool, actor, lambda storage: storage.set_autostart(pool.name, True))


def autostart_off(*, pool: StoragePool, actor: audit.Actor) -> None:
    _act("no longer start pool with libvirtd", pool, actor, lambda storage: storage.set_autostart(pool.name, False))


def undefine(*, pool: StoragePool, actor: audit.Actor) -> None:
    """Stop and forget it; its files stay where they are. Refused while a VM that is active on the host has a disk in it."""

    def act(storage: Storage) -> None:
        storage.stop(pool.name)
        storage.undefine(pool.name)

    _act("undefine pool", pool, actor, act, unused=True)


POOL_ACTS: dict[str, Callable[..., None]] = {
    "start": start,
    "stop": stop,
    "refresh": refresh,
    "autostart-on": autostart_on,
    "autostart-off": autostart_off,
    "undefine": undefine,
}


def _act(
    action: str, pool: StoragePool, actor: audit.Actor, act: Callable[[Storage], None], *, unused: bool = False
) -> None:
    host = pool.host
    with audit.act(actor=actor, action=action, target=f"pool {pool.name} on {host.name}", hosts=[host]):
        if unused:
            _require_unused(pool)
        with own_storage(host) as (_, storage):
            act(storage)
        sync(host)


def _require_unused(pool: StoragePool) -> None:
    rows = Placement.objects.filter(host=pool.host, present=True, state__in=ACTIVE_STATES).select_related("vm")
    using = [
        row.vm.name
        for row in rows
        if any(
            disk.get("pool") == pool.name
            or is_below([disk.get("source"), *(disk.get("backing_chain") or ())], pool.target)
            for disk in row.facts.get("disks", [])
        )
    ]
    if using:
        raise Refused(
            f"The pool {pool.name} on {pool.host.name} is in use: {', '.join(using)} runs from it.",
            host=pool.host.name,
            hint="Migrate these VMs to another host, or shut them down.",
        )


@contextmanager
def own_storage(host: Host) -> Iterator[tuple[Connection, Storage]]:
    """A connection for this act alone: what hangs in it holds up nobody else."""
    with reach.open_own(host, timeout_s=CONNECT_TIMEOUT_S) as connection:
        try:
            yield connection, Storage(connection)
        except HostError as error:
            error.host = error.host or host.name
            raise


def sync(host: Host) -> None:
    """Bring the rows of the host's pools and volumes up to date."""
    with reach.open_own(host, timeout_s=CONNECT_TIMEOUT_S) as connection:
        inventory.sync_storage(host, connection)


def _checked_xml(*, name: str, kind: str, target: str, source: str) -> str:
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} can't be a pool's name: letters, digits, dots, dashes and underscores, beginning with a letter or digit.",
            field="name",
        )
    if kind not in ("dir", "netfs"):
        raise InvalidInput("A pool is of kind dir or netfs.", field="kind")
    folder = validate_target(target)
    if kind == "dir":
        return pool_xml(name=name, kind=kind, target=folder)
    share = NfsSource.parse(source)
    return pool_xml(name=name, kind=kind, target=folder, server=share.server, folder=share.path)
