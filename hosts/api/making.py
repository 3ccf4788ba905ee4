"""/vms/{uuid}/clone, POST /vms, /vm-builds/{id}"""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hosts import access, making
from hosts.api.base import actor_of, host_for
from hosts.api.serializers import VmActInput
from hosts.api.vms import asked
from hosts.editing.nics import KINDS
from hosts.models import VmBuild


class BuildSerializer(serializers.ModelSerializer[VmBuild]):
    """A VM that is being made; `uuid` is the one that it gets."""

    host = serializers.CharField(source="host.name", read_only=True)

    class Meta:
        model = VmBuild
        fields = (
            "id",
            "kind",
            "state",
            "host",
            "name",
            "uuid",
            "percent",
            "doing",
            "error",
            "hint",
            "started",
            "finished",
            "cancel_requested",
        )


class CloneVmInput(VmActInput):
    name = serializers.CharField()


class NewVmInput(serializers.Serializer[Any]):
    host = serializers.CharField()
    name = serializers.CharField()
    memory_mib = serializers.IntegerField()
    vcpus = serializers.IntegerField()
    medium = serializers.ChoiceField(
        choices=making.MEDIA, help_text="iso: onto an empty disk. image: its disk is a copy."
    )
    pool = serializers.CharField()
    volume = serializers.CharField(help_text="The medium or image.")
    disk_pool = serializers.CharField(required=False, allow_blank=True, help_text="By default `pool`.")
    disk_gib = serializers.IntegerField(required=False, allow_null=True)
    nic_kind = serializers.ChoiceField(choices=KINDS)
    nic_source = serializers.CharField()
    system = serializers.CharField(required=False, help_text="linux, windows, other, or a short id of libosinfo.")
    efi = serializers.BooleanField(required=False)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=300)


class VmClone(APIView):
    """Copies a guest that is off."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(request=CloneVmInput, responses={202: BuildSerializer})
    def post(self, request: Request, uuid: UUID) -> Response:
        """In the background: watch the build that this answers with."""
        vm, host, more = asked(request, uuid, CloneVmInput)
        row = making.clone(vm=vm, host=host, actor=actor_of(request), **more)
        return Response(BuildSerializer(row).data, status=status.HTTP_202_ACCEPTED)


class BuildList(APIView):
    """VMs that are being made."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(request=NewVmInput, responses={202: BuildSerializer})
    def post(self, request: Request) -> Response:
        """Make a new one, in the background: watch the build that this answers with."""
        given = NewVmInput(data=request.data)
        given.is_valid(raise_exception=True)
        more = dict(given.validated_data)
        host = host_for(request, more.pop("host"), access.OPERATE)
        row = making.create(host=host, actor=actor_of(request), **more)
        return Response(BuildSerializer(row).data, status=status.HTTP_202_ACCEPTED)


class BuildDetail(APIView):
    """One of them, or what became of it."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses=BuildSerializer)
    def get(self, request: Request, pk: int) -> Response:
        return Response(BuildSerializer(_build(request, pk)).data)


class BuildCancel(APIView):
    """Cancels one that is under way."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(request=None, responses={202: BuildSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """In the background: its state is `cancelled` once what was made is taken away; `hint` names what could not be."""
        row = _build(request, pk, access.OPERATE)
        making.cancel(build=row, actor=actor_of(request))
        return Response(BuildSerializer(row).data, status=status.HTTP_202_ACCEPTED)


def _build(request: Request, pk: int, permission: str = access.SEE) -> VmBuild:
    row = get_object_or_404(VmBuild.objects.select_related("host"), pk=pk)
    host_for(request, row.host.name, permission)
    return row
