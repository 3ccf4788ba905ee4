"""Many open VM lists without a browser: sockets that listen as live.js and rows.js do, and read again what those would.

    python -m tests.benchmarks.open_pages URL COOKIE COUNT ROW [ROW…] <uuids

One line of JSON per leaf or signal about the first row goes to standard output, with the time at which it came; `ready` once
all are connected; it ends when standard input closes.
"""

import asyncio
import json
import random
import re
import sys
import time
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect

SIGNAL = re.compile(r'data-topic="([^"]*)"(?: data-spread="(\d+)")?')
GATHER_S, PER_TOPIC_S, OF_ALL_VMS_S = 0.15, 1.0, 5.0
"""As in static/rows.js and static/live.js."""


class Page:
    """One open list: a socket, and reads that spread and hold back as the page's do."""

    def __init__(self, url: str, cookie: str, rows: list[str]) -> None:
        self.url, self.cookie, self.rows = url, cookie, rows
        self.waiting: dict[str, bool] = {}
        self.reads: set[asyncio.Task[None]] = set()

    async def open(self) -> ClientConnection:
        address = self.url.replace("http", "ws", 1) + "/ws/?topic=migrations,vms,vm-list"
        headers = {"Cookie": self.cookie}
        socket = await connect(address, origin=self.url, additional_headers=headers, open_timeout=60)  # type: ignore[arg-type]
        await socket.send(json.dumps({"rows": self.rows}))
        return socket

    async def follow(self, socket: ClientConnection) -> None:
        async for text in socket:
            now = time.time()
            found = SIGNAL.search(str(text))
            if found and found[1] == f"vm.{self.rows[0]}":
                print(json.dumps({"at": now}), flush=True)
            if found:
                self.tell(found[1], int(found[2] or 0) / 1000)

    def tell(self, topic: str, spread_s: float) -> None:
        if topic in self.waiting:
            self.waiting[topic] = True
            return
        self.waiting[topic] = False
        task = asyncio.create_task(self.read(topic, spread_s))
        self.reads.add(task)
        task.add_done_callback(self.reads.discard)

    async def read(self, topic: str, spread_s: float) -> None:
        await asyncio.sleep(random.uniform(0, spread_s))
        self.waiting[topic] = False
        if topic == "vm-list":
            await self.get("/vms/")
        elif topic.startswith("vm."):
            await asyncio.sleep(GATHER_S)
            await self.get(f"/vms/rows/?vm={topic[3:]}")
        await asyncio.sleep(max(OF_ALL_VMS_S if topic in ("vms", "vm-list") else PER_TOPIC_S, spread_s))
        if self.waiting.pop(topic):
            self.tell(topic, spread_s)

    async def get(self, path: str) -> None:
        where = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        head = f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\nCookie: {self.cookie}\r\nHX-Request: true\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        answer = await reader.read(-1)
        writer.close()
        assert b" 200 " in answer[:20], answer[:200]


async def main(url: str, cookie: str, count: int, rows: list[str]) -> None:
    pages = [Page(url, cookie, rows) for _ in range(count)]
    sockets = []
    for page in pages:
        sockets.append(await page.open())
    print("ready", flush=True)
    followers = [asyncio.create_task(page.follow(socket)) for page, socket in zip(pages, sockets, strict=True)]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for each in followers:
        each.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]))
