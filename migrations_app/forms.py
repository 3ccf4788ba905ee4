"""What people enter about migrations: a new one, and changes to one under way."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hosts.errors import InvalidInput
from hosts.models import Host
from migrations_app.admission import BOUNDS
from migrations_app.plan import LIMITS, Options

if TYPE_CHECKING:
    from hosts.forms import Words

ON_TIMEOUT_CHOICES = [
    ("cancel", _("cancel the migration; the guest runs on at the source")),
    ("postcopy", _("switch to post-copy")),
    ("pause", _("pause the guest until the copy is done")),
]
POLICY_CHOICES = [
    ("automatic", _("Automatic")),
    ("gentle", _("Gentle")),
    ("fast", _("Fast")),
    ("must_finish", _("Must finish")),
    ("manual", _("Manual")),
]
MAY_DO = {
    "automatic": _(
        "May let the guest stand still up to the longest pause, and slow its CPUs down step by step. Asks before more."
    ),
    "gentle": _("Never touches the guest. Where it writes as fast as is copied, the migration ends and says why."),
    "fast": _(
        "Switches to post-copy as soon as the copy does not get ahead. From then on a failure of the network or of the source stops the guest."
    ),
    "must_finish": _(
        "As Automatic, but faster as the time runs out: at the end it may pause the guest, within the longest pause. Gives up when the time is over."
    ),
    "manual": _("Decides nothing: only what is set below and what you do while it copies."),
}
"""What each policy may do to the guest, in the words of the form."""
COPY_STORAGE_CHOICES = [
    ("none", _("no; they lie on shared storage")),
    ("all", _("copy all of each disk")),
    ("inc", _("copy what lies on top of a backing image that both hosts have")),
]


def flag(label: "Words", help_text: "Words") -> forms.BooleanField:
    return forms.BooleanField(label=label, help_text=help_text, required=False)


def figure(name: str, label: "Words", help_text: "Words") -> forms.IntegerField:
    """A number within plan.LIMITS; left empty it is libvirt's own choice."""
    low, high = LIMITS[name]
    return forms.IntegerField(label=label, help_text=help_text, required=False, min_value=low, max_value=high)


class MigrationForm(forms.Form):
    """Destination, options, ping address and reason. After `is_valid`, `options` holds the plan.Options."""

    destination = forms.CharField(label=_("Destination"), error_messages={"required": _("Choose a destination.")})
    ping_address = forms.GenericIPAddressField(
        label=_("Address to ping"),
        help_text=_("The guest's own address. It is pinged before, during and after; the page shows the longest gap."),
        required=False,
    )
    probe_port = forms.IntegerField(
        label=_("TCP port to probe"),
        help_text=_(
            "A service of the guest, such as 22: connected to ten times a second, so that more than its kernel is seen to answer."
        ),
        required=False,
        min_value=1,
        max_value=65535,
    )
    reason = forms.CharField(
        label=_("Reason"), help_text=_("Why, or a ticket; kept in the history."), max_length=300, required=False
    )

    policy = forms.ChoiceField(
        label=_("If the guest writes to its memory as fast as it is copied"), choices=POLICY_CHOICES, required=False
    )
    undefine_source = flag(
        _("Remove the definition at the source"),
        _(
            "After the guest is proven to run at the destination. Else it stays, marked stale: autostart off, start refused."
        ),
    )
    unsafe = flag(
        _("Unsafe: migrate although libvirt can't vouch for the disks"),
        _(
            "libvirt refuses where a disk's cache or file system could let the hosts see different data. "
            "Tick this only if you know that both see the same; otherwise the disk can be corrupted."
        ),
    )
    live = flag(
        _("Live"), _("The guest runs on while its memory is copied. Off: it stands still until all of it is copied.")
    )
    persistent = flag(
        _("Define at the destination at once"),
        _("So that no moment exists at which a crash would make the guest vanish."),
    )
    auto_converge = flag(
        _("Auto-converge"), _("Slows the guest's CPUs down step by step where it writes faster than can be copied.")
    )
    postcopy = flag(
        _("Allow post-copy"),
        _(
            "The guest may go on at the destination before all memory is there. From then on a network failure stops it."
        ),
    )
    compressed = flag(_("Compress"), _("Costs CPU on both hosts; helps on slow networks."))
    tls = flag(_("Encrypt with TLS"), _("Needs libvirt's TLS certificates for migration on both hosts."))
    tunnelled = flag(_("Tunnel through libvirtd"), _("Needs no migration port, but is slower and knows no post-copy."))
    direct = flag(
        _("Driven by the console"),
        _(
            "For where the source can't reach the destination's libvirt, but the console can. Such a migration ends if the console does."
        ),
    )
    copy_storage = forms.ChoiceField(label=_("Copy the disks along"), choices=COPY_STORAGE_CHOICES, required=False)
    max_pause_ms = figure(
        "max_pause_ms", _("Longest pause, ms"), _("The guest is never let stand still longer without asking.")
    )
    finish_within_s = figure(
        "finish_within_s", _("Must finish within, seconds"), _("Counted from the start of the copy.")
    )
    port = figure("port", _("Port for the memory"), _("0: one of libvirt's, 49152 to 49215."))
    disks_port = figure("disks_port", _("Port for copied disks"), _("0: one of libvirt's, as for the memory."))
    parallel_connections = figure(
        "parallel_connections", _("Parallel connections"), _("For networks faster than one core; 0 is one.")
    )
    bandwidth_mib = figure("bandwidth_mib", _("Bandwidth limit, MiB/s"), _("0: no limit."))
    max_downtime_ms = figure("max_downtime_ms", _("Maximum downtime, ms"), _("0: QEMU's own, 300 ms."))
    timeout_s = figure("timeout_s", _("Time limit, seconds"), _("0: none."))
    on_timeout = forms.ChoiceField(
        label=_("When the time limit is reached"), choices=ON_TIMEOUT_CHOICES, required=False
    )

    STEER = ("policy", "max_pause_ms", "finish_within_s")
    MAIN = ("undefine_source", "unsafe")
    MORE = (
        "live",
        "persistent",
        "auto_converge",
        "postcopy",
        "compressed",
        "tls",
        "tunnelled",
        "direct",
        "copy_storage",
        "port",
        "disks_port",
        "parallel_connections",
        "bandwidth_mib",
        "max_downtime_ms",
        "timeout_s",
        "on_timeout",
    )

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, destinations: list[Host], initial: dict[str, Any] | None = None
    ) -> None:
        self.destinations = {host.name: host for host in destinations}
        self.options = Options()
        super().__init__(data, initial={**self.options.to_dict(), **(initial or {})})

    def clean_destination(self) -> Host:
        name = self.cleaned_data["destination"]
        if name not in self.destinations:
            raise forms.ValidationError(_("%(name)s is not a host that this VM can go to."), params={"name": name})
        return self.destinations[name]

    def clean(self) -> dict[str, Any]:
        given = {name: self.cleaned_data.get(name) for name in (*self.STEER, *self.MAIN, *self.MORE)}
        try:
            self.options = Options.from_dict({name: value for name, value in given.items() if value not in (None, "")})
        except InvalidInput as error:
            self.add_error(error.field if error.field in self.fields else None, str(error))
        return self.cleaned_data

    def policies(self) -> list[dict[str, Any]]:
        """The policies as choices, each with what it may do to the guest."""
        chosen = self["policy"].value() or self.options.policy
        return [
            {"name": name, "label": label, "may": MAY_DO[name], "chosen": name == chosen}
            for name, label in POLICY_CHOICES
        ]

    def main_options(self) -> list[forms.BoundField]:
        return [self[name] for name in self.MAIN]

    def more_options(self) -> list[forms.BoundField]:
        return [self[name] for name in self.MORE]

    def opens_more(self) -> bool:
        """Whether the further options hold something that one should see."""
        return any(self[name].errors for name in self.MORE) or (
            self.is_bound and self.options != self._shown_as_default()
        )

    def _shown_as_default(self) -> Options:
        return Options(**{name: getattr(self.options, name) for name in (*self.STEER, *self.MAIN)})


