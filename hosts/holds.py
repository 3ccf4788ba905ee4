"""Why a host or a VM may not be touched just now; whoever uses one registers a function that says so."""

from collections.abc import Callable
from uuid import UUID

from hosts.models import Host, VirtualMachine

HOLDS: list[Callable[[Host | None, VirtualMachine | None], str]] = []
"""Each takes a host and a VM (one of them may be None) and says why it is held, or ""."""

HELD: list[Callable[[], set[UUID]]] = []
"""Each says which guests it holds, all at once: what lists ask, where `why` would be a statement a row."""


def why(host: Host | None = None, vm: VirtualMachine | None = None) -> str:
    """The first reason not to touch `host` or `vm`, in words such as "migration #42 uses it"; "" if there is none."""
    return next((reason for hold in HOLDS if (reason := hold(host, vm))), "")


def held_vms() -> set[UUID]:
    """The UUIDs of the guests that are not to be touched just now."""
    return set().union(*(held() for held in HELD))
