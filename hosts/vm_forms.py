"""What people enter about a VM."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hosts.actions.shutting_down import DEFAULT_LIMIT_S, LEAST_LIMIT_S, MOST_LIMIT_S
from hosts.editing import Hardware
from hosts.editing.deleting import OwnVolume
from hosts.editing.disks import BUSES
from hosts.editing.machine import LEAST_MEMORY_MIB
from hosts.editing.nics import MODELS
from hosts.errors import InvalidInput
from hosts.forms import ReasonForm, ServiceForm, text
from hosts.hardware_xml import REMOVABLE
from hosts.making import System
from hosts.models import StoragePool, Volume

if TYPE_CHECKING:
    from hosts.forms import Words

PLACES = (("bridge", _("a bridge of the host")), ("network", _("a network of libvirt's")))
"""Where an interface goes."""


class ShutdownForm(ReasonForm):
    """How long the guest has to shut down."""

    limit_s = forms.IntegerField(
        label=_("Time limit"),
        help_text=_("Seconds. When they are over you are asked what to do; it is never forced off by itself."),
        min_value=LEAST_LIMIT_S,
        max_value=MOST_LIMIT_S,
        initial=DEFAULT_LIMIT_S,
    )
    field_order = ("limit_s", "reason")


class SnapshotForm(ServiceForm):
    name = text(_("Name"), example="before-upgrade", limit=63)
    description = text(_("Description"), required=False, limit=500)
    kind = forms.ChoiceField(label=_("What is kept"))

    def __init__(self, *args: Any, is_active: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        running = [
            ("memory", _("Disks and memory")),
            ("disks", _("Disks only")),
        ]
        off = [("memory", _("Disks: the VM is off"))]
        self.fields["kind"].help_text = (
            _(
                "With memory it is all inside the qcow2 images. Disks only is as after a power cut; they go on in new files."
            )
            if is_active
            else _("Inside its qcow2 images.")
        )
        self.fields["kind"].choices = running if is_active else off  # type: ignore[attr-defined]


class RenameForm(ServiceForm):
    name = text(_("Name"), _("Only of a VM that is off. Its UUID stays."), limit=63)


class MemoryForm(ServiceForm):
    memory_mib = forms.IntegerField(label=_("Memory in MiB"), min_value=LEAST_MEMORY_MIB)


class VcpusForm(ServiceForm):
    vcpus = forms.IntegerField(label=_("vCPUs"), min_value=1)


class BootOrderForm(ServiceForm):
    """Up to four devices, in order."""

    def __init__(self, *args: Any, hardware: Hardware | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", "–"), *(hardware.bootable if hardware else ())]
        now = [key for key in (hardware.boot if hardware else ()) if key in dict(choices)]
        for number, label in enumerate((_("First"), _("Second"), _("Third"), _("Fourth"))):
            initial = now[number] if number < len(now) else ""
            self.fields[f"boot-{number}"] = forms.ChoiceField(
                label=label, choices=choices, required=not number, initial=initial
            )

    def wishes(self) -> dict[str, Any]:
        return {"devices": [self.cleaned_data[name] for name in self.fields if self.cleaned_data[name]]}

    def refuse(self, error: InvalidInput) -> None:
        self.add_error("boot-0" if error.field == "devices" else None, str(error))


class VolumeChoice(ServiceForm):
    """A volume of the pools of a host, as POOL/VOLUME."""

    def choose(self, name: str, volumes: Iterable[Volume], *, label: "Words", required: bool = True) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for volume in volumes:
            groups.setdefault(volume.pool.name, []).append((f"{volume.pool.name}/{volume.name}", volume.name))
        self.fields[name] = forms.ChoiceField(label=label, choices=[("", "–"), *groups.items()], required=required)

    def chosen(self, name: str) -> dict[str, str]:
        pool, _, volume = self.cleaned_data[name].partition("/")
        return {"pool": pool, "volume": volume}


class MediumForm(VolumeChoice):
    target = forms.ChoiceField(label=_("Drive"))
    field_order = ("target", "medium")

    def __init__(self, *args: Any, hardware: Hardware | None, volumes: Iterable[Volume], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        drives = [part.device for part in (hardware.disks if hardware else ()) if part.device.device in REMOVABLE]
        self.fields["target"].choices = [(drive.target, f"{drive.device} {drive.target}") for drive in drives]  # type: ignore[attr-defined]
        self.choose("medium", volumes, label=_("Image"))

    def wishes(self) -> dict[str, Any]:
        return {"target": self.cleaned_data["target"], **self.chosen("medium")}

    def refuse(self, error: InvalidInput) -> None:
        self.add_error("medium" if error.field in ("pool", "volume") else None, str(error))


class DiskForm(VolumeChoice):
    """A volume that is there, or a new one."""

    pool = forms.ChoiceField(label=_("Pool of the new volume"), required=False)
    volume = text(_("Name of the new volume"), example="web-data.qcow2", required=False, limit=200)
    new_gib = forms.IntegerField(label=_("Size of the new volume in GiB"), min_value=1, required=False)
    bus = forms.ChoiceField(label=_("Bus"), choices=[(bus, bus) for bus in BUSES])
    field_order = ("existing", "pool", "volume", "new_gib", "bus")

    def __init__(self, *args: Any, volumes: Iterable[Volume], pools: Iterable[StoragePool], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.choose("existing", volumes, label=_("A volume that is there"), required=False)
        self.fields["pool"].choices = [("", "–"), *((pool.name, pool.name) for pool in pools)]  # type: ignore[attr-defined]
        self.order_fields(self.field_order)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        new = [name for name in ("pool", "volume", "new_gib") if given.get(name)]
        if given.get("existing") and new:
            raise forms.ValidationError(_("Choose a volume that is there, or describe a new one, not both."))
        if not given.get("existing") and len(new) < 3:
            raise forms.ValidationError(_("Choose a volume that is there, or give pool, name and size of a new one."))
        return given

    def wishes(self) -> dict[str, Any]:
        if self.cleaned_data["existing"]:
            return {"bus": self.cleaned_data["bus"], **self.chosen("existing")}
        return {name: self.cleaned_data[name] for name in ("pool", "volume", "new_gib", "bus")}

    def refuse(self, error: InvalidInput) -> None:
        field = {"name": "volume", "capacity_mib": "new_gib"}.get(error.field, error.field)
        if field in ("pool", "volume") and self.cleaned_data.get("existing"):
            field = "existing"
        self.add_error(field if field in self.fields else None, str(error))


class NicForm(ServiceForm):
    kind = forms.ChoiceField(label=_("Into"), choices=PLACES)
    source = text(_("Name of the bridge or network"), example="br0", limit=63)
    model = forms.ChoiceField(label=_("Model"), choices=[(model, model) for model in MODELS])
    mac = text(
        _("Address"), _("Left empty: one that no VM has."), example="52:54:00:12:34:56", required=False, limit=17
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["source"].widget.attrs["list"] = "bridges"


class DefinitionForm(ReasonForm, ServiceForm):
    """libvirt's XML, the digest of the definition that it was made from, and of the text whose changes were shown."""

    xml = forms.CharField(
        label=_("Definition"),
        widget=forms.Textarea(attrs={"rows": 28, "class": "xml-edit", "spellcheck": "false", "autocapitalize": "off"}),
        max_length=2**20,
    )
    digest = forms.CharField(widget=forms.HiddenInput, max_length=64)
    shown = forms.CharField(widget=forms.HiddenInput, max_length=64, required=False)


