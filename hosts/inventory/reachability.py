"""Whether a host answers, and what it is: the rows' state, error and facts, in the admin's words."""

from datetime import datetime

from django.utils import timezone

from hosts import live
from hosts.errors import HostError
from hosts.inventory.placements import settle_host
from hosts.libvirt_client.host_info import HostInfo
from hosts.models import Host, HostState

INFO_FIELDS = [
    "hostname",
    "host_uuid",
    "libvirt_version",
    "hypervisor_version",
    "cpu_model",
    "cpus",
    "memory_mib",
    "memory_free_mib",
]


def mark_online(*, host: Host, info: HostInfo) -> None:
    """The host has answered: note what it is, and let its guests' states count again."""
    fields = {name: getattr(info, name) for name in INFO_FIELDS}
    fields |= {"state": HostState.ONLINE, "error": "", "hint": "", "retry_at": None}
    came_back = host.state != HostState.ONLINE
    _update(host, fields, last_seen=timezone.now())
    if came_back:
        settle_host(host)


def note_hostname(host: Host, hostname: str) -> None:
    """The host says that this is its name: a full sync believes what the row says, so that it costs a call less."""
    _update(host, {"hostname": hostname})


def mark_unreachable(*, host: Host, error: HostError, retry_at: datetime | None = None) -> None:
    """The host has not answered: say why, what to do and when it is tried again; its guests' states are unknown now."""
    went_away = host.state == HostState.ONLINE
    fields: dict[str, object] = {
        "state": HostState.UNREACHABLE,
        "error": str(error),
        "hint": error.hint,
        "retry_at": retry_at,
    }
    _update(host, fields)
    if went_away:
        settle_host(host)


def _update(host: Host, fields: dict[str, object], **quiet: object) -> None:
    """Write `fields` and `quiet`; tell the pages only if one of `fields` changed."""
    changed = {name: value for name, value in fields.items() if getattr(host, name) != value}
    for name, value in {**changed, **quiet}.items():
        setattr(host, name, value)
    if changed or quiet:
        Host.objects.filter(pk=host.pk).update(**changed, **quiet)
    if changed:
        live.publish("hosts", hosts=[host.pk])
        live.publish(f"host.{host.pk}", hosts=[host.pk])


def same_machine(host: Host, info: HostInfo) -> Host | None:
    """Another row for the machine that `info` describes: its guests would seem to run twice. The name is compared as well,
    since some firmware gives every board the same UUID."""
    if not info.host_uuid:
        return None
    return Host.objects.filter(host_uuid=info.host_uuid, hostname=info.hostname).exclude(pk=host.pk).first()
