"""The JSON of plans. What goes out is evacuation.reporting's; the fields here tell the OpenAPI document its shape."""

from typing import Any

from rest_framework import serializers

from migrations_app.evacuation import reporting
from migrations_app.evacuation.how import MOST_FAILURES, MOST_PARALLEL, PARALLEL
from migrations_app.models import Evacuability, Evacuation, Kind, Move, PlacementRule
from migrations_app.serializers import OptionsField

F = serializers


class EvacuateInput(serializers.Serializer[Any]):
    """How a plan is to run."""

    destinations = F.ListField(
        child=F.CharField(), required=False, help_text="Names of hosts; without, all that one may operate."
    )
    options = OptionsField(required=False)
    parallel = F.IntegerField(
        required=False, min_value=1, max_value=MOST_PARALLEL, help_text=f"At most so many at once; {PARALLEL}."
    )
    canary = F.BooleanField(required=False, help_text="One guest first, the others only if that went well.")
    stop_after_failures = F.IntegerField(
        required=False, min_value=0, max_value=MOST_FAILURES, help_text="0: never stop by itself; 1."
    )
    maintenance = F.BooleanField(required=False, help_text="Set the host into maintenance when it starts (admin).")
    reason = F.CharField(required=False, allow_blank=True, max_length=300)


class HowInput(EvacuateInput):
    """The same fields; what is left out stays."""


class PlanInput(EvacuateInput):
    """One of `host`, `vms` and `home_of`."""

    host = F.CharField(required=False, help_text="Empty this host.")
    vms = F.ListField(child=F.UUIDField(), required=False, allow_empty=False, help_text="Move these VMs.")
    home_of = F.IntegerField(required=False, help_text="Bring home what this plan has moved.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if sum(name in attrs for name in ("host", "vms", "home_of")) != 1:
            raise serializers.ValidationError("Give one of host, vms and home_of.")
        return attrs


class DestinationInput(serializers.Serializer[Any]):
    destination = F.CharField(help_text="The name of a host.")


class MoveSerializer(serializers.Serializer[Any]):
    id = F.IntegerField()
    position = F.IntegerField()
    vm = F.UUIDField()
    vm_name = F.CharField()
    kind = F.ChoiceField(choices=Kind.choices)
    memory_mib = F.IntegerField()
    vcpus = F.IntegerField()
    source = F.CharField()  # type: ignore[assignment]  # DRF's own attribute of that name is not used here
    destination = F.CharField(help_text="Empty where it can't move.")
    state = F.ChoiceField(choices=Move.State.choices)
    state_label = F.CharField()
    why = F.CharField(help_text="Why there, why it can't move, or why it failed.")
    conflict = F.CharField(help_text="Why it would never begin as the plan stands.")
    chosen = F.BooleanField(help_text="A person chose this destination.")
    checked = F.DateTimeField(allow_null=True, help_text="When its preflight for the plan was done.")
    unfit = F.DictField(child=F.CharField(), help_text="By host, why it can't go there.")
    expected_s = F.FloatField(allow_null=True)
    step = F.IntegerField(allow_null=True)
    migration = F.IntegerField(allow_null=True)
    percent = F.IntegerField()
    needs_attention = F.BooleanField()


class StepOfPlanSerializer(serializers.Serializer[Any]):
    """Moves that run at once."""

    number = F.IntegerField()
    moves = F.ListField(child=F.UUIDField(), help_text="UUIDs of the VMs.")
    names = F.ListField(child=F.CharField(), help_text="Names of the VMs.")
    reserved_mib = F.DictField(child=F.IntegerField(), help_text="By host, the memory that is taken by what comes.")
    free_mib = F.DictField(child=F.IntegerField(), help_text="By host, what is left meanwhile.")


class EvacuationListSerializer(serializers.Serializer[Evacuation]):
    """One plan without its moves."""

    id = F.IntegerField()
    purpose = F.ChoiceField(choices=Evacuation.Purpose.choices)
    host = F.CharField(help_text="The host to empty, or to bring guests home to.")
    state = F.ChoiceField(choices=Evacuation.State.choices)
    state_label = F.CharField()
    why_stopped = F.CharField()
    percent = F.IntegerField()
    counts = F.DictField(child=F.IntegerField(), help_text="Moves by state.")
    total = F.IntegerField()
    username = F.CharField()
    reason = F.CharField()
    created = F.DateTimeField()
    started = F.DateTimeField(allow_null=True)
    finished = F.DateTimeField(allow_null=True)

    def to_representation(self, instance: Evacuation) -> dict[str, Any]:
        return reporting.summary(instance)


class EvacuationSerializer(EvacuationListSerializer):
    """One plan: the same as its page shows."""

    home_of = F.IntegerField(allow_null=True)
    options = F.DictField(help_text="As of a migration.")
    destinations = F.ListField(child=F.CharField())
    parallel = F.IntegerField()
    canary = F.BooleanField()
    stop_after_failures = F.IntegerField()
    maintenance = F.BooleanField()
    checked = F.IntegerField(help_text="How many moves were checked.")
    is_checking = F.BooleanField()
    expected_s = F.FloatField(allow_null=True, help_text="For what is left.")
    rooms = F.ListField(child=F.DictField(), help_text="The hosts as they were when it was planned.")
    moves = MoveSerializer(many=True)
    steps = StepOfPlanSerializer(many=True)

    def to_representation(self, instance: Evacuation) -> dict[str, Any]:
        return reporting.snapshot(instance)


class EvacuabilitySerializer(serializers.ModelSerializer[Evacuability]):
    host = F.CharField(source="host.name")

    class Meta:
        model = Evacuability
        fields = ("host", "at", "possible", "movable", "stuck", "reasons")


class RuleInput(serializers.Serializer[Any]):
    name = F.CharField(max_length=80)
    kind = F.ChoiceField(choices=PlacementRule.Kind.choices, help_text="Never two on one host, or always on one.")
    vms = F.ListField(child=F.UUIDField(), min_length=2)


class RuleSerializer(serializers.ModelSerializer[PlacementRule]):
    vms = F.SerializerMethodField()

    class Meta:
        model = PlacementRule
        fields = ("id", "name", "kind", "vms")

    def get_vms(self, rule: PlacementRule) -> list[dict[str, str]]:
        return [{"uuid": str(vm.uuid), "name": vm.name} for vm in rule.shown_vms]  # type: ignore[attr-defined]
