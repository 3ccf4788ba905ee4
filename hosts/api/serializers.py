"""The JSON of the API: what goes out as ModelSerializers, what comes in as plain fields."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from hosts import holds, inventory
from hosts.models import AuditEvent, Export, Host, Mount, Placement, Shutdown, StoragePool, VirtualMachine, Volume


class DescriptionInput(serializers.Serializer[Any]):
    """What is left out stays as it is."""

    note = serializers.CharField(required=False, allow_blank=True, help_text="Plain text, at most 2000 characters.")
    tags = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="At most 20 words; they are folded and sorted."
    )

    def as_text(self) -> dict[str, str]:
        """As actions.describe takes them."""
        given = self.validated_data
        return {name: " ".join(given[name]) if name == "tags" else given[name] for name in given}

    def validate_tags(self, tags: list[str]) -> list[str]:
        if wrong := next((tag for tag in tags if not tag.strip() or len(tag.split()) > 1 or "," in tag), None):
            raise serializers.ValidationError(f"{wrong[:60]!r} is not one word.")
        return tags


class HostSerializer(serializers.ModelSerializer[Host]):
    groups: Any = serializers.SlugRelatedField(slug_field="name", many=True, read_only=True)
    tags = serializers.ListField(child=serializers.CharField(), source="tag_list", read_only=True)

    class Meta:
        model = Host
        fields = (
            "name",
            "uri",
            "peer_uri",
            "ssh",
            "migration_address",
            "groups",
            "note",
            "tags",
            "maintenance",
            "state",
            "error",
            "hint",
            "last_seen",
            "retry_at",
            "hostname",
            "host_uuid",
            "libvirt_version",
            "hypervisor_version",
            "cpu_model",
            "cpus",
            "memory_mib",
            "memory_free_mib",
        )
        read_only_fields = fields


class HostInput(serializers.Serializer[Any]):
    """`groups` replaces the host's groups; `accept_host_key` trusts a key that is not known yet, never a changed one."""

    name = serializers.CharField()
    uri = serializers.CharField()
    ssh = serializers.CharField(required=False, allow_blank=True)
    peer_uri = serializers.CharField(required=False, allow_blank=True)
    migration_address = serializers.CharField(required=False, allow_blank=True)
    groups = serializers.ListField(child=serializers.SlugField(max_length=60), required=False)
    accept_host_key = serializers.BooleanField(required=False, write_only=True)


class HostChanges(HostInput, DescriptionInput):
    accept_host_key = None  # type: ignore[assignment]
    maintenance = serializers.BooleanField(required=False)


class PoolSerializer(serializers.ModelSerializer[StoragePool]):
    volumes = serializers.IntegerField(source="volume_count", read_only=True, help_text="How many volumes it holds.")

    class Meta:
        model = StoragePool
        fields = (
            "name",
            "uuid",
            "kind",
            "active",
            "autostart",
            "target",
            "source",
            "capacity_bytes",
            "allocation_bytes",
            "available_bytes",
            "volumes",
        )


class VolumeSerializer(serializers.ModelSerializer[Volume]):
    class Meta:
        model = Volume
        fields = ("name", "path", "format", "capacity_bytes", "allocation_bytes")


class MountSerializer(serializers.ModelSerializer[Mount]):
    host = serializers.CharField(source="host.name", read_only=True)
    condition = serializers.CharField(read_only=True, help_text="Its state; of a healthy one also slow or read-only.")

    class Meta:
        model = Mount
        fields = (
            "id",
            "host",
            "source",
            "target",
            "kind",
            "state",
            "condition",
            "wanted",
            "in_fstab",
            "unit",
            "version",
            "options",
            "size_bytes",
            "used_bytes",
            "latency_ms",
            "detail",
            "users",
            "checked",
        )
        read_only_fields = fields


class MountInput(serializers.Serializer[Any]):
    source = serializers.CharField(help_text="SERVER:/path")  # type: ignore[assignment]
    target = serializers.CharField()
    options = serializers.CharField(required=False, allow_blank=True)
    persist = serializers.BooleanField(required=False)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=300)


