"""/vms/{uuid}/definition"""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hosts import actions
from hosts.api.base import host_for
from hosts.errors import Refused
from hosts.filters import shown_vms


class DefinitionSerializer(serializers.Serializer[Any]):
    host = serializers.CharField()
    running = serializers.CharField(help_text="As it runs; empty where it is off.")
    persistent = serializers.CharField(help_text="As its next start takes it; empty where it is transient.")


class VmDefinition(APIView):
    """A guest's definition: libvirt's XML without secrets."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(
        parameters=[OpenApiParameter("host", str, description="The host whose copy is meant.")],
        responses=DefinitionSerializer,
    )
    def get(self, request: Request, uuid: UUID) -> Response:
        vm = get_object_or_404(shown_vms(request.user), uuid=uuid)
        name = request.query_params.get("host", "") or (vm.host.name if vm.host else "")
        if not name:
            raise Refused(f"No host lists {vm.name} any more.", vm=vm.name)
        host = host_for(request, name)
        found = actions.read_definitions(vm=vm, host=host)
        return Response({"host": host.name, "running": found.running, "persistent": found.persistent})
