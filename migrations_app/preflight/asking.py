"""Asks both hosts for what the checks look at. Changes nothing but a probe file, which it removes."""

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath

from hosts import reach
from hosts.domain_needs import Needs
from hosts.domain_xml import Domain
from hosts.errors import HostError
from hosts.libvirt_client.connection import Connection
from hosts.models import Host, VirtualMachine
from migrations_app.preflight.facts import Facts, Folder
from migrations_app.preflight.libvirt_answers import ASK_S, ask_destination, ask_source, nothing_known, why_unreachable
from migrations_app.preflight.look import FolderLook, Look
from migrations_app.preflight.ports import Way
from migrations_app.preflight.sessions import HOSTS_AT_ONCE, Sessions


def look_ahead(sessions: Sessions, vms: Collection[VirtualMachine], destinations: Sequence[Host]) -> None:
    """Let `sessions` look at once at what the checks of all `vms` will ask for. Never raises HostError: what can't be
    looked at now is each check's own to say."""
    wanted: set[tuple[str, str]] = set()
    with suppress(HostError), reach.libvirt(sessions.source, timeout_s=ASK_S) as connection:
        for vm in vms:
            with suppress(HostError):  # gone meanwhile, or its monitor hangs
                xml = connection.guest(str(vm.uuid), timeout_s=ASK_S).xml(timeout_s=ASK_S)
                wanted.update(_wanted(Domain.parse(xml), Needs.parse(xml), copying=sessions.is_copying))
    if wanted:
        sessions.look_ahead(sorted(wanted), destinations)


def gather(
    *,
    vm: VirtualMachine,
    sessions: Sessions,
    destinations: Sequence[Host],
    limit_s: float,
    also: Callable[[Connection], None] = lambda _connection: None,
) -> list[Facts]:
    """Ask the source once and every destination, all at the same time; a host that takes longer than `limit_s` is
    written down as silent and holds up no other. `also` may ask more of the source meanwhile. Never raises HostError."""
    pool = ThreadPoolExecutor(max_workers=4 + 4 * min(len(destinations), HOSTS_AT_ONCE), thread_name_prefix="preflight")
    try:
        return _Round(vm, sessions, pool, limit_s, also).ask(destinations)
    finally:
        # What still hangs ends by its own time limit; nobody waits for it.
        pool.shutdown(wait=False, cancel_futures=True)


class _Round:
    """One preflight: what is asked once of the source, and what of each destination."""

    def __init__(
        self,
        vm: VirtualMachine,
        sessions: Sessions,
        pool: ThreadPoolExecutor,
        limit_s: float,
        also: Callable[[Connection], None],
    ) -> None:
        self.vm, self.sessions, self.source, self.pool, self.also = vm, sessions, sessions.source, pool, also
        self.until = time.monotonic() + limit_s
        self.limit_s = limit_s

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
        at_source = self.pool.submit(self._look, self.source, facts) if facts.domain else None
        # What waits for another task is handed in after it, so that a full pool can't stand still.
        told = [self.pool.submit(self._libvirt, _towards(facts, d), d, source_uuid) for d in destinations]
        late = [
            self.pool.submit(self._one, libvirt, at_source, destination, *futures)
            for libvirt, destination, futures in zip(told, destinations, early, strict=True)
        ]
        return [
            self._result(future, facts, destination) for future, destination in zip(late, destinations, strict=True)
        ]

    def _early(self, destination: Host) -> tuple["Future[str]", "Future[Way | None]"]:
        """What needs nothing of the source's answer."""
        peer = self.pool.submit(self.sessions.peer_error, destination)
        way = self.pool.submit(self.sessions.way, destination)
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
        look = self._look(destination, facts)
        images = files_of(facts.domain)
        return replace(
            facts,
            source_look=None if source_look.error else source_look,
            destination_look=None if look.error else look,
            links=None if look.error else look.links,
            folders=_folders(facts.domain, source_look, look, self.sessions.token),
            missing_files=tuple(path for path, there in look.files.items() if not there and path in images),
            peer_error="" if facts.same_machine else peer.result(self._left()),
            way=way.result(self._left()),
        )

    def _look(self, host: Host, facts: Facts) -> Look:
        assert facts.domain
        wanted = _wanted(facts.domain, facts.needs, copying=self.sessions.is_copying)
        # Free huge pages go from guest to guest.
        return self.sessions.look(host, wanted, anew=bool(facts.needs.huge_page_kib))


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


def _wanted(domain: Domain, needs: Needs, *, copying: bool) -> list[tuple[str, str]]:
    """What LOOK is to look at; `copying` disks takes more."""
    pairs = [("folder", path) for path in disk_folders(domain)]
    pairs += [("image", path) for path in needs.writable_images]
    pairs += [("file", path) for path in (*sorted(files_of(domain)), *needs.boot_files)]
    pairs += [("dir", path) for path in needs.folders]
    if copying:
        below = sorted({path for disk in domain.disks if disk.type == "file" for path in disk.backing_chain})
        pairs += [("space", path) for path in disk_folders(domain)]
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
