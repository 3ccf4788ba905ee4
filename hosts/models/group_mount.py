"""One share mounted on many hosts at once: one job, and what came of it on each host."""

from django.conf import settings
from django.db import models
from django.urls import reverse

from hosts.models.access import AuditEvent
from hosts.models.inventory import Host


class GroupMount(models.Model):
    """The job. It is over when no host waits or is being worked on."""

    source = models.CharField(max_length=1024)
    target = models.CharField(max_length=1024)
    options = models.CharField(max_length=1024, blank=True)
    persist = models.BooleanField(default=False)
    reason = models.CharField(max_length=300, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    username = models.CharField(max_length=150)
    audit = models.ForeignKey(AuditEvent, on_delete=models.SET_NULL, null=True, blank=True)
    owner = models.CharField(max_length=120, blank=True)
    heartbeat = models.DateTimeField(null=True, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    finished = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created"]
        indexes = [models.Index(fields=["finished"], name="group_mount_to_drive")]

    def __str__(self) -> str:
        return f"{self.source} at {self.target}, job #{self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("hosts:group-mount", args=[self.pk])


class GroupMountHost(models.Model):
    """What came of it on one host."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "mounting"
        MOUNTED = "mounted", "mounted"
        THERE = "there", "was mounted already"
        FAILED = "failed", "not mounted"

    OPEN = (State.WAITING, State.RUNNING)

    job = models.ForeignKey(GroupMount, on_delete=models.CASCADE, related_name="hosts")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="group_mounts")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    message = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    can_move = models.BooleanField(default=False, help_text="The wizard can move what a mount would hide.")

    class Meta:
        ordering = ["host__name"]
        constraints = [models.UniqueConstraint(fields=["job", "host"], name="one_row_per_group_mount_and_host")]

    def __str__(self) -> str:
        return f"{self.job} on {self.host}"
