"""VMs that are being made: copies of others, and new ones."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from hosts.models.access import AuditEvent
from hosts.models.inventory import Host, VirtualMachine


class VmBuild(models.Model):
    """Volumes are copied or made, then the VM is defined. `plan` says which, in the order in which they are made."""

    class Kind(models.TextChoices):
        CLONE = "clone", "clone"
        CREATE = "create", "new VM"

    class State(models.TextChoices):
        RUNNING = "running", "under way"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="+")
    source = models.ForeignKey(VirtualMachine, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    name = models.CharField(max_length=63)
    uuid = models.UUIDField(unique=True)
    plan = models.JSONField(help_text="`volumes`, each with what it is made from; `vm`, what a new one is to be.")
    made = models.JSONField(default=list, help_text="POOL/VOLUME of those that exist by now.")
    percent = models.FloatField(default=0)
    doing = models.CharField(max_length=300, blank=True)
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    event = models.ForeignKey(AuditEvent, on_delete=models.CASCADE, related_name="+")
    started = models.DateTimeField(default=timezone.now)
    finished = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.DateTimeField(null=True, blank=True)
    owner = models.CharField(max_length=120, blank=True)
    heartbeat = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(state="running"), name="one_running_build_of_a_name"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name} on {self.host}"

    def get_absolute_url(self) -> str:
        return reverse("hosts:build", args=[self.pk])

    @property
    def is_being_cancelled(self) -> bool:
        return self.state == self.State.RUNNING and self.cancel_requested is not None
