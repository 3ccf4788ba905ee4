"""What one script on a host finds there: the script, and its answer as a value. Pure.

One script per host and check, since each call over ssh costs a round trip and a process.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from hosts.domain_needs import parse_numbers

QEMU_CONF = "/etc/libvirt/qemu.conf"
DEFAULT_PORTS = (49152, 49215)
"""libvirt's migration_port_min and _max where qemu.conf does not say (its qemu.conf.in)."""

LOOK = r"""
role=$1 token=$2; shift 2
say() { printf '%s\t%s\n' "$1" "$2"; }
conf() { sed -n "s/^ *$1 *= *\"\{0,1\}+\{0,1\}\([^\"]*\)\"\{0,1\} *$/\1/p" QEMU_CONF 2>/dev/null | tail -n 1; }
about_the_host() {
  say clock "$(date +%s.%N)"
  say hostname "$(hostname -f 2>/dev/null || hostname)"
  say links "$(ls /sys/class/net | tr '\n' ' ')"
  say addresses "$(hostname -I 2>/dev/null)"
  say nodes "$(cat /sys/devices/system/node/online 2>/dev/null)"
  say cpus "$(cat /sys/devices/system/cpu/online 2>/dev/null)"
  say cpu "$(sed -n '/^$/q; /^\(vendor_id\|model name\|stepping\|microcode\|flags\)/p' /proc/cpuinfo | tr '\n' '|' | tr '\t' ' ')"
  say selinux "$(getenforce 2>/dev/null)"
  say virt_use_nfs "$(getsebool virt_use_nfs 2>/dev/null)"
  say apparmor "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)"
  command -v swtpm >/dev/null && say swtpm yes
  command -v qemu-img >/dev/null && say qemu_img yes
  for name in dynamic_ownership security_driver migration_port_min migration_port_max; do say conf "$name=$(conf "$name")"; done
  for size in /sys/kernel/mm/hugepages/hugepages-*kB; do
    [ -r "$size/free_hugepages" ] && say huge "${size##*-} $(cat "$size/free_hugepages")"
  done
  user=$(conf user)
  [ -n "$user" ] || for name in libvirt-qemu qemu root; do id -u "$name" >/dev/null 2>&1 && user=$name && break; done
  say qemu_user "$user"
  tls=$(conf migrate_tls_x509_cert_dir)
  [ -n "$tls" ] || tls=$(conf default_tls_x509_cert_dir)
  [ -n "$tls" ] || { [ -d /etc/pki/libvirt-migrate ] && tls=/etc/pki/libvirt-migrate || tls=/etc/pki/qemu; }
  say tls "$tls $(ls "$tls" 2>/dev/null | tr '\n' ' ')"
}
as_qemu() {
  if [ "$(id -u "$user" 2>/dev/null)" = "$(id -u)" ]; then "$@"
  else setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- "$@"; fi
}
sample() {
  [ -r "$1" ] || return
  size=$(stat -Lc %s -- "$1") part=0
  printf '%s ' "$size"
  { while [ $part -lt 16 ]; do
      dd if="$1" bs=65536 count=1 skip=$((size / 65536 * part / 16)) 2>/dev/null; part=$((part + 1))
    done; tail -c 65536 -- "$1"; } | sha256sum | cut -c1-64
}
about_the_host
while [ $# -gt 1 ]; do
  kind=$1 path=$2; shift 2
  case $kind in
  folder)
    say mount "$(findmnt -J -T "$path" -o TARGET,SOURCE,FSTYPE,OPTIONS 2>/dev/null | tr -d '\n')"
    probe=$path/.kvmconsole-probe-$token
    if [ "$role" = source ]; then
      printf %s "$token" 2>/dev/null >"$probe" && say probe "written $(stat -c %i "$probe")" || say probe refused
    else
      say probe "$(cat "$probe" 2>/dev/null) $(stat -c %i "$probe" 2>/dev/null)"
    fi ;;
  image)
    if [ ! -e "$path" ]; then say image absent
    elif [ "$(id -u "$user" 2>/dev/null)" != "$(id -u)" ] && ! command -v setpriv >/dev/null; then say image unknown
    elif as_qemu test -r "$path" && as_qemu test -w "$path"; then say image "usable $(stat -Lc '%U:%G %a' "$path")"
    else say image "closed $(stat -Lc '%U:%G %a' "$path")"; fi ;;
  file) [ -e "$path" ] && say file there || say file absent ;;
  dir) [ -d "$path" ] && say dir there || say dir absent ;;
  space) [ -d "$path" ] && say space "$(df -P -k -- "$path" | tail -n 1)" || say space absent ;;
  size) say size "$(stat -Lc '%b %B' -- "$path" 2>/dev/null)" ;;
  sum) say sum "$(sample "$path")" ;;
  esac
done
say end ok
""".replace("QEMU_CONF", QEMU_CONF)
"""Arguments: the role, a token, then pairs of a kind (folder, image, file, dir, space, size, sum) and a path. Lists of answers keep the order of the arguments. A sum is a file's
size and a digest of 17 samples over all of it. A folder's probe file is written at the source and read at the destination.
Of qemu.conf only the named settings are read: it can hold passwords. For TLS, libvirt takes libvirt-migrate where qemu.conf
names no folder (virQEMUDriverConfigSetDefaults)."""

