"""Checks of the guest at the source. Pure."""

from collections.abc import Iterator

from hosts.domain_xml import Domain
from migrations_app.preflight.facts import Check, Facts


def of_guest(facts: Facts, domain: Domain) -> Iterator[Check]:
    if facts.state != "running":
        message = f"{facts.vm_name} is {facts.state or 'not there'} on {facts.source}."
        fix = "Only a running VM migrates live; start or resume it first."
        yield Check("running", "VM running", "blocker", message, fix)
    else:
        yield Check("running", "VM running", "ok", f"{facts.vm_name} is {facts.state} on {facts.source}.")
    if facts.job:
        message = f"Another job (migration, save, snapshot) works on {facts.vm_name}."
        yield Check("job", "No other job", "blocker", message, "Wait until it is over.")
    if facts.block_jobs:
        message = f"A block job (copy, commit, mirror) works on {', '.join(facts.block_jobs)} of {facts.vm_name}."
        yield Check(
            "block_job", "No block job", "blocker", message, "Wait until it is over, or end it: virsh blockjob."
        )
    yield from _kept_states(facts)
    yield from _devices(facts, domain)


def _kept_states(facts: Facts) -> Iterator[Check]:
    """libvirt refuses with snapshots or checkpoints: qemuMigrationSrcIsAllowed in its src/qemu/qemu_migration.c."""
    for count, what in ((facts.snapshots, "snapshot"), (facts.checkpoints, "checkpoint")):
        if count:
            message = (
                f"{facts.vm_name} has {count} {what}{'s' if count > 1 else ''}; libvirt migrates no guest with any."
            )
            fix = (
                f"Delete them, or only what libvirt knows of them (virsh {what}-delete --metadata) and keep the files."
            )
            yield Check(f"{what}s", f"No {what}s", "blocker", message, fix)
    if facts.managed_save:
        message = f"{facts.source} keeps a saved state of {facts.vm_name}, from before it was last started."
        fix = f"Remove it: virsh managedsave-remove {facts.vm_name}."
        yield Check("managed_save", "No saved state", "blocker", message, fix)
    if facts.saved_at_destination:
        message = (
            f"{facts.destination} keeps a saved state of {facts.vm_name}; a later start there would go back to it."
        )
        fix = f"On {facts.destination}: virsh managedsave-remove {facts.vm_name}."
        yield Check("managed_save", "No saved state", "blocker", message, fix)


def _devices(facts: Facts, domain: Domain) -> Iterator[Check]:
    drives = {disk.source: disk.target for disk in domain.disks if disk.device in ("cdrom", "floppy")}
    found = False
    for blocker in domain.blockers():
        found = True
        message = f"{facts.vm_name} has a {blocker.kind.replace('_', ' ')}: {blocker.what}."
        if blocker.kind == "local_drive" and blocker.what in drives:
            fix = "It is a drive of that host: eject the medium."
            yield Check("devices", "Devices", "blocker", message, fix, "eject", drives[blocker.what])
        else:
            fix = "It is bound to its host; remove it from the VM first."
            yield Check("devices", "Devices", "blocker", message, fix)
    if not found:
        yield Check("devices", "Devices", "ok", f"{facts.vm_name} has no device that is bound to {facts.source}.")
