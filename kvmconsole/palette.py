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
from django.views.decorators.http import require_safe

from hosts import access, filters
from hosts.http import HtmxHttpRequest, is_fragment
from hosts.models import Host, VirtualMachine
from kvmconsole.context import ACCOUNT, RAIL, Entry, links
from migrations_app.snapshot import visible

MOST_VMS, MOST_HOSTS = 6, 4
LONGEST = 200
"""Of what is looked for; more is no name."""
MORE_PAGES = (
    Entry("hosts:map", "Map of hosts", "network"),
    Entry("hosts:image-moves", "Moves of images", "folder-share"),
    Entry("hosts:nfs-servers", "NFS servers", "server", access.SEE),
    Entry("migrations:queue", "Queue", "list-numbers"),
    Entry("migrations:schedules", "Schedules", "clock"),
    Entry("migrations:rules", "Placement rules", "link"),
    Entry("migrations:estimates", "Estimates", "gauge"),
    Entry("migrations:evacuabilities", "Can it be emptied?", "gauge"),
    Entry("hosts:add", "Add host", "plus", access.MANAGE),
    Entry("hosts:add-nfs-server", "Add NFS server", "plus", access.MANAGE),
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
        text = f"on {of.host.name if of.host else 'no host'}" if isinstance(of, VirtualMachine) else ""
        return Choice(self.title.format(of.name), text, self.icon, self.url(of))


def _with(name: str, **query: str) -> Callable[[Any], str]:
    """The address of the page `name` with a query that takes its values from the row's attributes."""
    return lambda row: f"{reverse(name)}?{urlencode({key: getattr(row, field) for key, field in query.items()})}"


VM_ACTS = (
    Act(("migrate", "move"), "Migrate {}…", "arrows-right-left", access.OPERATE, _with("migrations:new", vm="uuid")),
    Act(("schedule",), "Schedule {}…", "clock", access.OPERATE, _with("migrations:schedule-new", vm="uuid")),
    Act(("console", "screen", "serial"), "Console of {}", "screen-share", access.OPERATE,
        lambda vm: reverse("hosts:console", args=[vm.uuid])),
    Act(("definition", "xml"), "Definition of {}", "file-code", access.SEE,
        lambda vm: reverse("hosts:definition", args=[vm.uuid])),
)  # fmt: skip
HOST_ACTS = (
    Act(("empty", "evacuate", "drain"), "Empty {}…", "route", access.OPERATE,
        _with("migrations:evacuation-new", host="name")),
    Act(("mounts", "mount"), "Mounts of {}", "folder", access.SEE, lambda host: reverse("hosts:mounts", args=[host.name])),
    Act(("pools", "volumes"), "Pools of {}", "database", access.SEE, lambda host: reverse("hosts:pools", args=[host.name])),
    Act(("edit",), "Edit {}", "pencil", access.MANAGE, lambda host: reverse("hosts:edit", args=[host.name])),
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
        yield "Pages", pages(request, words)
        return
    named = [act for act in (*VM_ACTS, *HOST_ACTS) if named_by(act, words)]
    yield "Acts", acts_named(request, named, words)
    yield "Migrations", migrations(request, wanted)
    vms = list(vms_found(request, wanted))
    yield "VMs", (Choice(vm.name, _of_vm(vm), "device-desktop", vm.get_absolute_url()) for vm in vms)
    hosts = list(hosts_found(request, wanted))
    yield "Hosts", (Choice(host.name, host.get_state_display(), "server-2", host.get_absolute_url()) for host in hosts)
    if not named:
        yield "With the first of them", acts_on(request, vms[:1], hosts[:1])
    yield "Pages", pages(request, words)


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
            text = f"{row.source_name} to {row.destination_name}, {row.get_state_display()}"
            yield Choice(f"#{row.pk} {row.vm_name}", text, "arrows-right-left", row.get_absolute_url())


def pages(request: HttpRequest, words: list[str]) -> Iterator[Choice]:
    """The pages that the user may open and whose name has all the words."""
    for entry in links((*RAIL, *MORE_PAGES, *ACCOUNT), request):
        if all(word in entry.label.casefold() for word in words):
            yield Choice(entry.label, "", entry.icon, entry.url)


def _of_vm(vm: VirtualMachine) -> str:
    return f"{vm.get_state_display()} on {vm.host.name}" if vm.host else vm.get_state_display()
