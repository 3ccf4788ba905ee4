"""What a preflight asks the hosts themselves, by ssh: what lies there, and how one reaches the other.

One `Sessions` may serve the checks of many guests of one host, as those of a plan: what they would all ask is asked once.
"""

import re
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Lock, Semaphore, Thread
from types import TracebackType
from typing import Any

from hosts import reach, tcp_ports
from hosts.errors import HostError
from hosts.models import Host
from migrations_app.plan import Options
from migrations_app.preflight import look as looking
from migrations_app.preflight import ports
from migrations_app.preflight.libvirt_answers import ASK_S
from migrations_app.preflight.look import Look
from migrations_app.preflight.ports import Listening, Way

PEER_TRUST_S = 600.0
"""How long a proof that the source reaches the destination is believed: it costs a whole ssh login."""
HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:%-]{0,254}")
HOSTS_AT_ONCE = 8
AT_ONCE = 6
"""sshd lets ten sessions share a connection (MaxSessions); all destinations are checked by sessions on the one source."""
_peers: dict[tuple[str, str], float] = {}

Pairs = Sequence[tuple[str, str]]
"""What a look is to look at: kinds and paths, see look.LOOK."""


class Sessions:
    """The questions to one source and its destinations, from `with` to its end, which removes the probe files.

    What was found of the way between two hosts stands for as long as it lives; give it to checks that are made together.
    """

    def __init__(self, source: Host, options: Options) -> None:
        self.source, self.options = source, options
        self.token = secrets.token_hex(8)
        """What is written into the probe files."""
        self._at_source = Semaphore(AT_ONCE)
        self._lock = Lock()
        self._once: dict[tuple[str, int], Future[Any]] = {}
        self._ahead: dict[int, tuple[frozenset[tuple[str, str]], Look]] = {}
        self._probed: set[str] = set()

    def __enter__(self) -> "Sessions":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._probed:
            Thread(target=self._remove_probes, name="remove probes").start()

    @property
    def is_copying(self) -> bool:
        """Whether disks go along, which takes a look at more."""
        return self.options.copy_storage != "none"

    def look_ahead(self, wanted: Collection[tuple[str, str]], destinations: Sequence[Host]) -> None:
        """Look at once at what the checks of many guests will ask for, at the source and then at the destinations.

        What fails is left to each check, which then says so of its own guest.
        """
        pairs = tuple(wanted)
        if not self._look_ahead_at(self.source, pairs):
            return  # what the destinations are to look for may not be there
        with ThreadPoolExecutor(max_workers=HOSTS_AT_ONCE, thread_name_prefix="look ahead") as pool:
            list(pool.map(partial(self._look_ahead_at, pairs=pairs), destinations))

    def _look_ahead_at(self, host: Host, pairs: Pairs) -> bool:
        found, is_whole = self._ask(host, pairs)
        if is_whole:
            self._ahead[host.pk] = frozenset(pairs), found
        return is_whole

    def look(self, host: Host, wanted: Pairs, *, anew: bool) -> Look:
        """What lies on `host`. The source has to be looked at first: what it writes is what destinations look for.

        With `anew` nothing is taken from a look ahead.
        """
        pairs, found = self._ahead.get(host.pk, (frozenset(), Look()))
        if not anew and pairs.issuperset(wanted):
            return found.only(wanted)
        return self._ask(host, wanted)[0]

    def _ask(self, host: Host, wanted: Pairs) -> tuple[Look, bool]:
        """What was found, and whether that is the whole answer."""
        is_source = host.pk == self.source.pk
        if is_source:
            self._probed.update(path for kind, path in wanted if kind == "folder")
        flat = [part for pair in wanted for part in pair]
        role = "source" if is_source else "destination"
        argv = ["timeout", "10", "sh", "-c", looking.LOOK, "kvmconsole", role, self.token, *flat]
        asked = time.time()
        try:
            if is_source:
                said = self._run_at_source(argv)
            else:
                said = reach.run(host, argv, timeout_s=ASK_S, check=False).stdout
        except HostError as error:
            return Look(error=str(error)), False
        found = looking.parse(said, wanted, asked_s=asked, answered_s=time.time())
        return found, said.endswith(looking.END)

    def _run_at_source(self, argv: list[str]) -> str:
        with self._at_source:
            return reach.run(self.source, argv, timeout_s=ASK_S, check=False).stdout

    def _remove_probes(self) -> None:
        argv = ["timeout", "10", "sh", "-c", looking.REMOVE_PROBES, "kvmconsole", self.token, *sorted(self._probed)]
        # Where it can't be reached any more the file stays: 16 bytes, named after what made it.
        with suppress(HostError):
            reach.run(self.source, argv, timeout_s=ASK_S, check=False)

    def peer_error(self, destination: Host) -> str:
        """Let the source itself ask the destination's libvirt, as a peer-to-peer migration will; "" where it answers."""
        key = (self.source.uri, destination.uri_for_peers)
        if self.options.direct or time.monotonic() - _peers.get(key, float("-inf")) < PEER_TRUST_S:
            return ""
        found: str = self._asked_once(("peer", destination.pk), partial(self._try_peer, destination))
        if not found:
            _peers[key] = time.monotonic()
        return found

    def way(self, destination: Host) -> Way | None:
        """Listen at the destination, connect from the source; never from the console, whose way is another one."""
        if self.options.tunnelled:
            return None
        found: Way = self._asked_once(("way", destination.pk), partial(self._try_way, destination))
        return found

    def _asked_once(self, key: tuple[str, int], ask: Callable[[], Any]) -> Any:
        """The answer of `ask`; who wants the same meanwhile waits for it."""
        with self._lock:
            future = self._once.get(key)
            mine = future is None
            if future is None:
                future = self._once[key] = Future()
        if mine:
            try:
                future.set_result(ask())
            except BaseException as error:
                future.set_exception(error)
        return future.result()

    def _try_peer(self, destination: Host) -> str:
        argv = ["timeout", "12", "virsh", "-c", destination.uri_for_peers, "hostname"]
        try:
            with self._at_source:
                result = reach.run(self.source, argv, timeout_s=ASK_S, check=False)
        except HostError as error:
            return str(error)
        if result.returncode != 0:
            lines = [line for line in result.stderr.splitlines() if line.strip()]
            return lines[-1] if lines else "no answer within 12 s"
        return ""

    def _try_way(self, destination: Host) -> Way:
        disks = self.options.disks_port if self.is_copying else 0
        wanted = [str(number) for number in (self.options.port, self.options.port, ports.LISTEN_S, disks)]
        argv = ["sh", "-c", ports.START_LISTENER, ports.LISTEN, *wanted]
        try:
            said = reach.run(destination, argv, timeout_s=ASK_S, check=False).stdout
            found = ports.read_listening(said)
            host = destination.migration_address or found.hostname
            if not HOST_NAME.fullmatch(host):
                return Way(unable=f"{destination.name} calls itself {host!r}")
            if found.ports is None:
                return Way(host=host, unable=f"{destination.name} has no python3 to listen with")
            if not found.ports:
                return Way(host=host, taken=True)
            return replace(self._connect(host, found, destination), disks_taken=found.disks_taken)
        except HostError as error:
            return Way(unable=str(error))

    def _connect(self, host: str, found: Listening, destination: Host) -> Way:
        numbers = [str(port) for port in found.ports or ()]
        argv = ["sh", "-c", ports.CONNECT, "kvmconsole", host, str(tcp_ports.CONNECT_S), *numbers]
        way = ports.read_way(host, self._run_at_source(argv))
        if found.pid.isdigit() and any(how != "open" for _, how in way.tried):
            # Else it would hold the ports for a while, and who checks again is told that they are taken.
            reach.run(destination, ["kill", found.pid], timeout_s=ASK_S, check=False)
        return way
