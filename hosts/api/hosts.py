"""/hosts and /hosts/{name}…"""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hosts import access, actions
from hosts.api.base import actor_of, host_for, require
from hosts.api.serializers import DescriptionInput, HostChanges, HostInput, HostSerializer
from hosts.filters import HostFilter
from hosts.models import Host, HostGroup


class HostList(generics.ListAPIView[Host]):
    """The hosts that the caller may see."""

    permission_classes = (IsAuthenticated,)
    serializer_class = HostSerializer
    filterset_class = HostFilter

    def get_queryset(self) -> QuerySet[Host]:
        return access.hosts_for(self.request.user).prefetch_related("groups")

    @extend_schema(request=HostInput, responses={201: HostSerializer})
    def post(self, request: Request) -> Response:
        """Add a host. One that can't be reached is stored with state `unreachable` and `error`."""
        require(request, access.MANAGE)
        given = _read(HostInput, request)
        groups = _groups(given.pop("groups", []))
        accept = given.pop("accept_host_key", False)
        host = actions.add_host(
            **given, groups=groups, actor=actor_of(request), require_connection=False, accept_new_host_key=accept
        )
        return Response(HostSerializer(_reread(host)).data, status=status.HTTP_201_CREATED)


class HostDetail(APIView):
    """One host."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses=HostSerializer)
    def get(self, request: Request, name: str) -> Response:
        return Response(HostSerializer(host_for(request, name)).data)

    @extend_schema(request=HostChanges, responses=HostSerializer)
    def patch(self, request: Request, name: str) -> Response:
        """Change some fields. Which groups a host is in decides who may use it, so that takes all hosts' management; note and
        tags take an operator."""
        host = host_for(request, name, access.OPERATE)
        given = _read(HostChanges, request, partial=True)
        described = DescriptionInput(data={key: given.pop(key) for key in ("note", "tags") if key in given})
        described.is_valid(raise_exception=True)
        if given or not described.validated_data:
            require(request, access.MANAGE, host)
        maintenance = given.pop("maintenance", None)
        if "groups" in given:
            require(request, access.MANAGE)
            given["groups"] = _groups(given["groups"])
        if given:
            actions.edit_host(host=host, actor=actor_of(request), require_connection=False, **given)
        if maintenance is not None and maintenance != host.maintenance:
            actions.set_maintenance(host=host, maintenance=maintenance, actor=actor_of(request))
        if described.validated_data:
            actions.describe(of=host, actor=actor_of(request), **described.as_text())
        return Response(HostSerializer(_reread(host)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Forget the host; nothing is done on it. Refused while a migration uses it."""
        actions.remove_host(host=host_for(request, name, access.MANAGE), actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class HostRefresh(APIView):
    """Reads all of a host again, now."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(request=None, responses=HostSerializer)
    def post(self, request: Request, name: str) -> Response:
        host = host_for(request, name, access.OPERATE)
        actions.refresh_host(host)
        return Response(HostSerializer(_reread(host)).data)


def _read(serializer: type[HostInput], request: Request, *, partial: bool = False) -> dict[str, Any]:
    given = serializer(data=request.data, partial=partial)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def _groups(names: list[str]) -> list[HostGroup]:
    return [HostGroup.objects.get_or_create(name=name)[0] for name in names]


def _reread(host: Host) -> Host:
    return Host.objects.prefetch_related("groups").get(pk=host.pk)
