"""Shutting a guest down within a time limit: the guest is asked, and a person decides when it does not listen."""

from django.utils import timezone

from hosts import audit, live
from hosts.actions.framing import ACT_TIMEOUT_S, acting, guest_on
from hosts.errors import InvalidInput
from hosts.models import Host, Placement, Shutdown, VirtualMachine
from hosts.models.inventory import ACTIVE_STATES

DEFAULT_LIMIT_S = 180
LEAST_LIMIT_S, MOST_LIMIT_S = 10, 3600


def shutdown(
    *, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "", limit_s: int | None = None
) -> None:
    """Ask the guest to shut down, as its power button does; it may take its time, or not listen.

    With `limit_s` the console waits so many seconds for it and then says that it is not off; it never forces it off
    by itself. Raises InvalidInput.
    """
    if limit_s is not None and not LEAST_LIMIT_S <= limit_s <= MOST_LIMIT_S:
        raise InvalidInput(f"The limit is from {LEAST_LIMIT_S} to {MOST_LIMIT_S} seconds.", field="limit_s")
    with acting("shut down", vm, host, actor, reason) as event:
        asked = timezone.now()
        with guest_on(vm, host) as (_, guest):
            guest.shutdown(timeout_s=ACT_TIMEOUT_S)
        if limit_s is None:
            return
        event.detail = f"asked; it has {limit_s} s"
        end_wait(vm, "asked again")
        Shutdown.objects.create(vm=vm, host=host, asked=asked, limit_s=limit_s, event=event)
        event.left_open = True
    live.publish(f"vm.{vm.uuid}", hosts=[host.pk])
    look_after_shutdowns()


def stop_waiting(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> None:
    """Wait no longer for a shutdown; the guest is left alone, and may still shut down."""
    with audit.act(
        actor=actor,
        action="stop waiting for shutdown",
        target=f"VM {vm.name} on {host.name}",
        hosts=[host],
        reason=reason,
    ):
        end_wait(vm, "nobody waits any more")
    live.publish(f"vm.{vm.uuid}", hosts=[host.pk])


def end_wait(vm: VirtualMachine, why: str) -> None:
    """Take the row away, if there is one, and close its audit row unless that is closed."""
    for row in Shutdown.objects.filter(vm=vm).select_related("event"):
        audit.close(row.event, audit.Outcome.CANCELLED, why)
        row.delete()


def look_after_shutdowns() -> None:
    """End the wait for each guest that is off, and say of each whose time is over that it is not. Asks no host."""
    for row in Shutdown.objects.select_related("vm", "host", "event"):
        place = Placement.objects.filter(vm=row.vm_id, host=row.host_id).first()
        if place and place.present and (place.state in ACTIVE_STATES or place.state == "unknown"):
            if row.overdue or timezone.now() < row.deadline:
                continue
            Shutdown.objects.filter(pk=row.pk).update(overdue=True)
            audit.close(row.event, audit.Outcome.FAILED, f"not off after {row.limit_s} s")
        else:
            moved = row.vm.is_active and row.vm.host_id != row.host_id
            took_s = (timezone.now() - row.asked).total_seconds()
            audit.close(
                row.event,
                audit.Outcome.FAILED if moved else audit.Outcome.SUCCEEDED,
                f"it runs on {row.vm.host} now" if moved else f"off after {took_s:.0f} s",
            )
            Shutdown.objects.filter(pk=row.pk).delete()
        live.publish(f"vm.{row.vm.uuid}", hosts=[row.host_id])
