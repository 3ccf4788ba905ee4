"""What all API routes share: who calls, what is refused, how lists and errors look."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication, exceptions, pagination, permissions
from rest_framework.request import Request
from rest_framework.response import Response

from hosts import access
from hosts.errors import HostError
from hosts.models import ApiToken
from hosts.said import said


def user_of_token(text: str) -> User | None:
    """The active user whose token this is, None where it is unknown or has expired; notes that it was used."""
    now = timezone.now()
    token = ApiToken.objects.filter(digest=ApiToken.digest_of(text), expires__gt=now).select_related("user").first()
    if token is None or not token.user.is_active:
        return None
    ApiToken.objects.filter(pk=token.pk).update(last_used=now)
    return token.user


class BearerAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer TOKEN`."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        header = authentication.get_authorization_header(request).decode("latin-1")
        if not header:
            return None
        scheme, _, text = header.partition(" ")
        user = user_of_token(text.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise exceptions.AuthenticationFailed("The token is unknown, expired or its user is disabled.")
        return user, None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser's session, with CSRF checked."""


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "kvmconsole.api.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "kvmconsole.api.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class Deny(permissions.BasePermission):
    """The default: a route that does not say who may use it is for nobody."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


def Needs(permission: str) -> type[permissions.BasePermission]:
    """For who holds `permission` somewhere; the route then looks its objects up through hosts.access."""

    class NeedsPermission(permissions.BasePermission):
        def has_permission(self, request: Request, view: Any) -> bool:
            return access.may_anywhere(request.user, permission)

    return NeedsPermission


class ItemPagination(pagination.PageNumberPagination):
    """`{"items": […], "count": n}`, 100 a page unless `page_size` (at most 500) says otherwise."""

    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 500

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"items": data, "count": self.page.paginator.count if self.page else 0})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        properties = {"items": schema, "count": {"type": "integer"}}
        return {"type": "object", "required": ["items", "count"], "properties": properties}


def problem(*, status: int, title: str, detail: str, slug: str = "about:blank", **more: Any) -> Response:
    """An RFC 9457 problem, in English but for a page of ours (PageLanguageMiddleware)."""
    kind = slug if slug == "about:blank" else f"urn:kvmconsole:{slug}"
    if "hint" in more:
        more["hint"] = said(more["hint"])
    body = {"type": kind, "title": said(title), "status": status, "detail": said(detail), **more}
    return Response(body, status=status, content_type="application/problem+json")


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every error of the API as a problem; anything unforeseen goes on to Django."""
    if isinstance(error, HostError):
        extra = {key: value for key in ("host", "vm", "hint", "field") if (value := getattr(error, key, ""))}
        return problem(status=error.status, title=error.title, detail=str(error), slug=error.slug, **extra)
    if isinstance(error, Http404):
        return problem(status=404, title="Not found", detail="There is no such thing, or you may not see it.")
    if isinstance(error, PermissionDenied):
        return problem(status=403, title="Not allowed", detail=str(error) or "Your role does not allow this.")
    if isinstance(error, exceptions.ValidationError):
        detail = "Some fields are not right."
        return problem(status=400, title="Bad input", detail=detail, slug="invalid-input", errors=error.detail)
    if isinstance(error, exceptions.APIException):
        answer = problem(status=error.status_code, title=str(type(error).default_detail), detail=str(error.detail))
        if header := getattr(error, "auth_header", None):
            answer["WWW-Authenticate"] = header
        return answer
    return None
