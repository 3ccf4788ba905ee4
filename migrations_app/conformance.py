"""Before and after compared: is the guest that arrived the guest that left, and is its definition there the right one?

Pure. XML and a few facts of both ends come in, rows for a table go out; each difference says what it means and, where the
console can, which act repairs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lxml import etree

from hosts.domain_digest import definition_digest
from hosts.domain_xml import Domain
from hosts.xml_reading import attribute, parse_xml, text

AGENT_CHANNEL = "org.qemu.guest_agent.0"
"""The name of the guest agent's channel (docs/formatdomain.rst of libvirt, "Channel")."""
TITLES = {
    "machine": "Machine type",
    "cpu": "CPU",
    "memory": "Memory and vCPUs",
    "disks": "Disks",
    "nics": "Network cards",
    "boot": "Boot order",
    "nvram": "Firmware",
    "tpm": "TPM",
    "agent": "Guest agent",
    "definition": "Definition",
    "live": "Definition and what runs",
    "autostart": "Autostart",
    "snapshots": "Snapshots",
    "one_definition": "One definition",
}
"""What is compared, in the order of the table."""
LIVE = ("machine", "cpu", "memory", "disks", "nics", "boot", "nvram", "tpm", "agent")
DEFINED = ("machine", "memory", "disks", "nics", "boot", "nvram", "tpm")
"""What a definition and what runs must agree in. Not the CPU: libvirt writes a model out when the guest starts."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A guest on one host at one moment: its XML without secrets ("" where it has none), and what libvirt keeps beside it."""

    live_xml: str = ""
    definition_xml: str = ""
    autostart: bool = False
    snapshots: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Picture | None:
        """Read what `to_dict` made; None of an empty one."""
        return cls(**{**kept, "snapshots": tuple(kept["snapshots"])}) if kept else None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `level` is ok or warning; `act` on `host` (hosts.actions.VM_ACTS) repairs it, where it can be."""

    name: str
    level: str
    before: str
    after: str
    message: str = ""
    act: str = ""
    host: str = ""

    def to_dict(self) -> dict[str, str]:
        return {**asdict(self), "title": TITLES[self.name]}


@dataclass(frozen=True, slots=True)
class Other:
    """What another host than the destination says of the guest; `known` False where it did not answer."""

    host: str
    known: bool = True
    defined: bool = False
    autostart: bool = False
    marked_stale: bool = False


def facts(xml: str) -> dict[str, str]:
    """What is compared of one XML, each part as one line of text."""
    root, domain = parse_xml(xml), Domain.parse(xml)
    disks = sorted(
        f"{disk.target}: {disk.source or 'empty'}, {disk.driver_format or 'raw'}, {disk.bus}, {disk.device}"
        for disk in domain.disks
    )
    nics = sorted(f"{nic.mac} {nic.model} at {nic.source or nic.type}" for nic in domain.interfaces)
    return {
        "machine": f"{domain.machine}, {domain.arch}",
        "cpu": _cpu(root, domain),
        "memory": f"{domain.memory_mib} MiB, {domain.vcpus} vCPU",
        "disks": "; ".join(disks) or "none",
        "nics": "; ".join(nics) or "none",
        "boot": _boot(root) or "not set",
        "nvram": _firmware(root) or "BIOS",
        "tpm": _tpm(root) or "none",
        "agent": _agent(root),
    }


def _cpu(root: etree._Element, domain: Domain) -> str:
    features = root.findall("cpu/feature")
    words = [f"{element.get('policy', 'require')} {element.get('name', '')}" for element in features]
    name = domain.cpu_model or domain.cpu_mode or "the machine type's own"
    return f"{name} ({', '.join(sorted(words))})" if words else name


def _boot(root: etree._Element) -> str:
    ordered = []
    for device in root.iterfind("devices/*[boot]"):
        # A tap's name is libvirt's own, and another one on each host.
        place = ("mac", "address") if device.tag == "interface" else ("target", "dev")
        ordered.append((int(attribute(device, "boot", "order") or 0), attribute(device, *place) or f"{device.tag!s}"))
    return ", ".join(
        [*(element.get("dev", "") for element in root.iterfind("os/boot")), *(name for _, name in sorted(ordered))]
    )


def _firmware(root: etree._Element) -> str:
    parts = (attribute(root, "os", "firmware"), text(root, "os/loader"), text(root, "os/nvram"))
    return ", ".join(part for part in parts if part)


def _tpm(root: etree._Element) -> str:
    found = root.find("devices/tpm")
    if found is None:
        return ""
    backend = found.find("backend")
    kind = "" if backend is None else f"{backend.get('type', '')} {backend.get('version', '')}".strip()
    return f"{found.get('model', '')}, {kind}"


def _agent(root: etree._Element) -> str:
    for target in root.iterfind("devices/channel/target"):
        if target.get("name") == AGENT_CHANNEL:
            return target.get("state") or "defined"
    return "no channel"


def compare_live(before: Picture, after: Picture) -> list[Row]:
    """What ran at the source beside what runs at the destination; empty where one of the two is not known."""
    if not before.live_xml or not after.live_xml:
        return []
    was, now = facts(before.live_xml), facts(after.live_xml)
    return [_compared(name, was[name], now[name]) for name in LIVE]


def _compared(name: str, was: str, now: str) -> Row:
    if was == now:
        return Row(name, "ok", was, now)
    if name == "agent" and now == "connected":
        return Row(name, "ok", was, now)
    message = f"{TITLES[name]}: it was {was} and is {now}."
    if name == "agent":
        message = f"The guest agent was {was} before and is {now} now; it may need a moment, or a restart in the guest."
    return Row(name, "warning", was, now, message)


def compare_definition(before: Picture, after: Picture, *, host: str) -> list[Row]:
    """The definition at the destination `host` beside the one that the guest had, and beside what runs there."""
    rows = [_as_before(before, after, host), _as_live(before, after, host)]
    was, now = _switch(before.autostart), _switch(after.autostart)
    if before.definition_xml or after.autostart:
        message = f"Autostart was {was} and is {now} on {host}." if was != now else ""
        rows.append(Row("autostart", "warning" if message else "ok", was, now, message))
    names = [", ".join(picture.snapshots) or "none" for picture in (before, after)]
    message = f"Snapshots that libvirt knows: {names[0]} before, {names[1]} now." if names[0] != names[1] else ""
    return [*rows, Row("snapshots", "warning" if message else "ok", names[0], names[1], message)]


def _switch(on: bool) -> str:
    return "on" if on else "off"


def _as_before(before: Picture, after: Picture, host: str) -> Row:
    was = "persistent" if before.definition_xml else "transient"
    if not after.definition_xml:
        level = "warning" if after.live_xml else "ok"
        message = f"It is transient on {host}: it vanishes when it is shut down or {host} restarts. Define it."
        return Row("definition", level, was, "transient", message, "define", host)
    if not before.definition_xml:
        return Row("definition", "ok", was, "persistent")
    if definition_digest(before.definition_xml) == definition_digest(after.definition_xml):
        return Row("definition", "ok", was, "persistent, the same")
    paths = ", ".join(differing(before.definition_xml, after.definition_xml)) or "details"
    message = f"The definition on {host} is another one than before: it differs in {paths}."
    return Row("definition", "warning", was, f"persistent, differs in {paths}", message, "redefine", host)


def _as_live(before: Picture, after: Picture, host: str) -> Row:
    """Differences that the guest had before are changes that wait for its next start; any other is a wrong definition."""
    if not after.definition_xml or not after.live_xml:
        return Row("live", "ok", "", "not compared")
    runs, defined = facts(after.live_xml), facts(after.definition_xml)
    apart = [name for name in DEFINED if runs[name] != defined[name]]
    old = facts(before.definition_xml) if before.definition_xml else {}
    waiting = [name for name in apart if old.get(name) == defined[name]]
    wrong = [name for name in apart if name not in waiting]
    if wrong:
        words = "; ".join(f"{TITLES[name]}: defined as {defined[name]}, runs with {runs[name]}" for name in wrong)
        message = f"At its next start on {host} it would be another guest. {words}."
        return Row("live", "warning", "", "differs", message, "redefine", host)
    if waiting:
        words = ", ".join(TITLES[name] for name in waiting)
        return Row("live", "ok", "", f"as before, {words} change at the next start")
    return Row("live", "ok", "", "equal")


def differing(first: str, second: str) -> list[str]:
    """The names of the parts in which two definitions differ, such as "memory" or "devices/disk"."""
    one, other = _parts(parse_xml(first)), _parts(parse_xml(second))
    return [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]


def _parts(root: etree._Element) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for child in root:
        for name, element in _named(child):
            for part in element.iter():
                part.text, part.tail = (part.text or "").strip() or None, None
            found.setdefault(name, []).append(etree.tostring(element, method="c14n"))
    return found


def _named(child: etree._Element) -> list[tuple[str, etree._Element]]:
    if child.tag != "devices":
        return [(str(child.tag), child)]
    return [(f"devices/{device.tag!s}", device) for device in child]


def one_definition(others: Sequence[Other], *, destination: str) -> Row:
    """Exactly one host may define the guest in the end; a copy that was kept on purpose is marked stale, autostart off."""
    holders = [other for other in others if other.defined]
    silent = [other.host for other in others if not other.known]
    wrong = [other for other in holders if other.autostart or not other.marked_stale]
    if wrong:
        first = next((other for other in wrong if other.autostart), wrong[0])
        names = " and ".join(other.host for other in wrong)
        danger = "Started there, it would be a second copy on the same disks."
        if first.autostart:
            danger = f"Autostart is on there: when {first.host} boots, it starts a second copy on the same disks."
        message = f"There is still a definition of it on {names}. {danger}"
        return Row("one_definition", "warning", "", f"also on {first.host}", message, "undefine-stale", first.host)
    if silent:
        message = f"{', '.join(silent)} did not answer, so an old definition there could not be looked for."
        return Row("one_definition", "warning", "", "not known", message)
    kept = f", and a copy marked as stale on {', '.join(other.host for other in holders)}" if holders else ""
    return Row("one_definition", "ok", "", f"on {destination}{kept}")


def warnings(rows: Sequence[Row]) -> list[str]:
    """What a step says of `rows`: the differences in words."""
    return [row.message for row in rows if row.level == "warning"]


def in_order(rows: Sequence[Row]) -> list[dict[str, str]]:
    """The rows for the table: differences first, then in the order of TITLES."""
    order = list(TITLES)
    return [row.to_dict() for row in sorted(rows, key=lambda row: (row.level != "warning", order.index(row.name)))]
