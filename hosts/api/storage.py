"""/hosts/{name}/pools, /hosts/{name}/mounts and /exports"""

from django.db.models import Count, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from hosts import access, mounts, pools
from hosts.api.base import actor_of, host_for, require
from hosts.api.pools import PoolInput, VolumeInput, pool_for
from hosts.api.serializers import ExportSerializer, MountInput, MountSerializer, PoolSerializer, VolumeSerializer
from hosts.filters import MountFilter, PoolFilter
from hosts.models import Export, Mount, StoragePool, Volume

FALSE_WORDS = ("0", "false", "no")


class PoolList(generics.ListAPIView[StoragePool]):
    """The libvirt storage pools of a host."""

    permission_classes = (IsAuthenticated,)
    serializer_class = PoolSerializer
    filterset_class = PoolFilter
    queryset = StoragePool.objects.none()

    def get_queryset(self) -> QuerySet[StoragePool]:
        if "name" not in self.kwargs:
            return self.queryset
        host = host_for(self.request, self.kwargs["name"])
        return StoragePool.objects.filter(host=host).annotate(volume_count=Count("volumes")).order_by("name")

    @extend_schema(request=PoolInput, responses={201: None})
    def post(self, request: Request, name: str) -> Response:
        """Define a pool, start it, and let it start with libvirtd."""
        host = host_for(request, name, access.OPERATE)
        given = PoolInput(data=request.data)
        given.is_valid(raise_exception=True)
        pools.define(host=host, actor=actor_of(request), **given.validated_data)
        return Response(status=status.HTTP_201_CREATED)


class VolumeList(generics.ListAPIView[Volume]):
    """The volumes of a pool."""

    permission_classes = (IsAuthenticated,)
    serializer_class = VolumeSerializer
    queryset = Volume.objects.none()

    def get_queryset(self) -> QuerySet[Volume]:
        if "name" not in self.kwargs:
            return self.queryset
        host = host_for(self.request, self.kwargs["name"])
        return Volume.objects.filter(pool=get_object_or_404(StoragePool, host=host, name=self.kwargs["pool"]))

    @extend_schema(request=VolumeInput, responses={201: None})
    def post(self, request: Request, name: str, pool: str) -> Response:
        """Make an empty volume, or one on top of another."""
        row = pool_for(request, name, pool)
        given = VolumeInput(data=request.data)
        given.is_valid(raise_exception=True)
        pools.create(pool=row, actor=actor_of(request), **given.validated_data)
        return Response(status=status.HTTP_201_CREATED)


class MountList(generics.ListAPIView[Mount]):
    """The NFS mounts of a host: those that are, and those that are wanted."""

    permission_classes = (IsAuthenticated,)
    serializer_class = MountSerializer
    filterset_class = MountFilter
    queryset = Mount.objects.none()

    def get_queryset(self) -> QuerySet[Mount]:
        if "name" not in self.kwargs:
            return self.queryset
        host = host_for(self.request, self.kwargs["name"])
        return Mount.objects.filter(host=host).select_related("host")

    @extend_schema(request=MountInput, responses={201: MountSerializer})
    def post(self, request: Request, name: str) -> Response:
        """Mount a share now, and with `persist` at every start of the host."""
        host = host_for(request, name, access.OPERATE)
        given = MountInput(data=request.data)
        given.is_valid(raise_exception=True)
        row = mounts.mount(host=host, actor=actor_of(request), **given.validated_data)
        return Response(MountSerializer(row).data, status=status.HTTP_201_CREATED)


class MountDetail(generics.GenericAPIView[Mount]):
    """One mount of a host."""

    permission_classes = (IsAuthenticated,)
    serializer_class = MountSerializer

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "forget_fstab",
                bool,
                description="Also mount it at no start of the host any more (fstab, unit). Default: true.",
            )
        ],
        responses={204: None},
    )
    def delete(self, request: Request, name: str, pk: int) -> Response:
        """Unmount the share and take it off the list. Refused while a VM on that host uses it."""
        host = host_for(request, name, access.OPERATE)
        row = get_object_or_404(Mount.objects.select_related("host"), host=host, pk=pk)
        forget_fstab = request.query_params.get("forget_fstab", "true").lower() not in FALSE_WORDS
        row = mounts.unmount(mount=row, forget_fstab=forget_fstab, actor=actor_of(request))
        if not row.is_kept and not row.is_mounted:
            mounts.forget(mount=row, actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ExportList(generics.ListAPIView[Export]):
    """What an NFS server says that it exports, asked now."""

    permission_classes = (IsAuthenticated,)
    serializer_class = ExportSerializer
    queryset = Export.objects.none()

    @extend_schema(
        parameters=[
            OpenApiParameter("server", str, required=True, description="Name or address of the NFS server."),
            OpenApiParameter("via", str, description="The host that asks; by default this machine does."),
        ]
    )
    def get(self, request: Request) -> Response:
        """Asking makes the console or a host call that address, so it takes the right to operate."""
        if not access.may_anywhere(request.user, access.OPERATE):
            raise PermissionDenied("Your roles don't let you ask NFS servers for their exports.")
        via = request.query_params.get("via")
        host = host_for(request, via, access.OPERATE) if via else None
        if host:
            require(request, access.OPERATE, host)
        offered = mounts.exports(request.query_params.get("server", ""), via=host)
        page = self.paginate_queryset(offered)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
