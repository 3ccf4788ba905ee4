"""What NFS servers offer and hosts have mounted, read from the commands that say so; what may be asked for.

Pure: takes text, returns values. /etc/fstab has its own module, fstab.py.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hosts.errors import InvalidInput
from hosts.host_uri import validate_address

# Reads the kernel's table only. SIZE, USED and AVAIL would call statvfs(2), which hangs on a dead NFS server: ask for
# them mount by mount, with a time limit (findmnt_sizes_argv), and take no answer in time for "stale".
FINDMNT_ARGV = ("findmnt", "--json", "--list", "--bytes", "--output", "TARGET,SOURCE,FSTYPE,OPTIONS")
NFS_TYPES = ("nfs", "nfs4")

DISK_IMAGE_SUFFIXES = (".qcow2", ".raw", ".img", ".iso", ".vmdk", ".vdi", ".vhd", ".vhdx", ".qed", ".qcow")

_PATH = re.compile(r"/[\w._+@=,~:/-]*")
_OPTION_VALUE = re.compile(r"[A-Za-z0-9._:/-]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# nfs(5), mount(8) and systemd.mount(5): names that make sense for a share of images, without `user`, `exec` and friends
_FLAGS = _words(
    """
    ro rw sync async atime noatime nodiratime relatime strictatime nodev nosuid noexec auto noauto nofail _netdev
    hard soft softerr fg bg ac noac cto nocto lock nolock acl noacl fsc nofsc intr nointr tcp udp rdma resvport
    noresvport rdirplus nordirplus sharecache nosharecache migration nomigration posix noposix trunkdiscovery
    notrunkdiscovery x-systemd.automount
    """
)
_VALUED = _words(
    """
    vers nfsvers minorversion proto port sec timeo retrans retry rsize wsize nconnect max_connect acregmin acregmax
    acdirmin acdirmax actimeo lookupcache local_lock clientaddr mountproto mountport mountvers mounthost namlen
    context write xprtsec x-systemd.mount-timeout x-systemd.idle-timeout x-systemd.requires x-systemd.after
    """
)
_VERSIONS = ("3", "4", "4.0", "4.1", "4.2")

# What a mount would hide matters more than where it is: these hold the system itself.
_SYSTEM_FOLDERS = _words(
    """
    /bin /boot /dev /etc /home /lib /lib32 /lib64 /libx32 /proc /root /run /sbin /sys /tmp /usr /var
    /var/cache /var/lib /var/lib/libvirt /var/lib/nfs /var/log /var/run /var/spool /var/tmp
    """
)
_SYSTEM_TREES = ("/proc", "/sys", "/dev", "/etc", "/usr", "/boot", "/bin", "/sbin", "/lib", "/lib32", "/lib64")


@dataclass(frozen=True, slots=True)
class NfsSource:
    """`server:/path`, as given to mount. `str()` writes it back, with IPv6 addresses in brackets."""

    server: str
    path: str

    @classmethod
    def parse(cls, text: str) -> NfsSource:
        """Raises InvalidInput(field="source")."""
        text = text.strip()
        server, found, path = text.partition(":/")
        if text.startswith("["):
            server, found, path = text.partition("]:/")
            server += "]"
        if not found:
            raise _invalid("source", f"{text!r} is not SERVER:/path, as in 192.0.2.10:/home/image.")
        path = f"/{path}"
        require_plain_path(path, field="source")
        return cls(server=validate_address(server, field="source"), path=path)

    def __str__(self) -> str:
        server = f"[{self.server}]" if ":" in self.server else self.server
        return f"{server}:{self.path}"


@dataclass(frozen=True, slots=True)
class Export:
    """A path that a server offers; `clients` as the server writes them, "(everyone)" for no restriction."""

    path: str
    clients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MountFact:
    """One mount of a host, as its kernel has it. Sizes are None where nobody asked or the server gave no answer."""

    source: str
    target: str
    fstype: str
    version: str = ""
    options: str = ""
    size_bytes: int | None = None
    used_bytes: int | None = None
    available_bytes: int | None = None

    @property
    def is_nfs(self) -> bool:
        return self.fstype in NFS_TYPES


@dataclass(frozen=True, slots=True)
class Hidden:
    """What lies in a folder and would be out of sight under a mount."""

    entries: tuple[str, ...]
    disk_images: tuple[str, ...]


def showmount_argv(server: str) -> tuple[str, ...]:
    """The command that `parse_showmount` reads; `server` must have passed `validate_address`."""
    return ("showmount", "--no-headers", "--exports", server)


def findmnt_sizes_argv(target: str) -> tuple[str, ...]:
    """Size of one mount. Hangs while its server is away: run it with a short time limit."""
    return (*FINDMNT_ARGV[:-1], f"{FINDMNT_ARGV[-1]},SIZE,USED,AVAIL", "--mountpoint", target)


def parse_showmount(text: str) -> list[Export]:
    """`showmount -e --no-headers`: a padded path that may hold spaces, then the clients, which may not."""
    exports = []
    for line in text.splitlines():
        path, found, clients = line.rstrip().rpartition(" ")
        if found and path.startswith("/"):
            exports.append(Export(path=path.rstrip(), clients=tuple(clients.split(","))))
    return exports


def parse_findmnt(text: str) -> list[MountFact]:
    """`findmnt --json`, as a list or a tree; no output (findmnt's way to say "none") is an empty list.

    Where mounts lie over one another at a target, findmnt lists the lowest first, and the last is in force.
    """
    if not text.strip():
        return []
    return [_mount_fact(entry) for entry in _flat(json.loads(text)["filesystems"])]


def parse_mountstats(text: str) -> dict[str, tuple[int, int]]:
    """Of /proc/self/mountstats the bytes that were read from and written to each NFS server, by target, since it was mounted.

    The fifth and sixth figure of `bytes:` are those that went over the wire (nfs-utils' tools/mountstats).
    """
    found: dict[str, tuple[int, int]] = {}
    target = ""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["device"]:
            target = words[4] if "nfs" in line.rpartition(" fstype ")[2] and len(words) > 4 else ""
        elif words[:1] == ["bytes:"] and target and len(words) > 6:
            found[target] = (int(words[5]), int(words[6]))
    return found


def parse_options(text: str) -> dict[str, str | None]:
    """Mount options by name; a flag's value is None, and the last of a repeated name holds."""
    options: dict[str, str | None] = {}
    for option in filter(None, text.split(",")):
        name, found, value = option.partition("=")
        options[name] = value if found else None
    return options


def nfs_version(*, fstype: str, options: str) -> str:
    """Protocol version: "3", "4.2" … from the mount options; "" if this is no NFS or nobody says."""
    if fstype not in NFS_TYPES:
        return ""
    found = parse_options(options)
    version = found.get("vers") or found.get("nfsvers") or ("4" if fstype == "nfs4" else "")
    minor = found.get("minorversion")
    return f"{version}.{minor}" if version == "4" and minor else version


def validate_target(text: str) -> str:
    """A folder to mount at, e.g. /mnt; one trailing slash is dropped. Raises InvalidInput(field="target")."""
    path = text[:-1] if len(text) > 1 and text.endswith("/") and not text.endswith("//") else text
    require_plain_path(path, field="target")
    if path == "/":
        raise _invalid("target", "The mount target can't be /: it would hide the whole host.")
    if path in _SYSTEM_FOLDERS:
        raise _invalid("target", f"{path} belongs to the host's own system and can't be a mount target.")
    if any(path.startswith(f"{tree}/") for tree in _SYSTEM_TREES):
        raise _invalid("target", f"{path} lies inside the host's own system and can't be a mount target.")
    return path


def system_folder_above(path: str) -> str:
    """The folder of the machine's own system that `path` is or lies in; "" if there is none."""
    if path in _SYSTEM_FOLDERS:
        return path
    return next((tree for tree in _SYSTEM_TREES if path.startswith(f"{tree}/")), "")


def validate_options(text: str) -> str:
    """Mount options that are known and harmless on a command line; "" is fine. Raises InvalidInput(field="options")."""
    options = [option.strip() for option in text.split(",")] if text.strip() else []
    for option in options:
        name, found, value = option.partition("=")
        if name not in (_VALUED if found else _FLAGS):
            raise _invalid("options", f"Unknown mount option {option!r}.")
        if found and not _OPTION_VALUE.fullmatch(value):
            raise _invalid("options", f"The value of mount option {option!r} can't be used.")
        if name in ("vers", "nfsvers") and value not in _VERSIONS:
            raise _invalid("options", f"NFS version {value} is not one of {', '.join(_VERSIONS)}.")
    return ",".join(options)


def known_options(text: str) -> str:
    """Of the kernel's options of a mount those that a mount may be asked for: addresses that it found itself are left out."""
    known = []
    for option in filter(None, text.split(",")):
        name, found, value = option.partition("=")
        if name in (_VALUED if found else _FLAGS) and (not found or _OPTION_VALUE.fullmatch(value)):
            known.append(option)
    return ",".join(option for option in known if not option.startswith(("clientaddr=", "mounthost=")))


def looks_like_disk_image(name: str) -> bool:
    return name.lower().endswith(DISK_IMAGE_SUFFIXES)


def hidden_by_mount(names: Iterable[str]) -> Hidden:
    """What a mount on the folder that holds `names` (paths relative to it) would hide."""
    entries = tuple(sorted(name for name in names if name not in ("", ".", "..", "lost+found")))
    return Hidden(entries=entries, disk_images=tuple(name for name in entries if looks_like_disk_image(name)))


def _flat(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        yield entry
        yield from _flat(entry.get("children", []))


def _mount_fact(entry: dict[str, Any]) -> MountFact:
    fstype, options = entry.get("fstype") or "", entry.get("options") or ""
    return MountFact(
        source=entry.get("source") or "",
        target=entry["target"],
        fstype=fstype,
        version=nfs_version(fstype=fstype, options=options),
        options=options,
        size_bytes=_number(entry.get("size")),
        used_bytes=_number(entry.get("used")),
        available_bytes=_number(entry.get("avail")),
    )


def _number(value: str | int | None) -> int | None:
    """util-linux before 2.33 writes numbers as strings."""
    return None if value is None else int(value)


def require_plain_path(path: str, *, field: str) -> None:
    """Absolute, normalised, and made of characters that mean nothing to a shell, to fstab or to mount."""
    if not path.startswith("/"):
        raise _invalid(field, f"{path!r} is not an absolute path: start it with /.")
    if not _PATH.fullmatch(path):
        raise _invalid(field, f"{path!r} holds spaces, quotes or other characters that a path here can't have.")
    if posixpath.normpath(path) != path or path.startswith("//"):
        raise _invalid(field, f"{path!r} is not in plain form: leave out '.', '..' and repeated or trailing slashes.")
    if len(path) > 1024:
        raise _invalid(field, "The path is longer than 1024 characters.")


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(message, field=field)
