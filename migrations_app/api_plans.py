"""The REST API of plans: evacuations, bulk moves, the way home, and the rules that they keep to."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hosts import access
from hosts.api.base import actor_of, host_for
from hosts.errors import InvalidInput
from hosts.models import VirtualMachine
from migrations_app import evacuation
from migrations_app.api import read
from migrations_app.evacuation import How, lookup, nightly, reporting, rules
from migrations_app.filters import EvacuationFilter
from migrations_app.models import Evacuability, Evacuation, PlacementRule
from migrations_app.plan import Options
from migrations_app.serializers_plans import (
    DestinationInput,
    EvacuabilitySerializer,
    EvacuateInput,
    EvacuationListSerializer,
    EvacuationSerializer,
    HowInput,
    PlanInput,
    RuleInput,
    RuleSerializer,
)

ACTS: dict[str, Callable[..., None]] = {
    "start": evacuation.start,
    "stop": evacuation.stop,
    "resume": evacuation.resume,
    "discard": evacuation.discard,
    "check": evacuation.check_again,
}
HOW = ("options", "destinations", "parallel", "canary", "stop_after_failures", "maintenance", "reason")
MOVE_ACTS: dict[str, Callable[..., None]] = {"skip": evacuation.skip, "retry": evacuation.retry}


def how_of(given: dict[str, Any], *, base: Evacuation | None = None) -> How:
    """What the body says, over what the plan `base` has. Raises InvalidInput."""
    values: dict[str, Any] = {}
    if base is not None:
        values = {name: getattr(base, name) for name in HOW}
        values["options"] = Options.from_dict(base.options)
    values |= {name: given[name] for name in HOW if name in given}
    values["destinations"] = tuple(values.get("destinations", ()))
    if "options" in given:
        values["options"] = Options.from_dict(given["options"])
    return How(**values)


def answer(request: Request, pk: int, code: int = status.HTTP_200_OK) -> Response:
    data = EvacuationSerializer(lookup.plan_for(request.user, pk)).data
    location = {"Location": reverse("migrations-api:evacuation", args=[pk])} if code == status.HTTP_201_CREATED else {}
    return Response(data, status=code, headers=location)


class PlanList(generics.ListAPIView[Evacuation]):
    """The plans of which the caller may see a host, the latest first; their moves are told by each one's own path."""

    permission_classes = (IsAuthenticated,)
    serializer_class = EvacuationListSerializer
    filterset_class = EvacuationFilter

    def get_queryset(self) -> QuerySet[Evacuation]:
        return reporting.visible(self.request.user).prefetch_related("moves__migration")

    @extend_schema(request=PlanInput, responses={201: EvacuationSerializer})
    def post(self, request: Request) -> Response:
        """Make a plan; nothing moves before it is started. Of one `host`, of `vms`, or home from the plan `home_of`."""
        given = read(PlanInput, request)
        actor, how = actor_of(request), how_of(given)
        if "host" in given:
            host = access.hosts_for(request.user).filter(name=given["host"]).first()
            if host is None:
                raise InvalidInput(f"There is no host {given['host']!r}, or you may not see it.", field="host")
            plan = evacuation.plan_evacuation(host=host_for(request, host.name, access.OPERATE), actor=actor, how=how)
        elif "vms" in given:
            plan = evacuation.plan_bulk(vms=vms_of(request, given["vms"]), actor=actor, how=how)
        else:
            of = reporting.visible(request.user).filter(pk=given["home_of"]).first()
            if of is None:
                raise InvalidInput(f"There is no plan #{given['home_of']}, or you may not see it.", field="home_of")
            plan = evacuation.plan_home(of=lookup.plan_for(request.user, of.pk, operate=True), actor=actor, how=how)
        return answer(request, plan.pk, status.HTTP_201_CREATED)


def vms_of(request: Request, uuids: list[Any]) -> QuerySet[VirtualMachine]:
    """The VMs by UUID; 403 unless the caller may operate the hosts of all. Raises InvalidInput where one is not to be seen."""
    found = access.vms_for(request.user).filter(uuid__in=uuids)
    missing = set(uuids) - set(found.values_list("uuid", flat=True))
    if missing:
        raise InvalidInput(f"There is no VM {sorted(missing)[0]}, or you may not see it.", field="vms")
    lookup.require_vms(request.user, found)
    return found


