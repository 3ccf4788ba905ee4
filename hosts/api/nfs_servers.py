"""/nfs-servers: what servers export, and changes to the console's own exports."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from hosts import access, nfs_servers
from hosts.api.base import actor_of, require
from hosts.models import NfsServer
from hosts.nfs_servers.looking import problems

TRUE_WORDS = ("1", "true", "yes")


class NfsServerSerializer(serializers.ModelSerializer[NfsServer]):
    """An NFS server. `facts` holds services, versions, exports (`ours`: by the console) and clients, as last read."""

    state = serializers.CharField(read_only=True, help_text="new, unreachable, stopped or serving")
    problems = serializers.SerializerMethodField(help_text="What hosts will stumble over, each with its fix.")

    class Meta:
        model = NfsServer
        fields = ("name", "address", "ssh", "state", "error", "hint", "checked", "problems", "facts")
        read_only_fields = ("state", "error", "hint", "checked", "facts")

    @extend_schema_field(serializers.ListField(child=serializers.DictField()))
    def get_problems(self, server: NfsServer) -> list[dict[str, str]]:
        return problems(server.facts) if server.facts else []


class NfsServerInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=63)
    address = serializers.CharField(max_length=255, help_text="As the hosts mount from it.")
    ssh = serializers.CharField(max_length=255, required=False, allow_blank=True, help_text="user@host[:port]")
    reason = serializers.CharField(required=False, allow_blank=True, max_length=300)


class ExportRuleInput(serializers.Serializer[Any]):
    path = serializers.CharField(max_length=1024)
    clients = serializers.CharField(
        max_length=1000, help_text="Addresses, networks or names, apart by blanks or commas."
    )
    options = serializers.CharField(max_length=400, required=False, allow_blank=True)
    make_folder = serializers.BooleanField(required=False)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=300)


class ServerList(generics.ListAPIView[NfsServer]):
    """NFS servers that the console knows."""

    permission_classes = (IsAuthenticated,)
    serializer_class = NfsServerSerializer
    queryset = NfsServer.objects.none()

    def get_queryset(self) -> QuerySet[NfsServer]:
        require(self.request, access.SEE)
        return NfsServer.objects.all()

    @extend_schema(request=NfsServerInput, responses={201: NfsServerSerializer})
    def post(self, request: Request) -> Response:
        """Add a server. Its ssh key must be trusted already; without `ssh` it is only asked by showmount."""
        require(request, access.MANAGE)
        given = NfsServerInput(data=request.data)
        given.is_valid(raise_exception=True)
        server = nfs_servers.add_server(actor=actor_of(request), **given.validated_data)
        return Response(NfsServerSerializer(server).data, status=status.HTTP_201_CREATED)


class _OfServer(generics.GenericAPIView[NfsServer]):
    permission_classes = (IsAuthenticated,)
    serializer_class = NfsServerSerializer

    def server(self, request: Request, name: str, permission: str) -> NfsServer:
        require(request, permission)
        return get_object_or_404(NfsServer, name=name)

    def answer(self, server: NfsServer) -> Response:
        return Response(NfsServerSerializer(server).data)


class ServerDetail(_OfServer):
    """One NFS server."""

    def get(self, request: Request, name: str) -> Response:
        return self.answer(self.server(request, name, access.SEE))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Take it off the list; nothing is changed on it."""
        nfs_servers.remove_server(server=self.server(request, name, access.MANAGE), actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ServerRefresh(_OfServer):
    """Asks the server now."""

    @extend_schema(request=None)
    def post(self, request: Request, name: str) -> Response:
        return self.answer(nfs_servers.check_server(self.server(request, name, access.OPERATE)))


class ServerStart(_OfServer):
    """Starts its services, now and at every start of the machine."""

    @extend_schema(request=None)
    def post(self, request: Request, name: str) -> Response:
        server = self.server(request, name, access.MANAGE)
        return self.answer(nfs_servers.start_services(server=server, actor=actor_of(request)))


class ServerExports(_OfServer):
    """The console's own exports on a server."""

    @extend_schema(request=ExportRuleInput, responses={200: NfsServerSerializer})
    def post(self, request: Request, name: str) -> Response:
        """Export a folder, or change to whom and how it is exported."""
        server = self.server(request, name, access.MANAGE)
        given = ExportRuleInput(data=request.data)
        given.is_valid(raise_exception=True)
        return self.answer(nfs_servers.export(server=server, actor=actor_of(request), **given.validated_data))

    @extend_schema(
        parameters=[
            OpenApiParameter("path", str, required=True, description="The folder that is exported."),
            OpenApiParameter("although_mounted", bool, description="Also while hosts have it mounted. Default: false."),
        ],
        responses={200: NfsServerSerializer},
    )
    def delete(self, request: Request, name: str) -> Response:
        """Take an export back. Refused while a VM runs from it."""
        server = self.server(request, name, access.MANAGE)
        although = request.query_params.get("although_mounted", "").lower() in TRUE_WORDS
        path = request.query_params.get("path", "")
        return self.answer(
            nfs_servers.unexport(server=server, path=path, although_mounted=although, actor=actor_of(request))
        )