class ExportSerializer(serializers.ModelSerializer[Export]):
    source = serializers.SerializerMethodField(help_text="As a mount takes it.")  # type: ignore[assignment]

    class Meta:
        model = Export
        fields = ("server", "path", "source", "clients", "seen")

    def get_source(self, export: Export) -> str:
        server = f"[{export.server}]" if ":" in export.server else export.server
        return f"{server}:{export.path}"


class PlacementSerializer(serializers.ModelSerializer[Placement]):
    host = serializers.CharField(source="host.name", read_only=True)

    class Meta:
        model = Placement
        fields = ("host", "state", "reason", "persistent", "autostart", "managed_save", "stale", "seen")


class VmSerializer(serializers.ModelSerializer[VirtualMachine]):
    """One guest, wherever it is. `placements` holds what each host says of it."""

    host = serializers.CharField(source="host.name", read_only=True, default=None, allow_null=True)
    persistent = serializers.SerializerMethodField()
    tags = serializers.ListField(child=serializers.CharField(), source="tag_list", read_only=True)
    placements = PlacementSerializer(source="shown_placements", many=True, read_only=True)
    conflict = serializers.SerializerMethodField(help_text="It runs on two hosts at once.")

    class Meta:
        model = VirtualMachine
        fields: tuple[str, ...] = (
            "uuid",
            "name",
            "state",
            "host",
            "persistent",
            "memory_mib",
            "vcpus",
            "address",
            "note",
            "tags",
            "conflict",
            "placements",
        )

    def get_persistent(self, vm: VirtualMachine) -> bool:
        return any(placement.persistent for placement in _where_it_is(vm))

    def get_conflict(self, vm: VirtualMachine) -> bool:
        return inventory.in_conflict(vm)


class ShutdownSerializer(serializers.ModelSerializer[Shutdown]):
    class Meta:
        model = Shutdown
        fields = ("asked", "limit_s", "overdue")


class VmDetailSerializer(VmSerializer):
    """The same, with what its definition says and why it may not be touched just now."""

    held = serializers.SerializerMethodField(help_text="Why it may not be touched just now; empty if it may.")
    facts = serializers.SerializerMethodField()
    shutdown = serializers.SerializerMethodField(help_text="A shutdown that somebody waits for; null if none.")

    class Meta(VmSerializer.Meta):
        fields = (*VmSerializer.Meta.fields, "held", "facts", "shutdown")

    @extend_schema_field(ShutdownSerializer(allow_null=True))
    def get_shutdown(self, vm: VirtualMachine) -> dict[str, Any] | None:
        row = Shutdown.objects.filter(vm=vm).first()
        return dict(ShutdownSerializer(row).data) if row else None

    def get_held(self, vm: VirtualMachine) -> str:
        return holds.why(vm=vm)

    @extend_schema_field(serializers.DictField())
    def get_facts(self, vm: VirtualMachine) -> dict[str, Any]:
        return next((placement.facts for placement in _where_it_is(vm)), {})


class VmActInput(serializers.Serializer[Any]):
    host = serializers.CharField(
        required=False, help_text="The host whose copy is meant; by default the one where the VM is."
    )
    reason = serializers.CharField(required=False, allow_blank=True, max_length=300)


class ShutdownInput(VmActInput):
    limit_s = serializers.IntegerField(
        required=False,
        help_text="Seconds to wait for it, 10 to 3600; then `shutdown.overdue` is true. It is never forced off by itself.",
    )


class AuditSerializer(serializers.ModelSerializer[AuditEvent]):
    class Meta:
        model = AuditEvent
        fields = (
            "id",
            "at",
            "username",
            "source",
            "address",
            "action",
            "target",
            "host_names",
            "reason",
            "outcome",
            "detail",
            "finished",
        )


def _where_it_is(vm: VirtualMachine) -> list[Placement]:
    return [placement for placement in vm.shown_placements if placement.host_id == vm.host_id]  # type: ignore[attr-defined]
