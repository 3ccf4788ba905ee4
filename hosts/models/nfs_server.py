"""NFS servers that the console logs in to, or only asks what they offer."""

from django.db import models
from django.urls import reverse


class NfsServer(models.Model):
    """A machine that exports storage. It need not run libvirt; without an ssh target it is only asked by showmount."""

    name = models.CharField(max_length=63, unique=True)
    address = models.CharField(max_length=255, unique=True, help_text="As the hosts mount from it.")
    ssh = models.CharField("ssh target", max_length=255, blank=True)
    facts = models.JSONField(default=dict, help_text="Services, versions, exports and clients, as last read.")
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    checked = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("hosts:nfs-server", args=[self.name])

    @property
    def state(self) -> str:
        """Its state in one word: new, unreachable, stopped or serving."""
        if not self.checked:
            return "new"
        if self.error:
            return "unreachable"
        return "serving" if self.facts.get("is_serving") else "stopped"
