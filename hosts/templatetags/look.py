"""How a state looks: its word, its icon and its tone, never colour alone. And the few tags that many pages share."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.forms import BoundField
from django.template import Context, Library
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

register = Library()


@dataclass(frozen=True, slots=True)
class Look:
    """A state's word, its icon (a name in the sprite) and its tone (a `tone-…` class of parts.css)."""

    word: str
    icon: str
    tone: str


NOT_KNOWN = Look("unknown", "help-circle", "unknown")

LOOKS: dict[str, dict[str, Look]] = {
    "vm": {
        "running": Look("running", "player-play", "ok"),
        "idle": Look("idle", "player-play", "ok"),
        "paused": Look("paused", "player-pause", "paused"),
        "in shutdown": Look("shutting down", "loader-2", "busy"),
        "shut off": Look("shut off", "power", "off"),
        "crashed": Look("crashed", "alert-circle", "error"),
        "pmsuspended": Look("suspended", "moon", "paused"),
        "unknown": NOT_KNOWN,
        "migrating": Look("migrating", "arrows-right-left", "busy"),
        "stale": Look("stale copy", "ghost", "warning"),
        "absent": Look("no longer there", "circle-dashed", "unknown"),
    },
    "host": {
        "new": Look("not connected yet", "circle-dashed", "unknown"),
        "online": Look("online", "circle-check", "ok"),
        "unreachable": Look("unreachable", "plug-connected-x", "error"),
        "maintenance": Look("maintenance", "tool", "warning"),
        "unknown": NOT_KNOWN,
    },
    "nfs server": {
        "new": Look("not asked yet", "circle-dashed", "unknown"),
        "serving": Look("serving", "circle-check", "ok"),
        "stopped": Look("stopped", "player-stop", "error"),
        "unreachable": Look("no answer", "plug-connected-x", "error"),
    },
    "mount": {
        "healthy": Look("healthy", "circle-check", "ok"),
        "slow": Look("slow", "clock", "warning"),
        "read-only": Look("read-only", "lock", "warning"),
        "stale": Look("not answering", "hourglass", "error"),
        "not wanted": Look("not wanted", "circle-dashed", "off"),
        "not mounted": Look("not mounted", "unlink", "off"),
        "missing": Look("missing", "alert-triangle", "warning"),
        "other source": Look("other source", "alert-circle", "error"),
        "unknown": NOT_KNOWN,
    },
    "pool": {
        "active": Look("active", "circle-check", "ok"),
        "inactive": Look("inactive", "power", "off"),
    },
    "migration": {
        "queued": Look("queued", "hourglass", "off"),
        "checking": Look("checking", "list-check", "busy"),
        "copying": Look("copying", "arrows-right-left", "busy"),
        "switching": Look("switching over", "bolt", "busy"),
        "verifying": Look("verifying", "shield-check", "busy"),
        "defining": Look("defining", "file-code", "busy"),
        "completed": Look("completed", "circle-check", "ok"),
        "cancelled": Look("cancelled", "ban", "off"),
        "failed": Look("failed", "circle-x", "error"),
        "needs_attention": Look("needs attention", "alert-triangle", "warning"),
    },
    "run": {
        "started": Look("started", "circle-check", "ok"),
        "missed": Look("missed", "clock", "warning"),
        "refused": Look("refused", "ban", "error"),
    },
    "plan": {
        "planned": Look("planned", "list-check", "info"),
        "running": Look("running", "arrows-right-left", "busy"),
        "stopping": Look("stopping after the current ones", "loader-2", "busy"),
        "stopped": Look("stopped", "player-pause", "warning"),
        "completed": Look("completed", "circle-check", "ok"),
        "discarded": Look("discarded", "ban", "off"),
    },
    "move": {
        "planned": Look("planned", "circle-dashed", "off"),
        "blocked": Look("can't move", "ban", "warning"),
        "running": Look("moving", "arrows-right-left", "busy"),
        "done": Look("moved", "circle-check", "ok"),
        "failed": Look("failed", "circle-x", "error"),
        "skipped": Look("left out", "player-track-next", "off"),
    },
    "step": {
        "pending": Look("waiting", "circle-dashed", "off"),
        "running": Look("under way", "loader-2", "busy"),
        "done": Look("done", "check", "ok"),
        "warning": Look("done, with a warning", "alert-triangle", "warning"),
        "failed": Look("failed", "x", "error"),
        "skipped": Look("skipped", "player-track-next", "off"),
    },
    "check": {
        "ok": Look("passed", "circle-check", "ok"),
        "warning": Look("warning", "alert-triangle", "warning"),
        "blocker": Look("blocks", "ban", "error"),
    },
    "flag": {
        "two hosts": Look("on two hosts", "alert-circle", "error"),
        "transient": Look("transient", "bolt", "warning"),
        "stale copy": Look("stale copy", "ghost", "warning"),
        "external": Look("external", "terminal-2", "info"),
        "unreachable": Look("host unreachable", "plug-connected-x", "error"),
    },
    "line": {
        "decision": Look("autopilot", "gauge", "busy"),
        "act": Look("person", "user", "info"),
        "event": Look("event", "info-circle", "off"),
        "warning": Look("warning", "alert-triangle", "warning"),
    },
    "image move": {
        "looking": Look("looking at both sides", "loader-2", "busy"),
        "planned": Look("planned", "list-check", "info"),
        "running": Look("moving", "arrows-right-left", "busy"),
        "stopped": Look("stopped, all images whole", "player-pause", "warning"),
        "moved": Look("moved, originals kept", "circle-check", "ok"),
        "undoing": Look("being undone", "arrow-left", "busy"),
        "undone": Look("undone", "history", "off"),
        "cleared": Look("moved", "circle-check", "ok"),
        "discarded": Look("discarded", "ban", "off"),
    },
    "proof": {
        "same": Look("the same storage", "circle-check", "ok"),
        "copy": Look("perhaps a copy", "alert-triangle", "warning"),
        "apart": Look("other storage", "alert-circle", "error"),
        "unproven": Look("not proven", "help-circle", "unknown"),
    },
    "group mount": {
        "waiting": Look("waiting", "circle-dashed", "off"),
        "running": Look("mounting", "loader-2", "busy"),
        "mounted": Look("mounted", "circle-check", "ok"),
        "there": Look("was mounted already", "circle-check", "ok"),
        "failed": Look("not mounted", "circle-x", "error"),
    },
    "outcome": {
        "pending": Look("under way", "loader-2", "busy"),
        "succeeded": Look("succeeded", "circle-check", "ok"),
        "failed": Look("failed", "circle-x", "error"),
        "refused": Look("refused", "ban", "warning"),
        "cancelled": Look("cancelled", "ban", "off"),
    },
}
"""The look of every state, by the kind of thing that has it. A state that stands here not is shown as its own word."""

MESSAGE_TONES = {"debug": "info", "info": "info", "success": "ok", "warning": "warning", "error": "error"}


def look_of(state: object, kind: str) -> Look:
    """The look of `state` of a `kind`; an unlisted state keeps its own word, so that nothing unknown looks fine."""
    name = str(state or "unknown")
    return LOOKS[kind].get(name, Look(name.replace("_", " "), NOT_KNOWN.icon, NOT_KNOWN.tone))


@register.simple_tag
def badge(state: object, kind: str, word: str = "") -> SafeString:
    """The badge of `state`; `word` replaces the usual one, where a page knows better."""
    look = look_of(state, kind)
    return _badge(word or look.word, look.icon, look.tone)


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
    """The word of `state` alone."""
    return look_of(state, kind).word


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