END = "end\tok\n"
"""A whole answer ends so."""
REMOVE_PROBES = 'token=$1; shift; for folder; do rm -f -- "$folder/.kvmconsole-probe-$token"; done'


FIELDS = {
    "folder": "folders",
    "image": "images",
    "file": "files",
    "dir": "dirs",
    "space": "spaces",
    "size": "sizes",
    "sum": "sums",
}
"""Where a Look keeps what it found of each kind of path; all its other fields are about the host itself."""


@dataclass(frozen=True, slots=True)
class FolderLook:
    """What lies at a folder: the mount, its kind and options, what became of the probe file, and that file's inode number."""

    mount: str = ""
    kind: str = ""
    options: str = ""
    probe: str = ""
    inode: str = ""


@dataclass(frozen=True, slots=True)
class Space:
    """How much is free at a folder, and on which file system it lies."""

    system: str
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Look:
    """One host; `error` says why nothing is known of it. `clock_s` is its clock less the console's: between which two bounds, in seconds."""

    error: str = ""
    clock_s: tuple[float, float] | None = None
    hostname: str = ""
    links: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    nodes: frozenset[int] = frozenset()
    cpus: frozenset[int] = frozenset()
    cpu: dict[str, str] = field(default_factory=dict)
    selinux: str = ""
    virt_use_nfs: str = ""
    has_apparmor: bool = False
    has_swtpm: bool = False
    conf: dict[str, str] = field(default_factory=dict)
    free_huge_pages: dict[int, int] = field(default_factory=dict)
    qemu_user: str = ""
    tls_folder: str = ""
    tls_files: frozenset[str] = frozenset()
    folders: dict[str, FolderLook] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    files: dict[str, bool] = field(default_factory=dict)
    dirs: dict[str, bool] = field(default_factory=dict)
    has_qemu_img: bool = False
    spaces: dict[str, Space] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)

    @property
    def ports(self) -> tuple[int, int]:
        """The first and last port that libvirt gives to incoming migrations here."""
        low, high = (self.conf.get(f"migration_port_{end}", "") for end in ("min", "max"))
        return (
            int(low) if low.isdigit() else DEFAULT_PORTS[0],
            int(high) if high.isdigit() else DEFAULT_PORTS[1],
        )

    def only(self, wanted: Collection[tuple[str, str]]) -> "Look":
        """The same, but of the paths no others than those that are `wanted`."""
        kept: dict[str, Any] = {
            name: {path: found for path, found in getattr(self, name).items() if (kind, path) in wanted}
            for kind, name in FIELDS.items()
        }
        return replace(self, **kept)


