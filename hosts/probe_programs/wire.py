"""Sees on the wire how a guest's memory and disks leave this host: in the clear, or by TLS. Needs root.

Argument: the IPv4 address that they go to. The kernel hands over only packets whose first bytes begin a stream: QEMU's own
magic, an NBD client's option, or a TLS handshake. Nothing of their contents is kept or told.
"""

import ctypes
import socket
import struct
import subprocess
import sys
import time

QEVM, OPTION = 0x5145564D, 0x49484156
"""QEMU_VM_FILE_MAGIC (QEMU's migration/savevm.c); `IHAVEOPT` (NBD's doc/proto.md)."""
HANDSHAKE = 0x1603
"""A TLS record of type handshake, version 3.x (RFC 8446, 5.1)."""
START_TLS = 5
LIBVIRT_PORTS = (16509, 16514)
SO_ATTACH_FILTER = 26
ALL_PROTOCOLS = 3
MOST = 4096
"""So many connections, then it ends: one look may serve thousands of migrations."""


def filter_for(address: str) -> bytes:
    """TCP over IPv4 to `address`, whose payload begins with one of the three marks. (code, true, false, value) each."""
    goal = struct.unpack("!I", socket.inet_aton(address))[0]
    steps = [
        (0x28, 0, 0, 12),  # ethertype
        (0x15, 0, 20, 0x0800),
        (0x30, 0, 0, 23),  # protocol
        (0x15, 0, 18, 6),
        (0x28, 0, 0, 20),  # no later fragment
        (0x45, 16, 0, 0x1FFF),
        (0x20, 0, 0, 30),  # to the destination
        (0x15, 0, 14, goal),
        (0xB1, 0, 0, 14),  # X: length of the IP header
        (0x50, 0, 0, 26),  # length of the TCP header
        (0x54, 0, 0, 0xF0),
        (0x74, 0, 0, 2),
        (0x0C, 0, 0, 0),
        (0x07, 0, 0, 0),  # X: both
        (0x40, 0, 0, 14),
        (0x15, 5, 0, QEVM),
        (0x15, 4, 0, OPTION),
        (0x74, 0, 0, 16),
        (0x15, 2, 0, HANDSHAKE),
        (0x40, 0, 0, 18),  # NBD's flags may come first
        (0x15, 0, 1, OPTION),
        (0x06, 0, 0, 0xFFFF),
        (0x06, 0, 0, 0),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def device_to(address: str) -> str:
    said = subprocess.run(["ip", "-o", "route", "get", address], stdout=subprocess.PIPE, check=False).stdout.decode()
    words = said.split()
    return words[words.index("dev") + 1] if "dev" in words else ""


def listen(address: str) -> socket.socket:
    code = filter_for(address)
    kept = ctypes.create_string_buffer(code)
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    found.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(code) // 8, ctypes.addressof(kept)))
    # What leaves this host is shown only to who listens to all protocols.
    found.bind((device_to(address), ALL_PROTOCOLS))
    return found


def say(port: int, what: str, how: str) -> None:
    print(f"[{time.time():.6f}] stream {port} {what} {how}", flush=True)


def payload_of(frame: bytes) -> "tuple[tuple[int, int], bytes]":
    tcp = 14 + (frame[14] & 15) * 4
    return struct.unpack("!HH", frame[tcp : tcp + 4]), frame[tcp + (frame[tcp + 12] >> 4) * 4 :]


def main() -> None:
    wire = listen(sys.argv[1])
    known: dict[tuple[int, int], str] = {}
    while len(known) < MOST:
        ports, payload = payload_of(wire.recv(2048))
        if ports[1] < 1024 or ports[1] in LIBVIRT_PORTS or known.get(ports, "disks") != "disks":
            continue
        option = payload.find(b"IHAVEOPT")
        if option < 0:
            tls = payload[:2] == b"\x16\x03"
            say(ports[1], known.get(ports, "memory"), "tls" if tls else "plain")
            known[ports] = "told"
        elif struct.unpack("!I", payload[option + 8 : option + 12])[0] == START_TLS:
            known[ports] = "disks"
        else:
            say(ports[1], "disks", "plain")
            known[ports] = "told"


try:
    main()
except PermissionError:
    print("its login is not root, so it can't look at the wire", flush=True)
