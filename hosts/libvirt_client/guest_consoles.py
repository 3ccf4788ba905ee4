"""A guest's screen and serial console."""

from __future__ import annotations

import socket

import libvirt

from hosts.errors import ConsoleInUse
from hosts.libvirt_client.guest_base import CALL_TIMEOUT_S, GuestBase


class GuestConsoles(GuestBase):
    """Its first display and its first serial console."""

    def open_graphics(self, *, timeout_s: float = CALL_TIMEOUT_S) -> socket.socket:
        """A connection to its first display, already let in; on a connection to this machine's libvirtd only."""
        flags = libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH
        return socket.socket(fileno=self._call(lambda: int(self._raw.openGraphicsFD(0, flags)), timeout_s))

    def open_console(self, *, force: bool, timeout_s: float = CALL_TIMEOUT_S) -> libvirt.virStream:
        """Its first serial console, without blocking; for serial_stream.py. Raises ConsoleInUse unless `force`."""

        def open_it() -> libvirt.virStream:
            stream = self._connection.raw.newStream(libvirt.VIR_STREAM_NONBLOCK)
            try:
                self._raw.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE if force else 0)
            except libvirt.libvirtError as error:
                # "Active console session exists for this domain" (qemuDomainOpenConsole in src/qemu/qemu_driver.c)
                if error.get_error_code() == libvirt.VIR_ERR_OPERATION_FAILED:
                    message = f"Somebody else is on the serial console of {self.name} on {self.host}"
                    raise ConsoleInUse(message, host=self.host, vm=self.name, raw=str(error)) from error
                raise
            return stream

        return self._call(open_it, timeout_s)
