"""Can this VM move there? Every check named, with the fix; nothing is changed."""

from dataclasses import dataclass
from typing import Any

from hosts.errors import Refused
from hosts.models import Host, VirtualMachine
from migrations_app import plan
from migrations_app.models import Migration
from migrations_app.plan import Options
from migrations_app.preflight.checks import Check, findings
from migrations_app.preflight.facts import gather
from migrations_app.states import ACTIVE, State

MIB = 1024 * 1024
__all__ = ["Check", "Report", "command_for", "run"]


@dataclass(frozen=True, slots=True)
class Report:
    checks: list[Check]
    estimate: dict[str, Any]
    command: str

    @property
    def blockers(self) -> list[Check]:
        return [check for check in self.checks if check.level == "blocker"]

    @property
    def blocked(self) -> bool:
        return bool(self.blockers)


def run(*, vm: VirtualMachine, destination: Host, options: Options, ignore: Migration | None = None) -> Report:
    """Check whether `vm` can move to `destination`; takes about half a second, at most about half a minute.

    `ignore` is the migration that asks, which itself holds the VM. Raises Refused where the VM is on no host.
    """
    source = source_of(vm)
    checks = [*_held(vm, ignore), *findings(gather(vm=vm, source=source, destination=destination), options)]
    return Report(
        checks=checks, estimate=estimate(vm, source, destination), command=command_for(vm, destination, options)
    )


def source_of(vm: VirtualMachine) -> Host:
    if vm.host is None:
        raise Refused(f"No host has {vm.name}.", vm=vm.name, hint="Refresh the hosts, then look where the VM is.")
    return vm.host


def command_for(vm: VirtualMachine, destination: Host, options: Options) -> str:
    return plan.command(
        options,
        vm_name=vm.name,
        source_uri=source_of(vm).uri,
        destination_uri=destination.uri_for_peers,
        migration_address=destination.migration_address,
    )


def _held(vm: VirtualMachine, ignore: Migration | None) -> list[Check]:
    others = Migration.objects.filter(vm_uuid=vm.uuid, state__in=ACTIVE).exclude(pk=ignore.pk if ignore else 0)
    return [
        Check(
            "held",
            "Not migrating",
            "blocker",
            f"{vm.name} is already migrating, see #{other.pk}.",
            "Wait until it is over.",
        )
        for other in others
    ]


def estimate(vm: VirtualMachine, source: Host, destination: Host) -> dict[str, Any]:
    """What the last completed migrations between the two hosts suggest; None where there was none yet."""
    past = Migration.objects.filter(
        state=State.COMPLETED, source=source, destination=destination, transferred_bytes__gt=0
    )
    last = [m for m in past.order_by("-finished")[:5] if m.progress.get("elapsed_ms")]
    if not last:
        return {"total_s": None, "downtime_ms": None, "converges": None}
    rate = sum(m.transferred_bytes or 0 for m in last) * 1000 / sum(m.progress["elapsed_ms"] for m in last)
    # A guest that has used little of its memory moves faster; its own last migration says how much it really has.
    own = next((m.transferred_bytes for m in last if m.vm_uuid == vm.uuid), None)
    downtimes = sorted(m.downtime_ms for m in last if m.downtime_ms is not None)
    seconds = (own or vm.memory_mib * MIB) / max(rate, 1) + 1
    return {
        "total_s": round(seconds, 1),
        "downtime_ms": downtimes[len(downtimes) // 2] if downtimes else None,
        "converges": None,
    }
