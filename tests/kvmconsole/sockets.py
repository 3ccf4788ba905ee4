"""Opens the WebSockets of the real application in tests."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.test import Client

from kvmconsole.asgi import application

Header = tuple[bytes, bytes]
ORIGIN: Header = (b"origin", b"http://localhost")
HOST: Header = (b"host", b"localhost")


def cookie_of(user: User) -> Header:
    """The session cookie of `user`, signed in."""
    client = Client()
    client.force_login(user)
    return (b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())


def bearer(token: str) -> Header:
    return (b"authorization", f"Bearer {token}".encode())


def socket(path: str, *headers: Header) -> WebsocketCommunicator:
    return WebsocketCommunicator(application, path, headers=[HOST, *headers])


async def in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call what uses the database, in the thread whose connection the test shares."""
    return await sync_to_async(function, thread_sensitive=True)(*args, **kwargs)
