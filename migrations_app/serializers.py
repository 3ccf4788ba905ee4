"""The JSON of migrations. What goes out is snapshot.snapshot; the fields here tell the OpenAPI document its shape."""

from dataclasses import fields
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from migrations_app import plan, states
from migrations_app.fixes import FIXES
from migrations_app.models import STATE_CHOICES, Kind, Migration, Origin, TimelineEntry
from migrations_app.queueing import HIGHEST_PRIORITY, LOWEST_PRIORITY
from migrations_app.serializers_of_probes import ContinuitySerializer, CopiedDiskSerializer, PingSerializer
from migrations_app.snapshot import snapshot

F = serializers


def _option(field: Any) -> F.Field[Any, Any, Any, Any]:
    """The field of an option of plan.Options, for the document; plan.Options itself checks what comes in."""
    if field.name in plan.CHOICES:
        return F.ChoiceField(choices=plan.CHOICES[field.name], default=field.default)
    if isinstance(field.default, bool):
        return F.BooleanField(default=field.default)
    low, high = plan.LIMITS[field.name]
    return F.IntegerField(min_value=low, max_value=high, default=field.default)


MigrationOptions = type(
    "MigrationOptions",
    (serializers.Serializer,),
    {
        "__doc__": "How to migrate. Numbers: MiB/s, ms and s; 0 is libvirt's own choice or no limit.",
        **{field.name: _option(field) for field in fields(plan.Options)},
    },
)


@extend_schema_field(MigrationOptions)
class OptionsField(serializers.DictField):
    """A JSON object that goes to plan.Options as it is, so that `"live": "yes"` is refused and not guessed at."""


class PreflightInput(serializers.Serializer[Any]):
    vm = F.UUIDField(help_text="The guest's UUID.")
    destination = F.CharField(required=False, help_text="The name of the host to go to; without it, all are checked.")
    options = OptionsField(required=False)


class MigrationInput(PreflightInput):
    destination = F.CharField(help_text="The name of the host to go to.")
    reason = F.CharField(required=False, allow_blank=True, max_length=300, help_text="Why, or a ticket.")
    ping_address = F.IPAddressField(required=False, allow_null=True, help_text="Else the VM's own address.")
    probe_port = F.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=65535, help_text="A TCP port of the guest to probe."
    )


class FixInput(PreflightInput):
    destination = F.CharField(help_text="The name of the host to go to.")
    act = F.ChoiceField(choices=sorted(FIXES), help_text="A check's `fix_act`.")
    arg = F.CharField(required=False, allow_blank=True, default="", help_text="The check's `fix_arg`.")


class TuneInput(serializers.Serializer[Any]):
    """At least one of them: `priority` while it is queued, the others while it copies."""

    priority = F.IntegerField(required=False, min_value=LOWEST_PRIORITY, max_value=HIGHEST_PRIORITY)

    bandwidth_mib = F.IntegerField(required=False, min_value=1, help_text="MiB/s")
    max_downtime_ms = F.IntegerField(required=False, min_value=1)
    max_pause_ms = F.IntegerField(required=False, min_value=1, help_text="The autopilot's ceiling on any pause.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Give bandwidth_mib, max_downtime_ms, max_pause_ms or priority.")
        if "priority" in attrs and len(attrs) > 1:
            raise serializers.ValidationError("Give priority alone: it counts only while the migration is queued.")
        return attrs


class ResolveInput(serializers.Serializer[Any]):
    choice = F.CharField(help_text="The name of one of the migration's `choices`.")


class CheckSerializer(serializers.Serializer[Any]):
    name = F.CharField()
    title = F.CharField()
    level = F.ChoiceField(choices=["ok", "warning", "blocker"])
    message = F.CharField()
    fix = F.CharField()
    fix_act = F.CharField(
        required=False, help_text="The act that does it, for POST migrations/fix; empty where none can."
    )
    fix_arg = F.CharField(required=False, help_text="What the act is done to.")


class EstimateSerializer(serializers.Serializer[Any]):
    """null where nothing is known yet."""

    total_s = F.FloatField(allow_null=True)
    downtime_ms = F.IntegerField(allow_null=True)
    converges = F.BooleanField(allow_null=True, help_text="By itself, with no help.")
    verdict = F.ChoiceField(choices=["converges", "needs_help", "will_not", "unknown"])
    because = F.CharField(help_text="The figures that the verdict rests on.")
    rounds = F.IntegerField(allow_null=True)
    memory_ms = F.IntegerField(allow_null=True, help_text="The memory's part of the downtime.")
    memory_used_bytes = F.IntegerField(allow_null=True)
    dirty_bytes_per_s = F.IntegerField(allow_null=True, help_text="How fast the guest writes to its memory.")
    dirty_age_s = F.IntegerField(allow_null=True, help_text="How old that measurement is.")
    rate_bytes_per_s = F.IntegerField(allow_null=True, help_text="How fast the last migrations copied.")
    rate_from = F.CharField(help_text="pair: between these hosts; source: from the same source.")


class DestinationSerializer(serializers.Serializer[Any]):
    """One destination of a preflight of all."""

    name = F.CharField(source="destination.name")
    blocked = F.BooleanField()
    checks = CheckSerializer(many=True)
    estimate = EstimateSerializer()
    command = F.CharField(help_text="The equivalent virsh command.")


class PreflightOfAllSerializer(serializers.Serializer[Any]):
    """The answer where no destination was named."""

    destinations = DestinationSerializer(many=True, help_text="The best first.")


