"""The REST API of migrations: start, watch, steer; the same actions as the pages, the same snapshot as the WebSocket."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hosts import access
from hosts.api.base import actor_of
from hosts.errors import InvalidInput
from hosts.models import Host, VirtualMachine
from migrations_app import actions, admission, preflight, recovery, report, rights, snapshot
from migrations_app.filters import MigrationFilter
from migrations_app.fixes import FIXES, Case
from migrations_app.models import Migration
from migrations_app.plan import Options
from migrations_app.serializers import (
    FixInput,
    MigrationInput,
    MigrationSerializer,
    PreflightInput,
    PreflightOfAllSerializer,
    PreflightSerializer,
    ResolveInput,
    TuneInput,
)

PREFLIGHT_ANSWER = PolymorphicProxySerializer(
    component_name="PreflightAnswer",
    serializers=[PreflightSerializer, PreflightOfAllSerializer],
    resource_type_field_name=None,
)
ACTS: dict[str, Callable[..., None]] = {
    "cancel": actions.cancel,
    "postcopy": actions.start_postcopy,
    "pause-guest": actions.pause_guest,
    "resume-guest": actions.resume_guest,
    "raise-pause": actions.raise_pause,
}


class MigrationList(generics.ListAPIView[Migration]):
    """The migrations of which the caller may see the source or the destination, the latest first."""

    permission_classes = (IsAuthenticated,)
    serializer_class = MigrationSerializer
    filterset_class = MigrationFilter

    def get_queryset(self) -> QuerySet[Migration]:
        seen = snapshot.visible(self.request.user).prefetch_related("steps", "timeline")
        return seen.defer("live_xml", "source_xml", "before")

    @extend_schema(request=MigrationInput, responses={201: MigrationSerializer})
    def post(self, request: Request) -> Response:
        """Start a migration. Answers at once; the checks are its first step."""
        given = read(MigrationInput, request)
        migration = actions.start(**subject(request, given), actor=actor_of(request), **given)
        location = reverse("migrations-api:migration", args=[migration.pk])
        answer = MigrationSerializer(migration).data
        return Response(answer, status=status.HTTP_201_CREATED, headers={"Location": location})


class MigrationPreflight(APIView):
    """What speaks against a migration; nothing is changed."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(request=PreflightInput, responses=PREFLIGHT_ANSWER)
    def post(self, request: Request) -> Response:
        if "destination" in request.data:
            given = read(MigrationInput, request)
            return Response(PreflightSerializer(preflight.run(**subject(request, given))).data)
        given = read(PreflightInput, request)
        vm = vm_of(request, given["vm"])
        hosts, options = rights.destinations_for(request.user, vm), Options.from_dict(given.get("options", {}))
        reports = preflight.run_all(vm=vm, destinations=hosts, options=options)
        return Response(PreflightOfAllSerializer({"destinations": reports}).data)


class MigrationFix(APIView):
    """Puts right what a preflight found, where a check's `fix_act` names the act."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(request=FixInput, responses=PreflightSerializer)
    def post(self, request: Request) -> Response:
        """Do it, then check again."""
        given = read(FixInput, request)
        fix, arg = FIXES[given.pop("act")], given.pop("arg")
        wanted = subject(request, given)
        case = Case(wanted["vm"], wanted["destination"], arg, actor_of(request))
        rights.require(request.user, fix.permission, fix.host(case))
        fix.run(case)
        return Response(PreflightSerializer(preflight.run(**wanted)).data)


class MigrationDetail(APIView):
    """One migration."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses=MigrationSerializer)
    def get(self, request: Request, pk: int) -> Response:
        return Response(MigrationSerializer(rights.migration_for(request.user, pk)).data)

    @extend_schema(request=TuneInput, responses=MigrationSerializer)
    def patch(self, request: Request, pk: int) -> Response:
        """Change bandwidth or maximum downtime while it copies, or the priority while it is queued."""
        migration = rights.migration_for(request.user, pk, operate=True)
        given = read(TuneInput, request)
        act = admission.prioritise if "priority" in given else actions.tune
        act(migration=migration, actor=actor_of(request), **given)
        return Response(MigrationSerializer(rights.migration_for(request.user, pk)).data)


class MigrationReport(APIView):
    """Everything that a bug report about one migration needs."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, pk: int) -> HttpResponse:
        """A zip: options, command, steps, timeline, figures, checks, XML without secrets, the logs of both hosts, versions."""
        migration = rights.migration_for(request.user, pk)
        headers = {"Content-Disposition": f'attachment; filename="{report.file_name(migration)}"'}
        return HttpResponse(report.build(migration), content_type="application/zip", headers=headers)


class MigrationAct(APIView):
    """Acts on one migration; `act` is the last part of the path."""

    permission_classes = (IsAuthenticated,)
    act = ""

    @extend_schema(request=None, responses={202: OpenApiResponse(MigrationSerializer, "Asked for; watch the state.")})
    def post(self, request: Request, pk: int) -> Response:
        return done(request, pk, ACTS[self.act])


class MigrationResolve(APIView):
    """Carries out a choice of `choices` for a migration that needs attention."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(request=ResolveInput, responses={202: MigrationSerializer})
    def post(self, request: Request, pk: int) -> Response:
        rights.migration_for(request.user, pk, operate=True)
        return done(request, pk, partial(recovery.resolve, choice=read(ResolveInput, request)["choice"]))


def done(request: Request, pk: int, act: Callable[..., None]) -> Response:
    """Do `act`, then answer with the migration as it is now."""
    act(migration=rights.migration_for(request.user, pk, operate=True), actor=actor_of(request))
    answer = MigrationSerializer(rights.migration_for(request.user, pk)).data
    return Response(answer, status=status.HTTP_202_ACCEPTED)


def read(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def subject(request: Request, given: dict[str, Any]) -> dict[str, Any]:
    """What to migrate, where to and how, taken out of `given`; 403 unless the caller may operate both hosts."""
    vm, name = vm_of(request, given.pop("vm")), given.pop("destination")
    destination = access.hosts_for(request.user).filter(name=name).first()
    if destination is None:
        raise InvalidInput(f"There is no host {name!r}, or you may not see it.", field="destination")
    rights.require_operate(request.user, destination)
    return _typed(vm, destination, given.pop("options", {}))


def vm_of(request: Request, uuid: UUID) -> VirtualMachine:
    """The VM to migrate; 403 unless the caller may operate the host that it is on."""
    vm = access.vms_for(request.user).select_related("host").filter(uuid=uuid).first()
    if vm is None:
        raise InvalidInput(f"There is no VM {uuid}, or you may not see it.", field="vm")
    rights.require_operate(request.user, vm.host)
    return vm


def _typed(vm: VirtualMachine, destination: Host, options: dict[str, Any]) -> dict[str, Any]:
    return {"vm": vm, "destination": destination, "options": Options.from_dict(options)}
