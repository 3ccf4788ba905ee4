"""What is done to pools and volumes: below /hosts/{name}/pools."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from hosts import access, pools
from hosts.api.base import actor_of, host_for
from hosts.api.serializers import PoolSerializer, VolumeSerializer
from hosts.models import StoragePool, Volume
from hosts.pools.volumes import FORMATS


class PoolInput(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=["dir", "netfs"])
    target = serializers.CharField()
    source = serializers.CharField(required=False, help_text="SERVER:/path, for netfs.")  # type: ignore[assignment]
    autostart = serializers.BooleanField(required=False)


class VolumeInput(serializers.Serializer[Any]):
    name = serializers.CharField()
    format = serializers.ChoiceField(choices=FORMATS)
    capacity_bytes = serializers.IntegerField(min_value=1)
    full = serializers.BooleanField(required=False, help_text="Take all of the space at once.")
    backing = serializers.CharField(required=False, help_text="A volume of this pool that it is based on.")


class CloneInput(serializers.Serializer[Any]):
    name = serializers.CharField()


class ResizeInput(serializers.Serializer[Any]):
    capacity_bytes = serializers.IntegerField(min_value=1)


class UploadInput(serializers.Serializer[Any]):
    content = serializers.FileField()
    name = serializers.CharField(required=False)


class PoolAct(generics.GenericAPIView[StoragePool]):
    """Starts, stops, refreshes a pool, or lets it start with libvirtd or not."""

    permission_classes = (IsAuthenticated,)
    serializer_class = PoolSerializer
    act: str = ""

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, name: str, pool: str) -> Response:
        pools.POOL_ACTS[self.act](pool=pool_for(request, name, pool), actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class PoolDetail(generics.GenericAPIView[StoragePool]):
    """One pool of a host."""

    permission_classes = (IsAuthenticated,)
    serializer_class = PoolSerializer

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, pool: str) -> Response:
        """Stop and undefine it; its files stay. Refused while a VM that runs there has a disk in it."""
        pools.POOL_ACTS["undefine"](pool=pool_for(request, name, pool), actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class VolumeUpload(generics.GenericAPIView[Volume]):
    """Uploads a file as a new volume."""

    permission_classes = (IsAuthenticated,)
    serializer_class = VolumeSerializer
    parser_classes = (MultiPartParser,)

    @extend_schema(request=UploadInput, responses={201: None})
    def post(self, request: Request, name: str, pool: str) -> Response:
        """As multipart/form-data. Its size is checked first; where it breaks off, no half of it stays."""
        row = pool_for(request, name, pool)
        given = UploadInput(data=request.data)
        given.is_valid(raise_exception=True)
        file = given.validated_data["content"]
        wanted = given.validated_data.get("name") or file.name
        pools.upload(pool=row, name=wanted, content=file.file, size_bytes=file.size, actor=actor_of(request))
        return Response(status=status.HTTP_201_CREATED)


class VolumeDetail(generics.GenericAPIView[Volume]):
    """One volume of a pool."""

    permission_classes = (IsAuthenticated,)
    serializer_class = VolumeSerializer

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, pool: str, volume: str) -> Response:
        """Refused while any VM on any host that sees the file uses it, running or not, also as a backing file."""
        pools.delete(volume=volume_for(request, name, pool, volume), actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class VolumeClone(generics.GenericAPIView[Volume]):
    """Copies a volume within its pool."""

    permission_classes = (IsAuthenticated,)
    serializer_class = VolumeSerializer

    @extend_schema(request=CloneInput, responses={201: None})
    def post(self, request: Request, name: str, pool: str, volume: str) -> Response:
        """Refused while a VM that runs writes to it."""
        row = volume_for(request, name, pool, volume)
        given = CloneInput(data=request.data)
        given.is_valid(raise_exception=True)
        pools.clone(volume=row, actor=actor_of(request), **given.validated_data)
        return Response(status=status.HTTP_201_CREATED)


class VolumeResize(generics.GenericAPIView[Volume]):
    """Makes a volume larger."""

    permission_classes = (IsAuthenticated,)
    serializer_class = VolumeSerializer

    @extend_schema(request=ResizeInput, responses={204: None})
    def post(self, request: Request, name: str, pool: str, volume: str) -> Response:
        """Never smaller; refused while a VM that runs uses it, or an image is based on it."""
        row = volume_for(request, name, pool, volume)
        given = ResizeInput(data=request.data)
        given.is_valid(raise_exception=True)
        pools.resize(volume=row, actor=actor_of(request), **given.validated_data)
        return Response(status=status.HTTP_204_NO_CONTENT)


def pool_for(request: Request, name: str, pool: str) -> StoragePool:
    """The pool, for who operates its host."""
    host = host_for(request, name, access.OPERATE)
    return get_object_or_404(StoragePool.objects.select_related("host"), host=host, name=pool)


def volume_for(request: Request, name: str, pool: str, volume: str) -> Volume:
    row = pool_for(request, name, pool)
    return get_object_or_404(Volume.objects.select_related("pool__host"), pool=row, name=volume)
