"""/vms/{uuid}/snapshots…"""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hosts import access, actions
from hosts.actions.snapshots import KINDS
from hosts.api.base import actor_of
from hosts.api.serializers import VmActInput, VmDetailSerializer
from hosts.api.vms import asked, host_of, reread
from hosts.filters import shown_vms


class SnapshotSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    state = serializers.CharField(help_text="What the guest was then: running, paused, shutoff, disk-snapshot.")
    created = serializers.DateTimeField()
    parent = serializers.CharField(  # type: ignore[assignment]
        help_text="The snapshot that it was made from; empty for a root."
    )
    description = serializers.CharField()
    current = serializers.BooleanField()
    has_memory = serializers.BooleanField()
    external = serializers.BooleanField(help_text="Its disks go on in files of their own.")


class SnapshotPage(serializers.Serializer[Any]):
    items = SnapshotSerializer(many=True)
    count = serializers.IntegerField()


class SnapshotInput(VmActInput):
    name = serializers.CharField()
    description = serializers.CharField(required=False, allow_blank=True)
    kind = serializers.ChoiceField(
        choices=KINDS, required=False, help_text="memory: with the memory of a guest that is active. disks: without."
    )


class SnapshotList(APIView):
    """A guest's snapshots, the oldest first."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses=SnapshotPage)
    def get(self, request: Request, uuid: UUID) -> Response:
        vm = get_object_or_404(shown_vms(request.user), uuid=uuid)
        found = actions.snapshots(vm=vm, host=host_of(request, vm, permission=access.SEE))
        return Response({"items": SnapshotSerializer(found, many=True).data, "count": len(found)})

    @extend_schema(request=SnapshotInput, responses={201: None})
    def post(self, request: Request, uuid: UUID) -> Response:
        """Create one."""
        _act(request, uuid, SnapshotInput, actions.create_snapshot)
        return Response(status=status.HTTP_201_CREATED)


class SnapshotDetail(APIView):
    """One snapshot."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, uuid: UUID, snapshot: str) -> Response:
        """For good; the guest as it is, and its other snapshots, stay."""
        _act(request, uuid, VmActInput, actions.delete_snapshot, name=snapshot)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SnapshotRevert(APIView):
    """Makes the guest what it was."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(request=VmActInput, responses=VmDetailSerializer)
    def post(self, request: Request, uuid: UUID, snapshot: str) -> Response:
        """What was written since is lost. By the rules of a start."""
        vm = _act(request, uuid, VmActInput, actions.revert_to_snapshot, name=snapshot)
        return Response(VmDetailSerializer(reread(vm, request)).data)


def _act(request: Request, uuid: UUID, form: type[VmActInput], act: Any, **fixed: str) -> Any:
    vm, host, more = asked(request, uuid, form)
    act(vm=vm, host=host, actor=actor_of(request), **more, **fixed)
    return vm
