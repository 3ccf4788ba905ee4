"""What a person may choose for a plan: how each of its migrations goes, as for one, and how the plan itself runs."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from hosts.errors import InvalidInput
from hosts.models import Host
from migrations_app.evacuation.how import MOST_FAILURES, MOST_PARALLEL, PARALLEL, How
from migrations_app.forms import MigrationForm, flag
from migrations_app.models import Evacuation


class PlanForm(MigrationForm):
    """After `is_valid`, `how` holds the How."""

    destination = None  # type: ignore[assignment]  # each VM's own; `to` narrows the choice
    ping_address = None  # type: ignore[assignment]
    probe_port = None  # type: ignore[assignment]
    to = forms.MultipleChoiceField(
        label=_("Destinations"),
        help_text=_("Only these hosts take guests; none ticked: all that you may operate."),
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        required=False,
    )
    parallel = forms.IntegerField(
        label=_("At once"), help_text=_("So many VMs move at the same time."), min_value=1, max_value=MOST_PARALLEL
    )
    canary = flag(
        _("Begin with a canary"), _("The smallest running guest goes first, alone; the others follow if it arrives.")
    )
    stop_after_failures = forms.IntegerField(
        label=_("Stop after so many failures"),
        help_text=_("0: never stop by itself."),
        min_value=0,
        max_value=MOST_FAILURES,
    )
    maintenance = flag(_("Set the host into maintenance"), _("When the plan starts; then nothing new comes to it."))

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        destinations: list[Host],
        maintainable: bool = False,
        initial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data, destinations=destinations, initial=_FIRST | (initial or {}))
        self.fields["to"].choices = [(host.name, host.name) for host in destinations]  # type: ignore[attr-defined]
        if not maintainable:
            del self.fields["maintenance"]
        self.how = How()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            try:
                self.how = How(
                    options=self.options,
                    destinations=tuple(cleaned["to"]),
                    parallel=cleaned["parallel"],
                    canary=cleaned["canary"],
                    stop_after_failures=cleaned["stop_after_failures"],
                    maintenance=cleaned.get("maintenance", False),
                    reason=cleaned["reason"],
                )
            except InvalidInput as error:
                self.add_error(None, str(error))
        return cleaned


_FIRST: dict[str, Any] = {"parallel": PARALLEL, "stop_after_failures": 1}


def initial_of(plan: Evacuation) -> dict[str, Any]:
    """The form's values as `plan` has them."""
    names = ("parallel", "canary", "stop_after_failures", "maintenance", "reason")
    return {**plan.options, "to": plan.destinations, **{name: getattr(plan, name) for name in names}}
