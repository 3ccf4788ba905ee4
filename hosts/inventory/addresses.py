"""The addresses of guests, as far as their hosts know them."""

import random
import time
from collections.abc import Sequence

from hosts import live
from hosts.libvirt_client.addresses import find_addresses
from hosts.libvirt_client.connection import Connection
from hosts.models import Host, VirtualMachine, VmState

LOOKUPS_AT_ONCE = 8
"""Three calls each; the rest has its turn in a later look."""
PAUSE_S = (30.0, 900.0)
"""From one lookup of a guest to the next, twice as long each time: a guest that starts has an address soon, or the host never
hears of it. Of 20,000 guests without one, asked each half minute, a watcher did little else."""


class AddressSearch:
    """Remembers how often guests of one host were looked up in vain, for one thread."""

    def __init__(self) -> None:
        self._tries: dict[str, tuple[int, float]] = {}

    def due(self, uuids: Sequence[str]) -> list[str]:
        """Whom of those without an address to look up now; who is not named any more begins anew when it comes back."""
        now = time.monotonic()
        self._tries = {uuid: self._tries[uuid] for uuid in uuids if uuid in self._tries}
        waiting = [uuid for uuid in uuids if self._tries.get(uuid, (0, now))[1] <= now]
        # New ones first, else by lot: of some nothing is ever found.
        random.shuffle(waiting)
        chosen = sorted(waiting, key=self._tried)[:LOOKUPS_AT_ONCE]
        for uuid in chosen:
            tries = self._tried(uuid)
            shortest, longest = PAUSE_S
            self._tries[uuid] = tries + 1, now + min(shortest * 2.0**tries, longest)
        return chosen

    def _tried(self, uuid: str) -> int:
        return self._tries.get(uuid, (0, 0.0))[0]


def find_addresses_of(host: Host, connection: Connection, search: AddressSearch | None = None) -> None:
    """Note an address for guests that run here and have none yet; one that was given or found before is kept.

    `search` says whose turn it is. Raises HostError.
    """
    without = VirtualMachine.objects.filter(host=host, address=None, state=VmState.RUNNING)
    uuids = [str(uuid) for uuid in without.values_list("uuid", flat=True)]
    chosen = (search or AddressSearch()).due(uuids)
    for uuid, address in (find_addresses(connection, chosen) if chosen else {}).items():
        VirtualMachine.objects.filter(uuid=uuid, address=None).update(address=address)
        live.publish(f"vm.{uuid}", hosts=[host.pk])
