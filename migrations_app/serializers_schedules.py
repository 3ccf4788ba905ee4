"""The JSON of schedules and their runs."""

from typing import Any

from rest_framework import serializers

from migrations_app.models import Schedule, ScheduleRun
from migrations_app.schedules import When
from migrations_app.schedules.wanted import LONGEST_WINDOW_MINUTES
from migrations_app.serializers_plans import EvacuateInput

F = serializers
RUNS = 50


class SchedulePatch(EvacuateInput):
    """What is left out stays."""

    name = F.CharField(required=False, max_length=80)
    at = F.CharField(required=False, max_length=40, help_text="Once: ISO 8601; without an offset, in `zone`.")
    cron = F.CharField(required=False, max_length=100, help_text="Repeatedly: five fields, minute and hour fixed.")
    zone = F.CharField(required=False, max_length=64, help_text="An IANA time zone; UTC.")
    window_minutes = F.IntegerField(required=False, min_value=1, max_value=LONGEST_WINDOW_MINUTES, help_text="60.")
    destination = F.CharField(required=False, help_text="Of a VM: the name of the host to go to.")
    ping_address = F.IPAddressField(required=False, allow_blank=True)
    probe_port = F.IntegerField(required=False, allow_null=True, min_value=1, max_value=65535)
    enabled = F.BooleanField(required=False)
    seen = F.BooleanField(required=False, help_text="true: what was missed or refused has been seen.")


class ScheduleInput(SchedulePatch):
    """`vm` and `destination`, or `host`; `at`, or `cron`."""

    name = F.CharField(max_length=80)
    vm = F.UUIDField(required=False, help_text="Migrate this VM.")
    host = F.CharField(required=False, help_text="Empty this host.")
    enabled = None  # type: ignore[assignment]
    seen = None  # type: ignore[assignment]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("vm" in attrs) == ("host" in attrs) or ("vm" in attrs) != ("destination" in attrs):
            raise serializers.ValidationError("Give vm and destination, or host.")
        return attrs


class ScheduleRunSerializer(serializers.ModelSerializer[ScheduleRun]):
    class Meta:
        model = ScheduleRun
        fields = ("id", "due", "at", "outcome", "note", "migration", "evacuation", "seen")


class ScheduleListSerializer(serializers.ModelSerializer[Schedule]):
    vm = F.UUIDField(source="vm.uuid", allow_null=True, default=None)
    vm_name = F.CharField(source="vm.name", allow_null=True, default=None)
    host = F.CharField(source="host.name", allow_null=True, default=None)
    destination = F.CharField(source="destination.name", allow_null=True, default=None)
    words = F.SerializerMethodField(help_text="When, in words.")

    class Meta:
        model = Schedule
        fields = (
            *("id", "name", "what", "vm", "vm_name", "host", "destination", "options", "at", "cron", "zone"),
            *("window_minutes", "words", "enabled", "next_due", "reason", "username", "created"),
        )

    def get_words(self, row: Schedule) -> str:
        return When.read(row).words()


class ScheduleSerializer(ScheduleListSerializer):
    runs = F.SerializerMethodField(help_text=f"The latest {RUNS}.")

    class Meta(ScheduleListSerializer.Meta):
        fields = (*ScheduleListSerializer.Meta.fields, "runs")  # type: ignore[assignment]

    def get_runs(self, row: Schedule) -> list[dict[str, Any]]:
        return list(ScheduleRunSerializer(row.runs.all()[:RUNS], many=True).data)
