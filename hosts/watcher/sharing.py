"""Which process watches which hosts: one heartbeat per process, fair shares, and compare-and-set when a host changes hands.

No process leads. Each one, once a second, renews its own row, strikes off those that fell silent, and takes or gives
up as many hosts as its fair share says; a host is taken only from nobody or from one that was struck off.
"""

import math
from datetime import timedelta

from django.db.models import Count, DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from hosts.models import Host, WatcherProcess

LEASE = timedelta(seconds=6)
"""A process that has not renewed for this long has died. With a tick of 1 s and the new connections, its hosts are watched
again well within 15 s."""


def _oldest() -> ExpressionWrapper:
    return ExpressionWrapper(Now() - LEASE, output_field=DateTimeField())


def renew(name: str) -> None:
    """Say that `name` lives: one statement, however many hosts it has. One that was struck off begins anew."""
    if not WatcherProcess.objects.filter(name=name).update(heartbeat=Now()):
        WatcherProcess.objects.get_or_create(name=name)


def balance(name: str) -> None:
    """Take hosts for `name` up to its fair share, or give up what it has beyond it; five statements at most."""
    WatcherProcess.objects.filter(heartbeat__lt=_oldest()).delete()
    alive = set(WatcherProcess.objects.values_list("name", flat=True)) | {name}
    held: dict[str, int] = dict(Host.objects.order_by().values_list("watcher").annotate(count=Count("pk")))
    share, have = math.ceil(sum(held.values()) / len(alive)), held.get(name, 0)
    if have < share:
        _take(name, share - have, gone=[owner for owner in held if owner not in alive])
    elif have > share:
        surplus = list(Host.objects.filter(watcher=name).order_by("-pk").values_list("pk", flat=True)[: have - share])
        Host.objects.filter(pk__in=surplus, watcher=name).update(watcher="")


def _take(name: str, count: int, *, gone: list[str]) -> None:
    """`gone` are owners that don't live, "" among them. Another process may be quicker: then the update leaves it its host."""
    if not gone:
        return
    free = list(Host.objects.filter(watcher__in=gone).order_by("pk").values_list("pk", flat=True)[:count])
    Host.objects.filter(pk__in=free, watcher__in=gone).update(watcher=name)


def leave(name: str) -> None:
    """Give all hosts up at once, for a process that ends in peace."""
    Host.objects.filter(watcher=name).update(watcher="")
    WatcherProcess.objects.filter(name=name).delete()


def is_watched() -> bool:
    """Whether some process keeps the hosts' rows current (or there is no host to watch)."""
    return not Host.objects.exists() or WatcherProcess.objects.filter(heartbeat__gte=_oldest()).exists()
