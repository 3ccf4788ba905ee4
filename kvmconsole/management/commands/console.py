"""`manage.py console`: pages, worker and watcher in one process, for a console on one machine."""

from typing import Any

from channels.routing import get_default_application
from daphne.endpoints import build_endpoint_description_strings
from daphne.server import Server
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from hosts import jobs
from hosts.watcher import Watcher


class Command(BaseCommand):
    help = "Run the whole console in this process: pages, API, live updates, worker and watcher."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        call_command("migrate", verbosity=0)
        watcher = Watcher()
        # Threads, and periodic work in the watcher's sweeps: huey only carries the nudges.
        consumer = jobs.HUEY.create_consumer(
            workers=4, worker_type="thread", periodic=False, initial_delay=0.05, max_delay=0.2
        )

        def ready() -> None:
            consumer.start()
            watcher.start()
            self.stdout.write(f"kvmconsole listens on http://{host}:{port}/ (data in {settings.DATA_DIR})")
            self.stdout.flush()

        endpoints = build_endpoint_description_strings(host=host, port=port)
        server = Server(
            get_default_application(), endpoints=endpoints, ready_callable=ready, server_name="", verbosity=0
        )
        try:
            server.run()
        finally:
            watcher.stop()
            consumer.stop()
