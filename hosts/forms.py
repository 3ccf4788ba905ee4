"""What people enter about hosts, mounts and users."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import QuerySet
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from hosts import access
from hosts.errors import InvalidInput
from hosts.models import Host, HostGroup, ImageMove
from hosts.mounts import DEFAULT_OPTIONS
from hosts.nfs_exports import DEFAULT_OPTIONS as EXPORT_OPTIONS

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Words

    """What a person reads: text, or what becomes text in the reader's language."""


def text(
    label: "Words", help_text: "Words" = "", *, example: str = "", required: bool = True, limit: int = 255
) -> forms.CharField:
    """A line of plain text that no browser corrects or completes."""
    attrs = {"placeholder": example, "autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
    widget = forms.TextInput(attrs=attrs)
    return forms.CharField(label=label, help_text=help_text, required=required, max_length=limit, widget=widget)


class ServiceForm(forms.Form):
    """A form whose input a service checks; what that refuses is shown at the field that it names."""

    def refuse(self, error: InvalidInput) -> None:
        hint = error.hint if error.hint != InvalidInput.hint else ""
        self.add_error(error.field if error.field in self.fields else None, f"{error} {hint}".strip())


class HostForm(ServiceForm):
    """A host's name and how to reach it. `groups` only where one manages all hosts: it decides who may use the host."""

    name = text(_("Name"), _("As the console shows it."), example="kvm-1", limit=63)
    uri = text(
        _("libvirt URI"), _("How the console reaches libvirtd there."), example="qemu+ssh://root@192.0.2.11/system"
    )
    ssh = text(
        _("ssh target"),
        _("For mounts and probes, where it is not the one in the URI. Its user must be root."),
        example="root@192.0.2.11:22",
        required=False,
    )
    migration_address = text(
        _("Migration address"),
        _("This host's address in the network that carries guest memory."),
        example="192.0.2.11",
        required=False,
    )
    peer_uri = text(
        _("URI for other hosts"),
        _("How other hosts reach libvirtd here during a migration, where it is not the URI above."),
        example="qemu+tls://kvm-1.example.net/system",
        required=False,
    )
    groups = forms.ModelMultipleChoiceField(
        HostGroup.objects.all(),
        label=_("Host groups"),
        help_text=_("Roles can be given on a group."),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, with_groups: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not with_groups or not HostGroup.objects.exists():
            del self.fields["groups"]

    @staticmethod
    def values_of(host: Host) -> dict[str, Any]:
        """The form's fields as the host has them."""
        names = ("name", "uri", "ssh", "migration_address", "peer_uri")
        return {name: getattr(host, name) for name in names} | {"groups": host.groups.all()}


class TrustForm(forms.Form):
    """The ssh key that an admin has seen and trusts."""

    trust_hostname = forms.CharField()
    trust_port = forms.IntegerField(min_value=1, max_value=65535)


class MountForm(ServiceForm):
    """A share and where it goes."""

    source = text(
        _("Share"), _("SERVER:/path, as the server exports it."), example="192.0.2.10:/home/image", limit=1024
    )
    target = text(
        _("Mount point"), _("The same path on every host, or guests can't migrate."), example="/mnt", limit=1024
    )
    options = text(
        _("Options"),
        format_lazy(_("Left empty: {options}"), options=DEFAULT_OPTIONS),
        example=DEFAULT_OPTIONS,
        required=False,
        limit=1024,
    )
    persist = forms.BooleanField(
        label=_("Keep after a restart"),
        help_text=_(
            "By a systemd unit of the console's own, or by a line in /etc/fstab where the host has its shares there or runs no systemd."
        ),
        required=False,
    )


class GroupMountForm(MountForm):
    """The same on all hosts of a group; `on` is its name, empty for all hosts that one may operate."""

    on = forms.ChoiceField(label=_("On"), required=False)
    field_order = ("source", "target", "on", "options", "persist")

    def __init__(self, *args: Any, groups: QuerySet[HostGroup], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [(group.name, format_lazy(_("all hosts of group {group}"), group=group.name)) for group in groups]
        self.fields["on"].choices = [("", _("all hosts that you may operate")), *names]  # type: ignore[attr-defined]


class RemountForm(ServiceForm):
    """Other options for a share that is mounted."""

    options = text(
        _("Options"),
        format_lazy(_("Left empty: {options}"), options=DEFAULT_OPTIONS),
        example=DEFAULT_OPTIONS,
        required=False,
        limit=1024,
    )


class ImageMoveForm(ServiceForm):
    """How images are moved onto a share: whether VMs may be shut down, and names for what the share has otherwise."""

    shut_down = forms.BooleanField(label=_("Shut down the VMs that run from these images"), required=False)
    shutdown_limit_s = forms.IntegerField(
        label=_("Time limit for a VM to shut down"),
        help_text=_("Seconds. After that the move stops, before anything was moved."),
        min_value=10,
        max_value=3600,
        initial=180,
        required=False,
    )

    def __init__(self, *args: Any, move: ImageMove, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names = {f"name-{row.position}": row.path for row in move.files.exclude(new_name="")}
        for row in move.files.exclude(new_name=""):
            field = text(format_lazy(_("Name of {path} on the share"), path=row.path), limit=1024)
            field.initial = row.new_name
            self.fields[f"name-{row.position}"] = field

    def name_fields(self) -> dict[str, forms.BoundField]:
        """By the file's path."""
        return {path: self[name] for name, path in self._names.items()}

    def wishes(self) -> dict[str, Any]:
        """The arguments of moving_images.start."""
        names = {path: self.cleaned_data[field] for field, path in self._names.items()}
        return {
            "names": names,
            "shut_down": self.cleaned_data["shut_down"],
            "shutdown_limit_s": self.cleaned_data["shutdown_limit_s"] or 180,
        }


class PoolForm(ServiceForm):
    """A storage pool over a folder or a share, on one host or on those of a group."""

    name = text(
        _("Name"), _("The same on every host, so that definitions with volumes can move."), example="images", limit=63
    )
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[
            ("dir", _("dir: a folder, or a share that is mounted already")),
            ("netfs", _("netfs: a share that libvirt mounts")),
        ],
    )
    target = text(_("Folder"), _("Where the volumes are on the host."), example="/mnt", limit=1024)
    source = text(
        _("Share"), _("Only for netfs: SERVER:/path."), example="192.0.2.10:/home/image", required=False, limit=1024
    )
    on = forms.ChoiceField(label=_("On"))

    def __init__(self, *args: Any, host: Host, hosts: QuerySet[Host], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._host, self._hosts = host, hosts
        groups = [
            (f"group-{group.pk}", format_lazy(_("all hosts of group {group}"), group=group.name))
            for group in HostGroup.objects.filter(hosts=host)
        ]
        self.fields["on"].choices = [("host", host.name), *groups, ("all", _("all hosts that you may operate"))]  # type: ignore[attr-defined]

    def chosen(self) -> list[Host]:
        """The hosts that were meant, as far as one may operate them."""
        on = self.cleaned_data["on"]
        if on == "host":
            return [self._host]
        found = self._hosts if on == "all" else self._hosts.filter(groups=on.removeprefix("group-"))
        return list(found.order_by("name"))

    def pool(self) -> dict[str, str]:
        return {key: self.cleaned_data[key] for key in ("name", "kind", "target", "source")}


class VolumeForm(ServiceForm):
    name = text(_("Name"), example="web.qcow2", limit=200)
    format = forms.ChoiceField(label=_("Format"), choices=[("qcow2", "qcow2"), ("raw", "raw")])
    capacity_mib = forms.IntegerField(label=_("Size in MiB"), min_value=1, initial=10240)
    backing = text(
        _("Based on"), _("A volume of this pool; the new one holds only what differs."), required=False, limit=255
    )
    backing.widget.attrs["list"] = "bases"
    full = forms.BooleanField(label=_("Take all of the space at once"), required=False)


class UploadForm(ServiceForm):
    content = forms.FileField(label=_("File"))
    name = text(_("Name in the pool"), _("Left empty: the file's own."), required=False, limit=200)


class CloneForm(ServiceForm):
    name = text(_("Name of the copy"), limit=200)


class ResizeForm(ServiceForm):
    capacity_mib = forms.IntegerField(label=_("New size in MiB"), min_value=1)


class NfsServerForm(ServiceForm):
    """An NFS server and how to reach it."""

    name = text(_("Name"), _("As the console shows it."), example="nas-1", limit=63)
    address = text(_("Address"), _("As the hosts mount from it."), example="192.0.2.10")
    ssh = text(
        _("ssh target"),
        _("Its user must be root. Left empty: the server is only asked what it offers, by showmount."),
        example="root@192.0.2.10",
        required=False,
    )


class ExportForm(ServiceForm):
    """A folder that a server offers, and to whom."""

    path = text(_("Folder"), _("On the server."), example="/srv/images", limit=1024)
    clients = text(_("For"), _("Hosts or their network."), example="192.0.2.0/24", limit=1000)
    options = text(
        _("Options"),
        format_lazy(_("Left empty: {options}"), options=EXPORT_OPTIONS),
        example=EXPORT_OPTIONS,
        required=False,
        limit=400,
    )
    make_folder = forms.BooleanField(label=_("Make the folder if it does not exist"), required=False)


class UnexportForm(forms.Form):
    although_mounted = forms.BooleanField(
        label=_("Take it back although hosts have it mounted"),
        help_text=_("Every access there fails until it is exported again. VMs that run from it still refuse this."),
        required=False,
    )


class UnmountForm(forms.Form):
    forget_fstab = forms.BooleanField(label=_("Mount it at no start of the host any more"), required=False)
    allow_defined = forms.BooleanField(
        label=_("Unmount although VMs that are shut off have disks there"),
        help_text=_("They can't be started on this host until the share is mounted again."),
        required=False,
    )


class ReasonForm(forms.Form):
    reason = text(_("Reason"), _("Why, or a ticket; kept in the audit list."), required=False, limit=300)


class DescriptionForm(ServiceForm):
    """What people say of a guest or host."""

    tags = text(
        _("Tags"),
        _("Words with spaces or commas between them; lists are searched and filtered by them."),
        example="production db team:web",
        required=False,
        limit=1000,
    )
    note = forms.CharField(
        label=_("Note"),
        help_text=_("What the next person should know. Plain text; searches find it."),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 6}),
    )


class BindingForm(ServiceForm):
    """A role, and on which hosts."""

    role = forms.ChoiceField(
        label=_("Role"),
        choices=[
            ("viewer", _("viewer: sees")),
            ("operator", _("operator: migrates, mounts, starts and stops")),
            ("admin", _("admin: manages hosts and people")),
        ],
    )
    scope = forms.ModelChoiceField(
        HostGroup.objects.all(), label=_("On"), required=False, empty_label=_("all hosts"), help_text=""
    )

    def clean_role(self) -> str:
        role = str(self.cleaned_data["role"])
        if role not in access.ROLES:
            raise forms.ValidationError(_("Choose a role."))
        return role


class UserForm(BindingForm):
    username = text(_("User name"), example="alice", limit=150)
    field_order = ("username", "role", "scope")


class GroupForm(ServiceForm):
    name = text(_("Name"), _("Letters, digits, dashes and underscores."), example="site-a", limit=60)


class GroupHostsForm(forms.Form):
    hosts = forms.ModelMultipleChoiceField(
        Host.objects.all(), label=_("Hosts"), required=False, widget=forms.CheckboxSelectMultiple
    )


class TokenForm(forms.Form):
    name = text(_("Name"), _("What it is for."), example="backup script", required=False, limit=80)
