"""What VMs and hosts used over time, packed (hosts/series.py)."""

from django.db import models

from hosts.models.inventory import Host, VirtualMachine


class Chunk(models.Model):
    """Some points of one resolution, from `start` (seconds since 1970) on."""

    step_s = models.PositiveSmallIntegerField()
    start = models.PositiveBigIntegerField()
    points = models.BinaryField()

    class Meta:
        abstract = True
        default_permissions = ()


class VmSeries(Chunk):
    """Figures of a VM, whichever host it was on."""

    of = models.ForeignKey(VirtualMachine, on_delete=models.CASCADE, related_name="series", db_index=False)

    class Meta(Chunk.Meta):
        constraints = [models.UniqueConstraint(fields=["of", "step_s", "start"], name="one_chunk_of_a_vm")]
        indexes = [models.Index(fields=["step_s", "start"], name="chunks_of_vms_by_age")]

    def __str__(self) -> str:
        return f"{self.of_id} every {self.step_s} s from {self.start}"


class HostSeries(Chunk):
    """Figures of a host; disks and network are those of its VMs."""

    of = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="series", db_index=False)

    class Meta(Chunk.Meta):
        constraints = [models.UniqueConstraint(fields=["of", "step_s", "start"], name="one_chunk_of_a_host")]
        indexes = [models.Index(fields=["step_s", "start"], name="chunks_of_hosts_by_age")]

    def __str__(self) -> str:
        return f"{self.of_id} every {self.step_s} s from {self.start}"
