"""What people enter about a VM."""

from typing import Any

from django import forms

from hosts.actions.shutting_down import DEFAULT_LIMIT_S, LEAST_LIMIT_S, MOST_LIMIT_S
from hosts.forms import ReasonForm, ServiceForm, text


class ShutdownForm(ReasonForm):
    """How long the guest has to shut down."""

    limit_s = forms.IntegerField(
        label="Time limit",
        help_text="Seconds. When they are over you are asked what to do; it is never forced off by itself.",
        min_value=LEAST_LIMIT_S,
        max_value=MOST_LIMIT_S,
        initial=DEFAULT_LIMIT_S,
    )
    field_order = ("limit_s", "reason")


class SnapshotForm(ServiceForm):
    name = text("Name", example="before-upgrade", limit=63)
    description = text("Description", required=False, limit=500)
    kind = forms.ChoiceField(label="What is kept")

    def __init__(self, *args: Any, is_active: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        running = [
            ("memory", "Disks and memory, inside the qcow2 images: it can be gone back to at once"),
            ("disks", "Disks only, which go on in new files beside the old: as after a power cut"),
        ]
        off = [("memory", "Disks, inside the qcow2 images: the VM is off, so there is no memory")]
        self.fields["kind"].choices = running if is_active else off  # type: ignore[attr-defined]
