"""The WebSocket of consoles: who is let in, what ends it, and that it follows the guest.

The lines to guests are scripted here, as the test driver of libvirt has neither displays nor serial consoles; the real
ones are in tests/browser/test_consoles_netns.py.
"""

import asyncio
import json
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client

from hosts.consoles import seats
from hosts.errors import ConsoleInUse, Refused
from hosts.models import ApiToken, AuditEvent, Host, Placement, RoleBinding, VirtualMachine, VmState
from kvmconsole import console_socket
from tests import build
from tests.kvmconsole.sockets import ORIGIN, Header, bearer, in_thread, socket

pytestmark = [pytest.mark.asyncio, pytest.mark.django_db(transaction=True)]


class ScriptedLine:
    """A console that echoes; `ends` hangs it up."""

    opened: list[tuple[str, bool]] = []
    error: Exception | None = None

    def __init__(self) -> None:
        self.said: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed = False

    async def open(self, host: Host, uuid: str, *, force: bool) -> None:
        if ScriptedLine.error:
            raise ScriptedLine.error
        ScriptedLine.opened.append((host.name, force))
        self.said.put_nowait(f"hello from {host.name}".encode())

    async def read(self) -> bytes:
        return await self.said.get()

    async def write(self, data: bytes) -> None:
        self.said.put_nowait(b"" if data == b"hang up" else data)

    async def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def open_screen(host: Host, uuid: str) -> ScriptedLine:
        line = ScriptedLine()
        await line.open(host, uuid, force=False)
        return line

    ScriptedLine.opened, ScriptedLine.error = [], None
    monkeypatch.setattr(console_socket, "SerialLine", ScriptedLine)
    monkeypatch.setattr(console_socket, "open_screen", open_screen)
    monkeypatch.setattr(console_socket, "LOOK_S", 0.2)
    cache.clear()


class Desk:
    """An operator signed in at a browser, and a VM that runs on h1."""

    def __init__(self) -> None:
        self.user = build.user("olga", role="operator")
        self.h1, self.h2 = build.host("h1"), build.host("h2")
        self.vm = build.vm("web", on=self.h1)
        self.client = Client()
        self.client.force_login(self.user)
        self.cookie: Header = (b"cookie", f"sessionid={self.client.cookies['sessionid'].value}".encode())

    def ticket(self, kind: str = "serial", **more: Any) -> str:
        answer = self.client.post(
            f"/api/v1/vms/{self.vm.uuid}/consoles", {"kind": kind, **more}, content_type="application/json"
        )
        assert answer.status_code == 201, answer.content
        return str(answer.json()["ticket"])

    def path(self, kind: str = "serial") -> str:
        return f"/ws/vms/{self.vm.uuid}/{kind}"

    def opened(self, ticket: str, *headers: Header, kind: str = "serial") -> WebsocketCommunicator:
        made = socket(self.path(kind), ORIGIN, *(headers or (self.cookie,)))
        made.scope["subprotocols"] = ["kvmconsole", f"ticket.{ticket}"]
        return made


async def code_of(opened: WebsocketCommunicator) -> int:
    """The code it is closed with, whatever it says before."""
    while True:
        said = await opened.receive_output(timeout=5)
        if said["type"] == "websocket.close":
            return int(said["code"])


async def state_of(opened: WebsocketCommunicator, wanted: str) -> dict[str, Any]:
    """The next message about that state."""
    while True:
        said = await opened.receive_output(timeout=5)
        assert said["type"] == "websocket.send", said
        if said.get("text") and (state := json.loads(said["text"]))["state"] == wanted:
            return dict(state)


async def bytes_of(opened: WebsocketCommunicator) -> bytes:
    while True:
        said = await opened.receive_output(timeout=5)
        if said.get("bytes"):
            return bytes(said["bytes"])


