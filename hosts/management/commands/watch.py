"""manage.py watch: a process that only watches hosts; as many as you like share them."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from hosts.watcher import Watcher


class Command(BaseCommand):
    help = (
        "Keep the inventory current by each host's events until SIGINT or SIGTERM. `manage.py console` does this too."
    )

    def handle(self, **options: Any) -> None:
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        watcher = Watcher()
        watcher.start()
        self.stdout.write(f"Watching as {watcher.name}; stop with Ctrl-C.")
        ended.wait()
        watcher.stop()
