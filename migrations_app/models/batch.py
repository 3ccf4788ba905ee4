"""Many migrations as one plan: bulk moves, evacuations, and bringing the guests home."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from hosts.models import AuditEvent, Host, VirtualMachine
from migrations_app.models.migration import Kind, Migration


class Evacuation(models.Model):
    """A batch of moves: first a plan that a person reviews, then a run. Names are copied: history outlives hosts."""

    class Purpose(models.TextChoices):
        EVACUATE = "evacuate", "empty a host"
        BULK = "bulk", "move selected VMs"
        HOME = "home", "bring guests home"

    class State(models.TextChoices):
        PLANNED = "planned", "planned"
        RUNNING = "running", "running"
        STOPPING = "stopping", "stopping after the current ones"
        STOPPED = "stopped", "stopped"
        COMPLETED = "completed", "completed"
        DISCARDED = "discarded", "discarded"

    purpose = models.CharField(max_length=10, choices=Purpose)
    host = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="evacuations")
    host_name = models.CharField(max_length=63, blank=True, help_text="The host to empty, or to bring guests home to.")
    home_of = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="homecomings")
    state = models.CharField(max_length=10, choices=State, default=State.PLANNED)
    options = models.JSONField(default=dict, help_text="plan.Options for each of its migrations.")
    destinations = models.JSONField(default=list, help_text="Names of the hosts to plan with; empty: all.")
    parallel = models.PositiveSmallIntegerField(default=2, help_text="At most so many of its moves at once.")
    canary = models.BooleanField(default=False, help_text="Move one guest first, and go on only if that went well.")
    stop_after_failures = models.PositiveSmallIntegerField(default=1, help_text="0: never stop by itself.")
    maintenance = models.BooleanField(default=False, help_text="Set the host into maintenance when it starts.")
    reason = models.CharField(max_length=300, blank=True)
    why_stopped = models.CharField(max_length=300, blank=True)
    rooms = models.JSONField(default=list, help_text="placement.Room of each host that it was planned with.")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    username = models.CharField(max_length=150)
    audit = models.ForeignKey(AuditEvent, null=True, on_delete=models.SET_NULL, related_name="+")
    created = models.DateTimeField(default=timezone.now, db_index=True)
    started = models.DateTimeField(null=True, blank=True)
    finished = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created", "-pk"]

    def __str__(self) -> str:
        return f"plan #{self.pk}: {self.get_purpose_display()} {self.host_name}".strip()

    def get_absolute_url(self) -> str:
        return reverse("migrations:evacuation", args=[self.pk])


class Move(models.Model):
    """One VM of a plan: where from, where to, in which step of it, and what came of it."""

    class State(models.TextChoices):
        PLANNED = "planned", "planned"
        BLOCKED = "blocked", "can't move"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        SKIPPED = "skipped", "skipped"

    evacuation = models.ForeignKey(Evacuation, on_delete=models.CASCADE, related_name="moves")
    position = models.PositiveIntegerField()
    vm = models.ForeignKey(VirtualMachine, null=True, on_delete=models.SET_NULL, related_name="moves")
    vm_uuid = models.UUIDField()
    vm_name = models.CharField(max_length=255)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.LIVE)
    memory_mib = models.PositiveBigIntegerField(default=0)
    vcpus = models.PositiveIntegerField(default=0)
    source = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")
    source_name = models.CharField(max_length=63)
    destination = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")
    destination_name = models.CharField(max_length=63, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.PLANNED)
    why = models.TextField(blank=True, help_text="Why there, why it can't move, or why it failed.")
    chosen = models.BooleanField(default=False, help_text="A person chose this destination.")
    migration = models.ForeignKey(Migration, null=True, on_delete=models.SET_NULL, related_name="move")
    checked = models.DateTimeField(null=True, blank=True, help_text="When its preflight for the plan was done.")
    unfit = models.JSONField(default=dict, help_text="By host, why it can't go there; as that preflight found.")
    estimates = models.JSONField(default=dict, help_text="By host, how many seconds it is expected to take.")

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["evacuation", "vm_uuid"], name="a_vm_once_per_plan")]

    def __str__(self) -> str:
        return f"{self.vm_name}: {self.source_name} to {self.destination_name or 'nowhere'}"


class PlacementRule(models.Model):
    """VMs that a plan keeps apart (never two on one host) or together (always on one host)."""

    class Kind(models.TextChoices):
        APART = "apart", "keep apart"
        TOGETHER = "together", "keep together"

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=8, choices=Kind)
    vms = models.ManyToManyField(VirtualMachine, related_name="placement_rules")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name}: {self.get_kind_display()}"


class Evacuability(models.Model):
    """Whether a host could have been emptied at one moment, and why not; one row per look, for the trend."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="evacuability")
    at = models.DateTimeField(default=timezone.now)
    possible = models.BooleanField()
    movable = models.PositiveIntegerField(default=0)
    stuck = models.PositiveIntegerField(default=0)
    reasons = models.JSONField(default=list, help_text="[{vm, why}] of what could not move.")

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["host", "-at"], name="evacuability_of_a_host")]

    def __str__(self) -> str:
        return f"{self.host}: {'yes' if self.possible else 'no'}"

    @property
    def total(self) -> int:
        return self.movable + self.stuck