async def test_a_serial_console_opens_with_a_ticket_and_is_in_the_audit_list_until_it_is_closed() -> None:
    desk = await in_thread(Desk)
    opened = desk.opened(await in_thread(desk.ticket))
    assert await opened.connect() == (True, "kvmconsole")
    assert (await state_of(opened, "open"))["host"] == "h1"
    assert await bytes_of(opened) == b"hello from h1"
    await opened.send_to(bytes_data=b"ls")
    assert await bytes_of(opened) == b"ls"
    event = await in_thread(lambda: AuditEvent.objects.get(action="open serial console"))
    assert (event.outcome, event.source, event.username) == ("pending", "web", "olga")
    await opened.disconnect()
    await in_thread(event.refresh_from_db)
    assert event.outcome == "succeeded" and "on h1" in event.detail


async def test_a_screen_shakes_hands_with_the_browser_without_a_password() -> None:
    desk = await in_thread(Desk)
    opened = desk.opened(await in_thread(desk.ticket, "screen"), kind="screen")
    assert (await opened.connect())[0]
    await state_of(opened, "open")
    await opened.send_to(bytes_data=b"for an older line")
    await opened.send_to(text_data='{"ready": true}')
    assert await bytes_of(opened) == b"RFB 003.008\n"
    await opened.send_to(bytes_data=b"RFB 003.008\n")
    said = {await bytes_of(opened), await bytes_of(opened)}
    assert said == {b"hello from h1", b"\x01\x01"}
    await opened.send_to(bytes_data=b"\x01")
    assert await bytes_of(opened) == bytes(4)
    await opened.send_to(bytes_data=b"\x01")
    assert await bytes_of(opened) == b"\x01"
    await opened.disconnect()


async def test_a_ticket_is_good_once_and_for_nobody_and_nothing_else() -> None:
    desk = await in_thread(Desk)
    ticket = await in_thread(desk.ticket)
    first = desk.opened(ticket)
    assert (await first.connect())[0]
    await state_of(first, "open")
    for used in (ticket, "forged", ""):
        again = desk.opened(used)
        await again.connect()
        assert await code_of(again) == 4403
    other_kind = desk.opened(await in_thread(desk.ticket, "screen"))
    await other_kind.connect()
    assert await code_of(other_kind) == 4403
    second = await in_thread(build.user, "otto", role="operator")
    token = await in_thread(lambda: ApiToken.issue(user=second))
    other_user = desk.opened(await in_thread(desk.ticket), bearer(token))
    await other_user.connect()
    assert await code_of(other_user) == 4403
    # The same user, but a ticket that was given to a browser.
    own = await in_thread(lambda: ApiToken.issue(user=desk.user))
    other_way = desk.opened(await in_thread(desk.ticket), bearer(own))
    await other_way.connect()
    assert await code_of(other_way) == 4403
    await first.disconnect()


async def test_nobody_comes_in_without_a_sign_in_or_from_another_site() -> None:
    desk = await in_thread(Desk)
    for headers in ((ORIGIN,), ((b"origin", b"http://evil.example"), desk.cookie), (desk.cookie,)):
        made = socket(desk.path(), *headers)
        made.scope["subprotocols"] = [f"ticket.{await in_thread(desk.ticket)}"]
        assert not (await made.connect())[0]


@pytest.mark.parametrize(
    ("take", "code"),
    [
        (lambda desk: RoleBinding.objects.all().delete(), 4403),
        (lambda desk: Session.objects.all().delete(), 4401),
        (lambda desk: type(desk.user).objects.update(is_active=False), 4401),
    ],
    ids=["role", "session", "account"],
)
async def test_an_open_console_is_closed_when_a_right_is_taken(take: Any, code: int) -> None:
    desk = await in_thread(Desk)
    opened = desk.opened(await in_thread(desk.ticket))
    assert (await opened.connect())[0]
    await state_of(opened, "open")
    await in_thread(take, desk)
    assert await code_of(opened) == code
    await opened.disconnect()


