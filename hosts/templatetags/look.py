"""How a state looks: its word, its icon and its tone, never colour alone. And the few tags that many pages share."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.forms import BoundField
from django.template import Context, Library
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from hosts.said import said as said_by_us

register = Library()


@dataclass(frozen=True, slots=True)
class Look:
    """A state's word (in English, translated where it is shown), its icon (a name in the sprite) and its tone (a `tone-…` class of parts.css)."""

    word: str
    icon: str
    tone: str


NOT_KNOWN = Look(_("unknown"), "help-circle", "unknown")

LOOKS: dict[str, dict[str, Look]] = {
    "vm": {
        "running": Look(_("running"), "player-play", "ok"),
        "idle": Look(_("idle"), "player-play", "ok"),
        "paused": Look(_("paused"), "player-pause", "paused"),
        "in shutdown": Look(_("shutting down"), "loader-2", "busy"),
        "shut off": Look(_("shut off"), "power", "off"),
        "crashed": Look(_("crashed"), "alert-circle", "error"),
        "pmsuspended": Look(_("suspended"), "moon", "paused"),
        "unknown": NOT_KNOWN,
        "migrating": Look(_("migrating"), "arrows-right-left", "busy"),
        "stale": Look(_("stale copy"), "ghost", "warning"),
        "absent": Look(_("no longer there"), "circle-dashed", "unknown"),
    },
    "host": {
        "new": Look(_("not connected yet"), "circle-dashed", "unknown"),
        "online": Look(_("online"), "circle-check", "ok"),
        "unreachable": Look(_("unreachable"), "plug-connected-x", "error"),
        "maintenance": Look(_("maintenance"), "tool", "warning"),
        "unknown": NOT_KNOWN,
    },
    "nfs server": {
        "new": Look(_("not asked yet"), "circle-dashed", "unknown"),
        "serving": Look(_("serving"), "circle-check", "ok"),
        "stopped": Look(_("stopped"), "player-stop", "error"),
        "unreachable": Look(_("no answer"), "plug-connected-x", "error"),
    },
    "mount": {
        "healthy": Look(_("healthy"), "circle-check", "ok"),
        "slow": Look(_("slow"), "clock", "warning"),
        "read-only": Look(_("read-only"), "lock", "warning"),
        "stale": Look(_("not answering"), "hourglass", "error"),
        "not wanted": Look(_("not wanted"), "circle-dashed", "off"),
        "not mounted": Look(_("not mounted"), "unlink", "off"),
        "missing": Look(_("missing"), "alert-triangle", "warning"),
        "other source": Look(_("other source"), "alert-circle", "error"),
        "unknown": NOT_KNOWN,
    },
    "pool": {
        "active": Look(_("active"), "circle-check", "ok"),
        "inactive": Look(_("inactive"), "power", "off"),
    },
    "migration": {
        "queued": Look(_("queued"), "hourglass", "off"),
        "checking": Look(_("checking"), "list-check", "busy"),
        "copying": Look(_("copying"), "arrows-right-left", "busy"),
        "switching": Look(_("switching over"), "bolt", "busy"),
        "verifying": Look(_("verifying"), "shield-check", "busy"),
        "defining": Look(_("defining"), "file-code", "busy"),
        "completed": Look(_("completed"), "circle-check", "ok"),
        "cancelled": Look(_("cancelled"), "ban", "off"),
        "failed": Look(_("failed"), "circle-x", "error"),
        "needs_attention": Look(_("needs attention"), "alert-triangle", "warning"),
    },
    "run": {
        "started": Look(_("started"), "circle-check", "ok"),
        "missed": Look(_("missed"), "clock", "warning"),
        "refused": Look(_("refused"), "ban", "error"),
    },
    "plan": {
        "planned": Look(_("planned"), "list-check", "info"),
        "running": Look(_("running"), "arrows-right-left", "busy"),
        "stopping": Look(_("stopping after the current ones"), "loader-2", "busy"),
        "stopped": Look(_("stopped"), "player-pause", "warning"),
        "completed": Look(_("completed"), "circle-check", "ok"),
        "discarded": Look(_("discarded"), "ban", "off"),
    },
    "move": {
        "planned": Look(_("planned"), "circle-dashed", "off"),
        "blocked": Look(_("can't move"), "ban", "warning"),
        "running": Look(_("moving"), "arrows-right-left", "busy"),
        "done": Look(_("moved"), "circle-check", "ok"),
        "failed": Look(_("failed"), "circle-x", "error"),
        "skipped": Look(_("left out"), "player-track-next", "off"),
    },
    "step": {
        "pending": Look(_("waiting"), "circle-dashed", "off"),
        "running": Look(_("under way"), "loader-2", "busy"),
        "done": Look(_("done"), "check", "ok"),
        "warning": Look(_("done, with a warning"), "alert-triangle", "warning"),
        "failed": Look(_("failed"), "x", "error"),
        "skipped": Look(_("skipped"), "player-track-next", "off"),
    },
    "check": {
        "ok": Look(_("passed"), "circle-check", "ok"),
        "warning": Look(_("warning"), "alert-triangle", "warning"),
        "blocker": Look(_("blocks"), "ban", "error"),
    },
    "flag": {
        "two hosts": Look(_("on two hosts"), "alert-circle", "error"),
        "transient": Look(_("transient"), "bolt", "warning"),
        "stale copy": Look(_("stale copy"), "ghost", "warning"),
        "external": Look(_("external"), "terminal-2", "info"),
        "unreachable": Look(_("host unreachable"), "plug-connected-x", "error"),
    },
    "line": {
        "decision": Look(_("autopilot"), "gauge", "busy"),
        "act": Look(_("person"), "user", "info"),
        "event": Look(_("event"), "info-circle", "off"),
        "warning": Look(_("warning"), "alert-triangle", "warning"),
    },
    "image move": {
        "looking": Look(_("looking at both sides"), "loader-2", "busy"),
        "planned": Look(_("planned"), "list-check", "info"),
        "running": Look(_("moving"), "arrows-right-left", "busy"),
        "stopped": Look(_("stopped, all images whole"), "player-pause", "warning"),
        "moved": Look(_("moved, originals kept"), "circle-check", "ok"),
        "undoing": Look(_("being undone"), "arrow-left", "busy"),
        "undone": Look(_("undone"), "history", "off"),
        "cleared": Look(_("moved"), "circle-check", "ok"),
        "discarded": Look(_("discarded"), "ban", "off"),
    },
    "proof": {
        "same": Look(_("the same storage"), "circle-check", "ok"),
        "copy": Look(_("perhaps a copy"), "alert-triangle", "warning"),
        "apart": Look(_("other storage"), "alert-circle", "error"),
        "unproven": Look(_("not proven"), "help-circle", "unknown"),
    },
    "group mount": {
        "waiting": Look(_("waiting"), "circle-dashed", "off"),
        "running": Look(_("mounting"), "loader-2", "busy"),
        "mounted": Look(_("mounted"), "circle-check", "ok"),
        "there": Look(_("was mounted already"), "circle-check", "ok"),
        "failed": Look(_("not mounted"), "circle-x", "error"),
    },
    "outcome": {
        "pending": Look(_("under way"), "loader-2", "busy"),
        "succeeded": Look(_("succeeded"), "circle-check", "ok"),
        "failed": Look(_("failed"), "circle-x", "error"),
        "refused": Look(_("refused"), "ban", "warning"),
        "cancelled": Look(_("cancelled"), "ban", "off"),
    },
}
"""The look of every state, by the kind of thing that has it. A state that stands here not is shown as its own word."""

