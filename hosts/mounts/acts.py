"""Mount, unmount, and what is done at the host's start."""

from pathlib import PurePosixPath

from hosts import audit, holds, live, reach
from hosts.errors import CommandFailed, Refused, WouldHide
from hosts.models import Host, Mount
from hosts.mounts import scripts
from hosts.mounts.check import View, check_mounts, look, measure
from hosts.mounts.keeping import drop, keep, require_agrees, require_ours
from hosts.mounts.knocking import why_mount_failed
from hosts.mounts.messages import explain_unmount
from hosts.mounts.users import guests_below
from hosts.nfs import Hidden, NfsSource, hidden_by_mount, parse_options, validate_options, validate_target

DEFAULT_OPTIONS = "vers=4.2,hard,_netdev,nofail"
"""For disk images. vers=4.2: locks that survive a server's restart, and holes in images stay holes. hard: a write waits for
its server; soft would hand the guest an I/O error and corrupt its file systems. _netdev: mounted after the network is up.
nofail: the host still boots when the server is away."""
MOUNT_LIMIT_S = 30
UNMOUNT_LIMIT_S = 30
SSH_MARGIN_S = 35.0
"""What the scripts may need besides: the lock is waited for 25 s."""
SHOWN_NAMES = 8


def mount(
    *,
    host: Host,
    source: str,
    target: str,
    options: str = "",
    persist: bool = False,
    actor: audit.Actor,
    reason: str = "",
) -> Mount:
    """Mount `source` (SERVER:/path) at `target` on `host`, and with `persist` at each start of it (see keeping.py).

    Refused where it would hide anything, where something is mounted already, behind a symbolic link, or below a share that
    does not answer. Raises InvalidInput before anything is asked of the host, Refused or another HostError after.
    """
    share, target = NfsSource.parse(source), validate_target(target)
    options = validate_options(options or DEFAULT_OPTIONS)
    what = f"{share} at {target} on {host.name}"
    with audit.act(actor=actor, action="mount", target=what, hosts=[host], reason=reason) as event:
        view = look(host)
        _require_free(host, view, target)
        require_agrees(host, view, target, share)
        _require_empty(host, target)
        _mount_now(host, share, target, options)
        if persist:
            keep(host, view, share, target, options)
        Mount.objects.update_or_create(
            host=host,
            target=target,
            # How it is kept, the look below says.
            defaults={"source": str(share), "wanted": True, "in_fstab": False, "unit": ""},
        )
        row = next(row for row in check_mounts(host) if row.target == target)
        event.detail = f"{row.get_state_display()}, options {row.options}"
    return row


def unmount(
    *, mount: Mount, forget_fstab: bool = False, allow_defined: bool = False, actor: audit.Actor, reason: str = ""
) -> Mount:
    """Unmount a share, and with `forget_fstab` have it mounted at no start of the host: by no line in /etc/fstab, by no unit.

    Refused while a guest that is active on the host has a disk there, while a migration uses the host, and, unless
    `allow_defined`, where a guest that is shut off there is defined with a disk on it. Never forced, never lazy: a process
    that holds a file keeps the mount, and is named.
    """
    host, target = mount.host, mount.target
    what = f"{mount.source} at {target} on {host.name}"
    with audit.act(actor=actor, action="unmount", target=what, hosts=[host], reason=reason):
        if held := holds.why(host=host):
            raise Refused(
                f"{target} on {host.name} stays mounted: {held}.", host=host.name, hint="Wait until that is over."
            )
        _require_unused(host, target, allow_defined=allow_defined)
        view = look(host)
        if forget_fstab:
            require_ours(host, view, target)
        _unmount_now(host, target)
        if forget_fstab:
            drop(host, view, target)
        Mount.objects.filter(pk=mount.pk).update(wanted=False, in_fstab=False, unit="")
        return next(row for row in check_mounts(host) if row.target == target)


def forget(*, mount: Mount, actor: audit.Actor) -> None:
    """Take a share that is not mounted off the list. Refused while it is mounted, or is at the host's start: it would come back."""
    what = f"{mount.source} at {mount.target} on {mount.host.name}"
    with audit.act(actor=actor, action="forget mount", target=what, hosts=[mount.host]):
        if mount.is_mounted or mount.is_kept:
            still = "mounted" if mount.is_mounted else f"mounted by {mount.unit}" if mount.unit else "in fstab"
            raise Refused(f"{what} is still {still}.", host=mount.host.name)
        mount.delete()
        live.publish("storage", hosts=[mount.host_id])


