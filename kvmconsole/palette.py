"""The command palette: pages, hosts, guests and what can be done with them, found by a few letters; a page of its own
for who has no script.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _
from django.views.decorators.http import require_safe

from hosts import access, filters
from hosts.http import HtmxHttpRequest, is_fragment
from hosts.models import Host, VirtualMachine
from hosts.templatetags.look import word
from kvmconsole.context import ACCOUNT, RAIL, Entry, links
from migrations_app.snapshot import visible

MOST_VMS, MOST_HOSTS = 6, 4
LONGEST = 200
"""Of what is looked for; more is no name."""
MORE_PAGES = (
    Entry("hosts:map", _("Map of hosts"), "network"),
    Entry("hosts:image-moves", _("Moves of images"), "folder-share"),
    Entry("hosts:nfs-servers", _("NFS servers"), "server", access.SEE),
    Entry("migrations:queue", _("Queue"), "list-numbers"),
    Entry("migrations:schedules", _("Schedules"), "clock"),
    Entry("migrations:rules", _("Placement rules"), "link"),
    Entry("migrations:estimates", _("Estimates"), "gauge"),
    Entry("migrations:evacuabilities", _("Can it be emptied?"), "gauge"),
    Entry("hosts:add", _("Add host"), "plus", access.MANAGE),
    Entry("hosts:add-nfs-server", _("Add NFS server"), "plus", access.MANAGE),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of the palette."""

    title: str
    text: str
    icon: str
    url: str


@dataclass(frozen=True, slots=True)
class Act:
    """What can be done with a guest or a host: the words it is found by, the right that it takes, and where it begins."""

    words: tuple[str, ...]
    title: str
    icon: str
    permission: str
    url: Callable[[Any], str]

    def choice(self, of: VirtualMachine | Host) -> Choice:
        text = _on(of) if isinstance(of, VirtualMachine) else ""
        return Choice(gettext(self.title).format(of.name), text, self.icon, self.url(of))


def _with(name: str, **query: str) -> Callable[[Any], str]:
    """The address of the page `name` with a query that takes its values from the row's attributes."""
    return lambda row: f"{reverse(name)}?{urlencode({key: getattr(row, field) for key, field in query.items()})}"


VM_ACTS = (
    Act(("migrate", "move"), _("Migrate {}…"), "arrows-right-left", access.OPERATE, _with("migrations:new", vm="uuid")),
    Act(("schedule",), _("Schedule {}…"), "clock", access.OPERATE, _with("migrations:schedule-new", vm="uuid")),
    Act(("console", "screen", "serial"), _("Console of {}"), "screen-share", access.OPERATE,
        lambda vm: reverse("hosts:console", args=[vm.uuid])),
    Act(("definition", "xml"), _("Definition of {}"), "file-code", access.SEE,
        lambda vm: reverse("hosts:definition", args=[vm.uuid])),
)  # fmt: skip
HOST_ACTS = (
    Act(("empty", "evacuate", "drain"), _("Empty {}…"), "route", access.OPERATE,
        _with("migrations:evacuation-new", host="name")),
    Act(("mounts", "mount"), _("Mounts of {}"), "folder", access.SEE, lambda host: reverse("hosts:mounts", args=[host.name])),
    Act(("pools", "volumes"), _("Pools of {}"), "database", access.SEE, lambda host: reverse("hosts:pools", args=[host.name])),
    Act(("edit",), _("Edit {}"), "pencil", access.MANAGE, lambda host: reverse("hosts:edit", args=[host.name])),
)  # fmt: skip


@require_safe
def find(request: HtmxHttpRequest) -> HttpResponse:
    """What `q` finds: the list of the palette for htmx, else a page with the same as links."""
    wanted = " ".join(request.GET.get("q", "")[:LONGEST].split())
    groups = [(title, choices) for title, found in groups_of(request, wanted) if (choices := list(found))]
    context = {"q": wanted, "groups": groups, "count": sum(len(choices) for _, choices in groups)}
    return render(request, "_palette_list.html" if is_fragment(request) else "palette.html", context)


