"""What a host and its running guests use, in a fixed number of calls."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import libvirt

from hosts.libvirt_client.connection import Connection
from hosts.libvirt_client.host_info import read_memory_mib
from hosts.rates import Counters

STATS_TIMEOUT_S = 15.0
_GROUPS = libvirt.VIR_DOMAIN_STATS_CPU_TOTAL | libvirt.VIR_DOMAIN_STATS_BALLOON | libvirt.VIR_DOMAIN_STATS_INTERFACE
_FLAGS = (
    libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING
    # A guest that another call waits for is told of without what only its QEMU knows.
    | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
)


@dataclass(frozen=True, slots=True)
class Usage:
    """A host's own counters, and those of its running guests by UUID. Of a host libvirt tells CPU and
    memory only."""

    host: Counters
    guests: Mapping[str, Counters]


def read_usage(connection: Connection, *, disks: bool = True, timeout_s: float = STATS_TIMEOUT_S) -> Usage:
    """Three calls. Without `disks` no image is asked for, as one must not where a share does not answer. Raises HostError."""
    return connection.call(lambda: _read(connection.raw, disks), timeout_s=timeout_s)


def _read(raw: libvirt.virConnect, disks: bool) -> Usage:
    groups = _GROUPS | (libvirt.VIR_DOMAIN_STATS_BLOCK if disks else 0)
    listed = raw.getAllDomainStats(groups, _FLAGS)
    at = time.monotonic()
    guests = {domain.UUIDString(): guest_counters(stats, at=at, run=str(domain.ID())) for domain, stats in listed}
    total, free = read_memory_mib(raw)
    return Usage(Counters(at=at, run="", cpu=_host_cpu(raw), memory=float(total - free) * 2**20), guests)


def guest_counters(stats: Mapping[str, Any], *, at: float, run: str) -> Counters:
    """libvirt's figures of one guest (virConnectGetAllDomainStats), as ours."""
    cpu_ns = stats.get("cpu.time")
    return Counters(
        at=at,
        run=run,
        cpu=None if cpu_ns is None else cpu_ns / 1e9,
        memory=_memory(stats),
        disk_read=_total(stats, "block", "rd.bytes"),
        disk_write=_total(stats, "block", "wr.bytes"),
        net_rx=_total(stats, "net", "rx.bytes"),
        net_tx=_total(stats, "net", "tx.bytes"),
    )


def _memory(stats: Mapping[str, Any]) -> float | None:
    """By the guest's balloon driver, if it has one; else what of QEMU's memory is resident, at most the guest's own."""
    current, unused, rss = (stats.get(f"balloon.{name}") for name in ("current", "unused", "rss"))
    if current and unused is not None:
        return float(max(0, current - unused)) * 1024
    return float(min(rss, current or rss)) * 1024 if rss else None


def _total(stats: Mapping[str, Any], group: str, name: str) -> float | None:
    found = [
        stats[key] for number in range(stats.get(f"{group}.count", 0)) if (key := f"{group}.{number}.{name}") in stats
    ]
    return float(sum(found)) if found else None


def _host_cpu(raw: libvirt.virConnect) -> float | None:
    try:
        stats = raw.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return None
    return float(stats.get("kernel", 0) + stats.get("user", 0)) / 1e9
