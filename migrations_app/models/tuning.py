"""What the console has measured, and how many migrations it lets run at once."""

from django.db import models
from django.utils import timezone


class DirtyRateSample(models.Model):
    """How fast a guest wrote to its memory, measured before a migration and never during one."""

    vm_uuid = models.UUIDField()
    at = models.DateTimeField(default=timezone.now)
    mib_per_s = models.PositiveIntegerField()
    seconds = models.PositiveSmallIntegerField(help_text="For how long it was measured.")

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["vm_uuid", "-at"], name="dirty_rates_of_a_vm")]

    def __str__(self) -> str:
        return f"{self.mib_per_s} MiB/s"


class QueueLimits(models.Model):
    """How many migrations may run at once; one row. The defaults are measured, see docs/migration.md."""

    per_source = models.PositiveSmallIntegerField(default=2)
    per_destination = models.PositiveSmallIntegerField(default=2)
    per_link = models.PositiveSmallIntegerField(default=2, help_text="From one host to one other.")
    overall = models.PositiveSmallIntegerField(default=20)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_row_of_queue_limits")]

    def __str__(self) -> str:
        return f"{self.per_source} out, {self.per_destination} in, {self.per_link} per link, {self.overall} overall"

    @classmethod
    def current(cls) -> "QueueLimits":
        return cls.objects.filter(pk=1).first() or cls(pk=1)
