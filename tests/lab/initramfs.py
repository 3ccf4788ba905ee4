"""The lab guest's kernel and its busybox initramfs, made from the root file system in a moment."""

import gzip
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .process import compile_c

# In this order each finds the symbols it needs.
MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
    "virtio_blk",
    "button",
    "evdev",
)
INIT = Path(__file__).with_name("guest_init.sh")
PROGRAMS = ("await", "beat", "dirty")
"""guest_NAME.c becomes bin/NAME of the guest."""
FOLDER_ON_HOST = "var/lib/libvirt/boot"
KERNEL, INITRD = "lab-vmlinuz", "lab-initrd.gz"


def build(root: Path, folder: Path) -> None:
    """Put kernel and initramfs into `folder` under the names KERNEL and INITRD. LabError where there is no compiler."""
    folder.mkdir(parents=True, exist_ok=True)
    kernel = next((root / "boot").glob("vmlinuz-*-cloud-amd64"))
    shutil.copy(kernel, folder / KERNEL)
    modules = root / "usr/lib/modules" / kernel.name.removeprefix("vmlinuz-")
    (folder / INITRD).write_bytes(gzip.compress(b"".join(_archive(root, modules)), compresslevel=6, mtime=0))


def _archive(root: Path, modules: Path) -> Iterator[bytes]:
    """A cpio archive in the "newc" format (Linux, Documentation/driver-api/early-userspace/buffer-format.rst)."""
    for name in ("bin", "dev", "proc", "sys", "modules"):
        yield _entry(name, stat.S_IFDIR | 0o755, b"")
    yield _entry("init", stat.S_IFREG | 0o755, INIT.read_bytes())
    yield _entry("bin/busybox", stat.S_IFREG | 0o755, (root / "bin/busybox").read_bytes())
    for name in PROGRAMS:
        yield _entry(f"bin/{name}", stat.S_IFREG | 0o755, _compiled(Path(__file__).with_name(f"guest_{name}.c")))
    yield _entry("bin/sh", stat.S_IFLNK | 0o777, b"busybox")
    found = {path.stem: path for path in (modules / "kernel").rglob("*.ko")}
    order = [name for name in MODULES if name in found]
    for name in order:
        yield _entry(f"modules/{name}.ko", stat.S_IFREG | 0o644, found[name].read_bytes())
    yield _entry("modules/order", stat.S_IFREG | 0o644, "\n".join(order).encode() + b"\n")
    yield _entry("TRAILER!!!", 0, b"")


def _compiled(source: Path) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / source.stem
        compile_c(source, program, "-static", "-s")
        return program.read_bytes()


def _entry(name: str, mode: int, data: bytes) -> bytes:
    path = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    return header + b"\0" * (-len(header) % 4) + data + b"\0" * (-len(data) % 4)
