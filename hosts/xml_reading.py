"""Reading XML that comes from outside: a hardened parser, and "this text or nothing"."""

from __future__ import annotations

from lxml import etree

from hosts.errors import InvalidInput


def parse_xml(xml: str) -> etree._Element:
    """Parse without entities, DTD or network; comments are dropped. Raises InvalidInput(field="xml")."""
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(xml.encode(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise InvalidInput(f"This is no well-formed XML: {error}", field="xml") from error


def text(root: etree._Element, path: str) -> str:
    """The trimmed text of the first element at `path`, or ""."""
    return (root.findtext(path) or "").strip()


def attribute(root: etree._Element, path: str, name: str) -> str:
    """An attribute of the first element at `path`, or ""."""
    element = root.find(path)
    return "" if element is None else element.get(name, "")
