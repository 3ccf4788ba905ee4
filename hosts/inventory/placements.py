"""Rows of guests and placements from what a host reports; a constant number of statements however many there are."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hosts import live
from hosts.inventory.search_text import search_text
from hosts.inventory.summary import is_stale, summarise
from hosts.models import Host, Placement, VirtualMachine, VmState

REPORTED = ("present", "state", "reason", "persistent", "autostart", "managed_save", "definition_digest", "facts")
PLAIN = ("state", "reason", "persistent", "autostart", "managed_save")
"""Of REPORTED, what is reported without definitions."""
SETTLED_BY = ("vm", "present", "state", "reason", "persistent", "stale", "facts", "host__name", "host__state")
"""Of placements, what settling and telling of it read."""
SUMMARY = ("host_id", "state", "name", "vcpus", "memory_mib", "running_copies")
LEAVES = ("hosts/_vm_state.html", "hosts/_vm_host.html")
MANY = 50
"""More changed guests than this in one sync are told as one event on "vms" and "vm-list", not one each."""


@dataclass(frozen=True, slots=True)
class Report:
    """One guest as one host lists it; the fields of REPORTED but `present`.

    `facts` and `definition_digest` come from its definitions: where those were not read, `facts` is None, and the row
    keeps what it has.
    """

    uuid: UUID
    name: str
    state: str
    reason: str
    persistent: bool
    autostart: bool
    managed_save: bool
    definition_digest: str
    facts: dict[str, Any] | None


def record(*, host: Host, reports: Collection[Report], asked: datetime, only: Collection[UUID] | None = None) -> None:
    """Make the rows of `host` say what it reported when it was asked at `asked`.

    `reports` is all that it lists, or, with `only`, what it lists under those UUIDs. What it no
    longer lists is marked absent. An answer to an older question never overwrites that to a newer one.
    """
    with transaction.atomic():
        Host.objects.select_for_update(no_key=True).only("pk").get(pk=host.pk)
        rows = Placement.objects.filter(host=host).select_related("vm")
        known = {row.vm.uuid: row for row in (rows if only is None else rows.filter(vm__uuid__in=only))}
        new = _vms_of([report for report in reports if report.uuid not in known])
        changed = []
        for report in reports:
            row = known.pop(report.uuid, None) or Placement(host=host, vm=new[report.uuid])
            if _apply(row, {**_fields(report, row), "present": True}, asked):
                changed.append(row)
        changed += [row for row in known.values() if row.present and _apply(row, _absent(row), asked)]
        touched = {row.vm_id for row in changed}
        # Guests are locked before any placement is written: settling also marks other hosts' placements of them.
        vms = _lock(touched)
        _write(changed)
        _settle(vms)


def settle(vm_ids: Collection[int]) -> None:
    """Work out anew where each of these guests is and which copies are stale, and tell the pages what changed."""
    if vm_ids:
        with transaction.atomic():
            _settle(_lock(vm_ids))


def _settle(vms: Mapping[int, VirtualMachine]) -> None:
    """The same for guests that are locked, by their primary keys."""
    if not vms:
        return
    rows = Placement.objects.filter(vm__in=list(vms)).select_related("host").only(*SETTLED_BY).order_by("vm_id")
    written, relabelled = [], []
    listed = {pk: (vm.host_id, vm.name) for pk, vm in vms.items()}
    for vm_id, group in groupby(rows, key=lambda row: row.vm_id):
        placements = list(group)
        relabelled += _relabel(placements)
        if _summarise_into(vms[vm_id], placements):
            written.append(vms[vm_id])
    for stale in (True, False):
        if changed := [placement.pk for placement in relabelled if placement.stale is stale]:
            Placement.objects.filter(pk__in=changed).update(stale=stale)
    if written:
        _write_summaries(written)
    relisted = any(listed[vm.pk] != (vm.host_id, vm.name) for vm in written)
    _tell(vms.values(), rows, relisted=relisted)


def settle_host(host: Host) -> None:
    """The same for all guests of a host, after it came or went."""
    settle(set(Placement.objects.filter(host=host, present=True).values_list("vm_id", flat=True)))


def forget_host(host: Host) -> None:
    """Delete the row of a host, what it reported, and the guests that no other host has ever reported."""
    with transaction.atomic():
        Host.objects.select_for_update().get(pk=host.pk)
        touched = set(Placement.objects.filter(host=host).values_list("vm_id", flat=True))
        _lock(touched)
        pk = host.pk
        host.delete()
        VirtualMachine.objects.filter(pk__in=touched, placements=None).delete()
        settle(set(VirtualMachine.objects.filter(pk__in=touched).values_list("pk", flat=True)))
        for topic in ("hosts", "vms", "vm-list", "storage"):
            live.publish(topic, hosts=[pk])


def is_known(host: Host, reports: Sequence[Report]) -> bool:
    """Whether the rows of `host` say already all that it lists, as they nearly always do: without the whole rows, and without
    a transaction, of which SQLite lets one write at a time."""
    columns = ("vm__uuid", "facts__name", "definition_digest", *PLAIN)
    rows = Placement.objects.filter(host=host, present=True).order_by().values_list(*columns)
    said = {uuid: (name, digest, values) for uuid, name, digest, *values in rows}
    return len(said) == len(reports) and all(
        report.facts is None
        and (row := said.get(report.uuid)) is not None
        and (report.name, [getattr(report, field) for field in PLAIN]) == (row[0], row[2])
        and (report.persistent or not row[1])
        for report in reports
    )


def _lock(vm_ids: Collection[int]) -> dict[int, VirtualMachine]:
    """The guests' rows, locked in one order, so that two hosts' reports on one guest never each miss the other's.

    no_key: a plain lock would wait for the other's new placement, which refers to the guest, while that waits for this one.
    """
    return VirtualMachine.objects.filter(pk__in=vm_ids).order_by("pk").select_for_update(no_key=True).in_bulk()


def _vms_of(reports: Sequence[Report]) -> dict[UUID, VirtualMachine]:
    """The rows of guests that this host had not shown before, made where no host had."""
    if not reports:
        return {}
    # In one order for all hosts, so that two that report the same guests don't lock them crosswise.
    new = [VirtualMachine(uuid=report.uuid, name=report.name) for report in sorted(reports, key=lambda one: one.uuid)]
    VirtualMachine.objects.bulk_create(new, ignore_conflicts=True)
    return {vm.uuid: vm for vm in VirtualMachine.objects.filter(uuid__in=[report.uuid for report in reports])}


def _fields(report: Report, row: Placement) -> dict[str, Any]:
    fields = {name: getattr(report, name) for name in REPORTED if name != "present"}
    if report.facts is None:
        fields["definition_digest"] = row.definition_digest if report.persistent else ""
    return {**fields, "facts": {**(row.facts if report.facts is None else report.facts), "name": report.name}}


def _absent(row: Placement) -> dict[str, Any]:
    """What is known of a guest that the host does not list: nothing but what it was when last seen."""
    gone = {"present": False, "state": VmState.UNKNOWN.value, "reason": "", "managed_save": False, "autostart": False}
    return {**gone, "persistent": False, "definition_digest": row.definition_digest, "facts": row.facts}


def _apply(row: Placement, fields: dict[str, Any], asked: datetime) -> bool:
    """Put `fields` into `row`; whether anything differs and the answer is newer than the row."""
    if row.pk and (row.seen > asked or all(getattr(row, name) == value for name, value in fields.items())):
        return False
    for name, value in fields.items():
        setattr(row, name, value)
    row.seen = asked
    return True


def _write(rows: list[Placement]) -> None:
    """Insert or update all rows at once."""
    Placement.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["vm", "host"], update_fields=[*REPORTED, "seen"]
    )


def _relabel(placements: list[Placement]) -> list[Placement]:
    """Set `stale` on each; the ones on which it changed."""
    changed = []
    for placement in placements:
        stale = is_stale(placement, placements)
        if stale != placement.stale:
            placement.stale = stale
            changed.append(placement)
    return changed


def _summarise_into(vm: VirtualMachine, placements: list[Placement]) -> bool:
    summary = summarise(placements, at=vm.host_id, name=vm.name)
    before = [getattr(vm, name) for name in (*SUMMARY, "search_text")]
    for name in SUMMARY:
        setattr(vm, name, getattr(summary, name))
    vm.search_text = search_text(vm, placements)
    return before != [getattr(vm, name) for name in (*SUMMARY, "search_text")]


def _write_summaries(vms: list[VirtualMachine]) -> None:
    """All at once. The rows are there, since they are locked; an upsert is twenty times as fast as bulk_update's cases."""
    for vm in vms:
        vm.seen = timezone.now()
    VirtualMachine.objects.bulk_create(
        vms,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=[*(name.removesuffix("_id") for name in SUMMARY), "search_text", "seen"],
    )


def _tell(vms: Iterable[VirtualMachine], placements: Iterable[Placement], *, relisted: bool) -> None:
    """Tell the pages of these guests, and those of all once. `relisted`: some came, went, moved or have a new name."""
    told = list(vms)
    hosts: dict[int, set[int | None]] = {vm.pk: {vm.host_id} for vm in told}
    names: dict[int | None, str] = {None: ""}
    for placement in placements:
        hosts[placement.vm_id].add(placement.host_id)
        names[placement.host_id] = placement.host.name
    if len(told) <= MANY:
        for vm in told:
            live.publish(
                f"vm.{vm.uuid}",
                leaves=LEAVES,
                leaves_for=vm.host_id,
                data=partial(dict, pk=vm.pk, state=str(vm.state), host=names.get(vm.host_id, "")),
                hosts=list(hosts[vm.pk]),
            )
    about = list(set().union(*hosts.values()))
    live.publish("vms", hosts=about)
    if relisted or len(told) > MANY:
        live.publish("vm-list", hosts=about)
