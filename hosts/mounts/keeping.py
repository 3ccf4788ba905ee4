"""What mounts a share again after the host's start: a systemd unit of the console's own, or a line in /etc/fstab, as the host does it."""

from hosts import mount_unit, reach
from hosts.errors import CommandFailed, HostError, Refused, Unsupported
from hosts.fstab import FstabEntry
from hosts.models import Host
from hosts.mounts import scripts
from hosts.mounts.check import View
from hosts.mounts.fstab_file import edit_fstab
from hosts.nfs import NFS_TYPES, NfsSource

UNIT_TIMEOUT_S = 150.0
"""The script asks systemd up to four times, 20 s each, and waits 25 s for the lock."""


def keep(host: Host, view: View, share: NfsSource, target: str, options: str) -> None:
    """Have `share` mounted at each start of `host`. Raises HostError; then what stood there before stands there still."""
    entry = FstabEntry(source=str(share), target=target, fstype="nfs", options=options)
    try:
        if _by_unit(view, entry):
            _write_unit(host, entry)
        else:
            edit_fstab(host, lambda fstab: fstab if fstab.find(target) == entry else fstab.remove(target).add(entry))
    except HostError as error:
        how = f"{error.hint} " if isinstance(error, (Refused, Unsupported)) else ""
        error.hint = f"{how}{target} is mounted, but not kept so: look at it before {host.name} is restarted."
        raise


def drop(host: Host, view: View, target: str) -> None:
    """Have nothing mounted at `target` at the host's start: neither by fstab nor by the console's unit. Raises HostError."""
    edit_fstab(host, lambda fstab: fstab.remove(target))
    if view.unit_at(target):
        _run(host, scripts.argv(scripts.REMOVE_UNIT, mount_unit.unit_name(target)), target)


def require_agrees(host: Host, view: View, target: str, share: NfsSource) -> None:
    """Raises Refused where the host mounts another source at `target` at its start."""
    unit = view.unit_at(target)
    if unit and unit.entry.source.rstrip("/") != str(share).rstrip("/"):
        raise Refused(
            f"{unit.name} on {host.name} mounts {unit.entry.source} at {target}.",
            host=host.name,
            hint=f"Choose another folder, or run there first: systemctl disable {unit.name}",
        )
    entry = view.fstab.find(target)
    if entry and entry.source.rstrip("/") != str(share).rstrip("/"):
        raise Refused(
            f"/etc/fstab on {host.name} mounts {entry.source} at {target}.",
            host=host.name,
            hint="Choose another folder, or take that line out of fstab first.",
        )


def require_ours(host: Host, view: View, target: str) -> None:
    """Raises Refused where a unit that the console did not write mounts there at start: it would come back."""
    unit = view.unit_at(target)
    if unit and not unit.is_ours:
        raise _foreign(host, unit.name)


def _by_unit(view: View, entry: FstabEntry) -> bool:
    """systemd's way, but where the host's admin has this share, or others, in fstab, or the options need it."""
    if not view.has_systemd or not mount_unit.suits(entry.options) or view.fstab.find(entry.target):
        return False
    by_fstab = any(line.fstype in NFS_TYPES for line in view.fstab.entries)
    return view.unit_at(entry.target) is not None or not by_fstab


def _write_unit(host: Host, entry: FstabEntry) -> None:
    argv = scripts.argv(scripts.WRITE_UNIT, mount_unit.unit_name(entry.target), entry.target)
    _run(host, argv, entry.target, text=mount_unit.render(entry))


def _run(host: Host, argv: list[str], target: str, *, text: str | None = None) -> None:
    done = reach.run(host, argv, timeout_s=UNIT_TIMEOUT_S, input=text, check=False)
    name, said = mount_unit.unit_name(target), done.stderr.strip()
    if done.returncode == 0:
        return
    if done.returncode == scripts.FOREIGN:
        raise _foreign(host, name)
    if done.returncode == scripts.LOCKED:
        raise Refused(f"Another mount is under way on {host.name}.", host=host.name, hint="Try again in a moment.")
    if done.returncode == scripts.COMPLAINED:
        raise Refused(
            f"systemd on {host.name} does not take {name}: {said.splitlines()[-1] if said else 'no reason given'}. "
            "What was there before is back.",
            host=host.name,
            hint=f"Read on the host: systemctl status {name}.",
            raw=said,
        )
    raise CommandFailed([f"write {mount_unit.FOLDER}/{name}"], done.returncode, said, host=host.name)


def _foreign(host: Host, name: str) -> Refused:
    return Refused(
        f"{name} on {host.name} mounts there at each start, and the console did not write it.",
        host=host.name,
        hint=f"Change it there by hand, or take it away: systemctl disable {name}.",
    )
