"""A console at scale: PostgreSQL and Redis of its own, and daphne, the worker and the watcher as processes apart."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.console import BASE, Console

PARTS = {
    "daphne": [],
    "worker": [str(BASE / "manage.py"), "run_huey", "-k", "thread", "-w", "2"],
    "watch": [str(BASE / "manage.py"), "watch"],
}


@contextmanager
def services() -> Iterator[dict[str, str]]:
    """Run PostgreSQL and Redis, and yield the settings that lead to them. Skips the test where they are not installed."""
    if not (shutil.which("pg_ctlcluster") and shutil.which("redis-server")):
        pytest.skip("PostgreSQL or Redis is not installed")
    script = 'echo "$DATABASE_URL"; echo "$REDIS_URL"; exec cat'
    command = [str(BASE / "scripts" / "with-services"), "sh", "-c", script]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=BASE)
    assert process.stdin and process.stdout
    try:
        addresses = [process.stdout.readline().strip() for _ in range(2)]
        assert all(addresses), "PostgreSQL or Redis did not start"
        yield dict(zip(("DATABASE_URL", "REDIS_URL"), addresses, strict=True))
    finally:
        process.stdin.close()  # ends cat, and with it the services
        process.wait(timeout=60)


class ScaledConsole(Console):
    """The same as Console, of three processes; `kill_part` ends one without a warning."""

    def __init__(self, folder: Path, addresses: dict[str, str]) -> None:
        super().__init__(folder)
        self.environment |= addresses
        self.parts: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        for name in PARTS:
            self.start_part(name)
        self.process = self.parts["daphne"]
        self.wait_until_ready()

    def start_part(self, name: str) -> None:
        """Start one process; it is not waited for."""
        daphne = [str(Path(sys.executable).with_name("daphne")), "-p", str(self.port), "kvmconsole.asgi:application"]
        command = daphne if name == "daphne" else [sys.executable, *PARTS[name]]
        with self.log.open("ab") as log:
            self.parts[name] = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, cwd=BASE)

    def kill_part(self, name: str) -> None:
        self.parts[name].kill()
        self.parts[name].wait(timeout=30)

    def kill(self, how: object = None) -> None:
        """End all of it."""
        for name in self.parts:
            self.kill_part(name)
