"""What Daphne serves: pages and API over HTTP, live updates and the consoles of guests over WebSockets."""

import os
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kvmconsole.settings")
http = get_asgi_application()

# These import models, which need the application above to be set up.
from hosts.models import ApiToken  # noqa: E402
from kvmconsole.api import user_of_token  # noqa: E402
from kvmconsole.console_socket import ConsoleConsumer  # noqa: E402
from kvmconsole.consumers import MigrationConsumer, PageConsumer  # noqa: E402
from kvmconsole.warm_up import warm_up  # noqa: E402

routes = [
    re_path(r"^ws/$", PageConsumer.as_asgi()),
    re_path(r"^ws/vms/(?P<uuid>[0-9a-f-]{36})/(?P<kind>screen|serial)$", ConsoleConsumer.as_asgi()),
    re_path(r"^ws/migrations/(?P<pk>\d{1,18})$", MigrationConsumer.as_asgi()),
]
by_session = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(routes)))
by_token = URLRouter(routes)


async def websocket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """By Bearer token where one is sent (a browser never does by itself), else by session with the Origin checked."""
    header = dict(scope["headers"]).get(b"authorization", b"").decode(errors="replace")
    if header:
        token = header.removeprefix("Bearer ").strip()
        user = await database_sync_to_async(user_of_token)(token)
        await by_token({**scope, "user": user, "token": ApiToken.digest_of(token)}, receive, send)
        return
    await by_session(scope, receive, send)


application = ProtocolTypeRouter({"http": http, "websocket": websocket})
warm_up()
