"""The in-memory channel layer, made safe for the threads of an embedded console."""

import asyncio
from typing import Any

from channels.layers import InMemoryChannelLayer


class ThreadSafeInMemoryLayer(InMemoryChannelLayer):
    """Delivers in the event loop in which the consumers wait.

    The stock layer puts into an asyncio queue from whatever loop calls it, which does not wake the waiting loop:
    events then arrive about 490 ms late; through the home loop they take 2 to 4 ms.
    """

    home: asyncio.AbstractEventLoop | None = None

    def hears(self, group: str) -> bool:
        """Whether anybody is in `group`; from any thread."""
        return bool(self.groups.get(group))

    async def receive(self, channel: str) -> dict[str, Any]:
        self.home = asyncio.get_running_loop()
        return await super().receive(channel)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self.home in (None, asyncio.get_running_loop()) or self.home.is_closed():
            await super().group_send(group, message)
            return
        delivery = asyncio.run_coroutine_threadsafe(super().group_send(group, message), self.home)
        await asyncio.wrap_future(delivery)
