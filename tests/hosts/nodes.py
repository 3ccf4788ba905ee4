"""Hosts of libvirt's test driver with guests of our choice: a real libvirt for listing, events and definitions."""

import uuid
from pathlib import Path

from lxml import etree

TEST_NAMESPACE = "http://libvirt.org/schemas/domain/test/1.0"
RUNNING, SHUT_OFF = "1", "5"


def write_node(
    path: Path, guests: dict[str, uuid.UUID], *, state: str = RUNNING, disk: str = "/mnt/kvm/web.qcow2"
) -> str:
    """A test:/// URI of a host with these guests (by name), all in `state`. Each new connection starts from the file."""
    node = etree.Element("node")
    for name, uid in guests.items():
        domain = etree.SubElement(node, "domain", type="test", nsmap={"test": TEST_NAMESPACE})
        for tag, text in (("name", name), ("uuid", str(uid)), ("memory", "524288"), ("vcpu", "2")):
            etree.SubElement(domain, tag).text = text
        etree.SubElement(etree.SubElement(domain, "os"), "type").text = "hvm"
        devices = etree.SubElement(domain, "devices")
        element = etree.SubElement(devices, "disk", type="file", device="disk")
        etree.SubElement(element, "source", file=disk)
        etree.SubElement(element, "target", dev="vda")
        etree.SubElement(domain, f"{{{TEST_NAMESPACE}}}runstate").text = state
    path.write_bytes(etree.tostring(node))
    return f"test://{path}"
