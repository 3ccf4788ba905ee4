"""The two WebSockets: fragments for pages, JSON for programs. Whoever wants to act posts a form; a page only says here
which rows it shows."""

import asyncio
import json
import random
import re
import time
from collections import Counter
from functools import lru_cache
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.template.loader import render_to_string
from django.utils import translation

from hosts import access
from kvmconsole.languages import language_of
from migrations_app.snapshot import snapshot_for

TOPIC = re.compile(
    r"vms|vm-list|hosts|storage|alerts|migrations|audit|acts|vm\.[0-9a-f-]{36}|host\.\d{1,18}|migration\.\d{1,18}|evacuation\.\d{1,18}|image-move\.\d{1,18}|build\.\d{1,18}"
)
LOOK_AGAIN_S = 30.0
"""How long a user's rights are believed before they are read again."""
SPREAD_MS = 50
"""About what a page costs the server to read again, twice. So far apart, on average, the pages that listen to one topic do so."""
SIGNED_OUT, FORBIDDEN = 4401, 4403
UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOST_ROWS = 500
"""More rows than a page shows."""
JOIN_AGAIN_S = 3600.0
"""The channel layer forgets after a day who is in a group; pages stay open longer."""
LISTENERS: Counter[str] = Counter()
"""How many sockets of this process listen to each topic."""


class LiveConsumer(AsyncWebsocketConsumer):
    """Listens to topics for a user, and looks at the user's rights again and again."""

    visible: set[int] | None
    looked: float
    language: str
    """Of the page that listens."""
    looking: asyncio.Task[None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.topics: list[str] = []
        self.heard: set[str] = set()

    async def connect(self) -> None:
        user = self.scope.get("user")
        if not isinstance(user, User) or not user.is_active:
            await self.close(SIGNED_OUT)
            return
        self.language = language_of(self.scope)
        self.topics = await self.wanted_topics()
        if not await self.look_again() or not self.topics:
            await self.accept()
            await self.close(FORBIDDEN)
            return
        for topic in self.topics:
            await self.listen(topic)
        await self.accept()
        self.looking = asyncio.create_task(self.keep_looking())
        await self.greet()

    async def wanted_topics(self) -> list[str]:
        raise NotImplementedError

    async def greet(self) -> None:
        """What a listener gets at once; pages read themselves again instead."""

    async def disconnect(self, code: int) -> None:
        if self.looking:
            self.looking.cancel()
        for topic in list(self.heard):
            await self.unlisten(topic)

    async def listen(self, topic: str) -> None:
        if topic in self.heard:
            return
        self.heard.add(topic)
        LISTENERS[topic] += 1
        await self.channel_layer.group_add(topic, self.channel_name)

    async def unlisten(self, topic: str) -> None:
        self.heard.discard(topic)
        LISTENERS[topic] -= 1
        if not LISTENERS[topic]:
            del LISTENERS[topic]
        await self.channel_layer.group_discard(topic, self.channel_name)

    async def keep_looking(self) -> None:
        """Look at the rights before they are too old, so that an event need not wait for that, and stay in the groups."""
        joined = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_AGAIN_S * random.uniform(0.5, 0.9))
            if not await self.look_again():
                await self.close(SIGNED_OUT)
                return
            if time.monotonic() - joined > JOIN_AGAIN_S:
                joined = time.monotonic()
                for topic in list(self.heard):
                    await self.channel_layer.group_add(topic, self.channel_name)

    async def look_again(self) -> bool:
        """Read the user's rights; False where the user was disabled or lost them all."""
        self.looked = time.monotonic()
        self.visible, active = await database_sync_to_async(rights_of)(self.scope["user"].pk, self.session_key())
        return active

    def session_key(self) -> str | None:
        session = self.scope.get("session")
        return session.session_key if session is not None else None

    async def live_event(self, event: dict[str, Any]) -> None:
        if time.monotonic() - self.looked > LOOK_AGAIN_S and not await self.look_again():
            await self.close(SIGNED_OUT)
            return
        about = event.get("hosts")
        if about is None or self.sees(*about):
            await self.deliver(event)

    def sees(self, *hosts: int | None) -> bool:
        """Whether the user may see one of these hosts; who may see all may also see what is on none."""
        return self.visible is None or not self.visible.isdisjoint(hosts)

    async def deliver(self, event: dict[str, Any]) -> None:
        raise NotImplementedError


