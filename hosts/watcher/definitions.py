"""Which guests' definitions are read next: those that events and listings call changed, then all in turn, slowly."""

from collections.abc import Iterable, Sequence

from hosts.libvirt_client.domain_list import DomainState
from hosts.libvirt_client.states import State

AT_ONCE = 50
TURN_S = 600.0
"""All definitions are read anew over this time: some changes come without an event, such as memory set by hand."""


class Definitions:
    """What is to be read of one host. A guest's first listing, and its coming to run or to rest, call for a reading."""

    def __init__(self) -> None:
        self._wanted: dict[str, None] = {}
        self._seen: dict[str, tuple[bool, bool]] = {}
        self._turn: list[str] = []

    def note(self, domains: Sequence[DomainState], *, elapsed_s: float) -> None:
        """A listing of all guests, so long after the last one."""
        seen = {each.uuid: (each.state not in (State.SHUT_OFF, State.CRASHED), each.persistent) for each in domains}
        self.want(uuid for uuid, how in seen.items() if self._seen.get(uuid) != how)
        self._seen = seen
        # As many as fit into the time that went by, each guest once before any has its second turn.
        for _ in range(min(round(len(seen) * elapsed_s / TURN_S + 0.5), len(seen))):
            self._turn = self._turn or list(seen)
            self.want([self._turn.pop()])

    def want(self, uuids: Iterable[str]) -> None:
        """Read these soon."""
        self._wanted.update(dict.fromkeys(uuids))

    def take(self) -> list[str]:
        """The next few; they are not named again until something calls for it."""
        chosen = list(self._wanted)[:AT_ONCE]
        for uuid in chosen:
            del self._wanted[uuid]
        return chosen

    def __bool__(self) -> bool:
        return bool(self._wanted)