class DeleteForm(ReasonForm, ServiceForm):
    """The name of the VM, as typed, and which volumes go with it."""

    volumes = forms.MultipleChoiceField(
        label=_("Delete these volumes too, for good"),
        help_text=_("What is not ticked stays, with all that is in it."),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    confirm = text(_("Type the name of the VM"), limit=255)
    field_order = ("volumes", "confirm", "reason")

    def __init__(self, *args: Any, own: Iterable[OwnVolume], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [(one.key, f"{one.target}: {one.source}") for one in own if one.volume and not one.why_not]
        if offered:
            self.fields["volumes"].choices = offered  # type: ignore[attr-defined]
        else:
            del self.fields["volumes"]


class CloneVmForm(ReasonForm, ServiceForm):
    name = text(_("Name of the clone"), limit=63)
    field_order = ("name", "reason")


class NewVmForm(ReasonForm, VolumeChoice):
    """A VM from an installation medium, or from an image."""

    name = text(_("Name"), example="web", limit=63)
    system = forms.ChoiceField(label=_("Operating system"), help_text=_("Decides which devices it gets."))
    memory_mib = forms.IntegerField(label=_("Memory in MiB"), min_value=LEAST_MEMORY_MIB, initial=2048)
    vcpus = forms.IntegerField(label=_("vCPUs"), min_value=1, initial=2)
    medium = forms.ChoiceField(
        label=_("From"),
        choices=[
            ("iso", _("an installation medium, onto an empty disk")),
            ("image", _("an image, of which its disk is a copy")),
        ],
    )
    disk_pool = forms.ChoiceField(
        label=_("Pool of the empty disk"), help_text=_("Left empty: the one of the medium."), required=False
    )
    disk_gib = forms.IntegerField(
        label=_("Size of its disk in GiB"),
        help_text=_("Of a copied image: only if it is to be larger."),
        min_value=1,
        initial=20,
        required=False,
    )
    nic_kind = forms.ChoiceField(
        label=_("Its interface goes into"),
        choices=PLACES,
    )
    nic_source = text(_("Name of the bridge or network"), example="br0", limit=63)
    efi = forms.BooleanField(label=_("UEFI instead of BIOS"), required=False)
    field_order = (
        "name", "system", "memory_mib", "vcpus", "medium", "volume", "disk_pool", "disk_gib", "nic_kind", "nic_source",
        "efi", "reason",
    )  # fmt: skip

    def __init__(
        self,
        *args: Any,
        systems: Iterable[System],
        volumes: Iterable[Volume],
        pools: Iterable[StoragePool],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["system"].choices = [(one.key, gettext(one.name)) for one in systems]  # type: ignore[attr-defined]
        self.fields["disk_pool"].choices = [("", "–"), *((pool.name, pool.name) for pool in pools)]  # type: ignore[attr-defined]
        self.choose("volume", volumes, label=_("Medium or image"))
        self.fields["nic_source"].widget.attrs["list"] = "bridges"
        self.order_fields(self.field_order)

    def wishes(self) -> dict[str, Any]:
        return {**self.cleaned_data, **self.chosen("volume")}

    def refuse(self, error: InvalidInput) -> None:
        field = {"pool": "volume"}.get(error.field, error.field)
        self.add_error(field if field in self.fields else None, str(error))
