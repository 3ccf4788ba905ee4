"""/vms/{uuid}/metrics and /hosts/{name}/metrics"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hosts.api.base import host_for
from hosts.filters import shown_vms
from hosts.metrics import History, history
from hosts.rates import METRICS
from hosts.series import RESOLUTIONS

SPANS = [resolution.name for resolution in RESOLUTIONS]


class SpanInput(serializers.Serializer[Any]):
    span = serializers.ChoiceField(choices=SPANS, default=SPANS[0])


class _Points(serializers.ListField):
    child = serializers.FloatField(allow_null=True)


class MetricsSerializer(serializers.Serializer[Any]):
    """Each list has a point every `step_s` seconds from `start` on, null where nothing is known."""

    span = serializers.ChoiceField(choices=SPANS)
    start = serializers.DateTimeField()
    step_s = serializers.IntegerField()
    cpu = _Points(help_text="CPUs in use; 1 is one of them all the time.")
    memory = _Points(help_text="Bytes in use.")
    disk_read = _Points(help_text="Bytes per second; of a host, those of its VMs.")
    disk_write = _Points(help_text="Bytes per second; of a host, those of its VMs.")
    net_rx = _Points(help_text="Bytes per second; of a host, those of its VMs.")
    net_tx = _Points(help_text="Bytes per second; of a host, those of its VMs.")


SPAN = OpenApiParameter(
    "span", enum=SPANS, default=SPANS[0], description="A point every 10 seconds, minute, 10 minutes or 2 hours."
)


class VmMetrics(APIView):
    """What a guest used."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(parameters=[SPAN], responses=MetricsSerializer)
    def get(self, request: Request, uuid: UUID) -> Response:
        vm = get_object_or_404(shown_vms(request.user), uuid=uuid)
        return Response(_answer(history(vm, _span(request))))


class HostMetrics(APIView):
    """What a host used."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(parameters=[SPAN], responses=MetricsSerializer)
    def get(self, request: Request, name: str) -> Response:
        return Response(_answer(history(host_for(request, name), _span(request))))


def _span(request: Request) -> str:
    given = SpanInput(data=request.query_params)
    given.is_valid(raise_exception=True)
    return str(given.validated_data["span"])


def _answer(found: History) -> dict[str, Any]:
    points = {
        name: [None if value is None else float(f"{value:.4g}") for value in found.columns[name]] for name in METRICS
    }
    start = datetime.fromtimestamp(found.start, tz=UTC)
    return dict(MetricsSerializer({"span": found.span, "start": start, "step_s": found.step_s, **points}).data)
