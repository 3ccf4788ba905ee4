"""A libvirtd of our own with libvirt's test driver: real RPC over a real socket, and guests whose changes every client sees."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.console import eventually
from tests.lab import rootfs

CONF = """
unix_sock_dir = "{folder}"
auth_unix_rw = "none"
auth_unix_ro = "none"
max_clients = 4000
max_queued_clients = 4000
max_workers = 20
"""
CALL = b"\0\0\0\0"
"""virNetMessageType VIR_NET_CALL, at the 17th byte of a message (src/rpc/virnetprotocol.x)."""


@contextmanager
def libvirtd(folder: Path) -> Iterator[Path]:
    """Run libvirtd in `folder`, which must have a short path; yields its socket. Skips the test where there is no libvirtd:
    it is the machine's own, else the one in the lab's root file system."""
    root = rootfs.location()
    program = shutil.which("libvirtd") or str(root / "usr/sbin/libvirtd")
    if not Path(program).exists():
        pytest.skip("no libvirtd here; `manage.py lab up` brings one")
    (folder / "none").mkdir(parents=True)
    (folder / "libvirtd.conf").write_text(CONF.format(folder=folder))
    # No driver of its own, so that it looks at no QEMU of this machine; the test driver is in the library.
    environment = {**os.environ, "LIBVIRT_DRIVER_DIR": str(folder / "none")}
    if program.startswith(str(root)):
        environment["LD_LIBRARY_PATH"] = str(root / "usr/lib/x86_64-linux-gnu")
    command = [program, "-f", str(folder / "libvirtd.conf"), "-p", str(folder / "pid")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    path = folder / "libvirt-sock"
    try:
        eventually(path.exists, timeout_s=20, what=f"libvirtd's socket; it said {(folder / 'log').read_text()[-500:]}")
        yield path
    finally:
        process.kill()
        process.wait(timeout=10)


def uri_of(node: str, path: Path) -> str:
    """The URI of a host of the test driver, `default` or the path of its XML, in the libvirtd behind `path`."""
    return f"test+unix:///{node.lstrip('/')}?socket={path}"


class Counter:
    """Stands between clients and a libvirtd, and counts the calls that go by; `delay_s` is a network's way there and back."""

    def __init__(self, path: Path, *, to: Path, delay_s: float = 0) -> None:
        self.path, self._to, self.calls, self._delay_s = path, to, 0, delay_s
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            with suppress(OSError):
                client, _ = self._server.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._to))
                for pair in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._relay, args=pair, daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        held = b""
        with suppress(OSError):
            while piece := source.recv(65536):
                held += piece if counted else b""
                while len(held) >= 28 and len(held) >= (size := int.from_bytes(held[:4], "big")):
                    # 0x6b656570 is keepalive's program, whose pings are no calls
                    self.calls += held[16:20] == CALL and held[4:8] != b"keep"
                    held = held[size:]
                if counted and self._delay_s:
                    time.sleep(self._delay_s)
                sink.sendall(piece)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
