"""Hosts, the guests on them, and each host's own view of a guest."""

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone


class HostGroup(models.Model):
    """A set of hosts that rights are given on, such as a site or a cluster."""

    name = models.SlugField(max_length=60, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class HostState(models.TextChoices):
    NEW = "new", "not connected yet"
    ONLINE = "online", "online"
    UNREACHABLE = "unreachable", "unreachable"


class Described(models.Model):
    """What people say of a thing beside what is known of it."""

    note = models.TextField(blank=True, max_length=2000)
    tags = models.TextField(blank=True, help_text="Words, folded and sorted, with a space before and after each.")

    class Meta:
        abstract = True

    @property
    def tag_list(self) -> list[str]:
        return self.tags.split()


class Host(Described):
    """A machine that runs libvirtd and QEMU, or an NFS server that we log in to."""

    name = models.CharField(max_length=63, unique=True)
    uri = models.CharField("libvirt URI", max_length=255)
    peer_uri = models.CharField(
        max_length=255,
        blank=True,
        help_text="The URI through which other hosts reach this one's libvirtd, where it is not the one above.",
    )
    ssh = models.CharField(
        "ssh target", max_length=255, blank=True, help_text="user@host[:port] for mounts and probes."
    )
    migration_address = models.CharField(
        max_length=255, blank=True, help_text="Address in the network that carries guest memory."
    )
    groups = models.ManyToManyField(HostGroup, blank=True, related_name="hosts")
    maintenance = models.BooleanField(default=False)
    state = models.CharField(max_length=16, choices=HostState, default=HostState.NEW)
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    last_seen = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)

    hostname = models.CharField(max_length=255, blank=True)
    host_uuid = models.CharField(max_length=36, blank=True)
    libvirt_version = models.CharField(max_length=20, blank=True)
    hypervisor_version = models.CharField(max_length=20, blank=True)
    cpu_model = models.CharField(max_length=120, blank=True)
    cpus = models.PositiveIntegerField(default=0)
    memory_mib = models.PositiveBigIntegerField(default=0)
    memory_free_mib = models.PositiveBigIntegerField(default=0)

    # The WatcherProcess that keeps this host's rows current; others take over when its heartbeat lapses.
    watcher = models.CharField(max_length=80, blank=True, db_index=True)
    sync_requested = models.DateTimeField(null=True, blank=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        default_permissions = ()
        permissions = [
            ("see", "See hosts, VMs, storage and migrations"),
            ("operate", "Migrate, mount, start and stop"),
            ("manage", "Manage hosts and people"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("hosts:detail", args=[self.name])

    @property
    def is_online(self) -> bool:
        return self.state == HostState.ONLINE

    @property
    def uri_for_peers(self) -> str:
        """The libvirt URI that another host's libvirtd uses for a peer-to-peer migration to this one."""
        return self.peer_uri or self.uri


class VmState(models.TextChoices):
    """libvirt's domain states under the names that virsh prints, and `unknown` where no host answers for it."""

    RUNNING = "running", "running"
    IDLE = "idle", "idle"
    PAUSED = "paused", "paused"
    IN_SHUTDOWN = "in shutdown", "shutting down"
    SHUTOFF = "shut off", "shut off"
    CRASHED = "crashed", "crashed"
    PMSUSPENDED = "pmsuspended", "suspended"
    UNKNOWN = "unknown", "unknown"


ACTIVE_STATES = (VmState.RUNNING, VmState.IDLE, VmState.PAUSED, VmState.IN_SHUTDOWN, VmState.PMSUSPENDED)


class VirtualMachine(Described):
    """One guest, by its UUID, wherever it is defined or runs; a summary of its placements."""

    uuid = models.UUIDField(unique=True)
    name = models.CharField(max_length=255)
    host = models.ForeignKey(
        Host,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="vms",
        help_text="Where it runs, else where it is defined.",
    )
    state = models.CharField(max_length=16, choices=VmState, default=VmState.UNKNOWN)
    vcpus = models.PositiveIntegerField(default=0)
    memory_mib = models.PositiveBigIntegerField(default=0)
    address = models.GenericIPAddressField(
        null=True,
        blank=True,
        help_text="The guest's own address, pinged during a migration; the last one given or found.",
    )
    running_copies = models.PositiveSmallIntegerField(
        default=0, help_text="On how many hosts the guest itself is active. Two mean two writers on one disk."
    )
    search_text = models.TextField(
        blank=True, help_text="What a search looks through, as inventory.search_text makes it."
    )
    seen = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "uuid"]
        indexes = [
            models.Index(fields=["name", "uuid"], name="vms_in_their_order"),
            models.Index(fields=["host", "state"], name="vms_of_a_host"),
            models.Index(fields=["state", "name"], name="vms_by_state"),
            models.Index(fields=["running_copies"], condition=Q(running_copies__gt=1), name="vms_on_two_hosts"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("hosts:vm", args=[self.uuid])

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES


class Placement(models.Model):
    """One host's view of one guest. Absent is a state of it; the row goes when the host no longer lists the guest."""

    vm = models.ForeignKey(VirtualMachine, on_delete=models.CASCADE, related_name="placements")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="placements")
    present = models.BooleanField(default=True, help_text="Whether the host lists the guest now.")
    state = models.CharField(max_length=16, choices=VmState, default=VmState.UNKNOWN)
    reason = models.CharField(max_length=40, blank=True)
    persistent = models.BooleanField(default=False)
    autostart = models.BooleanField(default=False)
    managed_save = models.BooleanField(default=False)
    stale = models.BooleanField(default=False, help_text="A leftover definition: the guest lives on another host.")
    definition_digest = models.CharField(max_length=64, blank=True)
    facts = models.JSONField(default=dict, help_text="Disks, interfaces, machine type and CPU, as read from its XML.")
    seen = models.DateTimeField(default=timezone.now, help_text="When the host was asked for what the row says.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["vm", "host"], name="one_placement_per_vm_and_host")]
        indexes = [
            models.Index(fields=["host", "present"], name="placements_of_a_host"),
            # Few rows each: what the overview and the filters ask for of all guests.
            models.Index(fields=["vm"], condition=Q(present=True, stale=True), name="stale_placements"),
            models.Index(
                fields=["vm", "state"], condition=Q(present=True, persistent=False), name="transient_placements"
            ),
        ]
        ordering = ["host__name"]

    def __str__(self) -> str:
        return f"{self.vm} on {self.host}: {self.state}"

    @property
    def is_active(self) -> bool:
        return self.present and self.state in ACTIVE_STATES
