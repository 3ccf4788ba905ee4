"""/shares, /group-mounts and remounting: which share is mounted where and how, and one share on many hosts at once."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from hosts import access, group_mounts, mounts, share_matrix, sharing
from hosts.api.base import actor_of, host_for
from hosts.api.serializers import MountInput, MountSerializer
from hosts.models import GroupMount, GroupMountHost, HostGroup, Mount, SharingProof


class DifferenceSerializer(serializers.Serializer[Any]):
    """An option that a host has otherwise than most."""

    option = serializers.CharField(source="name")
    here = serializers.CharField(source="mine")
    usual = serializers.CharField(source="theirs")
    why = serializers.CharField()


class CellSerializer(serializers.Serializer[Any]):
    """A share on one host. `state`: healthy, slow, read-only, stale, other source, missing, not mounted, not wanted, unknown."""

    host = serializers.CharField(source="host.name")
    state = serializers.CharField()
    mount: Any = serializers.IntegerField(source="mount.pk", default=None, allow_null=True)
    target = serializers.CharField(source="mount.target", default="")
    latency_ms = serializers.FloatField(source="mount.latency_ms", default=None, allow_null=True)
    differences = DifferenceSerializer(source="differs", many=True)


class ShareSerializer(serializers.Serializer[Any]):
    """A share, how each host has it, and at which mount point most have it."""

    source: Any = serializers.CharField()
    target = serializers.CharField()
    clients = serializers.CharField(
        allow_null=True, help_text="Whom its server lets mount it; null where none was asked."
    )
    hosts = CellSerializer(source="cells", many=True)


class ShareList(generics.GenericAPIView[Mount]):
    """Every share that a host has or wants, or that a server offers, by host."""

    permission_classes = (IsAuthenticated,)
    serializer_class = ShareSerializer
    queryset = Mount.objects.none()
    filter_backends: list[Any] = []

    @extend_schema(
        parameters=[OpenApiParameter("group", str, description="Only the hosts of this host group.")],
        responses=ShareSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        hosts = access.hosts_for(request.user).order_by("name")
        if group := request.query_params.get("group"):
            hosts = hosts.filter(groups__name=group)
        page = self.paginate_queryset(share_matrix.rows_of(request.user, list(hosts)))
        return self.get_paginated_response(ShareSerializer(page, many=True).data)


class ProofSerializer(serializers.ModelSerializer[SharingProof]):
    """What the last probe of a path on two hosts has shown: same, copy, apart or unproven."""

    writer = serializers.CharField(source="writer.name", read_only=True)
    reader = serializers.CharField(source="reader.name", read_only=True)

    class Meta:
        model = SharingProof
        fields = ("path", "writer", "reader", "outcome", "detail", "at")


class ProofInput(serializers.Serializer[Any]):
    path = serializers.CharField(max_length=1024)
    hosts = serializers.ListField(child=serializers.CharField(), min_length=2, max_length=sharing.MOST_HOSTS)


class ProofList(generics.ListAPIView[SharingProof]):
    """Same storage, proven: for pairs of hosts and a path."""

    permission_classes = (IsAuthenticated,)
    serializer_class = ProofSerializer
    queryset = SharingProof.objects.none()
    filterset_fields = ("path",)

    def get_queryset(self) -> QuerySet[SharingProof]:
        seen = access.hosts_for(self.request.user)
        return SharingProof.objects.filter(writer__in=seen, reader__in=seen).select_related("writer", "reader")

    @extend_schema(request=ProofInput, responses={202: None})
    def post(self, request: Request) -> Response:
        """Prove it anew between all of these hosts, in the background."""
        given = ProofInput(data=request.data)
        given.is_valid(raise_exception=True)
        hosts = [host_for(request, name, access.OPERATE) for name in dict.fromkeys(given.validated_data["hosts"])]
        sharing.ask(path=given.validated_data["path"], hosts=hosts, actor=actor_of(request))
        return Response(status=status.HTTP_202_ACCEPTED)


class GroupMountHostSerializer(serializers.ModelSerializer[GroupMountHost]):
    host = serializers.CharField(source="host.name", read_only=True)

    class Meta:
        model = GroupMountHost
        fields = ("host", "state", "message", "hint")


class GroupMountSerializer(serializers.ModelSerializer[GroupMount]):
    """One share mounted on many hosts; `finished` once none is waiting or being worked on."""

    hosts = serializers.SerializerMethodField(help_text="Those that one may see, with what came of it on each.")

    class Meta:
        model = GroupMount
        fields = ("id", "source", "target", "options", "persist", "username", "created", "finished", "hosts")
        read_only_fields = fields

    @extend_schema(responses=GroupMountHostSerializer(many=True))
    def get_hosts(self, job: GroupMount) -> list[dict[str, Any]]:
        user = self.context["request"].user
        rows = job.hosts.filter(host__in=access.hosts_for(user)).select_related("host")
        return list(GroupMountHostSerializer(rows, many=True).data)


class GroupMountInput(MountInput):
    group = serializers.CharField(required=False, allow_blank=True, help_text="All hosts of this host group.")
    hosts = serializers.ListField(child=serializers.CharField(), required=False, help_text="Or these hosts, by name.")


class GroupMountList(generics.GenericAPIView[GroupMount]):
    """Mounting one share on many hosts."""

    permission_classes = (IsAuthenticated,)
    serializer_class = GroupMountSerializer
    queryset = GroupMount.objects.none()

    @extend_schema(request=GroupMountInput, responses={202: GroupMountSerializer})
    def post(self, request: Request) -> Response:
        """Mount a share on the named hosts, or on those of a group that you may operate; without both, on all of these."""
        given = GroupMountInput(data=request.data)
        given.is_valid(raise_exception=True)
        wanted = dict(given.validated_data)
        names, group = wanted.pop("hosts", None), wanted.pop("group", "")
        if names is not None:
            chosen = [host_for(request, name, access.OPERATE) for name in dict.fromkeys(names)]
        else:
            hosts = access.hosts_for(request.user, access.OPERATE).order_by("name")
            if group:
                hosts = hosts.filter(groups=get_object_or_404(HostGroup, name=group))
            chosen = list(hosts)
            if not chosen:
                raise NotFound("There is no host that you may operate.")
        job = group_mounts.start(hosts=chosen, actor=actor_of(request), **wanted)
        return Response(self.get_serializer(job).data, status=status.HTTP_202_ACCEPTED)


class GroupMountDetail(generics.RetrieveAPIView[GroupMount]):
    """How far a job is, and what came of it on each host."""

    permission_classes = (IsAuthenticated,)
    serializer_class = GroupMountSerializer
    queryset = GroupMount.objects.none()

    def get_queryset(self) -> QuerySet[GroupMount]:
        return GroupMount.objects.filter(hosts__host__in=access.hosts_for(self.request.user)).distinct()


class RemountInput(serializers.Serializer[Any]):
    options = serializers.CharField(required=False, allow_blank=True, max_length=1024)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=300)


class MountRemount(generics.GenericAPIView[Mount]):
    """Other options for a share that is mounted."""

    permission_classes = (IsAuthenticated,)
    serializer_class = MountSerializer

    @extend_schema(request=RemountInput, responses=MountSerializer)
    def post(self, request: Request, name: str, pk: int) -> Response:
        """Unmount and mount with `options`, as before where that fails. Refused while a VM there uses it."""
        host = host_for(request, name, access.OPERATE)
        row = get_object_or_404(Mount.objects.select_related("host"), host=host, pk=pk)
        given = RemountInput(data=request.data)
        given.is_valid(raise_exception=True)
        row = mounts.remount(mount=row, actor=actor_of(request), **given.validated_data)
        return Response(MountSerializer(row).data)
