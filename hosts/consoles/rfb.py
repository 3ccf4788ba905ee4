"""The two handshakes of a screen (RFC 6143, section 7.1): ours with QEMU, where a password may be asked for, and the
browser's with us, where none is. So no password ever reaches a browser. After both, the bytes only pass through.
"""

from __future__ import annotations

import asyncio

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from hosts.errors import HostError, Refused, Unsupported

VERSION = b"RFB 003.008\n"
NO_PASSWORD, VNC_PASSWORD = 1, 2
"""Security types (RFC 6143, section 7.2)."""
PASSWORD_BYTES = 8
LONGEST_REASON = 4096


async def log_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, password: str) -> None:
    """Shake hands with a VNC server up to where ClientInit follows.

    Raises Refused for a wrong password, Unsupported for a security type that we don't speak, HostError for what is no VNC
    server, and asyncio.IncompleteReadError where it closes the connection.
    """
    if not (await reader.readexactly(len(VERSION))).startswith(b"RFB 003."):
        raise HostError("What answers at the guest's display is no VNC server")
    writer.write(VERSION)
    count = (await reader.readexactly(1))[0]
    if not count:
        raise Refused(f"The guest's VNC server refused us: {await _reason(reader)}")
    offered = await reader.readexactly(count)
    if NO_PASSWORD in offered:
        writer.write(bytes([NO_PASSWORD]))
    elif VNC_PASSWORD in offered:
        writer.write(bytes([VNC_PASSWORD]))
        writer.write(answer(await reader.readexactly(16), password))
    else:
        kinds = ", ".join(str(kind) for kind in offered)
        raise Unsupported(
            f"The guest's VNC server asks for a login that the console does not speak (security type {kinds})",
            hint="TLS and SASL of VNC are not supported: the console reaches the display through ssh. Use its serial console.",
        )
    if int.from_bytes(await reader.readexactly(4), "big"):
        raise Refused(
            f"The guest's VNC server refused the password of its definition: {await _reason(reader)}",
            hint="A password that was changed in QEMU alone, or one that has expired, is not in the definition.",
        )


async def _reason(reader: asyncio.StreamReader) -> str:
    size = min(int.from_bytes(await reader.readexactly(4), "big"), LONGEST_REASON)
    return (await reader.readexactly(size)).decode("latin-1")


def answer(challenge: bytes, password: str) -> bytes:
    """The challenge under DES with the password as its key, each byte of it mirrored (as all VNC servers have it)."""
    key = password.encode("latin-1", "replace")[:PASSWORD_BYTES].ljust(PASSWORD_BYTES, b"\0")
    mirrored = bytes(int(f"{byte:08b}"[::-1], 2) for byte in key)
    # Three times the same key is single DES, which the library no longer offers by itself.
    encryptor = Cipher(TripleDES(mirrored * 3), modes.ECB()).encryptor()  # noqa: S305 - the protocol's
    return encryptor.update(challenge) + encryptor.finalize()


class Welcome:
    """The server's side of the handshake with a browser, which needs no password: its socket was let in by a ticket."""

    first = VERSION

    def __init__(self) -> None:
        self._got = b""
        self._steps = [(len(VERSION), bytes([1, NO_PASSWORD])), (1, bytes(4))]

    @property
    def is_over(self) -> bool:
        return not self._steps

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """What to answer to the browser, and what already belongs to the guest. ValueError for what is no handshake."""
        self._got += data
        said = b""
        while self._steps and len(self._got) >= self._steps[0][0]:
            size, reply = self._steps.pop(0)
            part, self._got = self._got[:size], self._got[size:]
            if part not in (VERSION, bytes([NO_PASSWORD])):
                raise ValueError("no handshake of RFB 3.8")
            said += reply
        rest, self._got = (self._got, b"") if self.is_over else (b"", self._got)
        return said, rest
