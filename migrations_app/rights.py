"""Which migrations a user may see, and which act on: the lookup is the check, for pages and API alike."""

from django.core.exceptions import PermissionDenied
from django.http import Http404

from hosts import access
from hosts.models import Host, VirtualMachine
from migrations_app import snapshot
from migrations_app.models import Migration


def may_operate(user: access.AnyUser, migration: Migration) -> bool:
    """Whether `user` may act on `migration`: both of its hosts must still be known and be the user's to operate.

    Of an external one to a host that the console does not know, the source alone.
    """
    ends = [migration.source, migration.destination] if migration.destination_name else [migration.source]
    return all(host is not None and access.may(user, access.OPERATE, host) for host in ends)


def migration_for(user: access.AnyUser, pk: int, *, operate: bool = False) -> Migration:
    """Migration `pk`. Raises Http404 where `user` may not see it, PermissionDenied where `operate` is wanted, not held."""
    related = snapshot.visible(user).select_related("vm", "source", "destination").prefetch_related("steps", "timeline")
    migration = related.filter(pk=pk).first()
    if migration is None:
        raise Http404(f"There is no migration #{pk}, or you may not see it.")
    if operate and not may_operate(user, migration):
        where = f"{migration.source_name} and {migration.destination_name}"
        raise PermissionDenied(f"Your roles don't let you operate both {where}.")
    return migration


def require_operate(user: access.AnyUser, host: Host | None) -> None:
    """Raises PermissionDenied unless `user` may operate `host`; without a host, all hosts."""
    if not access.may(user, access.OPERATE, host):
        raise PermissionDenied(f"Your roles don't let you operate {host.name if host else 'all hosts'}.")


def require(user: access.AnyUser, permission: str, host: Host | None = None) -> None:
    """Raises PermissionDenied unless `user` holds `permission` on `host`, or, without one, on all hosts."""
    if not access.may(user, permission, host):
        raise PermissionDenied(f"Your roles don't let you do that on {host.name if host else 'all hosts'}.")


def destinations_for(user: access.AnyUser, vm: VirtualMachine) -> list[Host]:
    """The hosts that `user` may send `vm` to: those to operate, but for the one that it is on."""
    mine = access.hosts_for(user, access.OPERATE)
    return list(mine if vm.host_id is None else mine.exclude(pk=vm.host_id))
