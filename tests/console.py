"""A real console as a subprocess on a database of its own, its hosts, and an API client: for real and browser tests."""

import atexit
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from hosts.ssh import SshKeyring
from tests.lab.lab import Lab

BASE = Path(__file__).resolve().parent.parent
PASSWORD = "a long pass phrase"
PREPARE = """
from django.core.management import call_command
from hosts import reach
call_command("migrate", verbosity=0)
call_command("createsuperuser", interactive=False, username=USER, email="admin@example.net", verbosity=0)
print(reach.keyring().public_key)
call_command("token", USER)
"""
"""What an admin does by four commands, in one process: each start of Django costs seconds on a loaded machine."""


def eventually(ask: Callable[[], Any], *, timeout_s: float, what: str, every_s: float | None = None) -> Any:
    """Ask until the answer is truthy; AssertionError names what was waited for and the last answer.

    Every `every_s`; by default more and more seldom, from ten times a second to twice: to answer costs the same machine
    processor time that what is waited for may need.
    """
    began = time.monotonic()
    while True:
        answer = ask()
        if answer:
            return answer
        waited = time.monotonic() - began
        assert waited < timeout_s, f"waited {timeout_s:g} s for {what}; the last answer was {answer!r}"
        time.sleep(every_s or min(0.5, max(0.1, waited / 20)))


class Console:
    """`manage.py console` on a free port. `start`, `kill` and `start` again keep the data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "console.log"
        self.environment = {**os.environ, "KVMCONSOLE_DATA_DIR": str(folder / "data")}
        for name in ("DATABASE_URL", "REDIS_URL", "KVMCONSOLE_SECRET_KEY"):
            self.environment.pop(name, None)
        self.process: subprocess.Popen[bytes] | None = None
        self.token = self.public_key = ""

    def manage(self, *argv: str, timeout_s: float = 90) -> str:
        """Run manage.py with the console's environment; its output. CalledProcessError shows what it said."""
        command = [sys.executable, str(BASE / "manage.py"), *argv]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=timeout_s)
        assert done.returncode == 0, f"manage.py {' '.join(argv)}: {done.stderr or done.stdout}"
        return done.stdout.strip()

    def prepare(self, *, user: str = "admin") -> None:
        """Make the database and a user who may do all; its API token goes into `token`, the ssh key into `public_key`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.environment["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
        said = self.manage("shell", "--verbosity", "0", "-c", f"USER = {user!r}\n{PREPARE}")
        self.public_key, self.token = said.splitlines()[-2:]

    def command(self) -> list[str]:
        return [sys.executable, str(BASE / "manage.py"), "console", "--port", str(self.port)]

    def start(self) -> None:
        """Start it, and wait until it is ready. AssertionError shows its log where it dies."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command(), env=self.environment, stdout=log, stderr=log, cwd=BASE)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until it answers. AssertionError shows its log where it dies."""

        def answers() -> bool:
            assert self.process and self.process.poll() is None, f"the console died:\n{self.log.read_text()[-4000:]}"
            try:
                return bool(self._open("GET", "/healthz", None).status == 200)
            except OSError:
                return False

        eventually(answers, timeout_s=90, what="the console to answer")

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it, by default without a warning."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=30)

    def api(
        self, method: str, path: str, body: Any = None, *, expect: int | tuple[int, ...] = (200, 201, 202, 204)
    ) -> Any:
        """Call the API with the admin's token; the JSON it answers. AssertionError on another status than `expect`."""
        try:
            answer = self._open(method, f"/api/v1/{path}", body)
        except urllib.error.HTTPError as error:
            answer = error  # type: ignore[assignment]
        text = answer.read().decode()
        wanted = (expect,) if isinstance(expect, int) else expect
        assert answer.status in wanted, f"{method} {path}: {answer.status} {text[:2000]}"
        return json.loads(text) if text else None

    def _open(self, method: str, path: str, body: Any) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        return urllib.request.urlopen(request, timeout=60)

    # What tests do with it

    def add_lab(self, lab: Lab) -> None:
        """Let its key into the lab's hosts, and add both as an admin would."""
        self.let_in(lab)
        for name in ("kvm-1", "kvm-2"):
            self.add_host(lab, name)

    def let_in(self, lab: Lab) -> None:
        """Write its public key to each host of the lab, as an admin does by hand."""
        for name in ("nfs", "kvm-1", "kvm-2"):
            lab.host(name).run(
                ["sh", "-c", 'echo "$1" >>/root/.ssh/authorized_keys', "lab", self.public_key], timeout_s=30
            )

    def add_host(self, lab: Lab, name: str) -> None:
        """Add one host of the lab by the API; the console must run."""
        host = lab.host(name)
        wanted = {"name": name, "uri": host.uri, "migration_address": host.address, "accept_host_key": True}
        added = self.api("POST", "hosts", wanted)
        assert added["state"] == "online", added

    def vm(self, name: str) -> dict[str, Any]:
        """The VM of that name, once the inventory has it as running."""

        def ask() -> Any:
            found = [vm for vm in self.api("GET", f"vms?q={name}")["items"] if vm["name"] == name]
            return found[0] if found and found[0]["state"] == "running" else None

        vm: dict[str, Any] = eventually(ask, timeout_s=30, what=f"VM {name} to be listed as running")
        return vm

    def migrate(self, name: str, destination: str, *, address: str | None, **options: Any) -> int:
        """Request a migration; its number."""
        body = {"vm": self.vm(name)["uuid"], "destination": destination, "options": options, "ping_address": address}
        return int(self.api("POST", "migrations", body)["id"])

    def migration(self, number: int) -> dict[str, Any]:
        answer: dict[str, Any] = self.api("GET", f"migrations/{number}")
        return answer

    def reaches(self, number: int, *states: str, timeout_s: float = 60) -> dict[str, Any]:
        """Wait until the migration is in one of `states`; AssertionError at once where it ends otherwise."""
        ends = ("completed", "failed", "cancelled", "needs_attention")

        def ask() -> Any:
            now = self.migration(number)
            assert now["state"] in states or now["state"] not in ends, f"ended {now['state']}: {now['error']} {now}"
            return now if now["state"] in states else None

        answer: dict[str, Any] = eventually(ask, timeout_s=timeout_s, what=f"migration {number} to be {states}")
        return answer


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@cache
def _pristine() -> Console:
    """A console that never runs: each other of this process begins as its copy, since migrating takes five seconds of a core."""
    folder = Path(tempfile.mkdtemp(prefix="kvmconsole-pristine-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    console = Console(folder)
    console.prepare()
    shutil.rmtree(folder / "data" / "ssh")  # each console has a key of its own
    return console


def new_console(folder: Path) -> Console:
    """A console with an admin, started."""
    console = Console(folder / secrets.token_hex(4))
    shutil.copytree(_pristine().folder / "data", console.folder / "data")
    console.token = _pristine().token
    console.public_key = SshKeyring(console.folder / "data" / "ssh").public_key
    console.start()
    return console
