"""Who may do what: roles are Django groups, given on all hosts or on a host group by RoleBinding.

Permissions are three: `hosts.see`, `hosts.operate`, `hosts.manage`. A VM's rights follow the host where it is.
"""

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, Group, User
from django.db.models import QuerySet

from hosts.models import AuditEvent, Host, Mount, RoleBinding, StoragePool, VirtualMachine

SEE, OPERATE, MANAGE = "hosts.see", "hosts.operate", "hosts.manage"
ROLES: dict[str, tuple[str, ...]] = {"viewer": (SEE,), "operator": (SEE, OPERATE), "admin": (SEE, OPERATE, MANAGE)}
GIVEN = "_given_permissions"
AnyUser = User | AnonymousUser | AbstractBaseUser


def given_to(user: AnyUser) -> dict[str, set[int | None]]:
    """Each permission with the ids of the host groups that `user` holds it on (None: on all hosts).

    Read once for a user object, as Django does with its own permissions: one statement a request, however often asked.
    """
    kept: dict[str, set[int | None]] | None = getattr(user, GIVEN, None)
    if kept is None:
        bindings = RoleBinding.objects.filter(user=user.pk, role__permissions__content_type__app_label="hosts")
        kept = {}
        for codename, scope in bindings.values_list("role__permissions__codename", "scope"):
            kept.setdefault(f"hosts.{codename}", set()).add(scope)
        setattr(user, GIVEN, kept)
    return kept


class ScopedBackend:
    """Answers `user.has_perm(permission)` (on all hosts) and `user.has_perm(permission, host)`."""

    def authenticate(self, request: Any, **credentials: Any) -> None:
        return None

    def has_perm(self, user: AnyUser, permission: str, obj: Any = None) -> bool:
        if not user.is_active or not user.is_authenticated or permission not in ROLES["admin"]:
            return False
        scopes = given_to(user).get(permission, set())
        if None in scopes or not scopes or not isinstance(obj, Host):
            return None in scopes
        return any(group in scopes for group in obj.groups.values_list("pk", flat=True))


def may(user: AnyUser, permission: str, host: Host | None = None) -> bool:
    """Whether `user` may do `permission` on `host`, or, without one, on all hosts."""
    if not isinstance(user, User):
        return False
    return user.has_perm(permission) or (host is not None and user.has_perm(permission, host))


def may_anywhere(user: AnyUser, permission: str) -> bool:
    """Whether `user` holds `permission` on at least one scope, so that a page or button makes sense at all."""
    return may(user, permission) or (user.is_authenticated and bool(given_to(user).get(permission)))


def hosts_for(user: AnyUser, permission: str = SEE) -> QuerySet[Host]:
    """The hosts on which `user` holds `permission`."""
    if may(user, permission):
        return Host.objects.all()
    if not user.is_authenticated:
        return Host.objects.none()
    return Host.objects.filter(groups__in=[*given_to(user).get(permission, ())]).distinct()


def vms_for(user: AnyUser, permission: str = SEE) -> QuerySet[VirtualMachine]:
    """The VMs whose host is one on which `user` holds `permission`; a VM on no host is for who may everywhere."""
    if may(user, permission):
        return VirtualMachine.objects.all()
    return VirtualMachine.objects.filter(host__in=hosts_for(user, permission))


def mounts_for(user: AnyUser, permission: str = SEE) -> QuerySet[Mount]:
    return Mount.objects.filter(host__in=hosts_for(user, permission))


def pools_for(user: AnyUser, permission: str = SEE) -> QuerySet[StoragePool]:
    return StoragePool.objects.filter(host__in=hosts_for(user, permission))


def audit_for(user: AnyUser) -> QuerySet[AuditEvent]:
    """All of the audit list for who manages all hosts, one's own acts for anybody else."""
    if may(user, MANAGE):
        return AuditEvent.objects.all()
    return AuditEvent.objects.filter(user=user.pk) if user.is_authenticated else AuditEvent.objects.none()


def give_role(*, user: User, role: str, scope: Any = None) -> RoleBinding:
    """Bind `user` to `role` on `scope` (a HostGroup; None for all hosts). Raises KeyError on an unknown role."""
    ROLES[role]
    user.__dict__.pop(GIVEN, None)
    return RoleBinding.objects.get_or_create(user=user, role=Group.objects.get(name=role), scope=scope)[0]
