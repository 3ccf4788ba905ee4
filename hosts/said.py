"""What the console says in English, in modules that know no Django and in the database, in the reader's language.

The catalogue has the sentences as templates, `{vm} is active on {host}.`; what was said is matched against them. What fits
none is shown as it is: names, and what libvirt, QEMU and ssh say.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from django.utils.translation import get_language, trans_real

LONGEST = 2000
"""A longer text is somebody else's."""
LEAST_LETTERS = 6
"""Fewer outside of the values, and a template would fit anything: its values must then be single words of the console."""
OF_FIXED_WORDS = re.compile(
    r"(state|known_at_destination|label|purpose|outcome|act|on|said|what|kind|verb|where|why|how|does|held|word|weekdays|in_words)\d*"
)
"""Values that are words of the console even where they are a single one; other single words may be names."""
VALUE = re.compile(r"\{(\w+)\}")
PARTS = re.compile(r"(?<=[.!?;]) +(?=\S)")
CHINESE_END = re.compile(r"[，。：；！？）”]$")


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence with values: the longest of its fixed parts, and what matches it whole."""

    telling: str
    whole: re.Pattern[str]
    translated: str
    is_short: bool


def said(text: str) -> str:
    """`text` in the active language, as far as its sentences are known."""
    language = get_language() or "en"
    return text if not text or language.startswith("en") else _said(text, language)


@lru_cache(maxsize=8192)
def _said(text: str, language: str) -> str:
    return _whole(text, language) or _in_parts(text, language) or text


def _whole(text: str, language: str) -> str:
    """The translation of one known sentence, or nothing."""
    if known := _fixed(language).get(text):
        return known
    for template in _templates(language) if len(text) <= LONGEST else ():
        if template.telling in text and (found := template.whole.fullmatch(text)):
            pieces = VALUE.split(template.translated)
            values = [_value(name, found[name], language) for name in pieces[1::2]]
            if template.is_short and any(
                " " in found[name] or found[name] == value for name, value in zip(pieces[1::2], values, strict=True)
            ):
                continue
            pieces[1::2] = values
            return "".join(pieces)
    return ""


def _value(name: str, value: str, language: str) -> str:
    if name == "s":
        return ""  # the end of an English plural
    if " " in value.strip():
        return _said(value, language)
    if not OF_FIXED_WORDS.fullmatch(name):
        return value
    words = _fixed(language)
    return words.get(f"{name.rstrip('0123456789')}\x04{value}") or words.get(value, value)


def _in_parts(text: str, language: str) -> str:
    """Sentence by sentence; what a colon leads to is often a host's own words."""
    parts = PARTS.split(text)
    if len(parts) > 1:
        return _joined([_said(part, language) for part in parts])
    head, _, rest = text.partition(": ")
    if rest:
        known, after = _whole(head, language), _said(rest, language)
        if known or after != rest:
            return f"{known or head}：{after}"
    if text.endswith(".") and (known := _whole(text[:-1], language)):
        return f"{known}。"
    return ""


def _joined(parts: list[str]) -> str:
    text = ""
    for part in parts:
        text += part if not text or CHINESE_END.search(text) else f" {part}"
    return text


@cache
def _fixed(language: str) -> dict[str, str]:
    """All that has no form for numbers, by its English; with a context (of an `act` that is not done), by both."""
    words = trans_real.translation(language)._catalog.items()  # type: ignore[attr-defined]
    return {english: said for english, said in words if isinstance(english, str) and english}


@cache
def _templates(language: str) -> list[Template]:
    """Those with values, the most telling first."""
    found = list[tuple[int, Template]]()
    for english, translated in _fixed(language).items():
        pieces = VALUE.split(english)
        fixed = [piece.replace("{{", "{").replace("}}", "}") for piece in pieces[::2]]
        letters = sum(map(str.isalpha, "".join(fixed)))
        if len(pieces) > 1 and letters:
            whole = _pattern(fixed, pieces[1::2])
            template = Template(max(fixed, key=len), whole, translated, is_short=letters < LEAST_LETTERS)
            found.append((len("".join(fixed)), template))
    return [template for _, template in sorted(found, key=lambda one: -one[0])]


def _pattern(fixed: list[str], names: list[str]) -> re.Pattern[str]:
    text, seen = re.escape(fixed[0]), set[str]()
    for name, after in zip(names, fixed[1:], strict=True):
        text += (f"(?P={name})" if name in seen else f"(?P<{name}>.*?)") + re.escape(after)
        seen.add(name)
    return re.compile(text, re.DOTALL)