def parse(output: str, wanted: Iterable[tuple[str, str]], *, asked_s: float, answered_s: float) -> Look:
    """The answer of LOOK to the pairs `wanted`; the console's clock (Unix seconds) says when it was asked and answered."""
    said: dict[str, list[str]] = {}
    for line in output.splitlines():
        key, _, value = line.partition("\t")
        said.setdefault(key, []).append(value.strip())
    paths: dict[str, list[str]] = {}
    for kind, path in wanted:
        paths.setdefault(kind, []).append(path)

    def one(key: str) -> str:
        return said.get(key, [""])[0]

    def each(kind: str) -> Iterable[tuple[str, str]]:
        return zip(paths.get(kind, []), said.get(kind, []), strict=False)

    clock = one("clock")
    return Look(
        clock_s=(float(clock) - answered_s, float(clock) - asked_s) if clock.replace(".", "").isdigit() else None,
        hostname=one("hostname"),
        links=frozenset(one("links").split()),
        addresses=frozenset(one("addresses").split()),
        nodes=parse_numbers(one("nodes")),
        cpus=parse_numbers(one("cpus")),
        cpu=_cpu(one("cpu")),
        selinux=one("selinux"),
        virt_use_nfs=one("virt_use_nfs"),
        has_apparmor=one("apparmor") == "Y",
        has_swtpm=one("swtpm") == "yes",
        conf=dict(line.partition("=")[::2] for line in said.get("conf", [])),
        free_huge_pages=_huge_pages(said.get("huge", [])),
        qemu_user=one("qemu_user"),
        tls_folder=one("tls").partition(" ")[0],
        tls_files=frozenset(one("tls").split()[1:]),
        folders=_folders(paths.get("folder", []), said.get("mount", []), said.get("probe", [])),
        images=dict(each("image")),
        files={path: answer == "there" for path, answer in each("file")},
        dirs={path: answer == "there" for path, answer in each("dir")},
        has_qemu_img=one("qemu_img") == "yes",
        spaces={path: space for path, answer in each("space") if (space := _space(answer))},
        sizes={path: _product(answer) for path, answer in each("size")},
        sums={path: answer for path, answer in each("sum") if answer},
    )


def _folders(paths: list[str], mounts: list[str], probes: list[str]) -> dict[str, FolderLook]:
    each = zip(paths, mounts, probes, strict=False)
    return {path: FolderLook(*_mount(mount), *probe.partition(" ")[::2]) for path, mount, probe in each}


def _mount(line: str) -> tuple[str, str, str]:
    """Source, type and options of the file system, from findmnt's JSON."""
    try:
        entry = json.loads(line)["filesystems"][0]
    except (ValueError, KeyError, IndexError):
        return "", "", ""
    return entry.get("source") or "", entry.get("fstype") or "", entry.get("options") or ""


def _cpu(line: str) -> dict[str, str]:
    pairs = (part.partition(":")[::2] for part in line.split("|") if ":" in part)
    return {key.strip(): value.strip() for key, value in pairs}


def _huge_pages(lines: list[str]) -> dict[int, int]:
    pairs = (line.replace("kB", "").split() for line in lines)
    return {int(pair[0]): int(pair[1]) for pair in pairs if len(pair) == 2 and all(part.isdigit() for part in pair)}


def _space(line: str) -> Space | None:
    """A line of `df -P -k`: file system, blocks, used, available, per cent, mount point (POSIX)."""
    words = line.split()
    if len(words) < 6 or not words[3].isdigit():
        return None
    return Space(system=words[0] if words[0].startswith("/") else words[5], free_bytes=int(words[3]) * 1024)


def _product(line: str) -> int:
    """Blocks and their size, from stat."""
    words = line.split()
    return int(words[0]) * int(words[1]) if len(words) == 2 and all(word.isdigit() for word in words) else 0
