"""Asks both hosts for what the checks look at. Changes nothing but a probe file, which it removes."""

import re
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath
from threading import Semaphore, Thread

from hosts import reach, tcp_ports
from hosts.domain_xml import Domain
from hosts.errors import HostError
from hosts.libvirt_client.connection import Connection
from hosts.models import Host, VirtualMachine
from migrations_app.plan import Options
from migrations_app.preflight import look as looking
from migrations_app.preflight import ports
from migrations_app.preflight.facts import Facts, Folder
from migrations_app.preflight.libvirt_answers import ASK_S, ask_destination, ask_source, nothing_known, why_unreachable
from migrations_app.preflight.look import FolderLook, Look
from migrations_app.preflight.ports import Listening, Way

PEER_TRUST_S = 600.0
"""How long a proof that the source reaches the destination is believed: it costs a whole ssh login."""
HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:%-]{0,254}")
HOSTS_AT_ONCE = 8
SESSIONS_AT_ONCE = 6
"""sshd lets ten sessions share a connection (MaxSessions); all destinations are checked by sessions on the one source."""
PLAN_TRUST_S = 60.0
"""How long the checks of a plan under way believe what was found of a host itself, and that ports are open; any other
preflight asks anew."""
_peers: dict[tuple[str, str], float] = {}
_looks: dict[str, tuple[float, Look]] = {}
_ways: dict[tuple[str, str, str, int, int], tuple[float, Way]] = {}


def gather(
    *,
    vm: VirtualMachine,
    source: Host,
    destinations: Sequence[Host],
    options: Options,
    limit_s: float,
    also: Callable[[Connection], None] = lambda _connection: None,
    trusting: bool = False,
) -> list[Facts]:
    """Ask the source once and every destination, all at the same time; a host that takes longer than `limit_s` is
    written down as silent and holds up no other. `also` may ask more of the source meanwhile. `trusting` takes over what was
    just found of the same hosts, and of the ports between them. Never raises HostError."""
    pool = ThreadPoolExecutor(max_workers=4 + 4 * min(len(destinations), HOSTS_AT_ONCE), thread_name_prefix="preflight")
    try:
        asking = _Round(vm, source, options, pool, limit_s, also)
        asking.trusting = trusting
        return asking.ask(destinations)
    finally:
        # What still hangs ends by its own time limit; nobody waits for it.
        pool.shutdown(wait=False, cancel_futures=True)


