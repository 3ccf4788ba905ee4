"""Moving what lies at a mount point onto the share that is to be mounted there: one move, and each file of it."""

from django.conf import settings
from django.db import models
from django.urls import reverse

from hosts.models.access import AuditEvent
from hosts.models.inventory import Host


class ImageMove(models.Model):
    """One run of the wizard on one host. Until it is cleared, the originals lie in the folder `aside`."""

    class State(models.TextChoices):
        LOOKING = "looking", "looking at both sides"
        PLANNED = "planned", "planned"
        RUNNING = "running", "moving"
        STOPPED = "stopped", "stopped"
        MOVED = "moved", "moved, originals kept"
        UNDOING = "undoing", "being undone"
        UNDONE = "undone", "undone"
        CLEARED = "cleared", "moved, originals removed"
        DISCARDED = "discarded", "discarded"

    DRIVEN = (State.LOOKING, State.RUNNING, State.UNDOING)
    OVER = (State.UNDONE, State.CLEARED, State.DISCARDED)

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="image_moves")
    source = models.CharField(max_length=1024)
    target = models.CharField(max_length=1024)
    options = models.CharField(max_length=1024, blank=True)
    persist = models.BooleanField(default=False)
    token = models.CharField(max_length=16, unique=True)
    state = models.CharField(max_length=12, choices=State, default=State.LOOKING)
    going_back = models.BooleanField(default=False, help_text="Undoing was asked for: the way leads back.")
    shut_down = models.BooleanField(default=False, help_text="VMs that use the images may be shut down.")
    shutdown_limit_s = models.PositiveIntegerField(default=180)
    found = models.JSONField(default=dict)
    vms = models.JSONField(default=list)
    steps = models.JSONField(default=list)
    progress = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    raw_error = models.TextField(blank=True)
    reason = models.CharField(max_length=300, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    username = models.CharField(max_length=150)
    audit = models.ForeignKey(AuditEvent, on_delete=models.SET_NULL, null=True, blank=True)
    owner = models.CharField(max_length=120, blank=True)
    heartbeat = models.DateTimeField(null=True, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)
    finished = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created"]
        indexes = [models.Index(fields=["state"], name="image_move_to_drive")]
        constraints = [
            models.UniqueConstraint(
                fields=["host", "target"],
                condition=~models.Q(state__in=("undone", "cleared", "discarded")),
                name="one_image_move_per_host_and_target",
            )
        ]

    def __str__(self) -> str:
        return f"move #{self.pk} of {self.target} on {self.host} onto {self.source}"

    def get_absolute_url(self) -> str:
        return reverse("hosts:image-move", args=[self.pk])

    @property
    def aside(self) -> str:
        """Where the originals lie from step "aside" on: beside the mount point, so on the same file system."""
        return f"{self.target}.kvmconsole-{self.token}"

    @property
    def is_driven(self) -> bool:
        return self.state in self.DRIVEN

    @property
    def is_over(self) -> bool:
        return self.state in self.OVER


class ImageMoveFile(models.Model):
    """A file, folder or symbolic link that lies at the mount point; `path` is relative to it."""

    class Kind(models.TextChoices):
        FILE = "file", "file"
        FOLDER = "folder", "folder"
        LINK = "link", "symbolic link"
        OTHER = "other", "neither file, folder nor link"

    class State(models.TextChoices):
        PENDING = "pending", "not moved yet"
        COPIED = "copied", "copied and read back"
        SAME = "same", "lies on the share already"
        BACK = "back", "its latest content lies where it was"
        LEFT = "left", "back, and its copy left on the share"

    move = models.ForeignKey(ImageMove, on_delete=models.CASCADE, related_name="files")
    position = models.PositiveIntegerField()
    path = models.CharField(max_length=4096)
    kind = models.CharField(max_length=8, choices=Kind)
    link = models.CharField(max_length=4096, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    allocated_bytes = models.PositiveBigIntegerField(default=0)
    mtime = models.CharField(max_length=40, blank=True, help_text="As find prints it, to a fraction of a nanosecond.")
    is_image = models.BooleanField(default=False)
    backing = models.CharField(max_length=4096, blank=True)
    on_share = models.CharField(
        max_length=8, blank=True, help_text="What has its name there: same, other, in use, or nothing."
    )
    new_name = models.CharField(
        max_length=4096, blank=True, help_text="Its path on the share, where another than here."
    )
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["move", "position"], name="one_file_per_move_and_position")]

    def __str__(self) -> str:
        return self.path

    @property
    def destination(self) -> str:
        """Its path on the share."""
        return self.new_name or self.path
