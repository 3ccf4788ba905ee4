"""A guest's running definition against the one that its next start takes: lines for a page, marked by what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff

from lxml import etree

from hosts.xml_reading import parse_xml

CONTEXT_LINES = 3
LIVE_ONLY = ("devices//alias", "seclabel[@type='dynamic']", "devices//backingStore")
"""What only a running guest has, by paths: names that libvirt gives anew at each start, and labels of its process."""
_TOKENS = re.compile(r"(?P<tag></?[\w:.-]+|/?>|\?>)|(?P<name>[\w:.-]+)(?==)|(?P<value>'[^']*'|\"[^\"]*\")")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a diff. `kind` is same, added, removed or place."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of XML. `kind` is tag, name, value or "" for anything else."""

    kind: str
    text: str


def tokens(xml: str) -> Iterator[Token]:
    """All of `xml`, in pieces."""
    at = 0
    for found in _TOKENS.finditer(xml):
        if found.start() > at:
            yield Token("", xml[at : found.start()])
        yield Token(found.lastgroup or "", found.group())
        at = found.end()
    if at < len(xml):
        yield Token("", xml[at:])


def diff(running: str, persistent: str) -> list[Line]:
    """What the next start changes: removed lines run now, added ones come then. Empty where nothing changes.

    Left out is what only a running guest has.
    """
    now, then = _comparable(running), _comparable(persistent)
    kinds = {"+": "added", "-": "removed", "@": "place", " ": "same"}
    lines = list(unified_diff(now, then, n=CONTEXT_LINES, lineterm=""))[2:]
    return [Line(kinds[line[0]], line if line[0] == "@" else line[1:]) for line in lines]


def _comparable(xml: str) -> list[str]:
    root = parse_xml(xml)
    root.attrib.pop("id", None)
    for path in LIVE_ONLY:
        for element in root.xpath(path):
            element.getparent().remove(element)
    # A port that libvirt chose at the start, and the pty that it opened, stand in the running definition alone.
    for screen in root.xpath("devices/graphics[@autoport='yes']"):
        screen.attrib.pop("port", None)
    for device in root.xpath("devices/*[self::serial or self::console][@type='pty']"):
        device.attrib.pop("tty", None)
        for source in device.findall("source"):
            device.remove(source)
    for target in root.xpath("devices/interface/target[starts-with(@dev, 'vnet')]"):
        target.getparent().remove(target)
    for source in root.xpath("devices/disk/source[@index]"):
        source.attrib.pop("index")
    for element in root.iter():
        element.tail = None
        if len(element):
            element.text = None
    etree.indent(root, space="  ")
    return etree.tostring(root, encoding="unicode").splitlines()