class _Round:
    """One preflight: what is asked once of the source, and what of each destination."""

    def __init__(
        self,
        vm: VirtualMachine,
        source: Host,
        options: Options,
        pool: ThreadPoolExecutor,
        limit_s: float,
        also: Callable[[Connection], None],
    ) -> None:
        self.vm, self.source, self.options, self.pool, self.also = vm, source, options, pool, also
        self.until = time.monotonic() + limit_s
        self.limit_s = limit_s
        self.trusting = False
        self.token = secrets.token_hex(8)
        self.sessions = Semaphore(SESSIONS_AT_ONCE)

    def ask(self, destinations: Sequence[Host]) -> list[Facts]:
        asked = self.pool.submit(ask_source, self.vm, self.source, self.also)
        early = [self._early(destination) for destination in destinations]
        try:
            facts, source_uuid = asked.result(self._left())
        except LateError:
            facts, source_uuid = (
                replace(nothing_known(self.vm, self.source), source_error=self._silence(self.source)),
                "",
            )
        at_source = self.pool.submit(self._look, self.source, "source", facts) if facts.domain else None
        # What waits for another task is handed in after it, so that a full pool can't stand still.
        told = [self.pool.submit(self._libvirt, _towards(facts, d), d, source_uuid) for d in destinations]
        late = [
            self.pool.submit(self._one, libvirt, at_source, destination, *futures)
            for libvirt, destination, futures in zip(told, destinations, early, strict=True)
        ]
        found = [
            self._result(future, facts, destination) for future, destination in zip(late, destinations, strict=True)
        ]
        if facts.domain:
            Thread(target=self._remove_probes, args=(facts.domain,), name="remove probes").start()
        return found

    def _early(self, destination: Host) -> tuple["Future[str]", "Future[Way | None]"]:
        """What needs nothing of the source's answer."""
        peer = self.pool.submit(self._peer_error, destination)
        way = self.pool.submit(self._way, destination)
        return peer, way

    def _result(self, future: "Future[Facts]", facts: Facts, destination: Host) -> Facts:
        try:
            return future.result(self._left())
        except LateError:
            return replace(_towards(facts, destination), destination_error=self._silence(destination))

    def _left(self) -> float:
        return max(0.0, self.until - time.monotonic())

    def _silence(self, host: Host) -> str:
        return f"{host.name} did not answer within {self.limit_s:g} s"

    def _libvirt(self, facts: Facts, destination: Host, source_uuid: str) -> Facts:
        if facts.domain is None:
            return replace(facts, destination_error=why_unreachable(destination))
        return ask_destination(facts, self.vm, destination, source_uuid)

    def _one(
        self,
        libvirt: "Future[Facts]",
        at_source: "Future[Look] | None",
        destination: Host,
        peer: "Future[str]",
        way: "Future[Way | None]",
    ) -> Facts:
        """All that is asked of one destination, put together."""
        source_look = at_source.result(self._left()) if at_source else Look(error="it was not asked")
        facts = libvirt.result(self._left())
        if facts.domain is None or facts.destination_error:
            return facts
        look = self._look(destination, "destination", facts)
        images = files_of(facts.domain)
        return replace(
            facts,
            source_look=None if source_look.error else source_look,
            destination_look=None if look.error else look,
            links=None if look.error else look.links,
            folders=_folders(facts.domain, source_look, look, self.token),
            missing_files=tuple(path for path, there in look.files.items() if not there and path in images),
            peer_error="" if facts.same_machine else peer.result(self._left()),
            way=way.result(self._left()),
        )

    def _look(self, host: Host, role: str, facts: Facts) -> Look:
        wanted = _wanted(facts, copying=self.options.copy_storage != "none")
        flat = [part for pair in wanted for part in pair]
        known = None if facts.needs.huge_page_kib else self._known(host)  # free pages go from guest to guest
        user = known.qemu_user if known else ""
        argv = ["timeout", "10", "sh", "-c", looking.LOOK, "kvmconsole", role, self.token, user, *flat]
        asked = time.time()
        try:
            said = (
                self._run_at_source(argv)
                if role == "source"
                else reach.run(host, argv, timeout_s=ASK_S, check=False).stdout
            )
        except HostError as error:
            return Look(error=str(error))
        found = looking.parse(said, wanted, asked_s=asked, answered_s=time.time())
        if known and user:
            return replace(known, **{name: getattr(found, name) for name in looking.OF_THE_GUEST})
        if said.endswith(looking.END):
            _looks[host.uri] = (time.monotonic(), found)
        return found

    def _known(self, host: Host) -> Look | None:
        """What was found of `host` itself a moment ago, where that is believed."""
        since, look = _looks.get(host.uri, (float("-inf"), Look()))
        return look if self.trusting and time.monotonic() - since < PLAN_TRUST_S else None

    def _run_at_source(self, argv: list[str]) -> str:
        with self.sessions:
            return reach.run(self.source, argv, timeout_s=ASK_S, check=False).stdout

    def _peer_error(self, destination: Host) -> str:
        """Let the source itself ask the destination's libvirt, as a peer-to-peer migration will."""
        key = (self.source.uri, destination.uri_for_peers)
        if self.options.direct or time.monotonic() - _peers.get(key, float("-inf")) < PEER_TRUST_S:
            return ""
        argv = ["timeout", "12", "virsh", "-c", destination.uri_for_peers, "hostname"]
        try:
            with self.sessions:
                result = reach.run(self.source, argv, timeout_s=ASK_S, check=False)
        except HostError as error:
            return str(error)
        if result.returncode != 0:
            lines = [line for line in result.stderr.splitlines() if line.strip()]
            return lines[-1] if lines else "no answer within 12 s"
        _peers[key] = time.monotonic()
        return ""

    def _way(self, destination: Host) -> Way | None:
        """Listen at the destination, connect from the source; never from the console, whose way is another one."""
        if self.options.tunnelled:
            return None
        disks = self.options.disks_port if self.options.copy_storage != "none" else 0
        key = (self.source.uri, destination.uri, destination.migration_address, self.options.port, disks)
        since, way = _ways.get(key, (float("-inf"), Way()))
        if self.trusting and time.monotonic() - since < PLAN_TRUST_S:
            return way
        way = self._try_way(destination, disks)
        if way.tried and all(how == "open" for _, how in way.tried):
            _ways[key] = (time.monotonic(), way)
        return way

    def _try_way(self, destination: Host, disks: int) -> Way:
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

    def _remove_probes(self, domain: Domain) -> None:
        argv = ["timeout", "10", "sh", "-c", looking.REMOVE_PROBES, "kvmconsole", self.token, *disk_folders(domain)]
        # Where it can't be reached any more the file stays: 16 bytes, named after what made it.
        with suppress(HostError):
            reach.run(self.source, argv, timeout_s=ASK_S, check=False)


