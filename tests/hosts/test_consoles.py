"""Consoles below the WebSocket: where a display is, RFB's handshakes, tickets that work once, seats that limit."""

import asyncio
from typing import Any

import pytest
from django.core.cache import cache

from hosts import ssh
from hosts.console_xml import has_serial, other_screens, read_screen
from hosts.consoles import Ticket, Welcome, rfb, seats, tickets
from hosts.errors import HostError, Refused, Unsupported
from hosts.host_uri import SshAddress
from hosts.ssh import SshKeyring, SshTarget

VNC = "<domain><devices><graphics type='vnc' port='5901' listen='{0}'{1}><listen type='address' address='{0}'/></graphics></devices></domain>"
TICKET = Ticket(user=1, session="abc", vm=2, kind="screen")


@pytest.mark.parametrize(
    ("listen", "address"),
    [("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("10.0.0.5", "10.0.0.5")],  # noqa: S104
)
def test_a_display_is_reached_from_its_own_host(listen: str, address: str) -> None:
    screen = read_screen(VNC.format(listen, " passwd='s3cret'"))
    assert screen and (screen.address, screen.port, screen.password) == (address, 5901, "s3cret")
    assert "s3cret" not in repr(screen)


def test_a_display_at_a_socket_and_one_that_is_no_vnc() -> None:
    at_socket = "<domain><devices><graphics type='vnc'><listen type='socket' socket='/run/web.sock'/></graphics></devices></domain>"
    screen = read_screen(at_socket)
    assert screen and (screen.socket, screen.port) == ("/run/web.sock", 0)
    spice = "<domain><devices><graphics type='spice'/></devices></domain>"
    assert read_screen(spice) is None and other_screens(spice) == ("spice",)


def test_a_serial_console_is_one_that_libvirt_can_hand_out() -> None:
    assert has_serial("<domain><devices><serial type='pty'/></devices></domain>")
    assert not has_serial("<domain><devices><serial type='file'/></devices></domain>")


def test_ssh_forwards_to_a_display_with_the_strict_configuration(tmp_path: Any) -> None:
    target = SshTarget(SshAddress(hostname="kvm-1", user="root", port=2222), SshKeyring(tmp_path / "ssh"), host="kvm-1")
    argv = ssh.forward_argv(target, "::1", 5900)
    assert argv[:3] == ["ssh", "-F", str(tmp_path / "ssh" / "config")]
    assert argv[-4:] == ["-W", "[::1]:5900", "--", "kvm-1"]
    assert "ControlMaster=no" in argv


def test_the_answer_to_a_challenge_is_that_of_other_vnc_programs() -> None:
    """DES with mirrored key bytes; made with OpenSSL: `openssl enc -des-ecb -K <mirrored hex of "password"> -nopad`."""
    challenge = bytes(range(16))
    assert rfb.answer(challenge, "password").hex() == EXPECTED
    assert rfb.answer(challenge, "password and more") == rfb.answer(challenge, "password")


EXPECTED = "b866924125c8eebb9debc1db61c538e2"


async def log_in(*said: bytes) -> bytes:
    """What we say to a VNC server that says this."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(said))
        heard.append(await reader.read(64) + await reader.read(64))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        await rfb.log_in(reader, writer, password="password")
    finally:
        writer.close()
        await asyncio.sleep(0.05)
        server.close()
    return b"".join(heard)


@pytest.mark.asyncio
async def test_a_display_without_a_password_is_entered() -> None:
    assert await log_in(rfb.VERSION, b"\x02\x02\x01", bytes(4)) == rfb.VERSION + b"\x01"


@pytest.mark.asyncio
async def test_a_display_with_a_password_gets_the_answer_from_us_and_not_from_the_browser() -> None:
    challenge = bytes(range(16))
    said = await log_in(rfb.VERSION, b"\x01\x02", challenge, bytes(4))
    assert said == rfb.VERSION + b"\x02" + rfb.answer(challenge, "password")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ((b"SSH-2.0-Open",), HostError, "no VNC server"),
        ((rfb.VERSION, b"\x00", b"\x00\x00\x00\x04nope"), Refused, "refused us: nope"),
        ((rfb.VERSION, b"\x01\x13"), Unsupported, "security type 19"),
        ((rfb.VERSION, b"\x01\x02", bytes(16), b"\x00\x00\x00\x01\x00\x00\x00\x05wrong"), Refused, "password.*wrong"),
    ],
)
async def test_a_display_that_can_not_be_entered_says_why(
    said: tuple[bytes, ...], error: type[HostError], words: str
) -> None:
    with pytest.raises(error, match=words):
        await log_in(*said)


def test_a_browser_is_welcomed_without_a_password_in_pieces_or_at_once() -> None:
    welcome = Welcome()
    assert welcome.take(rfb.VERSION[:5]) == (b"", b"")
    assert welcome.take(rfb.VERSION[5:]) == (b"\x01\x01", b"")
    assert welcome.take(b"\x01\x01") == (bytes(4), b"\x01")  # the second byte is ClientInit already
    assert welcome.is_over and welcome.take(b"more") == (b"", b"more")
    with pytest.raises(ValueError, match="no handshake"):
        Welcome().take(b"GET / HTTP/1")


def test_a_ticket_works_once() -> None:
    text = tickets.issue(TICKET)
    assert tickets.claim(text) == TICKET
    assert tickets.claim(text) is None
    assert tickets.claim("forged") is None


def test_seats_of_a_user_and_of_a_vm_run_out_and_come_back() -> None:
    cache.clear()
    taken = [seats.take(user=1, vm=number) for number in range(seats.PER_USER)]
    assert all(isinstance(seat, seats.Seat) for seat in taken)
    assert f"{seats.PER_USER} consoles open" in str(seats.take(user=1, vm=99))
    first = taken[0]
    assert isinstance(first, seats.Seat)
    first.leave()
    assert isinstance(seats.take(user=1, vm=99), seats.Seat)
    for number in range(seats.PER_VM):
        assert isinstance(seats.take(user=10 + number, vm=500), seats.Seat)
    assert "consoles of this VM are open" in str(seats.take(user=50, vm=500))
    cache.clear()
