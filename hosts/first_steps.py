"""The way from an empty database to the first live migration: which steps are done, and the next one."""

from dataclasses import dataclass

from django.db.models import Count
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext

from hosts import access
from hosts.models import AuditEvent, HostState, MountState
from hosts.models.inventory import ACTIVE_STATES

ENOUGH_HOSTS = 2


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what to do, how far it is, where it is done, and the same by hand."""

    title: str
    text: str
    done: bool
    url: str
    action: str
    command: str
    permission: str = access.OPERATE


def steps(user: access.AnyUser) -> list[Step]:
    """The four steps, each done or not; empty once the console has seen a migration succeed: nobody needs them then."""
    moved = AuditEvent.objects.filter(action="migrate", outcome=AuditEvent.Outcome.SUCCEEDED)
    if moved.exists():
        return []
    hosts = access.hosts_for(user)
    online = hosts.filter(state=HostState.ONLINE).count()
    mounts = access.mounts_for(user).filter(state=MountState.HEALTHY).order_by().values("source", "target")
    shared = mounts.annotate(hosts=Count("host", distinct=True)).filter(hosts__gte=ENOUGH_HOSTS).exists()
    running = access.vms_for(user).filter(state__in=ACTIVE_STATES, host__in=hosts).exists()
    first = hosts.filter(state=HostState.ONLINE).order_by("name").first() or hosts.order_by("name").first()
    vms = reverse("hosts:vms")
    return [
        Step(
            gettext("Add two hosts"),
            gettext("By name and libvirt URI. {online} of {ENOUGH_HOSTS} answer.").format(online=online, ENOUGH_HOSTS=ENOUGH_HOSTS) if online else gettext("By name and libvirt URI. The "
            "console tests the connection, and shows the host's ssh key before it trusts it."),
            online >= ENOUGH_HOSTS,
            reverse("hosts:add"),
            gettext("Add the first host") if first is None else gettext("Add host"),
            "virsh -c qemu+ssh://root@HOST/system list --all",
            access.MANAGE,
        ),
        Step(
            gettext("Mount the shared storage"),
            gettext("The same NFS share at the same path on both. Where disks lie on other storage that both have, or are to be "
            "copied along, go on without."),
            shared,
            reverse("hosts:mounts", args=[first.name]) if first else "",
            gettext("Mount on {first}").format(first=first.name) if first else "",
            "mount -t nfs SERVER:/path /mnt",
        ),
        Step(
            gettext("Run a VM"),
            gettext("With its disks on the share. What runs on a host, or is defined there, appears by itself."),
            running,
            vms,
            gettext("Look at the VMs"),
            "virsh start VM",
        ),
        Step(
            gettext("Migrate it"),
            gettext("Choose the destination, read the checks, press Migrate and watch it: the VM runs on all the while."),
            False,
            _migrate(vms) if running and online >= ENOUGH_HOSTS else "",
            gettext("Choose the VM"),
            "virsh migrate --live --persistent --undefinesource VM qemu+ssh://root@DESTINATION/system",
        ),
    ]  # fmt: skip


def _migrate(vms: str) -> str:
    """The list of what can be migrated, where this installation has migrations."""
    try:
        reverse("migrations:new")
    except NoReverseMatch:
        return ""
    return f"{vms}?state=running"
