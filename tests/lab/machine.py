"""What the lab needs of the machine it runs on; each lack is named together with its cure."""

import os
import shutil
from pathlib import Path

from .process import LabError, run

PROGRAMS = {  # program: Debian package
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "chroot": "coreutils",
}
NEEDED_MIB = {"netns": 1024, "uml": 5120}


def require_root() -> None:
    """Raise LabError unless this process may make interfaces and namespaces."""
    if os.geteuid() != 0:
        raise LabError("The lab needs root: run it by sudo.")


def check(*, engine: str) -> None:
    """Raise LabError that names everything this machine lacks for `engine`."""
    require_root()
    lacks: list[str] = []
    lacks += [
        f"`{name}` is missing: apt-get install {package}"
        for name, package in PROGRAMS.items()
        if not shutil.which(name)
    ]
    if not Path("/dev/net/tun").exists():
        lacks.append("/dev/net/tun is missing: modprobe tun (in a container: pass the device in)")
    if engine == "netns" and not lacks and not _knows_file_system("overlay"):
        lacks.append("the kernel has no overlay file system: modprobe overlay")
    if lacks:
        raise LabError("The lab can't run on this machine:\n" + "\n".join(f"  - {lack}" for lack in lacks))


def check_memory(*, engine: str) -> None:
    """Raise LabError if the hosts of `engine` would not fit into the free memory."""
    available = available_mib()
    if available < NEEDED_MIB[engine]:
        raise LabError(f"{available} MiB of memory are free; engine {engine} needs {NEEDED_MIB[engine]} MiB.")


def available_mib() -> int:
    """Free memory in MiB, caches that can be dropped included."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 0


def _knows_file_system(name: str) -> bool:
    if name in Path("/proc/filesystems").read_text().split():
        return True
    return shutil.which("modprobe") is not None and run(["modprobe", name], timeout_s=10, check=False).returncode == 0
