"""A guest's migration: begin it, watch and steer its job."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import libvirt

from hosts.errors import Refused, Unsupported
from hosts.job_stats import JobStats
from hosts.libvirt_client.errors import translate_migration
from hosts.libvirt_client.flags import flag_bits, typed_parameters
from hosts.libvirt_client.guest_base import CALL_TIMEOUT_S
from hosts.libvirt_client.guest_state import GuestState

if TYPE_CHECKING:
    from hosts.libvirt_client.connection import Connection


class GuestMigration(GuestState):
    """The migrate call, and all that is asked of and told to its job."""

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
