"""The REST API of schedules."""

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hosts import access
from hosts.api.base import actor_of, host_for
from hosts.errors import InvalidInput
from hosts.models import Host
from migrations_app import recurrence, rights, schedules
from migrations_app.api import read, vm_of
from migrations_app.models import Schedule
from migrations_app.schedules import Wanted, When, lookup
from migrations_app.serializers_schedules import (
    ScheduleInput,
    ScheduleListSerializer,
    SchedulePatch,
    ScheduleRunSerializer,
    ScheduleSerializer,
)

WHEN = ("at", "cron", "zone", "window_minutes")
WANTED = ("options", "ping_address", "probe_port", "destinations", "parallel", "canary", "stop_after_failures")


def when_of(given: dict[str, Any], base: Schedule | None = None) -> When:
    """What the body says, over what `base` has; one of `at` and `cron` takes the place of the other."""
    values: dict[str, Any] = {name: getattr(base, name) for name in WHEN} if base else {}
    values |= {name: given[name] for name in WHEN if name in given}
    if "at" in given and "cron" not in given:
        values["cron"] = ""
    if "cron" in given and "at" not in given:
        values["at"] = None
    if isinstance(values.get("at"), str):
        values["at"] = recurrence.local_time(values["at"], recurrence.zone_of(values.get("zone", "UTC")))
    return When(**values)


def wanted_of(given: dict[str, Any], base: Schedule | None = None) -> Wanted:
    values = Wanted.read(base).to_dict() if base else {}
    values |= {name: given[name] for name in (*WANTED, "maintenance") if name in given}
    values["destinations"] = tuple(values.get("destinations", ()))
    return Wanted(**values)


def destination_of(request: Request, name: str) -> Host:
    host = access.hosts_for(request.user).filter(name=name).first()
    if host is None:
        raise InvalidInput(f"There is no host {name!r}, or you may not see it.", field="destination")
    rights.require_operate(request.user, host)
    return host


def require_all(request: Request, wanted: Wanted) -> None:
    for name in wanted.destinations:
        destination_of(request, name)


def answer(request: Request, pk: int, code: int = status.HTTP_200_OK) -> Response:
    data = ScheduleSerializer(lookup.schedule_for(request.user, pk)).data
    location = {"Location": reverse("migrations-api:schedule", args=[pk])} if code == status.HTTP_201_CREATED else {}
    return Response(data, status=code, headers=location)


class ScheduleList(generics.ListAPIView[Schedule]):
    """The schedules whose VM or host the caller may see."""

    permission_classes = (IsAuthenticated,)
    serializer_class = ScheduleListSerializer

    def get_queryset(self) -> QuerySet[Schedule]:
        return lookup.visible(self.request.user)

    @extend_schema(request=ScheduleInput, responses={201: ScheduleSerializer})
    def post(self, request: Request) -> Response:
        """Add a schedule: of a `vm` to a `destination`, or that empties a `host`; once `at`, or by `cron`."""
        given = read(ScheduleInput, request)
        subject: dict[str, Any] = {}
        if "vm" in given:
            subject = {"vm": vm_of(request, given["vm"]), "destination": destination_of(request, given["destination"])}
        else:
            destination_of(request, given["host"])
            subject = {"host": host_for(request, given["host"], access.OPERATE)}
        wanted = wanted_of(given)
        require_all(request, wanted)
        row = schedules.save(
            name=given["name"],
            when=when_of(given),
            wanted=wanted,
            actor=actor_of(request),
            reason=given.get("reason", ""),
            **subject,
        )
        return answer(request, row.pk, status.HTTP_201_CREATED)


class ScheduleDetail(APIView):
    """One schedule with its latest runs."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses=ScheduleSerializer)
    def get(self, request: Request, pk: int) -> Response:
        return answer(request, pk)

    @extend_schema(request=SchedulePatch, responses=ScheduleSerializer)
    def patch(self, request: Request, pk: int) -> Response:
        """Change it, which makes it the caller's; `enabled` switches it, `seen` marks its missed runs as seen."""
        row, given = lookup.schedule_for(request.user, pk, operate=True), read(SchedulePatch, request)
        actor = actor_of(request)
        if set(given) - {"enabled", "seen"}:
            wanted = wanted_of(given, row)
            require_all(request, wanted)
            destination = destination_of(request, given["destination"]) if "destination" in given else row.destination
            row = schedules.save(
                name=given.get("name", row.name),
                when=when_of(given, row),
                wanted=wanted,
                actor=actor,
                vm=row.vm,
                host=row.host,
                destination=destination,
                reason=given.get("reason", row.reason),
                row=row,
            )
        if "enabled" in given:
            schedules.switch(row=row, enabled=given["enabled"], actor=actor)
        if given.get("seen"):
            schedules.mark_seen(row=row, actor=actor)
        return answer(request, pk)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Delete it with its list of runs."""
        schedules.remove(row=lookup.schedule_for(request.user, pk, operate=True), actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ScheduleRunNow(APIView):
    """Runs a schedule at once."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(request=None, responses={201: ScheduleRunSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Begin it now with the caller's rights; `outcome` says whether it was started or refused, and `note` why."""
        row = lookup.schedule_for(request.user, pk, operate=True)
        run = schedules.run_now(row=row, actor=actor_of(request))
        return Response(ScheduleRunSerializer(run).data, status=status.HTTP_201_CREATED)