URI_PARTS = re.compile(r"[^/@]+://|[^/@]+@|[^/@]+|/[^/]*|@")

MESSAGE_TONES = {"debug": "info", "info": "info", "success": "ok", "warning": "warning", "error": "error"}


def look_of(state: object, kind: str) -> Look:
    """The look of `state` of a `kind`; an unlisted state keeps its own word, so that nothing unknown looks fine."""
    name = str(state or "unknown")
    return LOOKS[kind].get(name, Look(name.replace("_", " "), NOT_KNOWN.icon, NOT_KNOWN.tone))


@register.simple_tag
def badge(state: object, kind: str, word: str = "") -> SafeString:
    """The badge of `state`; `word` replaces the usual one, where a page knows better."""
    look = look_of(state, kind)
    return _badge(word or gettext(look.word), look.icon, look.tone)


@lru_cache(maxsize=2048)
def _badge(word: str, icon: str, tone: str) -> SafeString:
    """Rendered once: a list has hundreds of the same."""
    return render_to_string("components/_badge.html", {"word": word, "icon": icon, "tone": tone})


@register.filter
def tone(state: object, kind: str) -> str:
    """The tone of `state` alone: `{{ step.state|tone:"step" }}`."""
    return look_of(state, kind).tone


@register.filter
def glyph(state: object, kind: str) -> str:
    """The icon's name of `state` alone."""
    return look_of(state, kind).icon


