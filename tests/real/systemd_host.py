"""A host that runs systemd: the real one as PID 1 of namespaces of its own, on the lab's root file system. No network, no kernel NFS."""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.lab import rootfs
from tests.lab.process import wait_for

BOOT = r"""
set -eu
root=$1 scratch=$2
mount -t tmpfs -o mode=755 lab "$scratch"
cd "$scratch"
mkdir upper work root
mount -t overlay -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" lab root
cd root
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for folder in run tmp dev; do mount -t tmpfs -o mode=755 "$folder" "$folder"; done
for node in null zero full random urandom tty; do touch "dev/$node"; mount --bind "/dev/$node" "dev/$node"; done
mkdir -p dev/pts dev/shm lab/machine
: >etc/machine-id
pivot_root . lab/machine
exec chroot . /bin/sh -c 'umount -l /lab/machine; exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=basic.target --log-target=console --show-status=no'
"""
# For mount(8), which systemd starts by its path: what the kernel here lacks. Each "nfs" is the same file system of memory.
MOUNT = """#!/bin/sh
case "$*" in
*nfs*)
    for word do
        case $word in */*:*|*:/*) source=$word;; /*) target=$word;; esac
    done
    mountpoint -q /run/stand-in || { mkdir -p /run/stand-in; mount.real -t tmpfs -o size=1m -- "$source" /run/stand-in; }
    exec mount.real --bind /run/stand-in "$target";;
*) exec mount.real "$@";;
esac
"""


class SystemdHost:
    """`start` once, `stop` once; `enter` is the argument list that runs another inside."""

    def __init__(self, folder: Path) -> None:
        self._scratch = folder / "host"
        self._log = folder / "boot.log"
        self._cgroup = _cgroup2() / f"kvmlab-{os.getpid()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def start(self) -> None:
        """Skips the test where the machine can give no host a control group of its own."""
        self._scratch.mkdir()
        try:
            self._cgroup.mkdir()
        except OSError as error:
            pytest.skip(f"this machine gives systemd no control group: {error}")
        root = rootfs.ensure(say=print)
        spaces = ["--mount", "--uts", "--ipc", "--pid", "--cgroup", "--net", "--fork", "--kill-child"]
        boot = [
            "unshare",
            *spaces,
            "--propagation",
            "private",
            "--",
            "bash",
            "-c",
            BOOT,
            "boot",
            str(root),
            str(self._scratch),
        ]
        into = ["sh", "-c", 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"', "lab", str(self._cgroup), *boot]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(into, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self._find, timeout_s=10, what="the namespaces of the systemd host", interval_s=0.05)
        wait_for(self._runs, timeout_s=40, what=f"systemd to run: {self._log.read_text()[-800:]}", interval_s=0.2)
        self.run("cp /bin/mount /bin/mount.real && cat >/bin/mount", text=MOUNT)

    def _find(self) -> bool:
        """PID 1 of the namespace is the child of unshare."""
        assert self._process and self._process.poll() is None, self._log.read_text()
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        self._pid = int(children[0]) if children else 0
        return bool(self._pid)

    def _runs(self) -> bool:
        said = subprocess.run(
            self.enter(["systemctl", "is-system-running"]), capture_output=True, text=True, check=False
        )
        return said.stdout.strip() in ("running", "degraded")

    def enter(self, argv: Sequence[str]) -> list[str]:
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return ["nsenter", "-t", str(self._pid), "-m", "-u", "-i", "-p", "-C", "-n", "env", path, *argv]

    def run(self, script: str, *, text: str | None = None) -> str:
        """What a shell script prints inside; one that fails is an error."""
        done = subprocess.run(
            self.enter(["sh", "-c", script]), input=text, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, f"{script}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def stop(self) -> None:
        if self._process:
            if self._pid:
                os.kill(self._pid, signal.SIGKILL)
            self._process.wait(timeout=20)
        shutil.rmtree(self._scratch, ignore_errors=True)
        if self._cgroup.exists():
            wait_for(self._swept, timeout_s=10, what=f"{self._cgroup} to be empty", interval_s=0.1)

    def _swept(self) -> bool:
        """A control group goes when its processes have."""
        folders = sorted((path for path in self._cgroup.rglob("*") if path.is_dir()), reverse=True)
        try:
            for folder in [*folders, self._cgroup]:
                folder.rmdir()
        except OSError:
            return False
        return True


def _cgroup2() -> Path:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, folder, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(folder)
    pytest.skip("this machine has no second version of control groups, which systemd needs")
