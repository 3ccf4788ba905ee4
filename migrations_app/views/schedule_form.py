"""What a person enters for a schedule: when, beside the form of the migration or of the plan that it is to begin."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hosts import access
from hosts.errors import InvalidInput
from hosts.http import HtmxHttpRequest
from hosts.models import Host, VirtualMachine
from migrations_app import recurrence, rights
from migrations_app.forms import MigrationForm
from migrations_app.models import Schedule
from migrations_app.schedules import Wanted, When
from migrations_app.schedules.wanted import LONGEST_WINDOW_MINUTES
from migrations_app.views.plan_form import PlanForm

PREVIEWED = 5


class WhenForm(forms.Form):
    """After `is_valid`, `when` holds the When."""

    name = forms.CharField(
        label=_("Name"), max_length=80, help_text=_("What it is for, such as “kernel update of h1”.")
    )
    repeat = forms.ChoiceField(label=_("How often"), choices=[("once", _("Once")), ("cron", _("Repeatedly"))])
    at = forms.CharField(
        label=_("Date and time"),
        help_text=_("For once; in the zone below."),
        required=False,
        max_length=40,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )
    cron = forms.CharField(
        label=_("Cron expression"),
        help_text=_(
            "For repeatedly: minute, hour, day of the month, month, day of the week. 0 2 * * SAT is each Saturday at 02:00."
        ),
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": "0 2 * * SAT", "class": "mono", "autocomplete": "off"}),
    )
    zone = forms.CharField(label=_("Time zone"), help_text=_("Such as Europe/Berlin."), max_length=64, initial=_("UTC"))
    window_minutes = forms.IntegerField(
        label=_("Window, minutes"),
        help_text=_("Later than this after its time it is not begun but shown as missed."),
        min_value=1,
        max_value=LONGEST_WINDOW_MINUTES,
        initial=60,
    )

    TIMES = ("repeat", "at", "cron", "zone", "window_minutes")

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if self.errors.keys() & set(self.TIMES):
            return cleaned
        try:
            self.when = self._when(cleaned)
        except InvalidInput as error:
            self.add_error(error.field if error.field in self.fields else None, str(error))
        return cleaned

    def _when(self, cleaned: dict[str, Any]) -> When:
        zone, minutes = cleaned["zone"].strip(), cleaned["window_minutes"]
        if cleaned["repeat"] == "cron":
            if not cleaned["cron"].strip():
                raise InvalidInput(gettext("Enter when it repeats."), field="cron")
            return When(cron=cleaned["cron"].strip(), zone=zone, window_minutes=minutes)
        if not cleaned["at"]:
            raise InvalidInput(gettext("Enter a date and a time."), field="at")
        at = recurrence.local_time(cleaned["at"], recurrence.zone_of(zone))
        return When(at=at, zone=zone, window_minutes=minutes)

    def preview(self) -> dict[str, Any]:
        """The next times, in words and one by one; or what is wrong with what was entered so far."""
        self.is_valid()
        when: When | None = getattr(self, "when", None)
        if when is None:
            wrong = [text for name in self.TIMES for text in self.errors.get(name, [])]
            return {"wrong": " ".join(map(str, wrong))}
        times = when.next_times(timezone.now(), PREVIEWED)
        return {"words": when.words(), "times": times, "wrong": "" if times else _("This time has passed.")}


class ScheduledMigrationForm(MigrationForm):
    """The form of a migration, with the destination as a list to choose from."""

    def __init__(self, data: Any = None, *, destinations: list[Host], initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, destinations=destinations, initial=initial)
        choices = [("", _("Choose a destination")), *[(host.name, host.name) for host in destinations]]
        self.fields["destination"].widget = forms.Select(choices=choices)


def when_of(row: Schedule) -> dict[str, Any]:
    """The values of WhenForm as `row` has them."""
    at = f"{row.at.astimezone(recurrence.zone_of(row.zone)):%Y-%m-%dT%H:%M}" if row.at else ""
    given = {name: getattr(row, name) for name in ("name", "cron", "zone", "window_minutes")}
    return {**given, "at": at, "repeat": "once" if row.at else "cron"}


def how_form(
    request: HtmxHttpRequest, vm: VirtualMachine | None, host: Host | None, row: Schedule | None
) -> MigrationForm:
    """The form of the migration of `vm`, or of the plan that empties `host`."""
    data = request.POST if request.method == "POST" else None
    initial: dict[str, Any] = {}
    if row is not None:
        kept = Wanted.read(row).to_dict()
        initial = {**kept.pop("options"), **kept, "to": kept["destinations"], "reason": row.reason}
        initial["destination"] = row.destination.name if row.destination else ""
    if vm is not None:
        hosts = rights.destinations_for(request.user, vm)
        return ScheduledMigrationForm(data, destinations=hosts, initial={"ping_address": vm.address} | initial)
    assert host is not None
    others = list(access.hosts_for(request.user, access.OPERATE).exclude(pk=host.pk).order_by("name"))
    may_manage = access.may(request.user, access.MANAGE, host)
    return PlanForm(data, destinations=others, maintainable=may_manage, initial=initial)


def wanted_of(form: MigrationForm) -> Wanted:
    """What a valid form says."""
    if isinstance(form, PlanForm):
        return Wanted.of(form.how)
    given = {name: form.cleaned_data[name] for name in ("ping_address", "probe_port")}
    return Wanted(options=form.options.to_dict(), **given)
