"""The processes that watch hosts."""

from django.db import models
from django.db.models.functions import Now


class WatcherProcess(models.Model):
    """A process that watches hosts, as long as it renews `heartbeat`; `Host.watcher` names the one that has a host.

    The heartbeat is written and judged by the database's clock, so processes on machines whose clocks differ agree.
    """

    name = models.CharField(max_length=80, unique=True)
    heartbeat = models.DateTimeField(db_default=Now())
    started = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
