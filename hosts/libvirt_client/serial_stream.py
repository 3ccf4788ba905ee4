"""A guest's serial console as a stream of libvirt's, on a connection that nothing else uses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import libvirt

from hosts.errors import TimedOut, Unreachable
from hosts.libvirt_client.domain import ACT_TIMEOUT_S, Guest

if TYPE_CHECKING:
    from hosts.libvirt_client.connection import Connection

READ_BYTES = 64 * 1024
WRITE_S = 10.0
"""How long a guest may leave what was typed unread."""
RETRY_S = 0.01
HIGH_WATER_BYTES = 256 * 1024
"""With so much unread, nothing more is taken from the guest until it is read: its own pty then makes it wait."""
_ENDS = libvirt.VIR_STREAM_EVENT_HANGUP | libvirt.VIR_STREAM_EVENT_ERROR


class SerialStream:
    """Opened by its constructor. `on_data` gets what the guest says, b"" at the end, in libvirt's own thread: be quick.

    The stream owns the connection: `close` closes both.
    """

    def __init__(self, connection: Connection, guest: Guest, *, force: bool, on_data: Callable[[bytes], None]) -> None:
        self._connection, self._on_data = connection, on_data
        self._lock = threading.Lock()
        self._unread = 0
        self._is_paused = self._is_over = False
        connection.on_close(lambda _reason: self._end())
        self._raw = guest.open_console(force=force)
        connection.call(self._listen, timeout_s=ACT_TIMEOUT_S)

    def _listen(self) -> None:
        self._raw.eventAddCallback(libvirt.VIR_STREAM_EVENT_READABLE | _ENDS, self._happened, None)

    def _happened(self, stream: libvirt.virStream, events: int, _opaque: object) -> None:
        """In libvirt's event thread."""
        try:
            data = stream.recv(READ_BYTES) if events & libvirt.VIR_STREAM_EVENT_READABLE else -2
        except libvirt.libvirtError:
            data = b""
        if isinstance(data, bytes) and data:
            self._on_data(data)
            with self._lock:
                self._unread += len(data)
                if self._unread > HIGH_WATER_BYTES and not self._is_paused:
                    self._is_paused = True
                    stream.eventUpdateCallback(_ENDS)
        elif data == b"" or events & _ENDS:
            with suppress(libvirt.libvirtError):
                stream.eventRemoveCallback()
            self._end()

    def _end(self) -> None:
        with self._lock:
            over, self._is_over = self._is_over, True
        if not over:
            self._on_data(b"")

    def took(self, count: int) -> None:
        """So many bytes were read: let the guest go on where it had to wait."""
        with self._lock:
            self._unread -= count
            resume = self._is_paused and self._unread < HIGH_WATER_BYTES // 2
            if resume:
                self._is_paused = False
        if resume and not self._is_over:
            with suppress(libvirt.libvirtError):
                self._raw.eventUpdateCallback(libvirt.VIR_STREAM_EVENT_READABLE | _ENDS)

    def write(self, data: bytes) -> None:
        """Type `data`. Raises TimedOut where the guest leaves it unread, Unreachable where the stream is over."""
        if self._is_over:
            raise Unreachable("The serial console is closed", host=self._connection.host)
        limit = time.monotonic() + WRITE_S

        def send() -> None:
            rest = data
            while rest:
                sent = self._raw.send(rest)
                if sent >= 0:
                    rest = rest[sent:]
                elif time.monotonic() > limit or self._is_over:
                    host = self._connection.host
                    raise TimedOut(f"The guest on {host} does not read what was typed", host=host)
                else:
                    time.sleep(RETRY_S)

        self._connection.call(send, timeout_s=WRITE_S + 5)

    def close(self) -> None:
        """Give the console back, so that the next one finds it free, and close the connection."""

        def give_back() -> None:
            for step in (self._raw.eventRemoveCallback, self._raw.abort):
                with suppress(libvirt.libvirtError):
                    step()

        self._is_over = True
        with suppress(TimedOut, Unreachable):
            self._connection.call(give_back, timeout_s=5)
        self._connection.close()
