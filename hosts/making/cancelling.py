"""Cancelling what is being made. Its worker looks whether it is still wanted, and takes away again what it has made."""

import logging

from django.utils import timezone

from hosts import audit, jobs, live, reach
from hosts.errors import HostError, Refused
from hosts.models import StoragePool, VmBuild

log = logging.getLogger(__name__)
STOP_TIMEOUT_S = 15.0
MOST_TRIES = 20
"""libvirt starts qemu-img a moment after it was asked to; a raw disk it copies itself, and then there never is one."""
STOP = """
grep -lx qemu-img /proc/[0-9]*/comm 2>/dev/null | cut -d / -f 3 | while read -r pid; do
    words=$(tr '\\0' '\\n' < "/proc/$pid/cmdline") || continue
    case "$words" in *"
convert
"*"
$1") kill "$pid" && echo "$pid" ;; esac
done
"""
"""Ends the qemu-img that writes the file $1, and prints its id. libvirt has no call for that; it sees qemu-img end without
success, removes the half file and answers with an error."""


def cancel(*, build: VmBuild, actor: audit.Actor) -> None:
    """Ask for the end of it. What is copied by then is taken away again; raises Refused where it is over."""
    host = build.host
    with audit.act(actor=actor, action="cancel making of VM", target=f"VM {build.name} on {host.name}", hosts=[host]):
        running = VmBuild.objects.filter(pk=build.pk, state=VmBuild.State.RUNNING)
        if not running.filter(cancel_requested=None).update(cancel_requested=timezone.now()):
            build.refresh_from_db()
            if build.is_being_cancelled:
                return
            message = f"{build.name} is no longer being made: it can't be cancelled."
            hint = "Delete the VM if you do not want it." if build.state == VmBuild.State.DONE else ""
            raise Refused(message, host=host.name, vm=build.name, hint=hint)
        build.refresh_from_db()
        live.publish(f"build.{build.pk}", hosts=[host.pk])
    jobs.nudge("hosts.make_vm", build.pk)  # where no worker has begun yet


def is_asked(build: VmBuild) -> bool:
    """Whether somebody asked for its end, as the database says now."""
    return VmBuild.objects.filter(pk=build.pk, cancel_requested__isnull=False).exists()


def stop_copying(pool: StoragePool, volume: str) -> bool:
    """Break off the copying into `volume`; False where no program was found to end, or the host gave no answer."""
    argv = ["sh", "-c", STOP, "stop", f"{pool.target.rstrip('/')}/{volume}"]
    try:
        return bool(reach.run(pool.host, argv, timeout_s=STOP_TIMEOUT_S).stdout.strip())
    except HostError as error:
        log.info("the copying of %s was not broken off: %s", volume, error)
        return False
