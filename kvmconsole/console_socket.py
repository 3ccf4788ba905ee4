"""The WebSocket of a guest's console: let in by a ticket, looked at again every two seconds, and it follows the guest.

Binary messages are the console's bytes. Text messages are JSON about it: `state` is connecting, open, waiting or error. A
screen's line is new after each `open`, so its client answers `{"ready": true}` and starts RFB anew; what it sent before is
dropped. A serial console just goes on.
"""

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import User
from django.utils import translation

from hosts import audit
from hosts.consoles import Kind, Line, Seat, SerialLine, Ticket, Welcome, open_screen, seats, tickets
from hosts.errors import ConsoleInUse, HostError
from hosts.models import AuditEvent, Host, VirtualMachine
from hosts.said import said
from kvmconsole import console_access
from kvmconsole.console_access import FORBIDDEN, SIGNED_OUT, Place
from kvmconsole.languages import language_of

PROTOCOL = "kvmconsole"
IN_USE, IDLE, TOO_MANY, FAILED = 4409, 4408, 4429, 4500
LOOK_S = 2.0
"""How soon a right that was taken away, or a sign-out, ends a console; events of the guest are looked at at once."""
IDLE_S = 3600.0
"""An open console without a key, a click or a movement is closed: somebody went away and left the door open."""
PATIENCE_S = 20.0
"""How long a line that broke is tried again before its error is told."""
RETRY_S = 0.15
UPDATE_REQUEST = 3
"""RFB's FramebufferUpdateRequest, which a screen sends all the time by itself."""


@dataclass(frozen=True, slots=True)
class Coming:
    """A line that is being opened, or was, to where a migration takes the guest."""

    host: Host
    task: "asyncio.Task[Line]"

    @property
    def has_failed(self) -> bool:
        """The copy is not there yet, or gone again."""
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)


