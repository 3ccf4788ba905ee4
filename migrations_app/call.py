"""libvirt's blocking migrate call, which has a thread of its own."""

import logging
import threading
from contextlib import ExitStack

from hosts import reach
from hosts.errors import HostError, MigrationFailed
from hosts.libvirt_client.connection import Connection
from hosts.libvirt_client.domain import Guest
from migrations_app import disks, plan
from migrations_app.models import Migration
from migrations_app.plan import Options

log = logging.getLogger(__name__)


class Call:
    """libvirt's blocking migrate call, in a thread of its own."""

    def __init__(self, guest: Guest, migration: Migration, options: Options, *, resumes: bool) -> None:
        assert migration.destination
        self.error: HostError | None = None
        self._guest, self._options = guest, options
        self._destination = migration.destination
        copied = disks.targets(migration)
        self._flags = plan.resume_flag_names(options, copied) if resumes else plan.flag_names(options, copied)
        address = migration.destination.migration_address
        self._parameters = plan.parameters(options, migration_address=address, disks=copied)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"migrate {migration.pk}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def is_over(self) -> bool:
        return self._over.is_set()

    def wait(self, seconds: float) -> None:
        """Return when it is over, at the latest after `seconds`."""
        self._over.wait(seconds)

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                to: str | Connection = self._destination.uri_for_peers
                if self._options.direct:
                    to = stack.enter_context(reach.open_own(self._destination))
                self._guest.migrate(to, self._parameters, self._flags)
        except HostError as error:
            self.error = error
        except Exception as error:
            log.exception("migrate")
            self.error = MigrationFailed(f"{type(error).__name__}: {error}")
        finally:
            self._over.set()
