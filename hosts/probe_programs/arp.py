"""Asks for a guest's MAC address again and again, and hears how it announces itself. Needs root.

Arguments: the guest's IPv4 address, seconds between two questions. After the first answer it asks the guest's MAC alone,
so that other machines are left in peace, and so that a switch must know by which port the guest is reached.
"""

import select
import socket
import struct
import subprocess
import sys
import time

ARP, RARP = 0x0806, 0x8035
BROADCAST = b"\xff" * 6


def device_to(address: str) -> str:
    """The interface through which the guest is a neighbour; "" where it is behind a router."""
    said = subprocess.run(["ip", "-o", "route", "get", address], stdout=subprocess.PIPE, check=False).stdout.decode()
    words = said.split()
    return words[words.index("dev") + 1] if "dev" in words and "via" not in words else ""


def text(mac: bytes) -> str:
    return ":".join(f"{byte:02x}" for byte in mac)


def say(line: str) -> None:
    print(f"[{time.time():.6f}] {line}", flush=True)


def listen(device: str, kind: int) -> socket.socket:
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
    found.bind((device, kind))
    return found


class Prober:
    def __init__(self, address: str, device: str) -> None:
        self.address, self.target = socket.inet_aton(address), address
        self.arp, self.rarp = listen(device, ARP), listen(device, RARP)
        self.own_mac: bytes = self.arp.getsockname()[4]
        self.own_address = self.find_own(address)
        self.guest_mac = b""
        self.sequence, self.sent_at, self.answered = 0, 0.0, True

    @staticmethod
    def find_own(address: str) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return socket.inet_aton(probe.getsockname()[0])

    def ask(self) -> None:
        if not self.answered:
            say(f"no answer yet for icmp_seq={self.sequence & 0xFFFF}")
        self.sequence, self.sent_at, self.answered = self.sequence + 1, time.time(), False
        to = self.guest_mac or BROADCAST
        frame = to + self.own_mac + struct.pack("!HHHBBH", ARP, 1, 0x0800, 6, 4, 1)
        self.arp.send(frame + self.own_mac + self.own_address + b"\0" * 6 + self.address)

    def hear(self, frame: bytes) -> None:
        """An answer to us, or the guest announcing itself (RFC 5227: gratuitous; RFC 903: RARP, as QEMU sends it)."""
        if len(frame) < 42:
            return
        kind, operation = struct.unpack("!H", frame[12:14])[0], struct.unpack("!H", frame[20:22])[0]
        sender, spoken_for, asked_for = frame[22:28], frame[28:32], frame[38:42]
        if kind == RARP:
            if sender == self.guest_mac:
                say(f"announced rarp {text(sender)}")
        elif spoken_for == self.address and asked_for == self.address:
            say(f"announced arp {text(sender)}")
        elif operation == 2 and spoken_for == self.address and frame[:6] == self.own_mac:
            self.guest_mac = sender
            if not self.answered:
                self.answered = True
                took_ms = (time.time() - self.sent_at) * 1000
                say(f"42 bytes from {self.target}: icmp_seq={self.sequence & 0xFFFF} ttl=64 time={took_ms:.3f} ms")

    def run(self, interval_s: float) -> None:
        due = time.monotonic()
        while True:
            left = due - time.monotonic()
            if left <= 0:
                self.ask()
                due = max(due + interval_s, time.monotonic())
                continue
            for ready in select.select([self.arp, self.rarp], [], [], left)[0]:
                self.hear(ready.recv(128))


def main() -> None:
    address, interval_s = sys.argv[1], float(sys.argv[2])
    device = device_to(address)
    if not device:
        print("it is not in the guest's network, so ARP does not reach", flush=True)
        return
    try:
        prober = Prober(address, device)
    except PermissionError:
        print("its login is not root, so it can't send ARP", flush=True)
        return
    prober.run(interval_s)


main()