def groups_of(request: HtmxHttpRequest, wanted: str) -> Iterator[tuple[str, Iterable[Choice]]]:
    """What is found, under headings: an act that was named first, else what has the name, then pages."""
    words = wanted.casefold().split()
    if not words:
        yield gettext("Pages"), pages(request, words)
        return
    named = [act for act in (*VM_ACTS, *HOST_ACTS) if named_by(act, words)]
    yield gettext("Acts"), acts_named(request, named, words)
    yield gettext("Migrations"), migrations(request, wanted)
    vms = list(vms_found(request, wanted))
    yield gettext("VMs"), (Choice(vm.name, _of_vm(vm), "device-desktop", vm.get_absolute_url()) for vm in vms)
    hosts = list(hosts_found(request, wanted))
    yield (
        gettext("Hosts"),
        (Choice(host.name, word(host.state, "host"), "server-2", host.get_absolute_url()) for host in hosts),
    )
    if not named:
        yield gettext("With the first of them"), acts_on(request, vms[:1], hosts[:1])
    yield gettext("Pages"), pages(request, words)


def named_by(act: Act, words: list[str]) -> bool:
    """Whether the first word is the beginning of one of the act's: `mig web`, but no guest is called by two letters."""
    return len(words[0]) > 2 and any(word.startswith(words[0]) for word in act.words)


def acts_named(request: HtmxHttpRequest, acts: list[Act], words: list[str]) -> Iterator[Choice]:
    """The acts on each of what the other words find, as far as the user may."""
    rest = " ".join(words[1:])
    of_vms, of_hosts = [act for act in acts if act in VM_ACTS], [act for act in acts if act in HOST_ACTS]
    if of_vms:
        yield from allowed(request, of_vms, vms_found(request, rest))
    if of_hosts:
        yield from allowed(request, of_hosts, hosts_found(request, rest))


def acts_on(request: HtmxHttpRequest, vms: list[VirtualMachine], hosts: list[Host]) -> Iterator[Choice]:
    """All acts on the one that was found first."""
    yield from allowed(request, VM_ACTS, vms) if vms else allowed(request, HOST_ACTS, hosts)


def allowed(
    request: HtmxHttpRequest, acts: Iterable[Act], rows: Iterable[VirtualMachine] | Iterable[Host]
) -> Iterator[Choice]:
    """The `acts` on the `rows` whose host the user holds the act's permission on."""
    held = {
        act.permission: set(access.hosts_for(request.user, act.permission).values_list("pk", flat=True)) for act in acts
    }
    for row in rows:
        host = row.host_id if isinstance(row, VirtualMachine) else row.pk
        for act in acts:
            if host in held[act.permission]:
                yield act.choice(row)


def vms_found(request: HttpRequest, wanted: str) -> Iterable[VirtualMachine]:
    return filters.VmFilter({"q": wanted}, filters.shown_vms(request.user)).qs.order_by("name")[:MOST_VMS]


def hosts_found(request: HttpRequest, wanted: str) -> Iterable[Host]:
    return filters.HostFilter({"q": wanted}, access.hosts_for(request.user)).qs.order_by("name")[:MOST_HOSTS]


def migrations(request: HttpRequest, wanted: str) -> Iterator[Choice]:
    """The one with the number `wanted`, with or without a #."""
    number = wanted.removeprefix("#")
    if number.isdecimal() and len(number) <= 18:
        for row in visible(request.user).filter(pk=int(number)):
            text = gettext("{source} to {destination}, {state}").format(
                source=row.source_name, destination=row.destination_name, state=word(row.state, "migration")
            )
            yield Choice(f"#{row.pk} {row.vm_name}", text, "arrows-right-left", row.get_absolute_url())


def pages(request: HttpRequest, words: list[str]) -> Iterator[Choice]:
    """The pages that the user may open and whose name has all the words."""
    for entry in links((*RAIL, *MORE_PAGES, *ACCOUNT), request):
        label = gettext(entry.label)
        known_as = f"{label} {entry.label}".casefold()
        if all(one in known_as for one in words):
            yield Choice(label, "", entry.icon, entry.url)


def _on(vm: VirtualMachine) -> str:
    return gettext("on {host}").format(host=vm.host.name) if vm.host else gettext("on no host")


def _of_vm(vm: VirtualMachine) -> str:
    state = word(vm.state, "vm")
    return gettext("{state} on {host}").format(state=state, host=vm.host.name) if vm.host else state
