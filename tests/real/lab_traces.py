"""What a lab instance has on this machine: for the tests that a lab which is down left nothing."""

from pathlib import Path

from tests.lab import rootfs
from tests.lab.lab import Lab
from tests.lab.process import run


def namespaces(lab: Lab) -> set[str]:
    """The PID namespaces of the hosts, as /proc names them: whatever runs in one belongs to the lab."""
    found = set()
    for host in lab.hosts:
        words = (lab.folder / host / "pid").read_text().split()
        found.add(str(Path(f"/proc/{words[0]}/ns/pid").readlink()))
    return found


def processes_in(wanted: set[str]) -> list[str]:
    """The command lines of all processes in the PID namespaces `wanted`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str((process / "ns/pid").readlink()) in wanted:
                found.append((process / "cmdline").read_text(errors="replace").replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:  # the machine may hide its init even from root; the lab's processes are never hidden
            continue
    return found


def traces(lab: Lab) -> list[str]:
    """Everything on this machine that carries the instance's tag: links, namespaces, mounts, folders, nft tables, processes."""
    tag = lab.network.tag
    found = [line for line in run(["ip", "-brief", "link"], timeout_s=10).stdout.splitlines() if f"-{tag}" in line]
    found += [name for name in run(["ip", "netns", "list"], timeout_s=10).stdout.split() if f"-{tag}-" in name]
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if str(lab.folder) in line]
    found += [str(lab.folder)] if lab.folder.exists() else []
    tables = run(["chroot", str(rootfs.location()), "nft", "list", "tables"], timeout_s=10).stdout
    found += [line for line in tables.splitlines() if line.endswith(f"_{tag}")]
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += [words.replace("\0", " ")] if f"{lab.folder}/" in words or f"kvmlab-{tag}-" in words else []
    return found
