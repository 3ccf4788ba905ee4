"""Pools and volumes as libvirt knows them; exports and mounts of NFS shared storage."""

from django.db import models

from hosts.models.inventory import Host
from hosts.nfs import parse_options

SLOW_MS = 500.0
"""A server that takes longer to say how full it is carries disk images badly; a healthy one takes some milliseconds."""


class StoragePool(models.Model):
    """A libvirt storage pool of one host."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="pools")
    name = models.CharField(max_length=255)
    uuid = models.UUIDField()
    kind = models.CharField(max_length=20)
    active = models.BooleanField(default=False)
    autostart = models.BooleanField(default=False)
    target = models.CharField(max_length=1024, blank=True)
    source = models.CharField(max_length=1024, blank=True)
    capacity_bytes = models.PositiveBigIntegerField(default=0)
    allocation_bytes = models.PositiveBigIntegerField(default=0)
    available_bytes = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "name"], name="one_pool_per_host_and_name")]
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} on {self.host}"


class Volume(models.Model):
    """A volume in a pool, usually a disk image."""

    pool = models.ForeignKey(StoragePool, on_delete=models.CASCADE, related_name="volumes")
    name = models.CharField(max_length=255)
    path = models.CharField(max_length=2048)
    format = models.CharField(max_length=20, blank=True)
    capacity_bytes = models.PositiveBigIntegerField(default=0)
    allocation_bytes = models.PositiveBigIntegerField(default=0)
    backing = models.CharField(max_length=2048, blank=True, help_text="The path of the image that it is based on.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "name"], name="one_volume_per_pool_and_name")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Export(models.Model):
    """A path that an NFS server offers, as `showmount -e` last said."""

    server = models.CharField(max_length=255)
    path = models.CharField(max_length=1024)
    clients = models.CharField(max_length=1024, blank=True)
    seen = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["server", "path"], name="one_export_per_server_and_path")]
        ordering = ["server", "path"]

    def __str__(self) -> str:
        return f"{self.server}:{self.path}"


class MountState(models.TextChoices):
    HEALTHY = "healthy", "mounted and healthy"
    STALE = "stale", "mounted but not answering"
    NOT_MOUNTED = "not mounted", "not mounted"
    MISSING = "missing", "wanted but missing"
    OTHER_SOURCE = "other source", "another source is mounted there"
    UNKNOWN = "unknown", "unknown"


NOT_AS_WANTED = (MountState.STALE, MountState.MISSING, MountState.OTHER_SOURCE)
"""States in which a share is not there for those who need it."""


class Mount(models.Model):
    """A share at a mount point of one host: what is wanted there and what is."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="mounts")
    source = models.CharField(max_length=1024)
    target = models.CharField(max_length=1024)
    kind = models.CharField(max_length=20, default="nfs", help_text="File system type, as findmnt names it.")
    state = models.CharField(max_length=16, choices=MountState, default=MountState.UNKNOWN)
    wanted = models.BooleanField(
        default=False, help_text="Asked for in the console, in the host's fstab or by a unit of it."
    )
    in_fstab = models.BooleanField(default=False)
    unit = models.CharField(
        max_length=255, blank=True, help_text="The systemd unit that mounts it at the host's start, where one does."
    )
    version = models.CharField(max_length=10, blank=True)
    options = models.CharField(max_length=1024, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    used_bytes = models.PositiveBigIntegerField(default=0)
    latency_ms = models.FloatField(null=True, blank=True)
    detail = models.TextField(blank=True)
    checked = models.DateTimeField(null=True, blank=True)
    users = models.JSONField(
        default=list, help_text="Names of the VMs that run there with a disk in it, as last looked at."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "target"], name="one_mount_per_host_and_target")]
        ordering = ["host__name", "target"]

    def __str__(self) -> str:
        return f"{self.source} at {self.target} on {self.host}"

    @property
    def is_mounted(self) -> bool:
        return self.state in (MountState.HEALTHY, MountState.STALE, MountState.OTHER_SOURCE)

    @property
    def is_kept(self) -> bool:
        """Whether the host mounts it again at its start."""
        return self.in_fstab or bool(self.unit)

    @property
    def is_lost(self) -> bool:
        """Whether VMs that run need it and it is not there: their disks wait, or are another share's."""
        return bool(self.users) and self.state in NOT_AS_WANTED

    @property
    def condition(self) -> str:
        """Its state, and of one that answers also "read-only" or "slow"."""
        if self.state != MountState.HEALTHY:
            return self.state
        if "ro" in parse_options(self.options):
            return "read-only"
        return "slow" if (self.latency_ms or 0) > SLOW_MS else self.state


class MountSample(models.Model):
    """How a mount was at one look: the time its server took to answer, and what the host has read and written there since
    it was mounted. None: no answer, or the kernel did not say."""

    mount = models.ForeignKey(Mount, on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    latency_ms = models.FloatField(null=True)
    read_bytes = models.PositiveBigIntegerField(null=True)
    written_bytes = models.PositiveBigIntegerField(null=True)

    class Meta:
        ordering = ["at"]
        indexes = [models.Index(fields=["mount", "at"], name="samples_of_a_mount")]

    def __str__(self) -> str:
        return f"{self.mount} at {self.at}"
