"""/vms and /vms/{uuid}…"""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hosts import access, actions, editing
from hosts.api.base import actor_of, host_for, require
from hosts.api.serializers import DescriptionInput, ShutdownInput, VmActInput, VmDetailSerializer, VmSerializer
from hosts.errors import Refused
from hosts.filters import VmFilter, shown_vms
from hosts.models import Host, VirtualMachine


class VmList(generics.ListAPIView[VirtualMachine]):
    """The guests on the hosts that the caller may see, each once, wherever it is."""

    permission_classes = (IsAuthenticated,)
    serializer_class = VmSerializer
    filterset_class = VmFilter

    def get_queryset(self) -> QuerySet[VirtualMachine]:
        return shown_vms(self.request.user)


class DeletedSerializer(serializers.Serializer[Any]):
    left = serializers.CharField(
        help_text="Which of the named volumes could not be deleted, and why; empty if all were."
    )


class VmDetail(APIView):
    """One guest."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses=VmDetailSerializer)
    def get(self, request: Request, uuid: UUID) -> Response:
        return Response(VmDetailSerializer(get_object_or_404(shown_vms(request.user), uuid=uuid)).data)

    @extend_schema(
        parameters=[
            OpenApiParameter("confirm", str, required=True, description="The name of the VM."),
            OpenApiParameter("volume", str, many=True, description="POOL/VOLUME of a disk of it that goes too."),
            OpenApiParameter("host", str, description="The host whose copy is meant."),
            OpenApiParameter("reason", str),
        ],
        responses=DeletedSerializer,
    )
    def delete(self, request: Request, uuid: UUID) -> Response:
        """Delete it for good: only while it is off and no other host has it. Its volumes stay unless they are named."""
        vm = get_object_or_404(shown_vms(request.user), uuid=uuid)
        given = request.query_params
        left = editing.delete(
            vm=vm,
            host=host_of(request, vm, given.get("host", "")),
            confirm=given.get("confirm", ""),
            volumes=given.getlist("volume"),
            reason=given.get("reason", "")[:300],
            actor=actor_of(request),
        )
        return Response({"left": left})

    @extend_schema(request=DescriptionInput, responses=VmDetailSerializer)
    def patch(self, request: Request, uuid: UUID) -> Response:
        """Set its note and tags; nothing is changed on its host."""
        vm = get_object_or_404(shown_vms(request.user), uuid=uuid)
        require(request, access.OPERATE, vm.host)
        given = DescriptionInput(data=request.data)
        given.is_valid(raise_exception=True)
        actions.describe(of=vm, actor=actor_of(request), **given.as_text())
        return Response(VmDetailSerializer(reread(vm, request)).data)


class VmAct(APIView):
    """Acts on one guest; `act` is the last part of the path."""

    permission_classes = (IsAuthenticated,)
    act = ""

    @extend_schema(request=VmActInput, responses=VmDetailSerializer)
    def post(self, request: Request, uuid: UUID) -> Response:
        return self.do(request, uuid, VmActInput)

    def do(self, request: Request, uuid: UUID, form: type[VmActInput]) -> Response:
        vm, host, more = asked(request, uuid, form)
        actions.VM_ACTS[self.act](vm=vm, host=host, actor=actor_of(request), **more)
        return Response(VmDetailSerializer(reread(vm, request)).data)


class VmShutdown(VmAct):
    """Asks the guest to shut down."""

    act = "shutdown"

    @extend_schema(request=ShutdownInput, responses=VmDetailSerializer)
    def post(self, request: Request, uuid: UUID) -> Response:
        return self.do(request, uuid, ShutdownInput)


def host_of(request: Request, vm: VirtualMachine, name: str = "", permission: str = access.OPERATE) -> Host:
    """The host that is meant, for who holds `permission` on it: the one of that name, else where the guest is."""
    host = host_for(request, name) if name else vm.host
    if host is None:
        raise Refused(f"No host lists {vm.name} any more.", vm=vm.name)
    require(request, permission, host)
    return host


def asked(
    request: Request, uuid: UUID, form: type[serializers.Serializer[Any]]
) -> tuple[VirtualMachine, Host, dict[str, Any]]:
    """The guest that an act is on, its host for who operates it, and what else `form` takes of the body."""
    vm = get_object_or_404(shown_vms(request.user), uuid=uuid)
    given = form(data=request.data)
    given.is_valid(raise_exception=True)
    more = dict(given.validated_data)
    return vm, host_of(request, vm, more.pop("host", "")), more


def reread(vm: VirtualMachine, request: Request) -> VirtualMachine:
    """The guest after the act; a transient one that was forced off is known to no host any more."""
    found = shown_vms(request.user).filter(pk=vm.pk).first()
    if found is None:
        found = VirtualMachine.objects.get(pk=vm.pk)
        found.shown_placements = []  # type: ignore[attr-defined]
    return found
