"""Rows of the list of VMs. In Python, since fifty of them were half of the list's time as templates, and each change of a VM
is a row for every page that shows it."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.template import Context, Library
from django.template.defaultfilters import truncatechars
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from hosts.charts import Points
from hosts.models import VirtualMachine
from hosts.templatetags.figures import spark
from hosts.templatetags.look import badge, icon
from hosts.templatetags.units import UNKNOWN, mib

register = Library()
NIL = UUID(int=0)
NOTE = 120
"""So many characters of a note fit into a row."""
Sparks = Mapping[int, Points]


@register.simple_tag
def vm_state(pk: int, state: str) -> SafeString:
    """A VM's state wherever a page shows it; sent by itself when it changes."""
    return format_html('<span data-leaf="vm-{}-state">{}</span>', pk, badge(state, "vm"))


@register.simple_tag
def vm_host(pk: int, host: str | None) -> SafeString:
    """On which host a VM is, wherever a page shows it; sent by itself when it changes."""
    return format_html('<span data-leaf="vm-{}-host">{}</span>', pk, _host_link(host) if host else UNKNOWN)


@lru_cache(maxsize=2048)
def _host_link(name: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse("hosts:detail", args=[name]), name)


@cache
def _path_of_vms() -> str:
    return reverse("hosts:vm", args=[NIL])


def _path(vm: VirtualMachine) -> str:
    """As its get_absolute_url, which takes a fifth of a row's time."""
    return _path_of_vms().replace(str(NIL), str(vm.uuid))


class Cell(NamedTuple):
    """What a column shows of a VM, and the class of its cells."""

    show: Callable[[VirtualMachine, Sparks], Any]
    css: str = ""


CELLS = {
    "state": Cell(lambda vm, _: vm_state(vm.pk, vm.state)),
    "host": Cell(lambda vm, _: vm_host(vm.pk, vm.host.name if vm.host else None)),
    "vcpus": Cell(lambda vm, _: vm.vcpus, "num"),
    "memory": Cell(lambda vm, _: mib(vm.memory_mib), "num"),
    "cpu": Cell(lambda vm, sparks: spark(sparks, vm), "spark-cell"),
    "address": Cell(lambda vm, _: vm.address or UNKNOWN, "mono"),
    "uuid": Cell(lambda vm, _: vm.uuid, "mono"),
    "note": Cell(lambda vm, _: truncatechars(vm.note, NOTE) or UNKNOWN, "cell-note"),
}


@register.simple_tag(takes_context=True)
def vm_rows(context: Context, rows: Iterable[dict[str, Any]]) -> SafeString:
    """A `<tr>` for each of `rows` (rows.with_flags); the context is that of _vm_table.html."""
    draw = _Table(context)
    return mark_safe("\n".join(draw.row(row["vm"], row["flags"], operable=row["may_operate"]) for row in rows))  # noqa: S308


def _begin(css: str, label: str) -> SafeString:
    """The opening tag of a column's cells; the label stands beside the value on a phone."""
    return format_html('<td{} data-label="{}">', format_html(' class="{}"', css) if css else "", label)


class _Table:
    """What all rows of one table share."""

    def __init__(self, context: Context) -> None:
        self.sparks: Sparks = context.get("sparks") or {}
        self.plain = bool(context.get("plain"))
        self.has_ticks = bool(context["may_operate"]) and not self.plain
        self.columns = [(CELLS[name].show, _begin(CELLS[name].css, label)) for name, label, _ in context["columns"]]
        self.list_path, self.migrate_path = reverse("hosts:vms"), reverse("migrations:new")
        self.choose, self.migrate = gettext("Choose %(vm)s"), gettext("Migrate %(vm)s")
        self.migrate_word = gettext("Migrate")

    def row(self, vm: VirtualMachine, flags: Iterable[str], *, operable: bool) -> SafeString:
        cells = format_html_join(
            "",
            "{}{}</td>",
            ((begin, show(vm, self.sparks)) for show, begin in self.columns),
        )
        return format_html(
            '<tr id="vm-{}" data-row="{}">{}{}{}{}</tr>',
            vm.pk,
            vm.uuid,
            self.tick(vm, operable=operable) if self.has_ticks else "",
            self.lead(vm, flags),
            cells,
            self.actions(vm, operable=operable),
        )

    def tick(self, vm: VirtualMachine, *, operable: bool) -> SafeString:
        if not (operable and vm.host_id):
            return mark_safe('<td class="cell-tick"></td>')
        return format_html(
            '<td class="cell-tick"><input class="form-check-input" type="checkbox" id="tick-{}" name="vm" value="{}" '
            'form="bulk" data-keep aria-label="{}"></td>',
            vm.pk,
            vm.uuid,
            self.choose % {"vm": vm.name},
        )

    def lead(self, vm: VirtualMachine, flags: Iterable[str]) -> SafeString:
        """Its name, what one should know of it, its tags, and what tells it from others."""
        words = format_html_join("", " {}", ((badge(flag, "flag"),) for flag in flags))
        tags = format_html_join(
            "",
            ' <a class="tag" href="{}?{}">{}</a>',
            ((self.list_path, urlencode({"tag": tag}), tag) for tag in vm.tag_list),
        )
        sub = "" if self.plain else format_html('<span class="cell-sub mono">{}</span>', vm.address or vm.uuid)
        return format_html(
            '<td class="cell-lead"><a class="cell-main" href="{}">{}</a>{}{}{}</td>',
            _path(vm),
            vm.name,
            words,
            tags,
            sub,
        )

    def actions(self, vm: VirtualMachine, *, operable: bool) -> SafeString:
        if not (operable and vm.is_active):
            return mark_safe('<td class="cell-actions"></td>')
        return format_html(
            '<td class="cell-actions"><a class="btn btn-sm" href="{}?vm={}" aria-label="{}">{}{}</a></td>',
            self.migrate_path,
            vm.uuid,
            self.migrate % {"vm": vm.name},
            icon("arrows-right-left"),
            self.migrate_word,
        )