class PreflightSerializer(serializers.Serializer[Any]):
    blocked = F.BooleanField()
    checks = CheckSerializer(many=True)
    estimate = EstimateSerializer()
    command = F.CharField(help_text="The equivalent virsh command.")


class StepSerializer(serializers.Serializer[Any]):
    name = F.ChoiceField(choices=list(states.STEPS))
    title = F.CharField()
    state = F.ChoiceField(choices=[(str(state), str(state)) for state in states.StepState])
    started = F.DateTimeField(allow_null=True)
    finished = F.DateTimeField(allow_null=True)
    detail = F.CharField()


class ProgressSerializer(serializers.Serializer[Any]):
    """libvirt's figures; `percent` alone stands before the copy has begun."""

    percent = F.IntegerField()
    remaining_bytes = F.IntegerField(required=False)
    transferred_bytes = F.IntegerField(required=False)
    total_bytes = F.IntegerField(required=False)
    rate_bytes = F.IntegerField(required=False, help_text="Bytes per second.")
    dirty_pages_per_s = F.IntegerField(required=False)
    page_size_bytes = F.IntegerField(required=False)
    iteration = F.IntegerField(required=False)
    throttle_percent = F.IntegerField(required=False, help_text="How far auto-converge slows the guest down.")
    expected_downtime_ms = F.IntegerField(required=False, allow_null=True)
    eta_s = F.IntegerField(required=False, allow_null=True, help_text="null: it does not converge.")
    elapsed_ms = F.IntegerField(required=False)
    disk_total_bytes = F.IntegerField(required=False, help_text="Of disks that are copied along; 0 where none are.")
    disk_remaining_bytes = F.IntegerField(required=False, help_text="The disks' part of remaining_bytes.")
    memory_total_bytes = F.IntegerField(required=False)
    at_ms = F.IntegerField(required=False)


class TimelineSerializer(serializers.Serializer[Any]):
    at = F.DateTimeField()
    kind = F.ChoiceField(choices=TimelineEntry.Kind.choices)
    text = F.CharField()
    reason = F.CharField()


class ConformanceSerializer(serializers.Serializer[Any]):
    name = F.CharField()
    title = F.CharField()
    level = F.ChoiceField(choices=["ok", "warning"])
    before = F.CharField()
    after = F.CharField()
    message = F.CharField(help_text="What the difference means.")
    act = F.CharField(help_text="The act on the VM that repairs it, empty where there is none.")
    host = F.CharField(help_text="The host to do it on.")


class QuestionSerializer(serializers.Serializer[Any]):
    """The longest pause stands in the way of the copy's end."""

    allowed_ms = F.IntegerField()
    wanted_ms = F.IntegerField(help_text="With this one it would end.")


class ChoiceSerializer(serializers.Serializer[Any]):
    name = F.CharField()
    label = F.CharField()  # type: ignore[assignment]  # DRF's own attribute of that name is not used here
    effect = F.CharField(help_text="What it does, before one chooses it.")


class MigrationSerializer(serializers.Serializer[Migration]):
    """One migration: the same as pages and WebSockets show."""

    id = F.IntegerField()
    vm = F.UUIDField()
    vm_name = F.CharField()
    source = F.CharField()  # type: ignore[assignment]  # as above
    destination = F.CharField()
    username = F.CharField()
    reason = F.CharField()
    state = F.ChoiceField(choices=STATE_CHOICES)
    state_label = F.CharField()
    state_meaning = F.CharField()
    is_active = F.BooleanField()
    can_cancel = F.BooleanField()
    cancel_requested = F.DateTimeField(allow_null=True)
    created = F.DateTimeField()
    started = F.DateTimeField(allow_null=True)
    finished = F.DateTimeField(allow_null=True)
    steps = StepSerializer(many=True)
    progress = ProgressSerializer()
    downtime_ms = F.IntegerField(allow_null=True)
    total_ms = F.IntegerField(allow_null=True, help_text="From its start to the end, without the queue.")
    waited_ms = F.IntegerField(help_text="In the queue, until it started.")
    transferred_bytes = F.IntegerField(allow_null=True)
    memory_total_bytes = F.IntegerField(allow_null=True)
    ping = PingSerializer()
    error = F.CharField()
    hint = F.CharField()
    raw_error = F.CharField()
    command = F.CharField(help_text="The equivalent virsh command.")
    options = MigrationOptions()
    tuning = F.DictField(help_text="What people and the autopilot asked for in flight.")
    question = QuestionSerializer(allow_null=True, help_text="What the autopilot asks a person; see raise-pause.")
    kind = F.ChoiceField(choices=Kind.choices)
    origin = F.ChoiceField(choices=Origin.choices)
    priority = F.IntegerField(help_text="Higher goes first.")
    waits_for = F.CharField(help_text="What a queued migration waits for.")
    probe_port = F.IntegerField(allow_null=True, help_text="The guest's TCP port that is probed.")
    continuity = ContinuitySerializer()
    disks = CopiedDiskSerializer(many=True, help_text="The disks that are copied along.")
    estimate = F.DictField(help_text="What was expected when it started.")
    conformance = ConformanceSerializer(many=True, help_text="What was compared with before, differences first.")
    explanation = F.DictField(help_text="Cause, fix and log lines of a failure.")
    timeline = TimelineSerializer(many=True)
    preflight = CheckSerializer(many=True)
    evidence = F.DictField(help_text="What both hosts said when it could not be settled.")
    choices = ChoiceSerializer(many=True, help_text="The safe choices while it needs attention.")

    def to_representation(self, instance: Migration) -> dict[str, Any]:
        return snapshot(instance)
