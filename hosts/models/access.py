"""Who may do what, who asked, and what came of it."""

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.utils import timezone

from hosts.models.inventory import HostGroup


class RoleBinding(models.Model):
    """Gives a user a role (a Django group: viewer, operator or admin) on all hosts or on one host group."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="role_bindings")
    role = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="bindings")
    scope = models.ForeignKey(
        HostGroup,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="bindings",
        help_text="Empty means all hosts.",
    )

    class Meta:
        # Two, since SQL takes two empty scopes for different ones.
        constraints = [
            models.UniqueConstraint(fields=["user", "role", "scope"], name="a_role_once_per_scope"),
            models.UniqueConstraint(
                fields=["user", "role"], condition=models.Q(scope=None), name="a_role_once_on_all_hosts"
            ),
        ]
        ordering = ["user__username", "role__name"]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} on {self.scope or 'all hosts'}"


class ApiToken(models.Model):
    """A bearer token of a user; only its SHA-256 is kept, so it can be shown once."""

    LIFETIME = timedelta(days=365)

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80, blank=True)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField()
    last_used = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.user}"

    @staticmethod
    def digest_of(token: str) -> str:
        return hashlib.sha256(token.encode()).hexdigest()

    @classmethod
    def issue(cls, *, user: models.Model, name: str = "") -> str:
        """Make a token for `user`, valid for a year, and return its text: the only time that it can be read."""
        text = f"kvmc_{secrets.token_urlsafe(32)}"
        expires = timezone.now() + cls.LIFETIME
        cls.objects.create(user=user, name=name, prefix=text[:9], digest=cls.digest_of(text), expires=expires)
        return text


class AuditEvent(models.Model):
    """What somebody did: written before the act, closed with its outcome. Never changed after that."""

    class Outcome(models.TextChoices):
        PENDING = "pending", "under way"
        SUCCEEDED = "succeeded", "succeeded"
        FAILED = "failed", "failed"
        REFUSED = "refused", "refused"
        CANCELLED = "cancelled", "cancelled"

    at = models.DateTimeField(default=timezone.now, db_index=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    username = models.CharField(max_length=150)
    source = models.CharField(max_length=20, help_text="web, api, command or system.")
    address = models.GenericIPAddressField(null=True, blank=True)
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=400)
    host_names = models.JSONField(default=list, help_text="The hosts that it touches, for who may read it.")
    reason = models.CharField(max_length=300, blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome, default=Outcome.PENDING)
    detail = models.TextField(blank=True)
    finished = models.DateTimeField(null=True, blank=True)

    left_open = False
    """Not kept: the act has only begun, and whoever follows it closes the row."""

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.username}: {self.action} {self.target}: {self.outcome}"