class PlanDetail(APIView):
    """One plan with its moves and steps."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses=EvacuationSerializer)
    def get(self, request: Request, pk: int) -> Response:
        return answer(request, pk)

    @extend_schema(request=HowInput, responses=EvacuationSerializer)
    def patch(self, request: Request, pk: int) -> Response:
        """Change how it runs, while it does not."""
        plan = lookup.plan_for(request.user, pk, operate=True)
        how = how_of(read(HowInput, request), base=plan)
        evacuation.change(evacuation=plan, actor=actor_of(request), how=how)
        return answer(request, pk)


class PlanAct(APIView):
    """Acts on one plan; `act` is the last part of the path."""

    permission_classes = (IsAuthenticated,)
    act = ""

    @extend_schema(request=None, responses={202: EvacuationSerializer})
    def post(self, request: Request, pk: int) -> Response:
        ACTS[self.act](evacuation=lookup.plan_for(request.user, pk, operate=True), actor=actor_of(request))
        return answer(request, pk, status.HTTP_202_ACCEPTED)


class MoveDetail(APIView):
    """One VM of a plan."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(request=DestinationInput, responses=EvacuationSerializer)
    def patch(self, request: Request, pk: int, move: int) -> Response:
        """Send it to another host; one that failed is put back into the plan with it."""
        row = lookup.move_for(request.user, pk, move)
        name = read(DestinationInput, request)["destination"]
        host = access.hosts_for(request.user).filter(name=name).first()
        if host is None:
            raise InvalidInput(f"There is no host {name!r}, or you may not see it.", field="destination")
        evacuation.choose(move=row, destination=host, actor=actor_of(request))
        return answer(request, pk)


class MoveAct(APIView):
    """Acts on one VM of a plan; `act` is the last part of the path."""

    permission_classes = (IsAuthenticated,)
    act = ""

    @extend_schema(request=None, responses=EvacuationSerializer)
    def post(self, request: Request, pk: int, move: int) -> Response:
        MOVE_ACTS[self.act](move=lookup.move_for(request.user, pk, move), actor=actor_of(request))
        return answer(request, pk)


class Evacuate(APIView):
    """Empties a host: the plan is made and started at once."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(request=EvacuateInput, responses={201: EvacuationSerializer})
    def post(self, request: Request, name: str) -> Response:
        """Each VM begins as soon as its check is done. To review the plan first, POST evacuations."""
        host, actor = host_for(request, name, access.OPERATE), actor_of(request)
        plan = evacuation.evacuate(host=host, actor=actor, how=how_of(read(EvacuateInput, request)))
        return answer(request, plan.pk, status.HTTP_201_CREATED)


class HostEvacuability(generics.ListAPIView[Evacuability]):
    """Whether a host could have been emptied, the latest look first."""

    permission_classes = (IsAuthenticated,)
    serializer_class = EvacuabilitySerializer
    queryset = Evacuability.objects.none()

    def get_queryset(self) -> QuerySet[Evacuability]:
        return host_for(self.request, self.kwargs["name"]).evacuability.select_related("host")

    @extend_schema(request=None, responses={202: None})
    def post(self, request: Request, name: str) -> Response:
        """Look now, in the background."""
        nightly.check_now(host=host_for(request, name, access.OPERATE), actor=actor_of(request))
        return Response(status=status.HTTP_202_ACCEPTED)


class RuleList(generics.ListAPIView[PlacementRule]):
    """The rules that keep VMs apart or together."""

    permission_classes = (IsAuthenticated,)
    serializer_class = RuleSerializer

    def get_queryset(self) -> QuerySet[PlacementRule]:
        return lookup.rules(self.request.user)

    @extend_schema(request=RuleInput, responses={201: RuleSerializer})
    def post(self, request: Request) -> Response:
        """Add a rule."""
        given = read(RuleInput, request)
        vms = list(vms_of(request, given["vms"]))
        rule = rules.save(name=given["name"], kind=given["kind"], vms=vms, actor=actor_of(request))
        data = RuleSerializer(lookup.rule_for(request.user, rule.pk)).data
        return Response(data, status=status.HTTP_201_CREATED)


class RuleDetail(APIView):
    """One rule."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses=RuleSerializer)
    def get(self, request: Request, pk: int) -> Response:
        return Response(RuleSerializer(lookup.rule_for(request.user, pk)).data)

    @extend_schema(request=RuleInput, responses=RuleSerializer)
    def put(self, request: Request, pk: int) -> Response:
        """Change it."""
        rule, given = lookup.rule_for(request.user, pk, operate=True), read(RuleInput, request)
        vms = list(vms_of(request, given["vms"]))
        rules.save(name=given["name"], kind=given["kind"], vms=vms, actor=actor_of(request), rule=rule)
        return Response(RuleSerializer(lookup.rule_for(request.user, pk)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Remove it."""
        rules.remove(rule=lookup.rule_for(request.user, pk, operate=True), actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
