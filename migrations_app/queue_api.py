"""The REST API of the queue: its places, its line and its limits, and moving what waits."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hosts import access
from hosts.api.base import actor_of
from migrations_app import admission, queue_picture, rights
from migrations_app.api import done, read
from migrations_app.serializers import MigrationSerializer

F = serializers


class QueueLimitsInput(serializers.Serializer[Any]):
    """At least one of them. 0 `overall` holds the queue."""

    per_source = F.IntegerField(required=False, min_value=1, max_value=admission.BOUNDS["per_source"][1])
    per_destination = F.IntegerField(required=False, min_value=1, max_value=admission.BOUNDS["per_destination"][1])
    per_link = F.IntegerField(required=False, min_value=1, max_value=admission.BOUNDS["per_link"][1])
    overall = F.IntegerField(required=False, min_value=0, max_value=admission.BOUNDS["overall"][1])

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError(f"Give one of {', '.join(admission.BOUNDS)}.")
        return attrs


class LaneSerializer(serializers.Serializer[Any]):
    limit = F.IntegerField()
    running = F.ListField(child=F.IntegerField(), help_text="The migrations that have a place.")
    waiting = F.IntegerField(help_text="How many wait for one.")


class HostLanesSerializer(serializers.Serializer[Any]):
    name = F.CharField()
    leaving = LaneSerializer()
    arriving = LaneSerializer()


class LinkLaneSerializer(LaneSerializer):
    source = F.CharField()  # type: ignore[assignment]  # DRF's own attribute of that name is not used here
    destination = F.CharField()


class WaitingSerializer(serializers.Serializer[Any]):
    place = F.IntegerField(help_text="In the whole queue; 1 is next.")
    id = F.IntegerField()
    vm_name = F.CharField()
    source = F.CharField()  # type: ignore[assignment]  # as above
    destination = F.CharField()
    username = F.CharField()
    priority = F.IntegerField()
    waits_for = F.CharField()
    created = F.DateTimeField()


class QueueSerializer(serializers.Serializer[Any]):
    limits = QueueLimitsInput()
    running = F.IntegerField(help_text="How many hold a place.")
    waiting = F.IntegerField()
    hosts = HostLanesSerializer(many=True)
    links = LinkLaneSerializer(many=True)
    queue = WaitingSerializer(many=True, help_text="In the order in which they are to start; at most 100.")


class MoveInput(serializers.Serializer[Any]):
    where = F.ChoiceField(choices=admission.WHERE, help_text="front: before all others, by a higher priority.")


class Queue(APIView):
    """Who has a place, who waits, and the limits."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses=QueueSerializer)
    def get(self, request: Request) -> Response:
        return Response(queue_picture.as_json(queue_picture.picture(request.user)))

    @extend_schema(request=QueueLimitsInput, responses=QueueSerializer)
    def patch(self, request: Request) -> Response:
        """Change some of the limits; what runs goes on."""
        rights.require(request.user, access.MANAGE)
        admission.set_limits(values=read(QueueLimitsInput, request), actor=actor_of(request))
        return self.get(request)


class MigrationMove(APIView):
    """Moves a queued migration: up or down among its person's of the same priority, or to the front of all."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(request=MoveInput, responses={202: MigrationSerializer})
    def post(self, request: Request, pk: int) -> Response:
        rights.migration_for(request.user, pk, operate=True)
        where = read(MoveInput, request)["where"]
        return done(request, pk, lambda **who: admission.move(where=where, **who))
