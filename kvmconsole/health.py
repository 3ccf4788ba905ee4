"""Is it alive, is it ready, and its figures: for load balancers and Prometheus."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from hosts import access, jobs, watcher
from hosts.models import Host, Mount, VirtualMachine
from kvmconsole.api import user_of_token
from migrations_app.models import Migration


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. Says nothing else, so it needs no sign-in."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Database, queue and watcher work; 503 names what does not."""
    checks = {"database": _database_answers, "worker": _queue_answers, "watcher": watcher.is_watched}
    results = {name: _holds(check) for name, check in checks.items()}
    return JsonResponse({"ready": all(results.values()), **results}, status=200 if all(results.values()) else 503)


def _holds(check: object) -> bool:
    try:
        return bool(check())  # type: ignore[operator]
    except Exception:  # whatever it is, the answer is: not ready
        return False


def _database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone() == (1,)


def _queue_answers() -> bool:
    return jobs.HUEY.pending_count() >= 0


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Counts for Prometheus, for a signed-in user or `Authorization: Bearer TOKEN`; read from the rows at each scrape."""
    user = request.user
    if not user.is_authenticated:
        user = (
            user_of_token(request.headers.get("Authorization", "").removeprefix("Bearer ").strip()) or AnonymousUser()
        )
    if not user.is_authenticated:
        return HttpResponse("Sign in, or send a Bearer token.\n", status=401, headers={"WWW-Authenticate": "Bearer"})
    if not access.may(user, access.SEE):
        raise PermissionDenied
    registry = CollectorRegistry()
    for model, name in ((Host, "hosts"), (VirtualMachine, "vms"), (Mount, "mounts"), (Migration, "migrations")):
        gauge = Gauge(f"kvmconsole_{name}", f"Number of {name} by state", ["state"], registry=registry)
        for row in model._default_manager.order_by().values("state").annotate(n=Count("pk")):
            gauge.labels(row["state"]).set(row["n"])
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