class PageConsumer(LiveConsumer):
    """Events become fragments, one root element per message, or a signal on which the page reads itself again."""

    rows: frozenset[str] | set[str] = frozenset()

    async def wanted_topics(self) -> list[str]:
        query = self.scope.get("query_string", b"").decode(errors="replace")
        wanted = [part.removeprefix("topic=") for part in query.split("&") if part.startswith("topic=")]
        return [topic for part in wanted for topic in part.split(",") if TOPIC.fullmatch(topic)]

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """`{"rows": [UUID, …]}`: the guests that the page shows now, listened to instead of those it showed before."""
        wanted = {f"vm.{uuid}" for uuid in rows_named(text_data or "")} - set(self.topics)
        for topic in self.rows - wanted:
            await self.unlisten(topic)
        for topic in wanted - self.rows:
            await self.listen(topic)
        self.rows = wanted

    async def deliver(self, event: dict[str, Any]) -> None:
        if event["data"].get("by", 0) == self.scope["user"].pk:
            return  # one's own act, whose page says what came of it
        if not event["fragments"]:
            topic = event["topic"]
            leaves = event.get("leaves", []) if self.sees(event.get("leaves_for")) else []
            html = "".join(rendered_leaf(template, json.dumps(event["data"]), self.language) for template in leaves)
            # Pages that all read themselves again at once would wait for each other.
            spread_ms = SPREAD_MS * (LISTENERS[topic] - 1)
            # The topic was matched against TOPIC, so it holds nothing that HTML could misread.
            await self.send(f'<div id="live-signal" hidden data-topic="{topic}" data-spread="{spread_ms}">{html}</div>')
        for template in event["fragments"]:
            with translation.override(self.language):
                fragment = render_to_string(template, event["data"])
            await self.send(fragment)


class MigrationConsumer(LiveConsumer):
    """One migration as JSON, the same as GET answers, at each change."""

    async def wanted_topics(self) -> list[str]:
        pk = int(self.scope["url_route"]["kwargs"]["pk"])
        self.first = await database_sync_to_async(snapshot_for)(self.scope["user"], pk)
        return [f"migration.{pk}"] if self.first else []

    async def greet(self) -> None:
        await self.deliver({"data": {"m": self.first}})

    async def deliver(self, event: dict[str, Any]) -> None:
        if migration := event["data"].get("m"):
            await self.send(json.dumps({"type": "migration", **migration}))


@lru_cache(maxsize=256)
def rendered_leaf(template: str, data: str, language: str) -> str:
    """Rendered once for all pages that get it in `language`; `data` is JSON."""
    with translation.override(language):
        return render_to_string(template, json.loads(data))


def rows_named(text: str) -> list[str]:
    """The UUIDs that a page sent; nothing where it sent anything else."""
    try:
        rows = json.loads(text)["rows"]
        return [row for row in rows[:MOST_ROWS] if isinstance(row, str) and UUID_TEXT.fullmatch(row)]
    except (ValueError, TypeError, KeyError):
        return []


def rights_of(user_pk: int, session_key: str | None) -> tuple[set[int] | None, bool]:
    """The ids of the hosts that a user may see (None: all), and whether user and session are still good."""
    user = User.objects.filter(pk=user_pk, is_active=True).first()
    if user is None or (session_key is not None and not Session.objects.filter(session_key=session_key).exists()):
        return set(), False
    if access.may(user, access.SEE):
        return None, True
    visible = set(access.hosts_for(user).values_list("pk", flat=True))
    return visible, bool(visible)
