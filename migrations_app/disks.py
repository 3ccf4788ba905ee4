"""The images that a migration creates at the destination for disks copied along: made before libvirt copies into them,
removed where the guest stayed, and never a file that the console did not make itself.

Each image has a second name (a hard link, the `mark`) in its folder, with a token that stands in the row before anything
is created. An image is ours where both names are one file; so a retry, another worker, or a sweep after a crash can tell.
"""

import logging
import secrets
import time
from threading import Thread
from typing import Any

from django.db import connections
from django.db.models import Q

from hosts import reach
from hosts.errors import CommandFailed, HostError
from hosts.models import Host
from migrations_app import record, states, views_of_hosts
from migrations_app.models import Migration
from migrations_app.preflight import Report
from migrations_app.states import State

log = logging.getLogger(__name__)
CREATE_S = 120.0
"""Creating writes an image's tables only; on a busy NFS server even that takes its time."""
REMOVE_S = 30.0
SETTLE_EVERY_S = 20.0
"""How often what could not be removed is tried again."""
TAKEN = 73
"""What CREATE ends with where a file is there already: EX_CANTCREAT of sysexits.h."""

CREATE = """
set -e
path=$1 mark=$2 format=$3 size=$4 owner=$5 backing=$6 backing_format=$7
[ "$path" -ef "$mark" ] && exit 0
if [ -e "$path" ] || [ -L "$path" ]; then exit 73; fi
rm -f -- "$mark"
if [ -n "$backing" ]; then qemu-img create -q -f "$format" -F "$backing_format" -b "$backing" "$mark" "$size"
else qemu-img create -q -f "$format" "$mark" "$size"; fi
chmod 600 -- "$mark"
[ -z "$owner" ] || chown "$owner:$(id -gn "$owner")" -- "$mark"
ln -T -- "$mark" "$path" || exit 73
"""
"""ln is what never overwrites: it fails where the name is taken, however short ago."""

REMOVE = '[ ! "$1" -ef "$2" ] || rm -f -- "$1"; rm -f -- "$2"'
UNMARK = 'rm -f -- "$2"'

_tried: dict[int, float] = {}


def plan(migration: Migration, report: Report) -> None:
    """Write down what is to be created, before anything is; and the command that names these disks and no other."""
    found = [
        {**copy.to_dict(), "mark": f"{copy.folder}/.kvmconsole-copy-{secrets.token_hex(8)}", "state": "planned"}
        for copy in report.copies
    ]
    if found:
        record.note(migration, disks=found, disks_settled=False, command=report.command)


def targets(migration: Migration) -> list[str]:
    """The disks that libvirt is to copy."""
    return [str(disk["target"]) for disk in migration.disks]


def create(migration: Migration) -> None:
    """Make the images at the destination. Raises HostError where one can't be made; what was made is removed later."""
    for number, disk in enumerate(migration.disks):
        if disk["state"] == "created":
            continue
        _note(migration, number, "creating")
        _create_one(migration, disk)
        _note(migration, number, "created")
        what = f"{disk['path']} was created on {migration.destination_name} for {disk['target']}."
        record.tell(migration, what, reason="It lies on the source alone, so it is copied along.")


def _create_one(migration: Migration, disk: dict[str, Any]) -> None:
    names = ("path", "mark", "format", "capacity_bytes", "owner", "backing", "backing_format")
    arguments = [str(disk[name]) for name in names]
    try:
        reach.run(_destination(migration), ["sh", "-c", CREATE, "kvmconsole", *arguments], timeout_s=CREATE_S)
    except CommandFailed as error:
        where, image = migration.destination_name, disk["path"]
        if error.returncode == TAKEN:
            message = f"{where} has a file {image} by now; nothing was overwritten."
            raise HostError(message, hint=f"Remove or rename it on {where}.", host=where) from error
        message = f"{image} could not be created on {where}: {error.stderr.strip() or 'no reason given'}"
        raise HostError(message, hint="Look at the folder and its free space there.", host=where) from error


def _destination(migration: Migration) -> Host:
    if migration.destination is None:
        raise HostError(f"{migration.destination_name} was removed from the console.", hint="Add it again.")
    return migration.destination


def _note(migration: Migration, number: int, state: str) -> None:
    """The row before the act, and after it."""
    disks = [dict(disk) for disk in migration.disks]
    disks[number]["state"] = state
    record.note(migration, disks=disks)


def leave(migration: Migration) -> None:
    """A person closed it without knowing where the guest's last writes are: nothing is removed any more."""
    _close(migration, "left")


def settle(migration: Migration) -> None:
    """After the end: take the marks away where the guest has moved; where it stayed, the images that were made for it.

    Removes nothing unless the source is proven to run the guest and the destination not to have it active. What can't be
    done now is tried again by the sweep.
    """
    moved_after_all = migration.state == State.COMPLETED and any(disk["state"] == "left" for disk in migration.disks)
    if migration.state not in states.TERMINAL or (migration.disks_settled and not moved_after_all):
        return
    try:
        if migration.state == State.COMPLETED:
            _on_destination(migration, UNMARK)
            state, what = "copied", f"The disks were copied; their old files on {migration.source_name} were kept."
        elif _never_left(migration):
            _on_destination(migration, REMOVE)
            state, what = "removed", f"The unfinished copies on {migration.destination_name} were removed."
        else:
            return
    except HostError as error:
        log.info("disks of migration %s: %s", migration.pk, error)
        return
    paths = ", ".join(str(disk["path"]) for disk in migration.disks if disk["state"] != "planned")
    if _close(migration, state) and paths:
        record.tell(migration, what, reason=paths)


def _never_left(migration: Migration) -> bool:
    """Nothing was created, or the source is proven to run the guest and the destination not to have it active."""
    if all(disk["state"] == "planned" for disk in migration.disks):
        return True
    source, destination = views_of_hosts.both(migration)
    return source.runs and not source.job and destination.gone


def _on_destination(migration: Migration, script: str) -> None:
    for disk in migration.disks:
        if disk["state"] != "planned":
            argv = ["sh", "-c", script, "kvmconsole", str(disk["path"]), str(disk["mark"])]
            reach.run(_destination(migration), argv, timeout_s=REMOVE_S)


def _close(migration: Migration, state: str) -> bool:
    """Write down what became of them; False where somebody else has done so."""
    disks = [{**disk, "state": state if disk["state"] != "planned" else "planned"} for disk in migration.disks]
    undone = Q(disks_settled=False) | ~Q(disks=disks)
    mine = Migration.objects.filter(undone, pk=migration.pk).update(disks=disks, disks_settled=True) == 1
    migration.disks, migration.disks_settled = disks, True
    return mine


def sweep() -> None:
    """Settle, in a thread, the disks of migrations that ended without it; quick itself."""
    due = Migration.objects.filter(disks_settled=False, state__in=states.TERMINAL).values_list("pk", flat=True)
    for pk in due:
        if time.monotonic() - _tried.get(pk, float("-inf")) >= SETTLE_EVERY_S:
            _tried[pk] = time.monotonic()
            Thread(target=_settle_by_pk, args=(pk,), name=f"disks {pk}", daemon=True).start()


def _settle_by_pk(pk: int) -> None:
    try:
        settle(Migration.objects.select_related("source", "destination").get(pk=pk))
    finally:
        connections.close_all()
