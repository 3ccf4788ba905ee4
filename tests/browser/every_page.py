"""A console of web pages alone over a database with one of everything, and where its pages are.

No worker and no watcher runs, so that what was put into the database stays as it is: every state can be looked at.
"""

import json
import logging
import sys
from typing import Any

from tests.console import Console

SEED = "from tests.browser import every_page; every_page.seed()"


class Pages(Console):
    """Daphne alone on a free port."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "daphne", "-p", str(self.port), "kvmconsole.asgi:application"]

    def prepare(self, *, user: str = "admin") -> None:
        """Make the database; who signs in is made by `seed`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.manage("migrate", "--verbosity", "0")

    def seed(self) -> dict[str, Any]:
        """Fill the database; `session` (a cookie of the admin) and `pages`, address by name."""
        found: dict[str, Any] = json.loads(self.manage("shell", "--verbosity", "0", "-c", SEED).splitlines()[-1])
        return found


def seed() -> None:
    """Inside the console's own process: its database gets the world of the matrix of rights, whose table names every route.

    Prints what `Pages.seed` reads.
    """
    from django.conf import settings

    from tests.browser import every_state
    from tests.kvmconsole.matrix_world import World
    from tests.kvmconsole.test_rights_matrix import ROUTES

    logging.disable()  # what is wrong with the hosts that are not there
    settings.ALLOWED_HOSTS.append("testserver")
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    world, pages = World(), {}
    for route in (name for name, methods in ROUTES.items() if "GET" in methods and "api:" not in name):
        answer = world.call("admin", route, "GET")
        if is_page(answer) and (path := answer.wsgi_request.get_full_path()) not in pages.values():
            pages[route] = path
    pages |= every_state.make(world)
    session = world.clients["admin"].cookies[settings.SESSION_COOKIE_NAME].value
    print(json.dumps({"session": session, "pages": pages}))


def is_page(answer: Any) -> bool:
    """Whether it is a whole page, not a part of one, a file or a refusal."""
    return answer.headers["Content-Type"].startswith("text/html") and b"<html" in answer.content