@register.filter
def word(state: object, kind: str) -> str:
    """The word of `state` alone, in the reader's language."""
    return gettext(look_of(state, kind).word)


@register.filter
def said(text: object) -> str:
    """What the console said in English (hosts/said.py) in the reader's language, and any other text as it is."""
    return said_by_us(str(text)) if text else ""


@register.filter
@lru_cache(maxsize=2048)
def uri_parts(uri: str) -> SafeString:
    """A URI that breaks before its machine and before its path where it must, not in the middle of a name."""
    return format_html_join("", "{}<wbr>", ([part] for part in URI_PARTS.findall(uri)))


@register.filter
def message_tone(level: str) -> str:
    """The tone of a message of Django's messages framework."""
    return MESSAGE_TONES.get(level, "info")


FILE_ICONS = {"file": "file-text", "folder": "folder", "link": "link"}


@register.filter
def file_icon(kind: str) -> str:
    """The icon of a file, folder or link."""
    return FILE_ICONS.get(kind, "help-circle")


CONTROL_CLASSES = {"checkbox": "form-check-input", "select": "form-select", "selectmultiple": "form-select"}


@register.filter
def control(field: BoundField) -> SafeString:
    """The input of a form field, with the class that its kind needs and the mark of an error."""
    classes = [field.field.widget.attrs.get("class", ""), CONTROL_CLASSES.get(field.widget_type, "form-control")]
    if field.errors:
        classes.append("is-invalid")
    return field.as_widget(attrs={"class": " ".join(filter(None, classes))})


@register.simple_tag
@lru_cache(maxsize=2048)
def icon(name: str, label: str = "") -> SafeString:
    """An icon of the sprite; without a `label` it is decoration and hidden from screen readers. Rendered once."""
    return render_to_string("components/_icon.html", {"name": name, "label": label})


@register.simple_tag
def name_options(names: Iterable[str], current: str | None) -> SafeString:
    """The `<option>`s of a choice of names, `current` chosen: rendered once, since there may be hundreds of them."""
    return _name_options(tuple(names), current)


@lru_cache(maxsize=32)
def _name_options(names: tuple[str, ...], current: str | None) -> SafeString:
    pairs = ((" selected" if name == current else "", name) for name in names)
    return format_html_join("", "<option{}>{}</option>", pairs)


@register.inclusion_tag("components/_sort.html", takes_context=True)
def sort_header(context: Context, key: str, label: str, css: str = "") -> dict[str, Any]:
    """A `<th>` whose link sorts the list by `key` (query parameter `sort`, `-key` for the other way round)."""
    current = context["request"].GET.get("sort", context.get("default_sort", ""))
    direction = {key: "ascending", f"-{key}": "descending"}.get(current, "none")
    wanted = f"-{key}" if direction == "ascending" else key
    return {"request": context["request"], "wanted": wanted, "label": label, "direction": direction, "css": css}
