"""Can this VM move there? Every check named, with the fix; nothing is changed."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from hosts import sharing
from hosts.errors import Refused
from hosts.models import Host, VirtualMachine
from migrations_app import measuring, plan
from migrations_app.estimate import MIB, THROTTLE_FIRST, THROTTLE_STEP, Estimate, Means, estimate, with_disks
from migrations_app.measuring import Measurement
from migrations_app.models import Kind, Migration
from migrations_app.plan import Options
from migrations_app.preflight.asking import gather, look_ahead
from migrations_app.preflight.checks import findings
from migrations_app.preflight.copies import DiskCopy, copies
from migrations_app.preflight.facts import Check, Facts
from migrations_app.preflight.ranking import Standing, ranked
from migrations_app.preflight.recent import recall, remember
from migrations_app.preflight.sessions import Sessions
from migrations_app.standstill import QEMU_DOWNTIME_MS, downtime_for
from migrations_app.states import ACTIVE

__all__ = [
    "Check",
    "Report",
    "Sessions",
    "command_for",
    "look_ahead",
    "remember",
    "run",
    "run_all",
    "run_or_recall",
    "source_of",
]

LIMIT_S = 45.0
"""For one destination: longer than any single answer is waited for."""
LIMIT_OF_ALL_S = 12.0
"""For many at once: a host that hangs longer is said to be silent, and the others are shown."""
PAUSING = ("automatic", "must_finish")
"""The policies that may let the guest stand still up to max_pause_ms, and slow it down."""


@dataclass(frozen=True, slots=True)
class Report:
    destination: Host
    checks: list[Check]
    estimate: dict[str, Any]
    command: str
    memory_free_mib: int | None = None
    copies: tuple[DiskCopy, ...] = ()
    """The disks to copy along, which alone are handed to libvirt."""

    @property
    def blockers(self) -> list[Check]:
        return [check for check in self.checks if check.level == "blocker"]

    @property
    def blocked(self) -> bool:
        return bool(self.blockers)

    @property
    def warnings(self) -> list[Check]:
        return [check for check in self.checks if check.level == "warning"]

    @property
    def standing(self) -> Standing:
        return Standing(
            name=self.destination.name,
            blocked=self.blocked,
            reachable=not any(check.name == "destination_reachable" for check in self.checks),
            memory_free_mib=self.memory_free_mib or 0,
            total_s=self.estimate.get("total_s"),
            warnings=len(self.warnings),
        )


def run(
    *,
    vm: VirtualMachine,
    destination: Host,
    options: Options,
    ignore: Migration | None = None,
    kind: Kind = Kind.LIVE,
) -> Report:
    """Check whether `vm` can move to `destination`; takes about half a second, at most about half a minute.

    `ignore` is the migration that asks, which itself holds the VM: it is not kept waiting for a measurement of the guest.
    Without it, one that is not known fresh is measured meanwhile, for a second. Raises Refused where the VM is on no host.
    """
    ask = _Ask(vm, options, kind, ignore)
    return _run(ask, [destination], limit_s=LIMIT_S)[0]


def run_or_recall(*, vm: VirtualMachine, destination: Host, options: Options, ignore: Migration) -> Report:
    """As `run`, but for what `remember` was just told of the same VM, destination and options."""
    found = recall(vm, destination, options)
    return found if isinstance(found, Report) else run(vm=vm, destination=destination, options=options, ignore=ignore)


def run_all(
    *,
    vm: VirtualMachine,
    destinations: Sequence[Host],
    options: Options,
    kind: Kind = Kind.LIVE,
    measure: bool = True,
    sessions: Sessions | None = None,
) -> list[Report]:
    """The same for many destinations at the same time, best first; one that does not answer costs the others nothing.

    A host that is known not to answer is not asked. Without `measure` the guest's dirty rate is left at what is known.
    `sessions` may be shared with other checks of guests of the same host. Raises Refused where the VM is on no host.
    """
    away = [host for host in destinations if not host.is_online]
    asked = [host for host in destinations if host.is_online]
    ask = _Ask(vm, options, kind, measure=measure, sessions=sessions)
    reports = _run(ask, asked, limit_s=LIMIT_OF_ALL_S) if asked else []
    reports += [_silent(ask, host) for host in away]
    places = {name: place for place, name in enumerate(ranked([report.standing for report in reports]))}
    return sorted(reports, key=lambda report: places[report.destination.name])


@dataclass(frozen=True, slots=True)
class _Ask:
    """What one preflight is about."""

    vm: VirtualMachine
    options: Options
    kind: Kind
    ignore: Migration | None = None
    measure: bool = True
    sessions: Sessions | None = None


def _run(ask: _Ask, destinations: Sequence[Host], *, limit_s: float) -> list[Report]:
    vm, options = ask.vm, ask.options
    source = source_of(vm)
    held = _held(vm, ask.ignore)
    may_begin = ask.measure and ask.ignore is None and not held and measuring.fresh(vm) is None
    measurement = Measurement(vm, may_begin=may_begin)
    with nullcontext(ask.sessions) if ask.sessions else Sessions(source, options) as sessions:
        found = gather(vm=vm, sessions=sessions, destinations=destinations, limit_s=limit_s, also=measurement.begin)
    measurement.collect(source)
    points = sharing.mount_points(source, {folder.path for facts in found for folder in facts.folders})
    return [
        _report(ask, destination, _with_proofs(source, destination, facts, points), held)
        for destination, facts in zip(destinations, found, strict=True)
    ]


def _with_proofs(source: Host, destination: Host, facts: Facts, points: Mapping[str, str]) -> Facts:
    """Keep what the probe files have shown just now, by the source's mount `points` of the folders; where they could show
    nothing, say what was shown last."""
    folders = []
    for folder in facts.folders:
        outcome = "copy" if folder.copied else "same" if folder.same else "apart" if folder.apart else ""
        if outcome:
            sharing.record(
                path=points[folder.path], writer=source, reader=destination, outcome=outcome, detail=folder.problem
            )
        elif last := sharing.last_same(points[folder.path], source, destination):
            folder = replace(folder, last_same=f"{last.at:%Y-%m-%d %H:%M} UTC")
        folders.append(folder)
    return replace(facts, folders=tuple(folders))


def _report(ask: _Ask, destination: Host, facts: Facts, held: list[Check]) -> Report:
    off = ask.kind == Kind.OFFLINE
    expected = forecast(ask.vm, destination, ask.options, memory_used_mib=facts.memory_used_mib)
    copied = () if off else copies(facts, ask.options)
    disks = [copy.target for copy in copied]
    expected = with_disks(expected, sum(copy.data_bytes for copy in copied))
    return Report(
        destination=destination,
        checks=[*held, *findings(facts, ask.options, off=off)],
        estimate={} if off else expected.to_dict(),
        command=command_for(ask.vm, destination, ask.options, off=off, disks=disks),
        memory_free_mib=facts.memory_free_mib if facts.memory_free_mib is not None else destination.memory_free_mib,
        copies=copied,
    )


def _silent(ask: _Ask, host: Host) -> Report:
    """What is known of a host that does not answer, without asking it."""
    facts = Facts(
        vm_name=ask.vm.name,
        source=source_of(ask.vm).name,
        destination=host.name,
        destination_error=host.error or "it does not answer",
        maintenance=host.maintenance,
    )
    return _report(ask, host, facts, [])


def source_of(vm: VirtualMachine) -> Host:
    if vm.host is None:
        raise Refused(f"No host has {vm.name}.", vm=vm.name, hint="Refresh the hosts, then look where the VM is.")
    return vm.host


def command_for(
    vm: VirtualMachine, destination: Host, options: Options, *, off: bool = False, disks: Sequence[str] = ()
) -> str:
    """The equivalent virsh command; which `disks` are copied along is known once the preflight has proven it."""
    names = {
        "vm_name": vm.name,
        "source_uri": source_of(vm).uri,
        "destination_uri": destination.uri if options.direct else destination.uri_for_peers,
    }
    if off:
        return plan.offline_command(options, **names)
    return plan.command(options, **names, migration_address=destination.migration_address, disks=disks)


def _held(vm: VirtualMachine, ignore: Migration | None) -> list[Check]:
    others = Migration.objects.filter(vm_uuid=vm.uuid, state__in=ACTIVE).exclude(pk=ignore.pk if ignore else 0)
    numbers = others.values_list("pk", flat=True)
    return [
        Check(
            "held",
            "Not migrating",
            "blocker",
            f"{vm.name} is already migrating, see #{number}.",
            "Wait until it is over.",
        )
        for number in numbers
    ]


def forecast(vm: VirtualMachine, destination: Host, options: Options, *, memory_used_mib: int | None) -> Estimate:
    """How long it will take, from what was measured."""
    known = measuring.known(vm, source_of(vm), destination, memory_used_mib=memory_used_mib)
    # The autopilot lowers QEMU's own downtime where the ceiling is below it.
    lowest = (
        QEMU_DOWNTIME_MS if options.policy == "manual" else min(QEMU_DOWNTIME_MS, downtime_for(options.max_pause_ms))
    )
    steps = options.throttle_steps
    first, step = steps.get("auto_converge_initial", 0), steps.get("auto_converge_increment", 0)
    means = Means(
        max_downtime_ms=options.max_downtime_ms or lowest,
        max_pause_ms=options.max_pause_ms if options.policy in PAUSING else 0,
        may_throttle=options.allows_auto_converge,
        throttle=(first / 100, step / 100) if steps else (THROTTLE_FIRST, THROTTLE_STEP),
        may_postcopy=options.allows_postcopy,
        bandwidth_bytes_per_s=options.bandwidth_mib * MIB,
        finish_within_s=options.finish_within_s if options.policy == "must_finish" else 0,
    )
    return estimate(known, means)
