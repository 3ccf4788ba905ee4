"""libvirt's job statistics as a value: units in the names, every figure optional.

Which keys libvirt sends depends on its version, the kind of job and the moment, so None means "not said",
never 0. Key names: virDomainGetJobStats in libvirt's include/libvirt/libvirt-domain.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

JobKind = Literal["none", "bounded", "unbounded", "completed", "failed", "cancelled"]

# virDomainJobType and virDomainJobOperation, in libvirt's order from 0
KINDS: tuple[JobKind, ...] = ("none", "bounded", "unbounded", "completed", "failed", "cancelled")
OPERATIONS = (
    "unknown",
    "start",
    "save",
    "restore",
    "migration_in",
    "migration_out",
    "snapshot",
    "snapshot_revert",
    "dump",
    "backup",
    "snapshot_delete",
)

# ours: libvirt's, where the two differ
_LIBVIRT_NAMES = {
    "time_elapsed_ms": "time_elapsed",
    "time_elapsed_net_ms": "time_elapsed_net",
    "time_remaining_ms": "time_remaining",
    "downtime_ms": "downtime",
    "downtime_net_ms": "downtime_net",
    "setup_ms": "setup_time",
    "data_total_bytes": "data_total",
    "data_processed_bytes": "data_processed",
    "data_remaining_bytes": "data_remaining",
    "memory_total_bytes": "memory_total",
    "memory_processed_bytes": "memory_processed",
    "memory_remaining_bytes": "memory_remaining",
    "memory_constant_pages": "memory_constant",
    "memory_normal_pages": "memory_normal",
    "memory_dirty_pages_per_s": "memory_dirty_rate",
    "memory_page_size_bytes": "memory_page_size",
    "postcopy_requests": "memory_postcopy_requests",
    "disk_total_bytes": "disk_total",
    "disk_processed_bytes": "disk_processed",
    "disk_remaining_bytes": "disk_remaining",
    "auto_converge_throttle_percent": "auto_converge_throttle",
    "compression_cache_bytes": "compression_cache",
    "error_message": "errmsg",
}


@dataclass(frozen=True, slots=True)
class JobStats:
    """One sample of a domain's job, or the final figures of the last one.

    `*_bps` are bytes per second as libvirt sends them. `downtime_ms` is an expectation while the job runs and a
    measurement when `kind` is "completed". The `*_net_ms` figures leave out what clocks and network added.
    """

    kind: JobKind = "none"
    operation: str = "unknown"
    time_elapsed_ms: int | None = None
    time_elapsed_net_ms: int | None = None
    time_remaining_ms: int | None = None
    downtime_ms: int | None = None
    downtime_net_ms: int | None = None
    setup_ms: int | None = None
    data_total_bytes: int | None = None
    data_processed_bytes: int | None = None
    data_remaining_bytes: int | None = None
    memory_total_bytes: int | None = None
    memory_processed_bytes: int | None = None
    memory_remaining_bytes: int | None = None
    memory_constant_pages: int | None = None
    memory_normal_pages: int | None = None
    memory_normal_bytes: int | None = None
    memory_bps: int | None = None
    memory_dirty_pages_per_s: int | None = None
    memory_page_size_bytes: int | None = None
    memory_iteration: int | None = None
    postcopy_requests: int | None = None
    disk_total_bytes: int | None = None
    disk_processed_bytes: int | None = None
    disk_remaining_bytes: int | None = None
    disk_bps: int | None = None
    auto_converge_throttle_percent: int | None = None
    compression_cache_bytes: int | None = None
    compression_bytes: int | None = None
    compression_pages: int | None = None
    compression_cache_misses: int | None = None
    compression_overflow: int | None = None
    success: bool | None = None
    error_message: str | None = None

    @classmethod
    def from_libvirt(cls, mapping: Mapping[str, Any]) -> JobStats:
        """Read the dictionary of virDomain.jobStats() or of a job-completed event; unknown keys are ignored."""
        figures: dict[str, Any] = {}
        for field in fields(cls):
            key = _LIBVIRT_NAMES.get(field.name, field.name)
            if key in mapping and key not in ("kind", "operation"):
                figures[field.name] = mapping[key]
        return cls(
            kind=_name(KINDS, mapping.get("type", 0), "none"),
            operation=_name(OPERATIONS, mapping.get("operation", 0), "unknown"),
            **figures,
        )

    @property
    def is_active(self) -> bool:
        """A job is under way."""
        return self.kind in ("bounded", "unbounded")


def _name(names: tuple[Any, ...], number: int, fallback: str) -> Any:
    """The name of libvirt's number; a newer libvirt's unknown number is `fallback`."""
    return names[number] if 0 <= number < len(names) else fallback
