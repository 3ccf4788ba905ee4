"""One short text per definition of a domain, equal on two hosts exactly when both define the same guest.

For persistent definitions (virDomainGetXMLDesc with VIR_DOMAIN_XML_INACTIVE): a live XML has CPU features,
backing chains and addresses that its own definition lacks.
"""

from __future__ import annotations

import hashlib

from lxml import etree

from hosts.domain_xml import METADATA_URI
from hosts.xml_reading import parse_xml

# Made up by libvirt for one host or one run
_RUNTIME_ELEMENTS = (
    "devices//alias",
    "devices/disk//backingStore",
    "devices/disk/mirror",
    "devices/*[@type='pty']/source",
    "devices/interface/actual",
    "seclabel[@type='dynamic' or @model='dac']",
    "resource[partition='/machine']",
    f"metadata/*[namespace-uri()='{METADATA_URI}']",
    "metadata[not(*)]",
)
_RUNTIME_ATTRIBUTES = (
    (".", "id"),
    ("devices/console", "tty"),
    ("devices/graphics[@autoport='yes']", "port"),
    ("devices/graphics[@autoport='yes']", "tlsPort"),
    ("devices/graphics[@autoport='yes']", "websocket"),
    ("devices/disk//source", "index"),
)
# Names that libvirt gives to a tap device anew at each start (VIR_NET_GENERATED_*_PREFIX in src/util/virnetdev.h)
_GENERATED_TAPS = "devices/interface/target[starts-with(@dev, 'vnet') or starts-with(@dev, 'macvtap')]"


def definition_digest(xml: str) -> str:
    """SHA-256, in hex, of what `xml` defines. Raises InvalidInput(field="xml")."""
    root = parse_xml(xml)
    for path in _RUNTIME_ELEMENTS:
        for element in root.xpath(path):
            element.getparent().remove(element)
    for path, name in _RUNTIME_ATTRIBUTES:
        for element in root.xpath(path):
            element.attrib.pop(name, None)
    for element in root.xpath(_GENERATED_TAPS):
        element.getparent().remove(element)
    for element in root.iter():
        element.text = (element.text or "").strip() or None
        element.tail = None
    return hashlib.sha256(etree.tostring(root, method="c14n")).hexdigest()
