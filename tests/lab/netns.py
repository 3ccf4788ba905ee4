"""Engine netns: a host is a set of namespaces on this machine's kernel. Fast; the storage is a bind mount, not NFS."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import network as net
from .network import HOSTS, Network
from .process import LabError, kill, remember, remembered, run, wait_for

BOOT_SCRIPT = Path(__file__).with_name("netns_boot.sh")
BOOT_TIMEOUT_S = 20


class NetnsEngine:
    """Boots and stops hosts; knows nothing of guests."""

    name = "netns"
    start_timeout_s = 60.0

    def __init__(self, *, network: Network, folder: Path, root: Path) -> None:
        self.network = network
        self.folder = folder
        self.root = root

    def namespace(self, host: str) -> str:
        """The name of the host's network namespace."""
        return f"kvmlab-{self.network.tag}-{host}"

    def enter(self, host: str, argv: Sequence[str]) -> list[str]:
        """The argument list that runs `argv` inside `host`, or a shell if it is empty. LabError if the host is down."""
        pid = self._pid(host)
        if pid is None:
            raise LabError(f"{host} of lab {self.network.tag} is down. Run: manage.py lab up")
        return ["nsenter", f"--target={pid}", "--mount", "--uts", "--net", "--pid", "--root", "--wd", "--"] + (
            list(argv) or ["bash", "-l"]
        )

    def is_up(self, host: str) -> bool:
        """Has the host booted, and does it still run?"""
        return self._pid(host) is not None and (self.folder / host / "booted").exists()

    def prepare(self) -> None:
        """What all hosts need before the first boots: the shared folder."""
        (self.folder / "share").mkdir(parents=True, exist_ok=True)

    def boot(self, host: str) -> None:
        """Start `host` without waiting; `wait` does."""
        namespace = self.namespace(host)
        if not Path("/run/netns", namespace).exists():
            run(["ip", "netns", "add", namespace], timeout_s=10)
        net.ensure_veth(self.network, host, namespace=namespace)
        home = self.folder / host
        for stale in ("pid", "pid.new", "booted"):
            (home / stale).unlink(missing_ok=True)
        address = f"{self.network.address(host)}/{self.network.subnet.prefixlen}"
        argv = ["ip", "netns", "exec", namespace]
        argv += ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--propagation", "private", "--"]
        argv += [str(BOOT_SCRIPT), str(home), str(self.root), host, address]
        argv += [self.network.gateway, self.network.mac(host)]
        with (home / "boot.log").open("w") as log:
            subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def wait(self, host: str) -> None:
        """Wait until a booted host has its network and sshd."""
        home = self.folder / host
        wait_for(
            lambda: (home / "pid.new").exists() and (home / "pid.new").read_text().strip() != "",
            timeout_s=BOOT_TIMEOUT_S,
            what=f"{host} to start; see {home / 'boot.log'}",
            interval_s=0.02,
        )
        remember(home / "pid", int((home / "pid.new").read_text()))
        wait_for(
            lambda: (
                self._pid(host) is not None
                and run(self.enter(host, ["test", "-e", "/run/lab-ready"]), timeout_s=10, check=False).returncode == 0
            ),
            timeout_s=BOOT_TIMEOUT_S,
            what=f"{host} to boot; see {home / 'boot.log'}",
            interval_s=0.05,
        )
        (home / "booted").touch()

    def stop(self, host: str) -> None:
        """Kill the host with all its processes, and take its namespace away."""
        kill(self.folder / host / "pid", timeout_s=20)
        if Path("/run/netns", self.namespace(host)).exists():
            self._kill_strays(host)
            run(["ip", "netns", "delete", self.namespace(host)], timeout_s=10)

    def _kill_strays(self, host: str) -> None:
        """End what still runs in the host's network namespace: a boot that was broken off leaves its first process."""

        def gone() -> bool:
            pids = run(["ip", "netns", "pids", self.namespace(host)], timeout_s=10).stdout.split()
            for pid in pids:
                run(["kill", "-KILL", pid], timeout_s=5, check=False)
            return not pids

        wait_for(gone, timeout_s=20, what=f"the last processes of {host} to end", interval_s=0.05)

    def sweep(self) -> None:
        """Stop every host and leave nothing of them on the machine, whatever state they are in."""
        for host in HOSTS:
            self.stop(host)

    def _pid(self, host: str) -> int | None:
        return remembered(self.folder / host / "pid")