def _towards(facts: Facts, destination: Host) -> Facts:
    return replace(
        facts,
        destination=destination.name,
        maintenance=destination.maintenance,
        migration_address=destination.migration_address,
        peer_uri=destination.uri_for_peers,
        destination_uri=destination.uri,
    )


def disk_folders(domain: Domain) -> list[str]:
    """The folders in which the domain's writable and readable images lie, backing chains included."""
    return sorted({str(PurePosixPath(path).parent) for path in images_of(domain)})


def images_of(domain: Domain) -> set[str]:
    """Every image, those of the backing chains and media included."""
    disks = [disk for disk in domain.disks if disk.type == "file"]
    return {path for disk in disks for path in (disk.source, *disk.backing_chain) if path}


def files_of(domain: Domain) -> set[str]:
    """Every path that must be there: the images, and block devices such as a LUN or a logical volume."""
    devices = {disk.source for disk in domain.disks if disk.type == "block" and disk.device in ("disk", "lun")}
    return images_of(domain) | {path for path in devices if path}


def _wanted(facts: Facts, *, copying: bool) -> list[tuple[str, str]]:
    """What LOOK is to look at; `copying` disks takes more."""
    assert facts.domain
    pairs = [("folder", path) for path in disk_folders(facts.domain)]
    pairs += [("image", path) for path in facts.needs.writable_images]
    pairs += [("file", path) for path in (*sorted(files_of(facts.domain)), *facts.needs.boot_files)]
    pairs += [("dir", path) for path in facts.needs.folders]
    if copying:
        below = sorted({path for disk in facts.domain.disks if disk.type == "file" for path in disk.backing_chain})
        pairs += [("space", path) for path in disk_folders(facts.domain)]
        pairs += [(kind, path) for path in below for kind in ("size", "sum")]
    return pairs


def _folders(domain: Domain, source: Look, destination: Look, token: str) -> tuple[Folder, ...]:
    found = []
    for path in disk_folders(domain):
        at_source, at_destination = source.folders.get(path), destination.folders.get(path)
        if at_source is None or at_destination is None:
            why = source.error or destination.error or "a host took too long to look at it"
            found.append(Folder(path=path, problem=f"it could not be proven, {why}"))
        else:
            found.append(_folder(path, at_source, at_destination, token))
    return tuple(found)


def _folder(path: str, source: FolderLook, destination: FolderLook, token: str) -> Folder:
    problem = ""
    if source.probe != "written":
        problem = "no probe file can be written on the source (read-only, full, or root is squashed)"
    elif destination.probe != token:
        there = destination.mount or "nothing"
        problem = f"a file written there on the source does not appear on the destination ({there} there)"
    return Folder(
        path,
        source.mount,
        source.kind,
        destination.mount,
        destination.kind,
        not problem,
        problem,
        copied=not problem and source.inode != destination.inode,
        apart=bool(problem) and source.probe == "written" and not destination.probe,
        source_options=source.options,
        destination_options=destination.options,
    )