class TuneForm(forms.Form):
    """What of a migration that copies can be changed; what is left empty stays as it is."""

    bandwidth_mib = forms.IntegerField(
        label=_("Bandwidth limit, MiB/s"), required=False, min_value=1, max_value=LIMITS["bandwidth_mib"][1]
    )
    max_downtime_ms = forms.IntegerField(
        label=_("Maximum downtime, ms"), required=False, min_value=1, max_value=LIMITS["max_downtime_ms"][1]
    )

    max_pause_ms = forms.IntegerField(
        label=_("Longest pause, ms"),
        required=False,
        min_value=LIMITS["max_pause_ms"][0],
        max_value=LIMITS["max_pause_ms"][1],
    )

    def clean(self) -> dict[str, Any]:
        if not self.errors and not self.given():
            raise forms.ValidationError(_("Enter a bandwidth, a maximum downtime or a longest pause."))
        return self.cleaned_data

    def given(self) -> dict[str, int]:
        return {name: value for name, value in self.cleaned_data.items() if value is not None}


def limit(name: str, label: "Words", help_text: "Words") -> forms.IntegerField:
    low, high = BOUNDS[name]
    return forms.IntegerField(label=label, help_text=help_text, min_value=low, max_value=high)


class QueueLimitsForm(forms.Form):
    """How many migrations may run at once."""

    per_source = limit("per_source", _("From one host"), _("So many may leave a host at once."))
    per_destination = limit("per_destination", _("To one host"), _("So many may go to a host at once."))
    per_link = limit(
        "per_link", _("Between two hosts"), _("So many may go from one host to the same other one at once.")
    )
    overall = limit("overall", _("In all"), _("0 holds the queue: what runs ends, nothing starts."))


def option_rows(options: dict[str, Any]) -> list[tuple[str, str]]:
    """The options of a migration in words, in the form's order."""
    names = (*MigrationForm.STEER, *MigrationForm.MAIN, *MigrationForm.MORE)
    return [
        (str(MigrationForm.base_fields[name].label), _in_words(name, options[name]))
        for name in names
        if name in options
    ]


def _in_words(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if value == 0:
        return gettext("none") if name in ("timeout_s", "finish_within_s") else gettext("libvirt's own")
    return str({**dict(ON_TIMEOUT_CHOICES), **dict(POLICY_CHOICES), **dict(COPY_STORAGE_CHOICES)}.get(value, value))
