"""Rows of pools and volumes from what libvirt lists; a row that the host no longer lists is removed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import models, transaction

from hosts import live
from hosts.libvirt_client.pool import Pool
from hosts.libvirt_client.pool import Volume as ListedVolume
from hosts.models import Host, StoragePool, Volume

POOL_FIELDS = [
    "uuid",
    "kind",
    "active",
    "autostart",
    "target",
    "source",
    "capacity_bytes",
    "allocation_bytes",
    "available_bytes",
]
VOLUME_FIELDS = ["path", "format", "capacity_bytes", "allocation_bytes", "backing"]


def record_storage(*, host: Host, pools: Sequence[Pool], volumes: Mapping[str, Sequence[ListedVolume]]) -> None:
    """Make the rows of `host` equal to its pools and their volumes (by pool name), in a fixed number of statements.

    A pool that is missing in `volumes` was not asked (it is inactive, or its share does not answer): its rows stay.
    """
    if _is_known(host, pools, volumes):
        return
    with transaction.atomic():
        # The host may have been removed while it was asked.
        Host.objects.select_for_update(no_key=True).only("pk").get(pk=host.pk)
        rows = {row.name: row for row in StoragePool.objects.filter(host=host)}
        changed = _changed(rows, pools, POOL_FIELDS, lambda pool: StoragePool(host=host, name=pool.name))
        _upsert(StoragePool, changed, ["host", "name"], POOL_FIELDS)
        gone = [row.pk for name, row in rows.items() if name not in {pool.name for pool in pools}]
        touched = bool(changed or gone)
        if gone:
            StoragePool.objects.filter(pk__in=gone).delete()
        if _record_volumes(host, volumes) or touched:
            live.publish("storage", hosts=[host.pk])


def _is_known(host: Host, pools: Sequence[Pool], volumes: Mapping[str, Sequence[ListedVolume]]) -> bool:
    """Whether the rows say all that already; asked without a transaction, of which SQLite lets one write at a time."""
    rows = {row.name: row for row in StoragePool.objects.filter(host=host)}
    if rows.keys() != {pool.name for pool in pools} or _differ(rows, pools, POOL_FIELDS):
        return False
    known: dict[str, dict[str, Volume]] = {name: {} for name in volumes}
    for row in Volume.objects.filter(pool__host=host, pool__name__in=volumes).select_related("pool"):
        known[row.pool.name][row.name] = row
    return not any(
        known[name].keys() != {volume.name for volume in listed} or _differ(known[name], listed, VOLUME_FIELDS)
        for name, listed in volumes.items()
    )


def _record_volumes(host: Host, volumes: Mapping[str, Sequence[ListedVolume]]) -> bool:
    """Whether any row changed."""
    pools = {pool.name: pool for pool in StoragePool.objects.filter(host=host, name__in=volumes)}
    known: dict[int, dict[str, Volume]] = {pool.pk: {} for pool in pools.values()}
    for row in Volume.objects.filter(pool__in=pools.values()):
        known[row.pool_id][row.name] = row
    changed: list[Any] = []
    gone: list[int] = []
    for pool in pools.values():
        rows, listed = known[pool.pk], volumes[pool.name]
        changed += _changed(rows, listed, VOLUME_FIELDS, lambda volume, pool=pool: Volume(pool=pool, name=volume.name))
        gone += [row.pk for name, row in rows.items() if name not in {volume.name for volume in listed}]
    _upsert(Volume, changed, ["pool", "name"], VOLUME_FIELDS)
    if gone:
        Volume.objects.filter(pk__in=gone).delete()
    return bool(changed or gone)


def _changed(rows: Mapping[str, Any], listed: Iterable[Any], fields: Sequence[str], new: Any) -> list[Any]:
    """The rows, old and new, that don't say yet what is listed; they say it after this."""
    changed = []
    for item in listed:
        row = rows.get(item.name)
        if row and not _differs(row, item, fields):
            continue
        row = row or new(item)
        for field in fields:
            setattr(row, field, getattr(item, field))
        changed.append(row)
    return changed


def _differ(rows: Mapping[str, Any], listed: Iterable[Any], fields: Sequence[str]) -> bool:
    return any(_differs(rows[item.name], item, fields) for item in listed)


def _differs(row: Any, item: Any, fields: Sequence[str]) -> bool:
    return any(str(getattr(row, field)) != str(getattr(item, field)) for field in fields)


def _upsert(model: type[models.Model], rows: list[Any], key: list[str], fields: Sequence[str]) -> None:
    model._default_manager.bulk_create(rows, update_conflicts=True, unique_fields=key, update_fields=fields)
