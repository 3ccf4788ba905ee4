"""How many consoles may be open: seats per user and per VM, each held by a lease, so that those of a killed process free
themselves."""

import secrets
from dataclasses import dataclass, field

from django.core.cache import cache

PER_USER, PER_VM = 12, 8
LEASE_S = 20


@dataclass(frozen=True, slots=True)
class Seat:
    """A place of a user and one of a VM. Call `keep` well within LEASE_S again and again, `leave` at the end."""

    keys: tuple[str, str]
    mark: str = field(default_factory=lambda: secrets.token_hex(8))

    def keep(self) -> None:
        for key in self.keys:
            cache.set(key, self.mark, timeout=LEASE_S)

    def leave(self) -> None:
        for key in self.keys:
            if cache.get(key) == self.mark:
                cache.delete(key)


def take(*, user: int, vm: int) -> Seat | str:
    """A seat, or why there is none."""
    of_user = _free(f"console-seat-user-{user}", PER_USER)
    if of_user is None:
        return f"You have {PER_USER} consoles open. Close one of them first."
    of_vm = _free(f"console-seat-vm-{vm}", PER_VM)
    if of_vm is None:
        cache.delete(of_user)
        return f"{PER_VM} consoles of this VM are open. Ask somebody to close one."
    seat = Seat((of_user, of_vm))
    seat.keep()
    return seat


def _free(prefix: str, count: int) -> str | None:
    keys = (f"{prefix}-{number}" for number in range(count))
    return next((key for key in keys if cache.add(key, "taken", timeout=LEASE_S)), None)
