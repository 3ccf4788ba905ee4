"""One migration, its steps, its timeline, and its figures over time."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from hosts.models import AuditEvent, Host, VirtualMachine
from migrations_app.states import ACTIVE, LABELS, TERMINAL, State, StepState

STATE_CHOICES = [(state.value, LABELS[state][0]) for state in State]


class Kind(models.TextChoices):
    """What moves."""

    LIVE = "live", "running guest"
    OFFLINE = "offline", "definition of a guest that is off"


class Origin(models.TextChoices):
    """Who began it."""

    CONSOLE = "console", "this console"
    EXTERNAL = "external", "somebody else, by virsh or another tool"


LARGE = ("live_xml", "source_xml", "before", "preflight", "evidence", "conformance", "explanation")
"""Columns of Migration that no list shows."""


class Migration(models.Model):
    """A request to move one running VM, how it goes, and what came of it. Names are copied: history outlives hosts."""

    vm = models.ForeignKey(VirtualMachine, null=True, on_delete=models.SET_NULL, related_name="migrations")
    vm_uuid = models.UUIDField(db_index=True)
    vm_name = models.CharField(max_length=255)
    source = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="migrations_out")
    source_name = models.CharField(max_length=63)
    destination = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="migrations_in")
    destination_name = models.CharField(max_length=63)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.LIVE)
    origin = models.CharField(max_length=8, choices=Origin, default=Origin.CONSOLE)
    priority = models.SmallIntegerField(default=0, help_text="Higher goes first; the queue is fair among equals.")
    position = models.IntegerField(default=0, help_text="Lower goes first among one person's of one priority.")
    waits_for = models.CharField(max_length=300, blank=True, help_text="What a queued migration waits for, in words.")
    options = models.JSONField(default=dict, help_text="plan.Options, as asked for.")
    command = models.TextField(help_text="The equivalent virsh command.")
    reason = models.CharField(max_length=300, blank=True, help_text="Why, or a ticket; for the record.")
    ping_address = models.GenericIPAddressField(null=True, blank=True)
    probe_port = models.PositiveIntegerField(null=True, blank=True, help_text="A TCP port of the guest to probe.")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    username = models.CharField(max_length=150)
    audit = models.ForeignKey(AuditEvent, null=True, on_delete=models.SET_NULL, related_name="+")

    state = models.CharField(max_length=16, choices=STATE_CHOICES, default=State.QUEUED)
    owner = models.CharField(max_length=80, blank=True)
    heartbeat = models.DateTimeField(null=True, blank=True)
    attempt = models.PositiveIntegerField(default=0, help_text="How often a worker has taken it up.")
    launched = models.DateTimeField(null=True, blank=True, help_text="When libvirt was first asked to migrate.")
    cancel_requested = models.DateTimeField(null=True, blank=True)
    tuning = models.JSONField(default=dict, help_text="Bandwidth and maximum downtime as last asked for in flight.")

    created = models.DateTimeField(default=timezone.now, db_index=True)
    started = models.DateTimeField(null=True, blank=True)
    finished = models.DateTimeField(null=True, blank=True)
    downtime_ms = models.PositiveIntegerField(null=True, blank=True)
    transferred_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    memory_total_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    progress = models.JSONField(default=dict, help_text="The last figures, as progress.Progress says them.")
    ping = models.JSONField(default=dict, help_text="sent, lost, longest_gap_ms and the strip of answers.")
    continuity = models.JSONField(default=dict, help_text="Other probes than the console's ping; continuity.py.")
    disks = models.JSONField(default=list, help_text="The disks copied along, and what became of each; disks.py.")
    disks_settled = models.BooleanField(default=True, help_text="Nothing is left to be removed at the destination.")
    preflight = models.JSONField(default=list, help_text="The checks as they were when it started.")
    estimate = models.JSONField(default=dict, help_text="What was expected when it started; estimate.Estimate.")
    before = models.JSONField(default=dict, help_text="The guest at the source before; conformance.Picture.")
    conformance = models.JSONField(default=list, help_text="What was compared with before; conformance.Row.")
    explanation = models.JSONField(default=dict, help_text="Cause, fix and log lines of a failure; explain.py.")
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    raw_error = models.TextField(blank=True)
    evidence = models.JSONField(default=dict, help_text="What both hosts said when it could not be settled.")
    live_xml = models.TextField(blank=True)
    source_xml = models.TextField(blank=True)

    class Meta:
        ordering = ["-created", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["vm_uuid"],
                condition=models.Q(state__in=sorted(ACTIVE)),
                name="one_active_migration_per_vm",
            )
        ]
        indexes = [
            models.Index(fields=["state", "heartbeat"], name="migrations_without_owner"),
            models.Index(fields=["state"], condition=models.Q(disks_settled=False), name="migrations_with_disks"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.vm_name}: {self.source_name} to {self.destination_name}"

    def get_absolute_url(self) -> str:
        return reverse("migrations:detail", args=[self.pk])

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def is_over(self) -> bool:
        return self.state in TERMINAL

    @property
    def total_ms(self) -> int | None:
        """Wall time from its start to the end, or to now while it is under way, in milliseconds; without the queue."""
        if self.started is None:
            return None
        return round(((self.finished or timezone.now()) - self.started).total_seconds() * 1000)

    @property
    def waited_ms(self) -> int:
        """How long it has waited in the queue, in milliseconds; until now while it still does."""
        until = self.started or self.finished or timezone.now()
        return round((until - self.created).total_seconds() * 1000)

    @property
    def took_ms(self) -> int | None:
        """From when a worker took it up to the end, in milliseconds: what an estimate is about. None before the end."""
        if self.started is None or self.finished is None:
            return None
        return round((self.finished - self.started).total_seconds() * 1000)


class MigrationStep(models.Model):
    """One of the steps that the admin sees."""

    migration = models.ForeignKey(Migration, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=20)
    state = models.CharField(max_length=10, choices=[(s.value, s.value) for s in StepState], default=StepState.PENDING)
    started = models.DateTimeField(null=True, blank=True)
    finished = models.DateTimeField(null=True, blank=True)
    detail = models.TextField(blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["migration", "name"], name="a_step_once_per_migration")]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"


class TimelineEntry(models.Model):
    """One line of a migration's timeline: what was decided, done or seen, and why."""

    class Kind(models.TextChoices):
        DECISION = "decision", "decision of the autopilot"
        ACT = "act", "asked for by a person"
        EVENT = "event", "event"
        WARNING = "warning", "warning"

    migration = models.ForeignKey(Migration, on_delete=models.CASCADE, related_name="timeline")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=10, choices=Kind)
    text = models.CharField(max_length=300, help_text="What, in a few words.")
    reason = models.CharField(max_length=600, blank=True, help_text="Why, with the figures that led to it.")

    class Meta:
        ordering = ["at", "pk"]
        indexes = [models.Index(fields=["migration", "at"], name="timeline_of_a_migration")]

    def __str__(self) -> str:
        return self.text


class MigrationSample(models.Model):
    """The figures of libvirt's job at one moment; thinned after the end."""

    migration = models.ForeignKey(Migration, on_delete=models.CASCADE, related_name="samples")
    at_ms = models.PositiveIntegerField(help_text="Milliseconds since the copy began.")
    remaining_bytes = models.PositiveBigIntegerField()
    transferred_bytes = models.PositiveBigIntegerField()
    rate_bytes = models.PositiveBigIntegerField(help_text="Bytes per second.")
    dirty_pages_per_s = models.PositiveBigIntegerField()
    iteration = models.PositiveIntegerField()
    throttle_percent = models.PositiveSmallIntegerField(default=0, help_text="How far auto-converge slows the guest.")
    disk_remaining_bytes = models.PositiveBigIntegerField(default=0, help_text="Of disks that are copied along.")

    class Meta:
        ordering = ["at_ms"]
        indexes = [models.Index(fields=["migration", "at_ms"], name="samples_of_a_migration")]

    def __str__(self) -> str:
        return f"{self.at_ms} ms: {self.remaining_bytes} bytes remaining"
