"""Who may use the console: users, their roles, host groups and API tokens."""

import secrets
from collections.abc import Iterable

from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from django.db.models import Q

from hosts import access, audit, live
from hosts.errors import InvalidInput, Refused
from hosts.models import ApiToken, Host, HostGroup, RoleBinding

PASSWORD_BYTES = 12
"""96 random bits, 16 characters: handed over once, to be changed by its owner."""
USERNAME_LIMIT, GROUP_LIMIT, TOKEN_NAME_LIMIT = 150, 60, 80


def add_user(*, username: str, role: str, scope: HostGroup | None, actor: audit.Actor) -> tuple[User, str]:
    """A new user with a role on `scope` (None: all hosts), and the password, which is never shown again."""
    username = username.strip()
    with audit.act(actor=actor, action="add user", target=f"user {username}") as event:
        _check_username(username)
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        with transaction.atomic():
            user = User.objects.create_user(username, password=password)
            access.give_role(user=user, role=_checked_role(role), scope=scope)
        event.detail = _in_words(role, scope)
    return user, password


def new_password(*, user: User, actor: audit.Actor) -> str:
    """Replace the password of `user` by a random one and return it; sessions with the old one end."""
    with audit.act(actor=actor, action="reset password", target=f"user {user}"):
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        user.set_password(password)
        user.save(update_fields=["password"])
    return password


def set_active(*, user: User, active: bool, actor: audit.Actor) -> None:
    """Disable a user, who can't sign in or use a token from then on, or enable one again."""
    with audit.act(actor=actor, action="enable user" if active else "disable user", target=f"user {user}"):
        if not active and actor.user == user:
            raise Refused("You can't disable yourself.", hint="Another admin can do it.")
        with transaction.atomic():
            user.is_active = active
            user.save(update_fields=["is_active"])
            _require_an_admin(f"{user} is the last admin of all hosts, so the account stays enabled.")


def give_role(*, user: User, role: str, scope: HostGroup | None, actor: audit.Actor) -> RoleBinding:
    """Give `user` a role on `scope`, or, without one, on all hosts."""
    with audit.act(actor=actor, action="give role", target=f"user {user}") as event:
        event.detail = _in_words(role, scope)
        return access.give_role(user=user, role=_checked_role(role), scope=scope)


def take_role(*, binding: RoleBinding, actor: audit.Actor) -> None:
    """Take a role away again. Refused where nobody would be left who manages all hosts."""
    with audit.act(actor=actor, action="take role", target=f"user {binding.user}") as event, transaction.atomic():
        event.detail = _in_words(binding.role.name, binding.scope)
        binding.delete()
        _require_an_admin(f"{binding.user} is the last admin of all hosts, so the role stays.")


def add_group(*, name: str, actor: audit.Actor) -> HostGroup:
    """A set of hosts that roles can be given on."""
    name = name.strip()
    with audit.act(actor=actor, action="add host group", target=f"host group {name}"):
        try:
            validate_slug(name)
        except ValidationError:
            name = ""
        if not name or len(name) > GROUP_LIMIT:
            raise InvalidInput("A group's name is 1 to 60 letters, digits, dashes and underscores.", field="name")
        if HostGroup.objects.filter(name__iexact=name).exists():
            raise InvalidInput(f"There is a group named {name} already.", field="name")
        return HostGroup.objects.create(name=name)


def set_group_hosts(*, group: HostGroup, hosts: Iterable[Host], actor: audit.Actor) -> None:
    """Put exactly `hosts` into `group`; roles on the group count for them from now on."""
    chosen = list(hosts)
    with audit.act(actor=actor, action="set hosts of group", target=f"host group {group}", hosts=list(chosen)):
        group.hosts.set(chosen)
        live.publish("hosts")


def remove_group(*, group: HostGroup, actor: audit.Actor) -> None:
    """Remove a group; its hosts stay. Refused while roles are given on it: they would vanish unnoticed."""
    with audit.act(actor=actor, action="remove host group", target=f"host group {group}"):
        users = sorted({str(binding.user) for binding in group.bindings.select_related("user")})
        if users:
            raise Refused(f"Roles are given on {group}: to {', '.join(users)}.", hint="Take these roles away first.")
        group.delete()


def make_token(*, user: User, name: str, actor: audit.Actor) -> str:
    """An API token of `user`; its text can be read this once."""
    with audit.act(actor=actor, action="make API token", target=f"user {user}") as event:
        event.detail = name
        return ApiToken.issue(user=user, name=name.strip()[:TOKEN_NAME_LIMIT])


def revoke_token(*, token: ApiToken, actor: audit.Actor) -> None:
    """End an API token at once."""
    with audit.act(actor=actor, action="revoke API token", target=f"user {token.user}") as event:
        event.detail = f"{token.prefix}… {token.name}".strip()
        token.delete()


def _check_username(username: str) -> None:
    try:
        UnicodeUsernameValidator()(username)
    except ValidationError:
        username = ""
    if not username or len(username) > USERNAME_LIMIT:
        raise InvalidInput("A user's name is 1 to 150 letters, digits and @ . + - _ characters.", field="username")
    if User.objects.filter(username__iexact=username).exists():
        raise InvalidInput(f"There is a user named {username} already.", field="username")


def _checked_role(role: str) -> str:
    if role not in access.ROLES:
        raise InvalidInput(f"{role!r} is not a role: {', '.join(access.ROLES)}.", field="role")
    return role


def _require_an_admin(message: str) -> None:
    """Within a transaction, after the change: somebody who is enabled still manages all hosts."""
    admins = Q(is_superuser=True) | Q(role_bindings__role__name="admin", role_bindings__scope=None)
    if not User.objects.filter(admins, is_active=True).exists():
        raise Refused(message, hint="Make another user an admin of all hosts first.")


def _in_words(role: str, scope: HostGroup | None) -> str:
    return f"{role} on {scope or 'all hosts'}"
