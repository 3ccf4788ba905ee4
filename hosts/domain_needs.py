"""What a domain needs of the host that runs it, beyond disks, NICs and memory: files, folders, huge pages, nodes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from lxml import etree

from hosts.xml_reading import attribute, parse_xml, text

DEFAULT_HUGE_PAGE_KIB = 2048
"""What <hugepages/> without a size means on x86."""
_SCALE = {"b": 1 / 1024, "KiB": 1, "MiB": 1024, "GiB": 1024**2, "TiB": 1024**3}


@dataclass(frozen=True, slots=True)
class Needs:
    """Paths are the host's own. `nodes` and `cpus` are those to which the guest is strictly bound."""

    boot_files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    huge_page_kib: int = 0
    nodes: frozenset[int] = frozenset()
    cpus: frozenset[int] = frozenset()
    has_emulated_tpm: bool = False
    writable_images: tuple[str, ...] = ()

    @classmethod
    def parse(cls, xml: str) -> Needs:
        """Read the live XML. Raises InvalidInput(field="xml")."""
        root = parse_xml(xml)
        return cls(
            boot_files=tuple(filter(None, (text(root, f"os/{tag}") for tag in ("loader", "kernel", "initrd", "dtb")))),
            folders=_folders(root),
            huge_page_kib=_huge_page_kib(root),
            nodes=_nodes(root),
            cpus=_pinned(root),
            has_emulated_tpm=root.find("devices/tpm/backend[@type='emulator']") is not None,
            writable_images=_writable_images(root),
        )


def parse_numbers(listed: str) -> frozenset[int]:
    """The numbers of a list such as the kernel's and libvirt's "0-3,8,^2"; empty where it is none."""
    found: set[int] = set()
    for part in listed.replace(" ", "").split(","):
        low, _, high = part.removeprefix("^").partition("-")
        if not low.isdigit() or (high and not high.isdigit()):
            continue
        numbers = range(int(low), int(high or low) + 1)
        found = found - set(numbers) if part.startswith("^") else found | set(numbers)
    return frozenset(found)


def _writable_images(root: etree._Element) -> tuple[str, ...]:
    """Those that QEMU opens to write: media and read-only disks, and what lies below an image, are not."""
    disks = root.xpath("devices/disk[@type='file'][not(readonly)][not(@device='cdrom')]/source/@file")
    return tuple(str(path) for path in disks)


def _folders(root: etree._Element) -> tuple[str, ...]:
    """Where QEMU opens logs, sockets and firmware variables: the folder must be there, the file is made."""
    paths = [element.get("file", "") for element in root.iterfind("devices/*/log")]
    for kind in ("file", "unix", "pipe"):
        paths += [str(path) for path in root.xpath("devices/*[@type=$kind][not(self::disk)]/source/@path", kind=kind)]
    paths.append(text(root, "os/nvram"))
    # libvirt makes the folders below its own by itself.
    own = ("/var/lib/libvirt/qemu/channel", "/var/lib/libvirt/qemu/domain-", "/run/libvirt", "/var/run/libvirt")
    parents = {str(PurePosixPath(path).parent) for path in paths if path.startswith("/")}
    return tuple(sorted(parent for parent in parents if not parent.startswith(own)))


def _huge_page_kib(root: etree._Element) -> int:
    if root.find("memoryBacking/hugepages") is None:
        return 0
    size = attribute(root, "memoryBacking/hugepages/page", "size")
    unit = attribute(root, "memoryBacking/hugepages/page", "unit") or "KiB"
    return round(int(size) * _SCALE.get(unit, 1)) if size else DEFAULT_HUGE_PAGE_KIB


def _nodes(root: etree._Element) -> frozenset[int]:
    memory = root.find("numatune/memory")
    if memory is None or memory.get("mode", "strict") != "strict":
        return frozenset()
    return parse_numbers(memory.get("nodeset", ""))


def _pinned(root: etree._Element) -> frozenset[int]:
    listed = [attribute(root, "vcpu", "cpuset")]
    listed += [pin.get("cpuset", "") for pin in root.xpath("cputune/*[self::vcpupin or self::emulatorpin]")]
    return frozenset().union(*(parse_numbers(text) for text in listed))
