"""Shutdowns that somebody waits for."""

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from hosts.models.access import AuditEvent
from hosts.models.inventory import Host, VirtualMachine


class Shutdown(models.Model):
    """A guest was asked to shut down and has some time for it. The row goes when it is off, or nobody waits any more."""

    vm = models.OneToOneField(VirtualMachine, on_delete=models.CASCADE, related_name="shutdown")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="+")
    asked = models.DateTimeField(default=timezone.now)
    limit_s = models.PositiveIntegerField()
    overdue = models.BooleanField(default=False, help_text="The limit passed, and the guest is not off.")
    event = models.ForeignKey(AuditEvent, on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return f"shutdown of {self.vm} on {self.host}"

    @property
    def deadline(self) -> datetime:
        return self.asked + timedelta(seconds=self.limit_s)

    @property
    def passed_s(self) -> float:
        """How long it has been under way, at most the limit."""
        return min(float(self.limit_s), max(0.0, (timezone.now() - self.asked).total_seconds()))

    @property
    def percent(self) -> float:
        """The share of the limit that has passed."""
        return 100 * self.passed_s / self.limit_s
