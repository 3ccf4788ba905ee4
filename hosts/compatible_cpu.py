"""A definition with another CPU: the tree is edited, the rest stays as it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from hosts.xml_reading import parse_xml, text

KEPT = ("topology", "numa", "cache", "maxphysaddr")
"""What of a <cpu> says how the guest is built, not which CPU it has."""


@dataclass(frozen=True, slots=True)
class CompatibleCpu:
    """A <cpu> that several hosts can give."""

    xml: str

    @property
    def summary(self) -> str:
        """Its model, and which features are added or left out."""
        cpu = parse_xml(self.xml)
        features = [(feature.get("policy", "require"), feature.get("name", "")) for feature in cpu.iterfind("feature")]
        added = [name for policy, name in features if policy in ("require", "force")]
        left_out = [name for policy, name in features if policy in ("disable", "forbid")]
        told = [text(cpu, "model") or "unnamed model"]
        told += [f"with {', '.join(added)}"] if added else []
        told += [f"without {', '.join(left_out)}"] if left_out else []
        return ", ".join(told)

    def put_into(self, domain_xml: str) -> str:
        """The definition `domain_xml` with this CPU instead of its own. Raises InvalidInput."""
        root, cpu = parse_xml(domain_xml), parse_xml(self.xml)
        old = root.find("cpu")
        if old is not None:
            cpu.extend([child for child in old if child.tag in KEPT])
            root.replace(old, cpu)
        else:
            root.append(cpu)
        return etree.tostring(root, encoding="unicode")