def move(desk: Desk) -> None:
    """The rows as they are after a migration to h2."""
    here = Placement.objects.get(vm=desk.vm)
    Placement.objects.create(vm=desk.vm, host=desk.h2, state=VmState.RUNNING, persistent=True, facts=here.facts)
    Placement.objects.filter(pk=here.pk).update(state=VmState.SHUTOFF)
    VirtualMachine.objects.filter(pk=desk.vm.pk).update(host=desk.h2)


async def test_a_console_follows_its_guest_and_closes_where_its_user_may_not_follow() -> None:
    desk = await in_thread(Desk)
    opened = desk.opened(await in_thread(desk.ticket))
    assert (await opened.connect())[0]
    await state_of(opened, "open")
    await in_thread(move, desk)
    assert (await state_of(opened, "open"))["host"] == "h2"
    assert await bytes_of(opened) == b"hello from h2"
    assert ScriptedLine.opened == [("h1", False), ("h2", False)]
    await opened.disconnect()


async def test_a_console_waits_at_the_destination_before_the_guest_is_there() -> None:
    desk = await in_thread(Desk)
    await in_thread(lambda: build.migration(desk.vm, to=desk.h2, state="copying"))
    opened = desk.opened(await in_thread(desk.ticket))
    assert (await opened.connect())[0]
    await state_of(opened, "open")
    while len(ScriptedLine.opened) < 2:
        await asyncio.sleep(0.05)
    await in_thread(move, desk)
    assert (await state_of(opened, "open"))["host"] == "h2"
    assert ScriptedLine.opened == [("h1", False), ("h2", False)]
    await opened.disconnect()


async def test_a_console_of_a_guest_that_is_off_opens_when_it_starts() -> None:
    desk = await in_thread(Desk)
    await in_thread(lambda: Placement.objects.update(state=VmState.SHUTOFF))
    opened = desk.opened(await in_thread(desk.ticket))
    assert (await opened.connect())[0]
    assert "does not run" in (await state_of(opened, "waiting"))["message"]
    await in_thread(lambda: Placement.objects.update(state=VmState.RUNNING))
    assert (await state_of(opened, "open"))["host"] == "h1"
    await opened.disconnect()


async def test_somebody_else_on_the_serial_console_is_left_alone_unless_one_insists() -> None:
    desk = await in_thread(Desk)
    ScriptedLine.error = ConsoleInUse("Somebody else is on the serial console of web on h1")
    opened = desk.opened(await in_thread(desk.ticket))
    await opened.connect()
    assert await code_of(opened) == 4409
    ScriptedLine.error = None
    insisting = desk.opened(await in_thread(desk.ticket, force=True))
    assert (await insisting.connect())[0]
    await state_of(insisting, "open")
    assert ScriptedLine.opened == [("h1", True)]
    await insisting.disconnect()


async def test_what_can_not_be_opened_says_why_and_what_to_do() -> None:
    desk = await in_thread(Desk)
    ScriptedLine.error = Refused("web on h1 has no VNC display", hint="Use its serial console.")
    opened = desk.opened(await in_thread(desk.ticket, "screen"), kind="screen")
    await opened.connect()
    said = await state_of(opened, "error")
    assert (said["message"], said["hint"]) == ("web on h1 has no VNC display", "Use its serial console.")
    assert await code_of(opened) == 4500


async def test_a_console_that_nobody_uses_and_one_too_many_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = await in_thread(Desk)
    monkeypatch.setattr(console_socket, "IDLE_S", 0.3)
    idle = desk.opened(await in_thread(desk.ticket))
    await idle.connect()
    assert await code_of(idle) == 4408
    await idle.disconnect()
    monkeypatch.setattr(seats, "PER_USER", 0)
    opened = desk.opened(await in_thread(desk.ticket))
    await opened.connect()
    assert await code_of(opened) == 4429
