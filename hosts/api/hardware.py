"""Changes of a guest: below /vms/{uuid}."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hosts import editing
from hosts.api.base import actor_of
from hosts.api.serializers import VmActInput, VmDetailSerializer
from hosts.api.vms import asked, reread
from hosts.editing.disks import BUSES
from hosts.editing.nics import KINDS, MODELS


class RenameInput(VmActInput):
    name = serializers.CharField()


class MemoryInput(VmActInput):
    memory_mib = serializers.IntegerField()


class VcpusInput(VmActInput):
    vcpus = serializers.IntegerField()


class BootOrderInput(VmActInput):
    devices = serializers.ListField(
        child=serializers.CharField(), help_text="Targets of disks and drives, addresses of interfaces, in order."
    )


class DriveInput(VmActInput):
    target = serializers.CharField(help_text="Such as sda.")


class MediumInput(DriveInput):
    pool = serializers.CharField()
    volume = serializers.CharField()


class DiskInput(VmActInput):
    pool = serializers.CharField()
    volume = serializers.CharField()
    new_gib = serializers.IntegerField(required=False, min_value=1, help_text="Make the volume first, as qcow2.")
    bus = serializers.ChoiceField(choices=BUSES, required=False)


class NicInput(VmActInput):
    kind = serializers.ChoiceField(choices=KINDS)
    source = serializers.CharField(help_text="The name of the bridge or network.")  # type: ignore[assignment]
    model = serializers.ChoiceField(choices=MODELS, required=False)
    mac = serializers.CharField(required=False, allow_blank=True)


class RemoveNicInput(VmActInput):
    mac = serializers.CharField()


INPUTS: dict[str, type[VmActInput]] = {
    "rename": RenameInput,
    "memory": MemoryInput,
    "vcpus": VcpusInput,
    "boot-order": BootOrderInput,
    "add-drive": VmActInput,
    "insert": MediumInput,
    "eject": DriveInput,
    "add-disk": DiskInput,
    "remove-disk": DriveInput,
    "add-nic": NicInput,
    "remove-nic": RemoveNicInput,
}
"""What each change of editing.CHANGES takes."""


class ChangedSerializer(serializers.Serializer[Any]):
    at_next_start = serializers.CharField(help_text="What is not so yet, and why; empty where all of it is.")
    vm = VmDetailSerializer()


class VmChange(APIView):
    """Changes one guest: its definition, and what runs where libvirt can."""

    permission_classes = (IsAuthenticated,)
    change = ""
    form: type[VmActInput] = VmActInput

    @extend_schema(responses=ChangedSerializer)
    def post(self, request: Request, uuid: UUID) -> Response:
        vm, host, more = asked(request, uuid, self.form)
        later = editing.CHANGES[self.change](vm=vm, host=host, actor=actor_of(request), **more)
        return Response({"at_next_start": later, "vm": VmDetailSerializer(reread(vm, request)).data})

    def get_serializer(self, **_: Any) -> VmActInput:
        """For the OpenAPI document."""
        return self.form()
