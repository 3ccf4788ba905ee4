"""Whether two hosts see the same storage at a path, as a probe file has shown."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

from hosts.models.inventory import Host

OLD_AFTER = timedelta(days=2)
"""Proofs are made anew every day; one that is older says that this failed to happen, as where a host is away."""


class SharingProof(models.Model):
    """The last probe of a path: written on `writer`, looked for on `reader`."""

    class Outcome(models.TextChoices):
        SAME = "same", "the same storage"
        COPY = "copy", "perhaps a copy"
        APART = "apart", "other storage"
        UNPROVEN = "unproven", "not proven"

    path = models.CharField(max_length=1024)
    writer = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="proofs_written")
    reader = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="proofs_read")
    outcome = models.CharField(max_length=10, choices=Outcome)
    detail = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["path", "writer__name", "reader__name"]
        constraints = [
            models.UniqueConstraint(fields=["path", "writer", "reader"], name="one_proof_per_path_and_pair_of_hosts")
        ]

    def __str__(self) -> str:
        return f"{self.path} on {self.writer} and {self.reader}: {self.get_outcome_display()}"

    @property
    def age_s(self) -> float:
        """Seconds since it was shown."""
        return (timezone.now() - self.at).total_seconds()

    @property
    def is_old(self) -> bool:
        """Whether it may no longer hold."""
        return self.age_s > OLD_AFTER.total_seconds()
