"""/hosts/{name}/image-moves and /image-moves: moving what a mount would hide onto the share."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from hosts import access, moving_images
from hosts.api.base import actor_of, host_for, require
from hosts.api.serializers import MountInput
from hosts.models import ImageMove, ImageMoveFile
from hosts.moving_images.looking import why_not


class MovedFileSerializer(serializers.ModelSerializer[ImageMoveFile]):
    class Meta:
        model = ImageMoveFile
        fields = ("path", "kind", "size_bytes", "is_image", "backing", "on_share", "new_name", "state", "sha256")


class ImageMoveSerializer(serializers.ModelSerializer[ImageMove]):
    """A move of images onto a share. `aside` is where the originals lie from its third step on."""

    host = serializers.CharField(source="host.name", read_only=True)
    aside = serializers.CharField(read_only=True)
    files = MovedFileSerializer(many=True, read_only=True)
    blockers = serializers.SerializerMethodField(help_text="What must be put right before it can start.")

    class Meta:
        model = ImageMove
        fields = (
            "id",
            "host",
            "source",
            "target",
            "options",
            "persist",
            "aside",
            "state",
            "going_back",
            "blockers",
            "vms",
            "files",
            "steps",
            "progress",
            "error",
            "hint",
            "username",
            "created",
            "finished",
        )

    def get_blockers(self, move: ImageMove) -> list[str]:
        return [*move.found.get("blockers", []), *why_not(move)] if move.state == "planned" else []


class StartInput(serializers.Serializer[Any]):
    names = serializers.DictField(
        child=serializers.CharField(), required=False, help_text="Other names on the share, by path here."
    )
    shut_down = serializers.BooleanField(required=False)
    shutdown_limit_s = serializers.IntegerField(required=False, min_value=10, max_value=3600)


class ImageMoveList(generics.ListAPIView[ImageMove]):
    """The moves of images of a host."""

    permission_classes = (IsAuthenticated,)
    serializer_class = ImageMoveSerializer
    queryset = ImageMove.objects.none()

    def get_queryset(self) -> QuerySet[ImageMove]:
        if "name" not in self.kwargs:
            return self.queryset
        host = host_for(self.request, self.kwargs["name"])
        return ImageMove.objects.filter(host=host).select_related("host").prefetch_related("files")

    @extend_schema(request=MountInput, responses={201: ImageMoveSerializer})
    def post(self, request: Request, name: str) -> Response:
        """Plan the move of what a mount would hide; its state is `looking`, then `planned`. Nothing is changed."""
        host = host_for(request, name, access.OPERATE)
        given = MountInput(data=request.data)
        given.is_valid(raise_exception=True)
        move = moving_images.plan(host=host, actor=actor_of(request), **given.validated_data)
        return Response(ImageMoveSerializer(move).data, status=status.HTTP_201_CREATED)


class ImageMoveDetail(generics.RetrieveAPIView[ImageMove]):
    """One move of images: its plan, its steps, its files."""

    permission_classes = (IsAuthenticated,)
    serializer_class = ImageMoveSerializer

    def get_object(self) -> ImageMove:
        return move_for(self.request, self.kwargs["pk"])


class ImageMoveStart(generics.GenericAPIView[ImageMove]):
    """Starts a planned move."""

    permission_classes = (IsAuthenticated,)
    serializer_class = ImageMoveSerializer

    @extend_schema(request=StartInput, responses={202: ImageMoveSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Refused while something of its plan blocks it, or VMs run and `shut_down` is not given."""
        move = move_for(request, pk, access.OPERATE)
        given = StartInput(data=request.data)
        given.is_valid(raise_exception=True)
        moving_images.start(move=move, actor=actor_of(request), **given.validated_data)
        return Response(ImageMoveSerializer(move).data, status=status.HTTP_202_ACCEPTED)


class ImageMoveAct(generics.GenericAPIView[ImageMove]):
    """Goes on with a move, undoes or discards it, looks again, or removes the originals."""

    permission_classes = (IsAuthenticated,)
    serializer_class = ImageMoveSerializer
    act: str = ""
    acts: ClassVar[dict[str, Any]] = {
        "look-again": moving_images.look_again,
        "go-on": moving_images.go_on,
        "undo": moving_images.undo,
        "discard": moving_images.discard,
        "remove-originals": moving_images.remove_originals,
    }

    @extend_schema(request=None, responses={202: ImageMoveSerializer})
    def post(self, request: Request, pk: int) -> Response:
        move = move_for(request, pk, access.OPERATE)
        self.acts[self.act](move=move, actor=actor_of(request))
        return Response(ImageMoveSerializer(move).data, status=status.HTTP_202_ACCEPTED)


def move_for(request: Request, pk: int, permission: str = access.SEE) -> ImageMove:
    """404 unless the caller may see its host, 403 unless `permission` is held on it."""
    rows = ImageMove.objects.filter(host__in=access.hosts_for(request.user)).select_related("host", "audit")
    move = get_object_or_404(rows, pk=pk)
    require(request, permission, move.host)
    return move
