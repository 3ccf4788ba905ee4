"""A line to a guest's console on the host where it runs: bytes in both directions, whatever carries them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol, TypeVar

from hosts import reach, ssh
from hosts.console_xml import Screen, has_serial, other_screens, read_screen
from hosts.consoles.rfb import log_in
from hosts.errors import CommandFailed, HostError, Refused, TimedOut, Unreachable
from hosts.libvirt_client.serial_stream import SerialStream
from hosts.models import Host

T = TypeVar("T")
OPEN_S = 10.0
"""Limit for each step of opening: libvirt's answer, the way to the display, its handshake."""
CHUNK_BYTES = 64 * 1024
_threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="console")
"""For libvirt's blocking calls, apart from the loop's own pool: hosts that hang must not hold up anything else."""


class Line(Protocol):
    """`read` returns b"" once the other side has closed; `write` raises HostError or OSError where it has."""

    async def read(self) -> bytes: ...
    async def write(self, data: bytes) -> None: ...
    async def close(self) -> None: ...


async def in_thread(function: Callable[[], T]) -> T:
    """What `function`, which blocks, returns."""
    return await asyncio.get_running_loop().run_in_executor(_threads, function)


class ScreenLine:
    """The guest's VNC display, logged in: what follows is RFB's ClientInit."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, process: asyncio.subprocess.Process | None
    ) -> None:
        self._reader, self._writer, self._process = reader, writer, process

    async def read(self) -> bytes:
        return await self._reader.read(CHUNK_BYTES)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()
        if self._process and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


async def open_screen(host: Host, uuid: str) -> ScreenLine:
    """Reach the VNC display of the guest that runs on `host`.

    On this machine libvirt hands it out; elsewhere it is reached from the host itself through the console's own ssh, so the
    display may listen on the host's loopback alone. Raises HostError's children, with the host in them.
    """
    is_local = reach.shell(host) is None
    screen, handed = await in_thread(lambda: _look(host, uuid, hand_out=is_local))
    process = None
    if handed is not None:
        reader, writer = await asyncio.open_connection(sock=handed)
    else:
        process = await _forward(host, screen)
        assert process.stdout and process.stdin
        reader, writer = process.stdout, process.stdin
    line = ScreenLine(reader, writer, process)
    try:
        await asyncio.wait_for(log_in(reader, writer, password=screen.password), OPEN_S)
    except BaseException as error:
        await line.close()
        if isinstance(error, TimeoutError):
            raise TimedOut(f"The guest's display on {host.name} did not answer", host=host.name) from error
        if isinstance(error, asyncio.IncompleteReadError | ConnectionError):
            raise await _why_closed(host, screen, process) from error
        if isinstance(error, HostError):
            error.host = error.host or host.name
        raise
    return line


def _look(host: Host, uuid: str, *, hand_out: bool) -> tuple[Screen, socket.socket | None]:
    with reach.libvirt(host) as connection:
        guest = connection.guest(uuid)
        _require_active(guest.is_active(), guest.name, host)
        xml = guest.xml(secure=True)
        screen = read_screen(xml)
        if screen is None:
            kinds = ", ".join(other_screens(xml))
            raise Refused(
                f"{guest.name} on {host.name} has no VNC display" + (f", only {kinds}" if kinds else ""),
                host=host.name,
                vm=guest.name,
                hint="Use its serial console, or add a VNC display to its definition and start it again.",
            )
        return screen, guest.open_graphics() if hand_out else None


def _require_active(active: bool, name: str, host: Host) -> None:
    if not active:
        raise Refused(f"{name} does not run on {host.name}", host=host.name, vm=name, hint="Start it first.")


async def _forward(host: Host, screen: Screen) -> asyncio.subprocess.Process:
    target = reach.shell(host)
    assert target is not None
    if screen.socket:
        # OpenSSH forwards standard input to UNIX sockets only from 9.4 on; libvirt's own transport needs nc there as well.
        argv = ssh.argv_for(target, ["nc", "-U", screen.socket])
    else:
        argv = ssh.forward_argv(target, screen.address, screen.port)
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, limit=2 * CHUNK_BYTES
    )


async def _why_closed(host: Host, screen: Screen, process: asyncio.subprocess.Process | None) -> HostError:
    """What ssh said as it ended, in our words."""
    said = ""
    if process and process.stderr:
        with suppress(TimeoutError):
            said = (await asyncio.wait_for(process.stderr.read(), 1)).decode(errors="replace").strip()
    where = screen.socket or f"{screen.address} port {screen.port}"
    if "administratively prohibited" in said:
        return Refused(
            f"sshd on {host.name} does not forward connections, so the display at {where} can't be reached",
            host=host.name,
            hint="Allow it for the console's login: AllowTcpForwarding yes (or local) in sshd_config.",
            raw=said,
        )
    if process and process.returncode == ssh.SSH_FAILED and "open failed" not in said:
        return ssh.error_of(said, host=host.name)
    if screen.socket and "not found" in said:
        return CommandFailed(["nc"], 127, said, host=host.name)
    return Unreachable(f"The guest's display at {where} on {host.name} closed the connection", host=host.name, raw=said)


class SerialLine:
    """The guest's serial console, over a libvirt connection of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._stream: SerialStream | None = None

    async def open(self, host: Host, uuid: str, *, force: bool) -> None:
        """Raises ConsoleInUse where somebody else has it and not `force`, and HostError's other children."""

        def work() -> SerialStream:
            connection = reach.open_own(host, timeout_s=OPEN_S)
            try:
                guest = connection.guest(uuid)
                _require_active(guest.is_active(), guest.name, host)
                if not has_serial(guest.xml()):
                    raise Refused(
                        f"{guest.name} on {host.name} has no serial console",
                        host=host.name,
                        vm=guest.name,
                        hint="Add a serial port to its definition, and console=ttyS0 to its kernel's command line.",
                    )
                return SerialStream(connection, guest, force=force, on_data=self._arrived)
            except BaseException:
                connection.close()
                raise

        opening = self._loop.run_in_executor(_threads, work)
        try:
            self._stream = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # It opens nevertheless, and would keep others out for good.
            opening.add_done_callback(_close_late)
            raise

    def _arrived(self, data: bytes) -> None:
        self._loop.call_soon_threadsafe(self._chunks.put_nowait, data)

    async def read(self) -> bytes:
        data = await self._chunks.get()
        while data and not self._chunks.empty() and len(data) < CHUNK_BYTES:
            following = self._chunks.get_nowait()
            if not following:
                self._chunks.put_nowait(following)
                break
            data += following
        assert self._stream is not None
        self._stream.took(len(data))
        return data

    async def write(self, data: bytes) -> None:
        stream = self._stream
        assert stream is not None
        await in_thread(lambda: stream.write(data))

    async def close(self) -> None:
        if self._stream is not None:
            await in_thread(self._stream.close)


def _close_late(opening: asyncio.Future[SerialStream]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        _threads.submit(opening.result().close)
