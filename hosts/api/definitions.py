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

from hosts import actions, editing
from hosts.api.base import actor_of, host_for
from hosts.api.hardware import ChangedSerializer
from hosts.api.serializers import VmActInput, VmDetailSerializer
from hosts.api.vms import asked, reread
from hosts.errors import Refused
from hosts.filters import shown_vms


class DefinitionSerializer(serializers.Serializer[Any]):
    host = serializers.CharField()
    running = serializers.CharField(help_text="As it runs; empty where it is off.")
    persistent = serializers.CharField(help_text="As its next start takes it; empty where it is transient.")
    digest = serializers.CharField(help_text="Of `persistent`: what a change of it names.")


class DefinitionInput(VmActInput):
    xml = serializers.CharField(max_length=2**20)
    digest = serializers.CharField(help_text="Of the definition that the change was made from.")


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
        digest = editing.definition.digest_of(found.persistent)
        return Response({"host": host.name, "running": found.running, "persistent": found.persistent, "digest": digest})

    @extend_schema(request=DefinitionInput, responses=ChangedSerializer)
    def put(self, request: Request, uuid: UUID) -> Response:
        """Store another one: checked by libvirt's schema, with the same UUID and name. 409 where it was changed meanwhile."""
        vm, host, more = asked(request, uuid, DefinitionInput)
        later = editing.definition.edit(vm=vm, host=host, actor=actor_of(request), **more)
        return Response({"at_next_start": later, "vm": VmDetailSerializer(reread(vm, request)).data})
