"""Migrations and evacuations at a time, in a maintenance window, or again and again."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from hosts.models import Host, VirtualMachine
from migrations_app.models.batch import Evacuation
from migrations_app.models.migration import Migration


class Schedule(models.Model):
    """What to do and when: once at `at`, or repeatedly by `cron`. Only started within `window_minutes` of its time."""

    class What(models.TextChoices):
        MIGRATE = "migrate", "migrate a VM"
        EVACUATE = "evacuate", "evacuate a host"

    name = models.CharField(max_length=80, unique=True)
    what = models.CharField(max_length=10, choices=What)
    vm = models.ForeignKey(VirtualMachine, null=True, blank=True, on_delete=models.CASCADE, related_name="schedules")
    host = models.ForeignKey(Host, null=True, blank=True, on_delete=models.CASCADE, related_name="schedules")
    destination = models.ForeignKey(Host, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    options = models.JSONField(default=dict, help_text="The keyword arguments of schedules.Wanted.")
    at = models.DateTimeField(null=True, blank=True, help_text="Once, at this time.")
    cron = models.CharField(max_length=100, blank=True, help_text="Repeatedly: a cron expression.")
    zone = models.CharField(max_length=64, default="UTC", help_text="The time zone that the cron expression is in.")
    window_minutes = models.PositiveIntegerField(default=60, help_text="Later than this it is missed, not started.")
    enabled = models.BooleanField(default=True)
    next_due = models.DateTimeField(null=True, blank=True, db_index=True)
    reason = models.CharField(max_length=300, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    username = models.CharField(max_length=150)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("migrations:schedule", args=[self.pk])


class ScheduleRun(models.Model):
    """One time at which a schedule was due, and what came of it."""

    class Outcome(models.TextChoices):
        STARTED = "started", "started"
        MISSED = "missed", "missed"
        REFUSED = "refused", "refused"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="runs")
    due = models.DateTimeField()
    at = models.DateTimeField(default=timezone.now)
    outcome = models.CharField(max_length=8, choices=Outcome)
    note = models.CharField(max_length=600, blank=True)
    migration = models.ForeignKey(Migration, null=True, on_delete=models.SET_NULL, related_name="+")
    evacuation = models.ForeignKey(Evacuation, null=True, on_delete=models.SET_NULL, related_name="+")
    seen = models.BooleanField(default=False, help_text="A person has seen that it was missed or refused.")

    class Meta:
        ordering = ["-due"]
        constraints = [models.UniqueConstraint(fields=["schedule", "due"], name="a_due_time_once_per_schedule")]

    def __str__(self) -> str:
        return f"{self.schedule} {self.due}: {self.outcome}"