def _require_free(host: Host, view: View, target: str) -> None:
    """Nothing is mounted at `target`, and what it lies in answers."""
    there = view.at(target)
    if there:
        raise Refused(
            f"{target} on {host.name} is a mount already: {there.source} ({there.fstype}).",
            host=host.name,
            hint="Choose another folder, or unmount that first.",
        )
    above = [fact.target for fact in view.mounts if fact.is_nfs and PurePosixPath(target).is_relative_to(fact.target)]
    for folder, health in measure(host, above).items():
        if not health.answers:
            raise Refused(
                f"{target} on {host.name} lies in the share at {folder}, which does not answer.",
                host=host.name,
                hint=f"Put {folder} right first.",
                raw=health.said,
            )


def _require_empty(host: Host, target: str) -> None:
    """Raises Refused with what a mount would hide, disk images first."""
    argv = scripts.argv(scripts.LOOK_AT_TARGET, target)
    result = reach.run(host, argv, timeout_s=SSH_MARGIN_S, check=False)
    if result.returncode == scripts.IS_LINK:
        real = result.stdout.strip()
        raise Refused(
            f"{target} on {host.name} leads to {real} by a symbolic link.", host=host.name, hint=f"Mount at {real}."
        )
    if result.returncode == scripts.NOT_A_FOLDER:
        raise Refused(f"{target} on {host.name} is not a folder.", host=host.name, hint="Choose another path.")
    if result.returncode != 0:
        raise CommandFailed(["look at", target], result.returncode, result.stderr, host=host.name)
    hidden = hidden_by_mount(result.stdout.splitlines())
    if hidden.entries:
        raise _would_hide(host, target, hidden)


def _would_hide(host: Host, target: str, hidden: Hidden) -> WouldHide:
    top = [name for name in hidden.entries if "/" not in name]
    names = list(dict.fromkeys([*hidden.disk_images, *top]))
    listed = ", ".join(names[:SHOWN_NAMES]) + (
        f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    )
    images = f", among it {len(hidden.disk_images)} disk image(s)" if hidden.disk_images else ""
    return WouldHide(
        f"{target} on {host.name} is not empty; a mount would hide what is in it{images}: {listed}.",
        host=host.name,
        hint="Choose an empty folder, or move these files onto the share first.",
        raw="\n".join(names),
    )


def _mount_now(host: Host, share: NfsSource, target: str, options: str) -> None:
    """Check again and mount, as one on the host."""
    # Without retry=0 mount.nfs tries a server that refuses for two minutes before it says so (nfs(5)).
    now = options if "retry" in parse_options(options) else f"{options},retry=0"
    argv = scripts.argv(scripts.MOUNT, str(MOUNT_LIMIT_S), str(share), target, now)
    result = reach.run(host, argv, timeout_s=MOUNT_LIMIT_S + SSH_MARGIN_S, check=False)
    if result.returncode == 0:
        return
    if result.returncode in (scripts.IS_LINK, scripts.IS_MOUNT, scripts.NOT_EMPTY, scripts.NOT_A_FOLDER):
        _require_free(host, look(host), target)
        _require_empty(host, target)
    if result.returncode == scripts.LOCKED:
        raise Refused(f"Another mount is under way on {host.name}.", host=host.name, hint="Try again in a moment.")
    raise why_mount_failed(
        returncode=result.returncode,
        stderr=result.stderr,
        host=host,
        source=share,
        options=options,
        limit_s=MOUNT_LIMIT_S,
    )


def _require_unused(host: Host, target: str, *, allow_defined: bool) -> None:
    active, defined = guests_below(host=host, target=target)
    if active:
        raise Refused(
            f"{target} on {host.name} is in use: {', '.join(active)} runs from it.",
            host=host.name,
            hint="Migrate these VMs to another host, or shut them down.",
        )
    if defined and not allow_defined:
        raise Refused(
            f"{', '.join(defined)} on {host.name} is defined with a disk below {target} and could not be started without it.",
            host=host.name,
            hint="Move or undefine these VMs, or say that they stay without their disks.",
        )


def _unmount_now(host: Host, target: str) -> None:
    argv = scripts.argv(scripts.UNMOUNT, str(UNMOUNT_LIMIT_S), target)
    result = reach.run(host, argv, timeout_s=UNMOUNT_LIMIT_S + SSH_MARGIN_S, check=False)
    if result.returncode in (0, scripts.NOT_MOUNTED):
        return
    if result.returncode == scripts.LOCKED:
        raise Refused(f"Another mount or unmount is under way on {host.name}.", host=host.name)
    raise explain_unmount(
        returncode=result.returncode, stderr=result.stderr, target=target, host=host.name, limit_s=UNMOUNT_LIMIT_S
    )
