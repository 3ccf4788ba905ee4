"""One guest on one host: migrate it, watch and steer its job, read and change it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import libvirt

from hosts.domain_xml import METADATA_PREFIX, METADATA_URI
from hosts.errors import ConsoleInUse, Refused, Unsupported
from hosts.job_stats import JobStats
from hosts.libvirt_client import guest_facts
from hosts.libvirt_client.domain_list import read_state
from hosts.libvirt_client.errors import translate_migration
from hosts.libvirt_client.flags import flag_bits, typed_parameters
from hosts.libvirt_client.guest_facts import KeptStates
from hosts.libvirt_client.states import State
from hosts.xml_reading import parse_xml

if TYPE_CHECKING:
    from hosts.libvirt_client.connection import Connection

T = TypeVar("T")
CALL_TIMEOUT_S = 15.0
ACT_TIMEOUT_S = 40.0
"""For acts that wait for the domain's job lock: libvirt gives up after 30 s (QEMU_JOB_WAIT_TIME in src/qemu/qemu_domainjob.c)
and then says who holds it. A shorter limit learns less, and costs the connection."""
# virDomainDirtyRateStatus, in libvirt's order from 0
_DIRTY_RATE_STATES = ("unstarted", "measuring", "measured")


@dataclass(frozen=True, slots=True)
class DirtyRate:
    """How fast the guest writes to its memory, as measured over `seconds`."""

    mib_per_s: int
    seconds: int
    page_size_bytes: int = 4096

    @property
    def pages_per_s(self) -> int:
        return self.mib_per_s * 2**20 // self.page_size_bytes


class Guest:
    """A libvirt domain. Each method is one question or act, and raises HostError's children with guest and host in them."""

    def __init__(self, connection: Connection, raw: libvirt.virDomain) -> None:
        self._connection, self._raw = connection, raw
        # Both are part of the handle: no call
        self.name: str = raw.name()
        self.uuid: str = raw.UUIDString()

    @property
    def host(self) -> str:
        return self._connection.host

    # Migration

    def migrate(self, destination: str | Connection, parameters: Mapping[str, Any], flags: Collection[str]) -> None:
        """Migrate, and return when that is over; needs a connection that nobody closes before, and a thread of its own.

        `destination` is a libvirt URI that the source itself connects to (with the flag peer2peer: the job survives this
        process), or our connection to it (managed direct: the job ends with this process). Names of `parameters` and
        `flags` are those of flags.py. No time limit: keepalive ends it where the source is gone.

        Raises MigrationFailed, MigrationCancelled, UnsafeMigration, Refused, Busy, DomainNotFound, or Unreachable: then
        the source is gone, and what became of the job is unknown.
        """
        bits, values = flag_bits(flags), typed_parameters(parameters)
        self._connection.require_alive()
        try:
            if isinstance(destination, str):
                self._raw.migrateToURI3(destination, values, bits)
            else:
                self._raw.migrate3(destination.raw, values, bits)
        except libvirt.libvirtError as error:
            raise translate_migration(
                error,
                host=self.host,
                vm=self.name,
                destination=destination if isinstance(destination, str) else destination.uri,
                is_connected=self._connection.is_alive(),
            ) from error

    def job_stats(self, *, completed: bool = False, timeout_s: float = CALL_TIMEOUT_S) -> JobStats:
        """The job under way; kind "none" where there is none, also on a guest that is off.

        `completed`: the final figures of the last job instead, as often as they are asked for.
        """
        flags = 0
        if completed:
            flags = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
        try:
            return JobStats.from_libvirt(self._call(lambda: self._raw.jobStats(flags), timeout_s))
        except Unsupported:
            raise
        except Refused:
            # "domain is not running": what is off has no job
            if completed or self.is_active(timeout_s=timeout_s):
                raise
            return JobStats()

    def abort(self, *, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """End the job; the migrate call then raises MigrationCancelled. Refused where there is none, or in post-copy."""
        self._call(self._raw.abortJob, timeout_s)

    def start_postcopy(self, *, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """Let the guest go on at the destination now, its memory following. From here on the job can't be cancelled."""
        self._call(self._raw.migrateStartPostCopy, timeout_s)

    def pause_postcopy(self, *, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """Let QEMU give up the connection of a post-copy that stands still, so that it can be resumed over a new one.

        The guest is not harmed: what ran goes on until it needs memory that is not there. Refused where there is no such job.
        """
        self._call(lambda: self._raw.abortJobFlags(libvirt.VIR_DOMAIN_ABORT_JOB_POSTCOPY), timeout_s)

    def set_max_downtime(self, downtime_ms: int, *, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """How long the guest may stand still at the switch-over. Refused where no migration is under way."""
        self._call(lambda: self._raw.migrateSetMaxDowntime(downtime_ms), timeout_s)

    def max_downtime_ms(self, *, timeout_s: float = CALL_TIMEOUT_S) -> int:
        return self._call(lambda: int(self._raw.migrateGetMaxDowntime()), timeout_s)

    def set_max_speed(self, speed_mib_s: int, *, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """The bandwidth of this migration, or of the next."""
        self._call(lambda: self._raw.migrateSetMaxSpeed(speed_mib_s), timeout_s)

    # State

    def state(self, *, timeout_s: float = CALL_TIMEOUT_S) -> tuple[State, str]:
        """Its state, and libvirt's name of the reason."""
        return self._call(lambda: read_state(self._raw), timeout_s)

    def is_active(self, *, timeout_s: float = CALL_TIMEOUT_S) -> bool:
        """Running, paused, or any other state with a QEMU process."""
        return self._call(lambda: bool(self._raw.isActive()), timeout_s)

    def is_persistent(self, *, timeout_s: float = CALL_TIMEOUT_S) -> bool:
        """It has a definition, and will still be known after it is shut down."""
        return self._call(lambda: bool(self._raw.isPersistent()), timeout_s)

    def autostart(self, *, timeout_s: float = CALL_TIMEOUT_S) -> bool:
        return self._call(lambda: bool(self._raw.autostart()), timeout_s)

    def set_autostart(self, on: bool, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Whether libvirtd starts it when the host boots."""
        self._call(lambda: self._raw.setAutostart(int(on)), timeout_s)

    def suspend(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        self._call(self._raw.suspend, timeout_s)

    def resume(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        self._call(self._raw.resume, timeout_s)

    def create(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Start it from its definition."""
        self._call(self._raw.create, timeout_s)

    def shutdown(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Press its power button; the guest may take its time, or not listen."""
        self._call(self._raw.shutdown, timeout_s)

    def reboot(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        self._call(self._raw.reboot, timeout_s)

    def reset(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Press its reset button."""
        self._call(lambda: self._raw.reset(0), timeout_s)

    def save(self, *, timeout_s: float) -> None:
        """Write its memory to the host's disk and stop it; `create` then restores it (a managed save)."""
        self._call(lambda: self._raw.managedSave(0), timeout_s)

    def discard_save(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Remove what `save` wrote. Refused where there is nothing."""

        def discard() -> None:
            if not self._raw.hasManagedSaveImage(0):
                raise Refused(f"{self.name} has no saved memory on {self.host}.", host=self.host, vm=self.name)
            self._raw.managedSaveRemove(0)

        self._call(discard, timeout_s)

    def destroy(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Pull its plug."""
        self._call(self._raw.destroy, timeout_s)

    def kept_states(self, *, timeout_s: float = CALL_TIMEOUT_S) -> KeptStates:
        """Its snapshots, checkpoints and saved state."""
        return self._call(lambda: guest_facts.read_kept_states(self._raw), timeout_s)

    def snapshot_names(self, *, timeout_s: float = CALL_TIMEOUT_S) -> tuple[str, ...]:
        """Those that libvirt knows of, also on a guest that is off."""
        return self._call(lambda: tuple(sorted(self._raw.snapshotListNames(0))), timeout_s)

    def block_jobs(self, targets: Collection[str], *, timeout_s: float = CALL_TIMEOUT_S) -> tuple[str, ...]:
        """Those of the disks `targets` on which a block job works."""
        return self._call(lambda: guest_facts.read_block_jobs(self._raw, targets), timeout_s)

    def memory_used_mib(self, *, timeout_s: float = CALL_TIMEOUT_S) -> int | None:
        """How much of its memory holds anything; None where neither the guest nor the host can say."""
        return self._call(lambda: guest_facts.read_memory_used_mib(self._raw), timeout_s)

    def disk_sizes(self, targets: Collection[str], *, timeout_s: float = CALL_TIMEOUT_S) -> dict[str, tuple[int, int]]:
        """By target: how big the guest sees the disk, and how much of it is allocated on the host, in bytes."""
        return self._call(lambda: guest_facts.read_disk_sizes(self._raw, targets), timeout_s)

    def eject(self, target: str, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Take the medium out of the drive `target`, now and for the next start. Refused where there is no such drive."""
        self._call(lambda: guest_facts.eject(self._raw, target), timeout_s)

    # Consoles

    def open_graphics(self, *, timeout_s: float = CALL_TIMEOUT_S) -> socket.socket:
        """A connection to its first display, already let in; on a connection to this machine's libvirtd only."""
        flags = libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH
        return socket.socket(fileno=self._call(lambda: int(self._raw.openGraphicsFD(0, flags)), timeout_s))

    def open_console(self, *, force: bool, timeout_s: float = CALL_TIMEOUT_S) -> libvirt.virStream:
        """Its first serial console, without blocking; for serial_stream.py. Raises ConsoleInUse unless `force`."""

        def open_it() -> libvirt.virStream:
            stream = self._connection.raw.newStream(libvirt.VIR_STREAM_NONBLOCK)
            try:
                self._raw.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE if force else 0)
            except libvirt.libvirtError as error:
                # "Active console session exists for this domain" (qemuDomainOpenConsole in src/qemu/qemu_driver.c)
                if error.get_error_code() == libvirt.VIR_ERR_OPERATION_FAILED:
                    message = f"Somebody else is on the serial console of {self.name} on {self.host}"
                    raise ConsoleInUse(message, host=self.host, vm=self.name, raw=str(error)) from error
                raise
            return stream

        return self._call(open_it, timeout_s)

    # Definition

    def xml(
        self,
        *,
        inactive: bool = False,
        secure: bool = False,
        migratable: bool = False,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> str:
        """The live XML, or the definition (`inactive`). `secure` shows passwords too: never keep or show that."""
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE if inactive else 0
        flags |= libvirt.VIR_DOMAIN_XML_SECURE if secure else 0
        flags |= libvirt.VIR_DOMAIN_XML_MIGRATABLE if migratable else 0
        return self._call(lambda: str(self._raw.XMLDesc(flags)), timeout_s)

    def undefine(self, *, remove_nvram: bool = False, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Remove the definition. Disks, and firmware variables unless `remove_nvram`, stay: on shared storage the
        guest may be using them elsewhere. A guest with snapshots or a saved image is refused."""

        def undefine() -> None:
            os = parse_xml(self._raw.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)).find("os")
            flags = 0
            if os is not None and (os.find("nvram") is not None or os.get("firmware") == "efi"):
                # without either flag, libvirt refuses where there are such variables
                flags = libvirt.VIR_DOMAIN_UNDEFINE_NVRAM if remove_nvram else libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
            self._raw.undefineFlags(flags)

        self._call(undefine, timeout_s)

    def title(self, *, timeout_s: float = CALL_TIMEOUT_S) -> str:
        """Its title, "" where it has none."""
        return self._metadata(libvirt.VIR_DOMAIN_METADATA_TITLE, None, timeout_s) or ""

    def metadata(self, *, uri: str = METADATA_URI, timeout_s: float = CALL_TIMEOUT_S) -> str | None:
        """The element that `set_metadata` stored under `uri`, in the definition or, where there is none, live.

        libvirt hands it out without its prefix, so its root has no namespace.
        """
        return self._metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, uri, timeout_s)

    def set_metadata(
        self,
        element: str | None,
        *,
        key: str = METADATA_PREFIX,
        uri: str = METADATA_URI,
        timeout_s: float = ACT_TIMEOUT_S,
    ) -> None:
        """Store an XML element with the guest, in its definition and in what runs; None removes it. `key` is a prefix."""

        def store() -> None:
            flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG if self._raw.isPersistent() else 0
            flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE if self._raw.isActive() else 0
            self._raw.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, element, key, uri, flags)

        self._call(store, timeout_s)

    def unmark_stale(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Take the console's own mark (stale_mark.py) away; where there is none, nothing happens."""
        if self.metadata(timeout_s=timeout_s) is not None:
            self.set_metadata(None, timeout_s=timeout_s)

    # Dirty rate

    def start_dirty_rate(self, seconds: int, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Begin to measure, by page sampling, for 1 to 60 seconds. Before a migration, never during one."""
        self._call(lambda: self._raw.startDirtyRateCalc(seconds, 0), timeout_s)

    def dirty_rate(self, *, timeout_s: float = CALL_TIMEOUT_S) -> DirtyRate | None:
        """The last measurement; None while it goes on, or where there was none."""
        stats = self._call(self._dirty_rate_stats, timeout_s)
        if _dirty_rate_state(stats) != "measured":
            return None
        return DirtyRate(stats["dirtyrate.megabytes_per_second"], stats["dirtyrate.calc_period"])

    def is_measuring(self, *, timeout_s: float = CALL_TIMEOUT_S) -> bool:
        """Its dirty rate is being measured just now."""
        return _dirty_rate_state(self._call(self._dirty_rate_stats, timeout_s)) == "measuring"

    def _dirty_rate_stats(self) -> dict[str, int]:
        connection = self._connection.raw
        listed = connection.domainListGetStats([self._raw], libvirt.VIR_DOMAIN_STATS_DIRTYRATE)
        return dict(listed[0][1]) if listed else {}

    def _metadata(self, kind: int, uri: str | None, timeout_s: float) -> str | None:
        def read() -> str | None:
            flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG if self._raw.isPersistent() else libvirt.VIR_DOMAIN_AFFECT_LIVE
            try:
                return str(self._raw.metadata(kind, uri, flags))
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN_METADATA:
                    raise
                return None

        return self._call(read, timeout_s)

    def _call(self, function: Callable[[], T], timeout_s: float) -> T:
        return self._connection.call(function, timeout_s=timeout_s, vm=self.name)


def _dirty_rate_state(stats: Mapping[str, int]) -> str:
    number = stats.get("dirtyrate.calc_status", 0)
    return _DIRTY_RATE_STATES[number] if 0 <= number < len(_DIRTY_RATE_STATES) else "unstarted"
