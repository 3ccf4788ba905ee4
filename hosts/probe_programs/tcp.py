"""Connects to a TCP port again and again: does the service answer, does the guest refuse, or is it silent?

Arguments: the address, the port, seconds between two tries. Each try is a connection of its own, closed at once, and does
not wait for the one before: a packet that was lost is sent again only after a second, and would hide a short gap.
"""

import errno
import select
import socket
import sys
import time

PATIENCE_S = 3.0


def say(line: str) -> None:
    print(f"[{time.time():.6f}] {line}", flush=True)


class Prober:
    def __init__(self, address: str, port: int) -> None:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
        self.family, self.place, self.address = found[0], found[4], address
        self.open: dict[socket.socket, tuple[int, float]] = {}
        self.sequence = 0

    def knock(self) -> None:
        if self.sequence and any(number == self.sequence for number, _ in self.open.values()):
            say(f"no answer yet for icmp_seq={self.sequence & 0xFFFF}")
        self.sequence += 1
        tried = socket.socket(self.family, socket.SOCK_STREAM)
        tried.setblocking(False)
        self.open[tried] = (self.sequence, time.time())
        if tried.connect_ex(self.place) not in (0, errno.EINPROGRESS):
            self.forget(tried)

    def forget(self, tried: socket.socket) -> None:
        del self.open[tried]
        tried.close()

    def settle(self, tried: socket.socket) -> None:
        number, began = self.open[tried]
        problem = tried.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem == 0:
            took_ms = (time.time() - began) * 1000
            say(f"0 bytes from {self.address}: icmp_seq={number & 0xFFFF} ttl=0 time={took_ms:.3f} ms")
        elif problem == errno.ECONNREFUSED:
            say(f"refused icmp_seq={number & 0xFFFF}")
        self.forget(tried)

    def run(self, interval_s: float) -> None:
        due = time.monotonic()
        while True:
            left = due - time.monotonic()
            if left <= 0:
                self.knock()
                due = max(due + interval_s, time.monotonic())
                continue
            for tried in select.select([], list(self.open), [], left)[1]:
                self.settle(tried)
            for tried in [one for one, (_, began) in self.open.items() if time.time() - began > PATIENCE_S]:
                self.forget(tried)


Prober(sys.argv[1], int(sys.argv[2])).run(float(sys.argv[3]))
