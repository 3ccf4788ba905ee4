"""What all methods of a guest share: its handle, its names, and the way a call is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import libvirt

if TYPE_CHECKING:
    from hosts.libvirt_client.connection import Connection

T = TypeVar("T")
CALL_TIMEOUT_S = 15.0
ACT_TIMEOUT_S = 40.0
"""For acts that wait for the domain's job lock: libvirt gives up after 30 s (QEMU_JOB_WAIT_TIME in src/qemu/qemu_domainjob.c)
and then says who holds it. A shorter limit learns less, and costs the connection."""


class GuestBase:
    """A libvirt domain's handle. Methods raise HostError's children with guest and host in them."""

    def __init__(self, connection: Connection, raw: libvirt.virDomain) -> None:
        self._connection, self._raw = connection, raw
        # Both are part of the handle: no call
        self.name: str = raw.name()
        self.uuid: str = raw.UUIDString()

    @property
    def host(self) -> str:
        return self._connection.host

    def _call(self, function: Callable[[], T], timeout_s: float) -> T:
        return self._connection.call(function, timeout_s=timeout_s, vm=self.name)
