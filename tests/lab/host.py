"""One lab host: run commands on it, mount the storage, and break it on purpose."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from . import faults
from .identity import EXPORT, MOUNT_TARGET
from .network import NFS_HOST, Network
from .process import LabError, Result, run, wait_for

LIBVIRTD_PID = "/run/libvirtd.pid"


class Engine(Protocol):
    """What a host needs of the engine that runs it: netns.NetnsEngine, uml.UmlEngine."""

    start_timeout_s: float

    def enter(self, host: str, argv: Sequence[str]) -> list[str]:
        """The argument list that runs `argv` on `host`."""
        ...

    def is_up(self, host: str) -> bool:
        """Has the host booted, and does it still run?"""
        ...


@dataclass(frozen=True, slots=True)
class LabHost:
    """A host of the lab, of either engine."""

    name: str
    network: Network
    root: Path
    engine: Engine

    @property
    def is_up(self) -> bool:
        """Has it booted, and does it still run?"""
        return self.engine.is_up(self.name)

    @property
    def start_timeout_s(self) -> float:
        """How long libvirtd or QEMU may take to start here."""
        return self.engine.start_timeout_s

    @property
    def address(self) -> str:
        """The host's address; this machine reaches it directly."""
        return self.network.address(self.name)

    @property
    def uri(self) -> str:
        """The libvirt URI over ssh, with the address (this machine does not resolve the lab's names)."""
        return f"qemu+ssh://root@{self.address}/system"

    @property
    def tcp_uri(self) -> str:
        """The libvirt URI over plain TCP, without a login: for the lab only."""
        return f"qemu+tcp://{self.address}/system"

    def run(
        self, argv: Sequence[str], timeout_s: float = 60, *, input_text: str | None = None, check: bool = True
    ) -> Result:
        """Run `argv` as root on the host. LabError when it ends with another status than 0, unless `check=False`."""
        return run(self.engine.enter(self.name, argv), timeout_s=timeout_s, input_text=input_text, check=check)

    def virsh(self, *args: str, timeout_s: float = 120) -> str:
        """What `virsh ARGS…` prints on the host."""
        return self.run(["virsh", *args], timeout_s).stdout.strip()

    @property
    def libvirtd_runs(self) -> bool:
        """Does libvirtd answer?"""
        return self.run(["virsh", "-q", "version"], 60, check=False).returncode == 0

    def start_libvirtd(self) -> None:
        """Start libvirtd as systemd would after its end: it finds its running guests again. Idempotent."""
        script = (
            f'grep -qx libvirtd "/proc/$(cat {LIBVIRTD_PID})/comm" 2>/dev/null || '
            f"exec libvirtd --daemon --listen --pid-file {LIBVIRTD_PID}"
        )
        self.run(["sh", "-c", script], self.start_timeout_s)
        wait_for(
            lambda: self.libvirtd_runs,
            timeout_s=self.start_timeout_s,
            what=f"libvirtd on {self.name} to answer; its words are in /var/log/libvirt there",
        )

    def kill_libvirtd(self) -> None:
        """Kill libvirtd (SIGKILL). Guests run on; it stays away until `start_libvirtd`."""
        self.run(["sh", "-c", f'kill -KILL "$(cat {LIBVIRTD_PID})"; rm -f {LIBVIRTD_PID}'])

    def freeze_libvirtd(self) -> None:
        """Stop libvirtd (SIGSTOP): it takes connections and answers nothing. `thaw_libvirtd` ends it."""
        self.run(["sh", "-c", f'kill -STOP "$(cat {LIBVIRTD_PID})"'])

    def thaw_libvirtd(self) -> None:
        """Let a frozen libvirtd go on; one that is not frozen does not notice."""
        self.run(["sh", "-c", f'kill -CONT "$(cat {LIBVIRTD_PID})"'], check=False)

    def kill_qemu(self, guest: str) -> None:
        """Kill the QEMU process of a guest (SIGKILL), as the kernel does when memory runs out."""
        self.run(["sh", "-c", 'kill -KILL "$(cat "/run/libvirt/qemu/$1.pid")"', "sh", guest])

    def freeze(self, guest: str) -> None:
        """Stop the QEMU process of a guest (SIGSTOP): its monitor no longer answers libvirt. `thaw` ends it."""
        self.run(["sh", "-c", 'kill -STOP "$(cat "/run/libvirt/qemu/$1.pid")"', "sh", guest])

    def thaw(self, guest: str) -> None:
        """Let a frozen QEMU go on."""
        self.run(["sh", "-c", 'kill -CONT "$(cat "/run/libvirt/qemu/$1.pid")"', "sh", guest])

    def shape(self, mbit_s: int) -> None:
        """Slow down what this host sends to `mbit_s` Mbit/s. Shape both hosts to slow migrations both ways."""
        argv = ["tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", f"{mbit_s}mbit"]
        self.run([*argv, "burst", "256kb", "latency", "50ms"])

    def unshape(self) -> None:
        """Full speed again."""
        self.run(["tc", "qdisc", "delete", "dev", "eth0", "root"], check=False)

    def cut(self, peer: str, *, tcp_port: int | None = None) -> None:
        """Let all packets between this host and `peer` vanish; `machine` is where the lab and the console run.

        With `tcp_port` only those that this host sends to that port of another host.
        """
        faults.cut(self.network, self.name, peer, root=self.root, tcp_port=tcp_port)

    def heal(self) -> None:
        """Take back every cut of the instance, this host's and the others'."""
        faults.heal(self.network, root=self.root)

    def spoil_definitions(self, how: str) -> None:
        """Let libvirtd keep no definition any more: the disk for them is `full` or `read-only`."""
        self.run(faults.spoil_definitions(how))

    def mend_definitions(self) -> None:
        """Undo `spoil_definitions`."""
        self.run(faults.mend_definitions())

    def fill_disk(self) -> None:
        """Fill the storage to the last byte, on host `nfs` of engine uml. `free_disk` gives the space back."""
        if self.name != NFS_HOST or self.network.engine != "uml":
            raise LabError(
                "Only the host nfs of engine uml has a storage that may be filled; netns uses this machine's disk."
            )
        self.run(["sh", "-c", 'dd if=/dev/zero of="$1/fill" bs=1M 2>/dev/null; sync', "sh", EXPORT], 300)

    def free_disk(self) -> None:
        """Undo `fill_disk`."""
        self.run(["rm", "-f", f"{EXPORT}/fill"])

    def mounted_source(self) -> str | None:
        """What is mounted at /mnt, in findmnt's words; None if nothing is."""
        found = self.run(["findmnt", "--noheadings", "--output", "SOURCE", "--mountpoint", MOUNT_TARGET], check=False)
        return found.stdout.strip() or None

    def mounts(self) -> list[dict[str, str]]:
        """The mounts of storage below /mnt: source, target, fstype, options, as findmnt says."""
        found = self.run(["findmnt", "--json", "--list", "--output", "SOURCE,TARGET,FSTYPE,OPTIONS"], check=False)
        rows: list[dict[str, str]] = json.loads(found.stdout or "{}").get("filesystems", [])
        return [row for row in rows if row["target"] == MOUNT_TARGET or row["target"].startswith(f"{MOUNT_TARGET}/")]

    def mount_share(self) -> None:
        """Mount the storage at /mnt: by NFS from `nfs` (uml), as a bind mount of its folder (netns). Idempotent."""
        if self.mounted_source() is not None:
            return
        if self.network.engine == "uml":
            source = f"{self.network.address(NFS_HOST)}:{EXPORT}"
            self.run(["mount", "-t", "nfs", source, MOUNT_TARGET], 60)
        else:
            self.run(["mount", "--bind", "/lab/share", MOUNT_TARGET])

    def unmount_share(self) -> None:
        """Unmount /mnt; refused by the kernel while a guest on this host uses it. Not mounted: nothing happens."""
        if self.mounted_source() is not None:
            self.run(["umount", MOUNT_TARGET])


def require_kvm(host: LabHost) -> LabHost:
    """Return `host`; raise LabError if it is the NFS server, which has no libvirtd."""
    if host.name == NFS_HOST:
        raise LabError(f"{host.name} is the NFS server and runs no guests; take kvm-1 or kvm-2.")
    return host
