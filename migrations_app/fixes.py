"""What the console can put right itself when a preflight finds it wrong. Each is asked first, audited, and checked again."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from hosts import access, mounts
from hosts import actions as hosts_actions
from hosts.audit import Actor
from hosts.errors import HostError, InvalidInput, Refused
from hosts.models import Host, Mount, MountState, VirtualMachine
from migrations_app import preflight

OPTION_FIXES = {
    "unsafe": ("unsafe", "on"),
    "direct": ("direct", "on"),
    "tunnel": ("tunnelled", "on"),
    "copy_disks": ("copy_storage", "all"),
}
"""Fixes that are an option of the migration: nothing is done to a host, the person only says yes to it."""
LABELS = {
    "unsafe": "Tick Unsafe",
    "direct": "Let the console drive it",
    "tunnel": "Tunnel through libvirt",
    "copy_disks": "Copy the disks along",
    "eject": "Eject the medium",
    "mount": "Mount it there",
    "compatible_cpu": "Choose a CPU that both have",
    "end_maintenance": "End the maintenance",
}
"""What the button says, by the name in Check.fix_act."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be fixed: `arg` is the check's fix_arg, as it came back from the page or the API."""

    vm: VirtualMachine
    destination: Host
    arg: str
    actor: Actor

    @property
    def source(self) -> Host:
        return preflight.source_of(self.vm)


@dataclass(frozen=True, slots=True)
class Fix:
    """One fix: what it asks before, what follows from it, the right that it needs and on which host, and the act."""

    title: str
    question: str
    consequences: tuple[str, ...]
    done: str
    run: Callable[[Case], None]
    permission: str = access.OPERATE
    on_source: bool = True
    look: Callable[[Case], str] = lambda _case: ""

    def host(self, case: Case) -> Host:
        return case.source if self.on_source else case.destination


def _eject(case: Case) -> None:
    hosts_actions.eject(vm=case.vm, host=case.source, target=case.arg, actor=case.actor)


def share_of(case: Case) -> Mount:
    """The share of the source in which the folder lies that the destination lacks. Raises Refused where there is none."""
    folder = PurePosixPath(case.arg)
    if not folder.is_absolute() or ".." in folder.parts:
        raise InvalidInput("Name the folder by its whole path.", field="arg")
    rows = Mount.objects.filter(host=case.source, state=MountState.HEALTHY)
    found = [row for row in rows if folder.is_relative_to(row.target)]
    if not found:
        raise Refused(
            f"{case.source.name} has no healthy share at {case.arg}, so there is none to mount on {case.destination.name}.",
            host=case.source.name,
            hint="Mount the storage by hand, at the same path on both hosts.",
        )
    return max(found, key=lambda row: len(row.target))


def _mount(case: Case) -> None:
    share = share_of(case)
    mounts.mount(
        host=case.destination, source=share.source, target=share.target, persist=share.is_kept, actor=case.actor
    )


def _look_at_share(case: Case) -> str:
    share = share_of(case)
    return f"{share.source} at {share.target}"


def _compatible_cpu(case: Case) -> None:
    hosts_actions.use_compatible_cpu(vm=case.vm, host=case.source, other=case.destination, actor=case.actor)


def _look_at_cpu(case: Case) -> str:
    return hosts_actions.compatible_cpu(vm=case.vm, host=case.source, other=case.destination).summary


def _end_maintenance(case: Case) -> None:
    hosts_actions.set_maintenance(host=case.destination, maintenance=False, actor=case.actor)


FIXES = {
    "eject": Fix(
        "Eject the medium",
        "Take the medium out of the drive?",
        ("The guest no longer sees it, now and after its next start.", "The medium itself is not touched."),
        "The medium is out.",
        _eject,
    ),
    "mount": Fix(
        "Mount the storage",
        "Mount the source's share on the destination?",
        (
            "The share is mounted at the same path, and at each start of the host where the source has it so.",
            "It is refused where it would hide anything.",
        ),
        "The share is mounted there.",
        _mount,
        on_source=False,
        look=_look_at_share,
    ),
    "compatible_cpu": Fix(
        "Choose a compatible CPU",
        "Give the VM a CPU that both hosts have?",
        (
            "Only the definition changes: the running guest keeps its CPU until it is shut down and started again.",
            "After that it can move between these hosts.",
            "What the guest's programs gain from newer CPU features may be lost.",
        ),
        "The definition has a CPU that both hosts have. Shut the VM down and start it again before it is migrated.",
        _compatible_cpu,
        look=_look_at_cpu,
    ),
    "end_maintenance": Fix(
        "End the maintenance",
        "Put the destination back into service?",
        ("It gets guests again, from everybody.",),
        "The host is back in service.",
        _end_maintenance,
        permission=access.MANAGE,
        on_source=False,
    ),
}
"""The acts that change something, by the name in Check.fix_act."""


def shown(act: str, case: Case) -> str:
    """What the act would do exactly, asked of the hosts where it must be; what stands in its way, in words."""
    try:
        return FIXES[act].look(case)
    except HostError as error:
        return f"{error} {error.hint}"
