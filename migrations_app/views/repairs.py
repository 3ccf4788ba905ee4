"""What a migration left to repair, as buttons: only what still applies, and only to who may."""

from dataclasses import dataclass

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from hosts import access
from hosts.models import AuditEvent, Placement
from migrations_app.models import Migration


@dataclass(frozen=True, slots=True)
class Repair:
    """A button: what it says, the act of hosts.actions.VM_ACTS on `host`, and whether it asks on a page of its own."""

    act: str
    host: str
    label: str
    icon: str
    asks: bool


KINDS = {
    "define": (_("Define it on {host}"), "file-code", False),
    "redefine": (_("Define it on {host} as it runs…"), "file-code", True),
    "undefine-stale": (_("Remove the leftover on {host}…"), "trash", True),
    "mark-stale": (_("Keep it there as stale, autostart off"), "ghost", False),
}


def repairs_for(user: access.AnyUser, migration: Migration) -> list[Repair]:
    """The repairs that the comparison of a migration that is over offers to `user`."""
    wanted = [(row["act"], row["host"]) for row in migration.conformance if row["level"] == "warning" and row["act"]]
    if not migration.is_over or migration.vm is None or not wanted:
        return []
    wanted += [("mark-stale", host) for act, host in wanted if act == "undefine-stale"]
    mine = set(access.hosts_for(user, access.OPERATE).values_list("name", flat=True))
    rows = {row.host.name: row for row in migration.vm.placements.filter(present=True).select_related("host")}
    return [
        Repair(act, host, gettext(KINDS[act][0]).format(host=host), KINDS[act][1], KINDS[act][2])
        for act, host in dict.fromkeys(wanted)
        if host in mine and host in rows and _applies(act, rows[host], migration)
    ]


def _applies(act: str, row: Placement, migration: Migration) -> bool:
    """Whether `act` would still change something, by what the host said last."""
    if act == "define":
        return row.is_active and not row.persistent
    if act == "redefine":
        target = f"VM {migration.vm_name} on {row.host.name}"
        done = AuditEvent.objects.filter(action="define from what runs", target=target, at__gt=migration.finished)
        return row.is_active and row.persistent and not done.filter(outcome=AuditEvent.Outcome.SUCCEEDED).exists()
    if act == "mark-stale":
        return row.stale and (row.autostart or not row.facts.get("marked_stale"))
    return row.stale
