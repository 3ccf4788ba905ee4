"""What a host says of the files at a mount point and on a share, as values. Pure: takes text, returns values."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lxml import etree

from hosts.errors import InvalidInput
from hosts.nfs import looks_like_disk_image
from hosts.xml_reading import parse_xml

KINDS = {"f": "file", "d": "folder", "l": "link"}
BLOCK_BYTES = 512
IMAGE_FORMATS = ("qcow2", "qcow", "vmdk", "vdi", "vpc", "vhdx", "qed")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or link below a folder. `mtime` is as find prints it."""

    path: str
    kind: str
    size_bytes: int = 0
    allocated_bytes: int = 0
    mtime: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class OnShare:
    """What has the name `path` on the share; `said` is its size, or where a link leads."""

    path: str
    kind: str
    said: str


@dataclass(frozen=True, slots=True)
class Share:
    """A share as a host sees it: its free space, whether it can be written to, and what has our names there."""

    available_bytes: int
    refusal: str
    taken: Mapping[str, OnShare]


@dataclass(frozen=True, slots=True)
class Image:
    """What qemu-img says: the image's format, and the files it is based on, nearest first."""

    format: str
    chain: tuple[str, ...]


def parse_list(text: str) -> list[Entry]:
    """What LIST writes; parents come before what lies in them."""
    fields = text.split("\0")
    entries = []
    for kind, size, blocks, mtime, link, path in zip(*[iter(fields)] * 6, strict=False):
        entries.append(
            Entry(
                path=path,
                kind=KINDS.get(kind, "other"),
                size_bytes=int(size),
                allocated_bytes=int(blocks) * BLOCK_BYTES,
                mtime=mtime,
                link=link,
            )
        )
    return sorted(entries, key=lambda entry: entry.path.split("/"))


def parse_share(text: str) -> Share:
    """What LOOK_AT_SHARE writes."""
    verdict, _, rest = text.partition("\n")
    figures, _, names = rest.partition("\n")
    blocks, size = (int(figure) for figure in figures.split())
    fields = names.split("\0")
    taken = {
        path: OnShare(path=path, kind=KINDS.get(kind, "other"), said=said)
        for kind, said, path in zip(*[iter(fields)] * 3, strict=False)
    }
    refusal = "" if verdict == "writable" else verdict.removeprefix("refused ").strip() or "no reason given"
    return Share(available_bytes=blocks * size, refusal=refusal, taken=taken)


def parse_chains(text: str) -> dict[str, Image]:
    """What CHAINS writes: by path; a file that qemu-img can't read is left out."""
    fields = text.split("\0")
    found = {}
    for path, said in zip(*[iter(fields)] * 2, strict=False):
        if not said.strip():
            continue
        links = json.loads(said)
        names = [str(link.get("filename", "")) for link in links]
        last = links[-1].get("full-backing-filename") or links[-1].get("backing-filename")
        chain = [*names[1:], *([str(last)] if last else [])]
        found[path] = Image(
            format=str(links[0].get("format", "")), chain=tuple(posixpath.normpath(one) for one in chain)
        )
    return found


def is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def paths_below(xml: str, folder: str) -> frozenset[str]:
    """Every path below `folder` that a definition names anywhere: disks, CD-ROMs, kernels, firmware variables, backing files."""
    return frozenset(path for path in _values(parse_xml(xml)) if is_below(path, folder))


def volumes_below(xml: str, pools: Mapping[str, str], folder: str) -> frozenset[str]:
    """The paths of disks that are volumes of pools (by name: their folder) below `folder`, or of it."""
    found = set()
    for source in parse_xml(xml).iterfind("devices/disk/source[@pool]"):
        path = posixpath.join(pools.get(source.get("pool", ""), "/"), source.get("volume", ""))
        if is_below(path, folder):
            found.add(path)
    return frozenset(found)


def disk_sources(xml: str) -> frozenset[str]:
    """The files and devices that disks are, without what they are based on."""
    sources = parse_xml(xml).iterfind("devices/disk/source")
    return frozenset(path for source in sources if (path := source.get("file") or source.get("dev")))


def written_disks(xml: str) -> frozenset[str]:
    """The files of disks that the guest can write to."""
    disks = parse_xml(xml).iterfind("devices/disk")
    found = (
        disk.find("source") for disk in disks if disk.find("readonly") is None and disk.get("device", "disk") == "disk"
    )
    return frozenset(path for source in found if source is not None and (path := source.get("file")))


def replace_paths(xml: str, renamed: Mapping[str, str]) -> str:
    """The definition with each value that is one of the old paths changed to the new one; nothing else is touched.

    A path that was changed is never changed again, also where a new name is another's old one. Raises InvalidInput.
    """
    root = parse_xml(xml)
    for element in root.iter():
        for name, value in element.attrib.items():
            if str(value) in renamed:
                element.set(name, renamed[str(value)])
        if element.text and element.text.strip() in renamed:
            element.text = renamed[element.text.strip()]
    return etree.tostring(root, encoding="unicode")


def is_image(entry: Entry, image: Image | None) -> bool:
    return entry.kind == "file" and (
        looks_like_disk_image(entry.path) or (image is not None and image.format in IMAGE_FORMATS)
    )


def validate_new_name(name: str, *, field: str = "new_name") -> str:
    """A path below the share that is safe to write. Raises InvalidInput(field)."""
    if not name.strip() or name.startswith("/") or "\0" in name or len(name) > 1024:
        raise InvalidInput(f"{name!r} can't be a name on the share.", field=field)
    if (
        posixpath.normpath(name) != name
        or name.startswith("..")
        or any(len(part.encode()) > 255 for part in name.split("/"))
    ):
        raise InvalidInput(f"{name!r} is not in plain form: leave out '.', '..' and repeated slashes.", field=field)
    if any(ord(character) < 32 for character in name):
        raise InvalidInput(f"{name!r} holds control characters.", field=field)
    return name


def free_name(path: str, host: str, taken: Iterable[str]) -> str:
    """A name for `path` on the share that nobody has: web.qcow2 → web-kvm-2.qcow2."""
    folder, name = posixpath.split(path)
    stem, suffix = posixpath.splitext(name)
    taken = set(taken)
    for number in range(1, 1000):
        again = f"-{number}" if number > 1 else ""
        offered = posixpath.join(folder, f"{stem}-{host}{again}{suffix}")
        if offered not in taken:
            return offered
    raise InvalidInput(f"No free name was found for {path!r}.", field="new_name")


def _values(root: etree._Element) -> Iterable[str]:
    for element in root.iter():
        yield from (str(value) for value in element.attrib.values())
        if element.text and element.text.strip().startswith("/"):
            yield element.text.strip()
