"""The mark that a definition carries once its guest lives elsewhere, in libvirt's <metadata>: it outlives the console.

Pure. The migration writes it to a definition that it keeps at the source (`Guest.set_metadata`); every console that reads
the definition shows it as a leftover and refuses to start it.
"""

from datetime import datetime

from lxml import etree

from hosts.domain_xml import METADATA_URI, parse_xml

PREFIX = "kvmconsole"
_STALE = f"{{{METADATA_URI}}}stale"


def stale_mark(*, lives_on: str, since: datetime) -> str:
    """The element to set as the metadata of METADATA_URI: the guest lives on the host `lives_on` since then.

    Without the namespace: libvirt adds it, and refuses an element that has it already (virXMLInjectNamespace).
    """
    mark = etree.Element("stale", {"on": lives_on, "since": since.isoformat()})
    return etree.tostring(mark, encoding="unicode")


def is_marked_stale(xml: str) -> bool:
    """Whether a domain's XML carries the mark. Raises InvalidInput(field="xml") on what is no XML."""
    return parse_xml(xml).find(f"metadata/{_STALE}") is not None
