"""Mount a share again with other options."""

from hosts import audit, holds, reach
from hosts.errors import HostError, Refused
from hosts.models import Mount
from hosts.mounts import scripts
from hosts.mounts.acts import DEFAULT_OPTIONS, MOUNT_LIMIT_S, SSH_MARGIN_S
from hosts.mounts.check import check_mounts, look
from hosts.mounts.keeping import keep
from hosts.mounts.knocking import why_mount_failed
from hosts.mounts.messages import explain_unmount
from hosts.mounts.users import guests_below
from hosts.nfs import NfsSource, known_options, parse_options, validate_options


def remount(*, mount: Mount, options: str = "", actor: audit.Actor, reason: str = "") -> Mount:
    """Unmount the share and mount it again with `options`, also at the host's start where it is kept; where that fails it is
    mounted as it was.

    Refused while a guest that is active on the host has a disk there, except to make a read-only share writable, which needs
    no unmounting; while a migration uses the host; and where the folder below holds files. Raises InvalidInput, HostError.
    """
    host, target = mount.host, mount.target
    options = validate_options(options or DEFAULT_OPTIONS)
    what = f"{mount.source} at {target} on {host.name}, options {options}"
    with audit.act(actor=actor, action="remount", target=what, hosts=[host], reason=reason) as event:
        if held := holds.why(host=host):
            raise Refused(
                f"{target} on {host.name} stays as it is: {held}.", host=host.name, hint="Wait until it is over."
            )
        view = look(host)
        there = view.at(target)
        if there is None or not there.is_nfs:
            raise Refused(f"No share is mounted at {target} on {host.name}.", host=host.name, hint="Mount it instead.")
        active, _ = guests_below(host=host, target=target)
        in_place = bool(active)
        if active and ("ro" in parse_options(options) or "ro" not in parse_options(there.options)):
            raise Refused(
                f"{target} on {host.name} is in use: {', '.join(active)} runs from it.",
                host=host.name,
                hint="Migrate these VMs to another host, or shut them down: other options need the share unmounted for a moment.",
            )
        source = NfsSource.parse(there.source)
        _remount_now(mount, source, "rw" if in_place else options, known_options(there.options), in_place=in_place)
        if view.wanted_at(target):
            keep(host, view, source, target, options)
        row = next(row for row in check_mounts(host) if row.target == target)
        event.detail = f"{row.get_state_display()}, options {row.options}"
    return row


def _remount_now(mount: Mount, source: NfsSource, options: str, before: str, *, in_place: bool) -> None:
    host, target = mount.host, mount.target
    now = options if in_place or "retry" in parse_options(options) else f"{options},retry=0"
    limits = [str(MOUNT_LIMIT_S), str(source), target, now, f"{before},retry=0", "yes" if in_place else "no"]
    done = reach.run(
        host, scripts.argv(scripts.REMOUNT, *limits), timeout_s=3 * MOUNT_LIMIT_S + SSH_MARGIN_S, check=False
    )
    if done.returncode == 0:
        return
    if done.returncode != scripts.STAYS:
        check_mounts(host)
    raise _refusal(mount, source, options, done.returncode, done.stderr)


def _refusal(mount: Mount, source: NfsSource, options: str, code: int, stderr: str) -> HostError:
    name, target = mount.host.name, mount.target
    if code == scripts.STAYS:
        return explain_unmount(returncode=1, stderr=stderr, target=target, host=name, limit_s=MOUNT_LIMIT_S)
    if code == scripts.LOCKED:
        return Refused(f"Another mount is under way on {name}.", host=name, hint="Try again in a moment.")
    if code == scripts.NOT_MOUNTED:
        return Refused(f"Nothing is mounted at {target} on {name} any more.", host=name, hint="Mount it instead.")
    if code == scripts.NOT_EMPTY:
        return Refused(
            f"{target} on {name} is mounted as it was before: the folder below holds files, which a new mount would hide.",
            host=name,
            hint="Unmount it, then mount it by its form, which offers to move these files onto the share.",
        )
    error = why_mount_failed(
        returncode=code, stderr=stderr, host=mount.host, source=source, options=options, limit_s=MOUNT_LIMIT_S
    )
    if code == scripts.LOST:
        error.message = f"{error.message} {target} on {name} is unmounted now: mounting it as it was failed too."
    else:
        error.message = f"{error.message} It is mounted as it was before."
    return error
