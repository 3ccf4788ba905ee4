"""Proofs of same storage are made by themselves where hosts have a share at the same path, and made anew before they grow old."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby

from django.core.cache import cache
from django.db.models import Count, Min
from django.utils import timezone

from hosts import audit, sharing
from hosts.models import HostState, Mount, MountState, SharingProof
from hosts.nfs import NFS_TYPES

RENEWED_AFTER = timedelta(hours=24)
LOOK_EVERY_S, RETRY_S = 60, 3600
"""How often due proofs are looked for, and how soon one that came to nothing is tried again."""
REASON = "by itself: not proven yet, or a day ago"


def sweep() -> None:
    """Begin the next proof that is due, if there is one; one a minute, whichever process finds it."""
    if not cache.add("proofs-looked-at", True, timeout=LOOK_EVERY_S):
        return
    for mounts in due(timezone.now()):
        if cache.add(f"proof-renewal-{mounts[0].pk}", True, timeout=RETRY_S):
            hosts = [mount.host for mount in mounts]
            sharing.ask(path=mounts[0].target, hosts=hosts, actor=audit.SYSTEM, reason=REASON)
            return


def due(now: datetime) -> Iterator[list[Mount]]:
    """Mounts of one share at one path, between whose hosts something is not proven, or was too long ago.

    Of hosts only that are online and where it answers: elsewhere a probe would show what is known. One statement for all,
    and one for each share. What more hosts have than are proven at once is proven among these many at a time.
    """
    mounts = Mount.objects.filter(state=MountState.HEALTHY, kind__in=NFS_TYPES, host__state=HostState.ONLINE)
    for _, of_share in groupby(mounts.select_related("host").order_by("target", "source", "host"), _share):
        same = list(of_share)
        for first in range(0, len(same), sharing.MOST_HOSTS):
            some = same[first : first + sharing.MOST_HOSTS]
            if len(some) > 1 and _is_due(some, now):
                yield some


def _share(mount: Mount) -> tuple[str, str]:
    return mount.target, mount.source.rstrip("/")


def _is_due(mounts: list[Mount], now: datetime) -> bool:
    hosts = [mount.host for mount in mounts]
    known = SharingProof.objects.filter(path=mounts[0].target, writer__in=hosts, reader__in=hosts)
    found = known.aggregate(count=Count("pk"), oldest=Min("at"))
    return bool(found["count"] < len(hosts) * (len(hosts) - 1) or found["oldest"] < now - RENEWED_AFTER)
