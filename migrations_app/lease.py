"""Who drives a migration: an owner that beats every second, from a thread of its own."""

from hosts import lease
from hosts.lease import abandoned, in_thread, is_dead, new_owner
from migrations_app import record

__all__ = ["Lease", "abandoned", "in_thread", "is_dead", "new_owner"]


class Lease(lease.Lease):
    """The lease of migration `pk`."""

    def __init__(self, pk: int, owner: str) -> None:
        super().__init__(f"migration {pk}", lambda: record.beat(pk, owner=owner))