class ConsoleConsumer(AsyncWebsocketConsumer):
    """One open console of one guest, of kind screen or serial."""

    seat: Seat | None = None
    line: Line | None = None
    event: AuditEvent | None = None
    welcome: Welcome | None = None
    host: Host | None = None

    async def connect(self) -> None:
        user = self.scope.get("user")
        if not isinstance(user, User) or not user.is_active:
            await self.close(SIGNED_OUT)
            return
        self.kind: Kind = self.scope["url_route"]["kwargs"]["kind"]
        ticket = await self._ticket(user)
        await self.accept(subprotocol=PROTOCOL if PROTOCOL in self.scope.get("subprotocols", []) else None)
        if ticket is None:
            await self._end(FORBIDDEN, "The ticket of this console is used, too old, or not yours.")
            return
        self.ticket = ticket
        seat = await database_sync_to_async(seats.take)(user=user.pk, vm=ticket.vm)
        if isinstance(seat, str):
            await self._end(TOO_MANY, seat)
            return
        self.seat = seat
        self.wake, self.ready = asyncio.Event(), asyncio.Event()
        self.coming: Coming | None = None
        self.touched = self.opened_at = time.monotonic()
        self.topic = f"vm.{self.scope['url_route']['kwargs']['uuid']}"
        await self.channel_layer.group_add(self.topic, self.channel_name)
        self.task = asyncio.create_task(self._serve())

    async def _ticket(self, user: User) -> Ticket | None:
        given = [text for text in self.scope.get("subprotocols", []) if text.startswith("ticket.")]
        ticket = await database_sync_to_async(tickets.claim)(given[0].removeprefix("ticket.")) if given else None
        if ticket is None:
            return None
        uuid = self.scope["url_route"]["kwargs"]["uuid"]
        is_vm = await VirtualMachine.objects.filter(pk=ticket.vm, uuid=uuid).aexists()
        fits = (ticket.user, ticket.kind, ticket.session) == (user.pk, self.kind, self._session())
        return ticket if is_vm and fits else None

    def _session(self) -> str | None:
        session = self.scope.get("session")
        return session.session_key if session is not None else None

    async def live_event(self, event: dict[str, Any]) -> None:
        """Something about the guest changed: it may be elsewhere now."""
        self.wake.set()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data is not None:
            self.ready.set()
            return
        # Until the client has heard of the new line, what it sends is meant for the old one.
        if not bytes_data or self.line is None or not self.ready.is_set():
            return
        if not (self.kind == "screen" and bytes_data[0] == UPDATE_REQUEST):
            self.touched = time.monotonic()
        try:
            if self.welcome and not self.welcome.is_over:
                said, bytes_data = self.welcome.take(bytes_data)
                if said:
                    await self.send(bytes_data=said)
            if bytes_data:
                await self.line.write(bytes_data)
        except (HostError, OSError, ValueError):
            self.wake.set()  # whoever reads from the line sees its end as well

    async def disconnect(self, code: int) -> None:
        if task := getattr(self, "task", None):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await self.channel_layer.group_discard(self.topic, self.channel_name)
        if self.seat:
            await database_sync_to_async(self.seat.leave)()

    # The guest's side

    async def _serve(self) -> None:
        """Keep a line to the guest, wherever it runs, until the browser leaves or may not go on."""
        try:
            await self._follow()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # told to the person, then raised for the log
            await self._end(FAILED, f"The console failed: {type(error).__name__}")
            raise
        finally:
            await self._drop_line()
            await self._drop_coming()
            if self.event:
                seconds = round(time.monotonic() - self.opened_at)
                detail = f"Closed after {seconds} s" + (f", on {self.host.name}" if self.host else "")
                await database_sync_to_async(audit.close)(self.event, audit.Outcome.SUCCEEDED, detail)

    async def _follow(self) -> None:
        broken_since: float | None = None
        force = self.ticket.force
        while (place := await self._look()) is not None:
            if place.host is None:
                broken_since = None
                await self._tell("waiting", message="The VM does not run. Its console opens as soon as it does.")
                await self._sleep(LOOK_S)
                continue
            try:
                await self._open(place.host, force=force)
            except ConsoleInUse as error:
                # Our own last line may not be given back yet; somebody else's stays.
                if broken_since is None or time.monotonic() - broken_since > LOOK_S:
                    await self._end(IN_USE, str(error))
                    return
            except HostError as error:
                now = time.monotonic()
                broken_since = broken_since or (now if self.event or place.destination else now - PATIENCE_S)
                if now - broken_since >= PATIENCE_S:
                    await self._tell("error", title=error.title, message=str(error), hint=error.hint)
                    await self._end(FAILED, str(error))
                    return
                await self._tell("waiting", message=f"Looking for the VM: {error}")
            else:
                force = False  # once: later somebody else may have taken it over from us
                if not await self._use():
                    return
                broken_since = time.monotonic()
                continue
            await self._sleep(RETRY_S)

    async def _open(self, host: Host, *, force: bool) -> None:
        await self._tell("connecting", host=host.name)
        self.welcome = None
        self.ready.clear()
        self.line = await self._waiting_at(host) or await self._line_to(host, force=force)
        if self.kind == "screen":
            self.welcome = Welcome()
        else:
            self.ready.set()
        self.host = host
        if self.event is None:
            self.event = await database_sync_to_async(console_access.begin)(
                user=self.ticket.user,
                source="api" if self.ticket.session is None else "web",
                address=(self.scope.get("client") or [None])[0],
                vm=self.ticket.vm,
                kind=self.kind,
                host=host,
            )
        await self._tell("open", host=host.name)

    async def _use(self) -> bool:
        """Carry bytes until the line ends or the guest has gone elsewhere: True. False where the console is closed."""
        assert self.line is not None
        line, host = self.line, self.host
        reading = asyncio.create_task(self._carry(line))
        try:
            while not reading.done():
                sleeping = asyncio.create_task(self._sleep(LOOK_S))
                await asyncio.wait({reading, sleeping}, return_when=asyncio.FIRST_COMPLETED)
                sleeping.cancel()
                if reading.done():
                    break
                place = await self._look()
                if place is None:
                    return False
                if place.host and host and place.host.pk != host.pk:
                    break
                away = place.destination and host and place.destination.pk != host.pk
                await self._go_ahead(place.destination if away else None)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError, OSError, HostError):
                await reading
            await self._drop_line()
        return True

    async def _carry(self, line: Line) -> None:
        if self.welcome:
            await self.ready.wait()
            await self.send(bytes_data=self.welcome.first)
        while data := await line.read():
            await self.send(bytes_data=data)

    async def _line_to(self, host: Host, *, force: bool = False) -> Line:
        uuid = self.scope["url_route"]["kwargs"]["uuid"]
        if self.kind == "screen":
            return await open_screen(host, uuid)
        serial = SerialLine()
        await serial.open(host, uuid, force=force)
        return serial

    async def _go_ahead(self, destination: Host | None) -> None:
        """Open a line to the copy that waits at the destination of a migration: at the switch-over it is there already."""
        if self.coming and (destination is None or self.coming.has_failed or self.coming.host.pk != destination.pk):
            await self._drop_coming()
        if destination and not self.coming:
            self.coming = Coming(destination, asyncio.create_task(self._line_to(destination)))

    async def _waiting_at(self, host: Host) -> Line | None:
        """The line that was opened to `host` beforehand; None where there is none."""
        coming = self.coming
        if coming is None or coming.host.pk != host.pk:
            await self._drop_coming()
            return None
        self.coming = None
        try:
            return await coming.task
        except (HostError, OSError):
            return None

    async def _drop_coming(self) -> None:
        coming, self.coming = self.coming, None
        if coming:
            coming.task.cancel()
            with suppress(asyncio.CancelledError, HostError, OSError):
                await (await coming.task).close()

    async def _look(self) -> Place | None:
        """Where the guest is; None where the console had to be closed."""
        self.wake.clear()
        if time.monotonic() - self.touched > IDLE_S:
            await self._end(IDLE, f"Nobody used this console for {IDLE_S / 60:.0f} minutes.")
            return None
        place = await database_sync_to_async(console_access.look)(
            user=self.ticket.user, session=self.ticket.session, token=self.scope.get("token"), vm=self.ticket.vm
        )
        if place.refusal:
            await self._end(*place.refusal)
            return None
        if self.seat:
            await database_sync_to_async(self.seat.keep)()
        return place

    async def _sleep(self, seconds: float) -> None:
        """Until something about the guest changes, at most so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wake.wait(), seconds)

    async def _drop_line(self) -> None:
        line, self.line = self.line, None
        if line:
            with suppress(HostError, OSError):
                await line.close()

    async def _tell(self, state: str, **more: str) -> None:
        with translation.override(language_of(self.scope)):
            words = {name: words if name == "host" else said(words) for name, words in more.items()}
        await self.send(json.dumps({"state": state, **words}))

    async def _end(self, code: int, reason: str) -> None:
        await self._tell("closed", message=reason)  # Daphne drops the reason of a close frame
        await self.close(code)
