"""Names for libvirt's migration flags and parameters, so that rules elsewhere need no libvirt.

A binding holds only what the libvirt headers at its build had; a name that it lacks is known here, and refused when used.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import libvirt

from hosts.errors import Unsupported

_FLAG_NAMES = (
    "live",
    "peer2peer",
    "tunnelled",
    "persist_dest",
    "undefine_source",
    "paused",
    "non_shared_disk",
    "non_shared_inc",
    "change_protection",
    "unsafe",
    "offline",
    "compressed",
    "abort_on_error",
    "auto_converge",
    "rdma_pin_all",
    "postcopy",
    "tls",
    "parallel",
    "non_shared_synchronous_writes",
    "postcopy_resume",
    "zerocopy",
)
# ours: the ending of VIR_MIGRATE_PARAM_…
_PARAMETER_NAMES = {
    "uri": "URI",
    "dest_name": "DEST_NAME",
    "dest_xml": "DEST_XML",
    "persist_xml": "PERSIST_XML",
    "bandwidth": "BANDWIDTH",
    "bandwidth_postcopy": "BANDWIDTH_POSTCOPY",
    "bandwidth_avail_switchover": "BANDWIDTH_AVAIL_SWITCHOVER",
    "graphics_uri": "GRAPHICS_URI",
    "listen_address": "LISTEN_ADDRESS",
    "migrate_disks": "MIGRATE_DISKS",
    "disks_port": "DISKS_PORT",
    "disks_uri": "DISKS_URI",
    "compression": "COMPRESSION",
    "compression_mt_level": "COMPRESSION_MT_LEVEL",
    "compression_mt_threads": "COMPRESSION_MT_THREADS",
    "compression_mt_dthreads": "COMPRESSION_MT_DTHREADS",
    "compression_xbzrle_cache": "COMPRESSION_XBZRLE_CACHE",
    "compression_zlib_level": "COMPRESSION_ZLIB_LEVEL",
    "compression_zstd_level": "COMPRESSION_ZSTD_LEVEL",
    "auto_converge_initial": "AUTO_CONVERGE_INITIAL",
    "auto_converge_increment": "AUTO_CONVERGE_INCREMENT",
    "parallel_connections": "PARALLEL_CONNECTIONS",
    "tls_destination": "TLS_DESTINATION",
}

MIGRATE_FLAGS: dict[str, int | None] = {
    name: getattr(libvirt, f"VIR_MIGRATE_{name.upper()}", None) for name in _FLAG_NAMES
}
"""Flag by name; None where this machine's libvirt is too old to know it."""

MIGRATE_PARAMETERS: dict[str, str | None] = {
    name: getattr(libvirt, f"VIR_MIGRATE_PARAM_{ending}", None) for name, ending in _PARAMETER_NAMES.items()
}
"""libvirt's key of a typed parameter by our name; None as above."""


def flag_bits(names: Collection[str]) -> int:
    """The named flags as one number. Raises KeyError on a name that is none, Unsupported on one too new."""
    bits = 0
    for name in names:
        bit = MIGRATE_FLAGS[name]
        if bit is None:
            raise _too_old(name)
        bits |= bit
    return bits


def typed_parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """The named parameters under libvirt's keys; those that are None are left out. Raises as `flag_bits` does."""
    parameters = {}
    for name, value in values.items():
        key = MIGRATE_PARAMETERS[name]
        if value is None:
            continue
        if key is None:
            raise _too_old(name)
        parameters[key] = list(value) if isinstance(value, tuple) else value
    return parameters


def _too_old(name: str) -> Unsupported:
    return Unsupported(
        f"This console's libvirt library does not know the migration option {name!r}",
        hint="Update libvirt on the console's machine and install libvirt-python anew, or leave the option out.",
    )
