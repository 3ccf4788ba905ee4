"""Engine uml: a host is a User Mode Linux kernel with its own NFS client or server. Faithful and slow: one CPU."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import identity
from . import network as net
from .network import HOSTS, KVM_HOSTS, NFS_HOST, Network
from .process import LabError, compile_c, kill, remember, remembered, run, wait_for

BOOT_SCRIPT = Path(__file__).with_name("uml_boot.sh")
INIT_SCRIPT = Path(__file__).with_name("uml_init.sh")
XSTATE_SOURCE = Path(__file__).with_name("uml_xstate.c")
BOOT_TIMEOUT_S = 90
MEMORY_MIB = dict.fromkeys(KVM_HOSTS, 2048) | {NFS_HOST: 512}
DISK_BYTES = 2 * 2**30  # of the storage, sparse


class UmlEngine:
    """Boots and stops hosts; knows nothing of guests."""

    name = "uml"
    start_timeout_s = 180.0  # the first start of a guest asks QEMU for its capabilities, which took 20 to 60 s

    def __init__(self, *, network: Network, folder: Path, root: Path) -> None:
        self.network = network
        self.folder = folder
        self.root = root

    def enter(self, host: str, argv: Sequence[str]) -> list[str]:
        """The argument list that runs `argv` on `host` by ssh, or a shell if it is empty. LabError if it is down."""
        if self._pid(host) is None:
            raise LabError(f"{host} of lab {self.network.tag} is down. Run: manage.py lab up --engine uml")
        return [*self._ssh(host), f"root@{self.network.address(host)}", *([shlex.join(argv)] if argv else [])]

    def _ssh(self, host: str) -> list[str]:
        """ssh with one connection kept per host: a login takes 0.8 s here, a command on an open connection 0.1 s."""
        options = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "ConnectTimeout": "20",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": identity.known_hosts(self.network),
            "ControlMaster": "auto",
            "ControlPersist": "600",
            "ControlPath": self.folder / host / "ssh",
            "LogLevel": "ERROR",
        }
        argv = ["ssh", "-F", "none", "-i", str(identity.client_key(self.network))]
        for key, value in options.items():
            argv += ["-o", f"{key}={value}"]
        return argv

    def is_up(self, host: str) -> bool:
        """Has the host booted, and does it still run?"""
        return self._pid(host) is not None and (self.folder / host / "ready").exists()

    def prepare(self) -> None:
        """Nothing is shared between the hosts but the network."""

    def boot(self, host: str) -> None:
        """Start `host` without waiting; `wait` does."""
        net.ensure_tap(self.network, host)
        home = self.folder / host
        for stale in ("pid", "pid.new", "ready"):
            (home / stale).unlink(missing_ok=True)
        shutil.copy(INIT_SCRIPT, home / "init")
        if not (home / "xstate.so").exists():
            compile_c(XSTATE_SOURCE, home / "xstate.so", "-shared", "-fPIC")
        if host == NFS_HOST:
            self._ensure_disk(home / "disk")
        argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "--"]
        argv += [str(BOOT_SCRIPT), str(home), str(self.root), f"kvmlab-{self.network.tag}-{host}"]
        argv += [str(MEMORY_MIB[host]), self.network.port(host), host]
        argv += [f"{self.network.address(host)}/{self.network.subnet.prefixlen}"]
        argv += [self.network.gateway, self.network.mac(host)]
        with (home / "boot.log").open("w") as log:
            subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def _ensure_disk(self, disk: Path) -> None:
        """The storage: ext4 in a sparse file, since nfsd can export neither hostfs nor the hosts' overlay."""
        if not disk.exists():
            with disk.open("wb") as handle:
                os.truncate(handle.fileno(), DISK_BYTES)
            inside = self.root / "sbin/mkfs.ext4"
            libraries = self.root / "usr/lib/x86_64-linux-gnu"
            loader = self.root / "lib64/ld-linux-x86-64.so.2"
            run(
                [str(loader), "--library-path", str(libraries), str(inside), "-q", "-F", str(disk)],
                timeout_s=60,
            )

    def wait(self, host: str) -> None:
        """Wait until a booted host has its network and sshd, and the NFS server its export."""
        home = self.folder / host
        wait_for(
            lambda: (home / "pid.new").exists() and (home / "pid.new").read_text().strip() != "",
            timeout_s=10,
            what=f"{host} to start; see {home / 'boot.log'}",
            interval_s=0.02,
        )
        remember(home / "pid", int((home / "pid.new").read_text()))
        wait_for(
            lambda: (home / "ready").exists() or self._pid(host) is None,
            timeout_s=BOOT_TIMEOUT_S,
            what=f"{host} to boot; see {home / 'boot.log'}",
        )
        if self._pid(host) is None:
            raise LabError(f"The kernel of {host} ended while it booted: {(home / 'boot.log').read_text()[-1500:]}")

    def stop(self, host: str) -> None:
        """Kill the host with all its processes."""
        home = self.folder / host
        if (home / "ssh").exists():
            run([*self._ssh(host), "-O", "exit", self.network.address(host)], timeout_s=10, check=False)
            (home / "ssh").unlink(missing_ok=True)
        kill(home / "pid", timeout_s=20)

        def gone() -> bool:
            pids = _pids_with_argument(str(home))
            for pid in pids:
                run(["kill", "-KILL", str(pid)], timeout_s=5, check=False)
            return not pids

        wait_for(gone, timeout_s=20, what=f"the last processes of {host} to end", interval_s=0.05)

    def sweep(self) -> None:
        """Stop every host and leave nothing of them on the machine, whatever state they are in."""
        for host in HOSTS:
            self.stop(host)

    def _pid(self, host: str) -> int | None:
        return remembered(self.folder / host / "pid")


def _pids_with_argument(argument: str) -> list[int]:
    """The processes of a boot that was broken off before its pid was written down: the boot script with this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if argument.encode() in words and any(word.endswith(b"/uml_boot.sh") for word in words):
            found.append(int(path.parent.name))
    return found
