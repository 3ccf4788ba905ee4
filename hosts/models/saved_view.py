"""Lists as people like to see them."""

from django.conf import settings
from django.db import models


class SavedView(models.Model):
    """A list's filter, order and columns under a name: its query string, which is also how it is passed on to others."""

    class List(models.TextChoices):
        VMS = "vms", "VMs"
        HOSTS = "hosts", "hosts"

    list = models.CharField(max_length=8, choices=List, default=List.VMS)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=40)
    query = models.CharField(max_length=1000, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "list", "name"], name="one_saved_view_of_a_name")]
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"
