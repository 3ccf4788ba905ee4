"""The lab's guests: start, stop, list them, and read their heartbeat."""

import base64
import gzip
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from . import guest_xml, heartbeat, network, rootfs
from .guest_xml import GuestSpec
from .heartbeat import Heartbeat
from .host import LabHost, require_kvm
from .identity import EXPORT, MOUNT_TARGET
from .network import KVM_HOSTS, NFS_HOST, Network
from .process import LabError, run, wait_for
from .saved import Saved

DEFAULTS: Mapping[str, Mapping[str, Any]] = {"share": {}, "busy": {"memory_mib": 256, "dirty_mib": 60}}
DATA_DISK = """
set -e
image=$1 mib=$2 backing=$3
[ ! -e "$image" ] || exit 0
mkdir -p "${image%/*}"
if [ -n "$backing" ]; then
  [ -e "$backing" ] || dd if=/dev/urandom of="$backing" bs=1M count="$mib" status=none
  qemu-img create -q -f qcow2 -F raw -b "$backing" "$image" "${mib}M"
else
  dd if=/dev/urandom of="$image.raw" bs=1M count="$mib" status=none
  qemu-img convert -f raw -O qcow2 "$image.raw" "$image"
  rm "$image.raw"
fi
"""
LIST_ROW = re.compile(r"\s*\S+\s+(.+?)\s{2,}(\S.*?)\s*")  # id, name, state, as `virsh -q list` prints them
NO_IMAGE = 9
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


class Guests:
    """The guests of one lab instance."""

    def __init__(
        self,
        *,
        hosts: Mapping[str, LabHost],
        network: Network,
        folder: Path,
        locked: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._hosts = hosts
        self._network = network
        self._folder = folder
        self._locked = locked
        self._registry = folder / "guests.json"
        self._saved = Saved(folder=folder)

    @property
    def saved_capabilities(self) -> Path:
        """What libvirt found out about QEMU, kept from run to run: asking takes seconds, under uml up to a minute."""
        return rootfs.cache_folder() / "capabilities" / f"{rootfs.location().name}-{self._network.engine}"

    def spec(self, name: str, *, address: str | None = None, **options: Any) -> GuestSpec:
        """The guest `name` with its fixed address and MAC; `options` as in GuestSpec. LabError for an odd name."""
        if not NAME.fullmatch(name):
            raise LabError(f"`{name}` is no name for a guest: small letters, digits and `-`, at most 31.")
        with self._locked():
            address = network.guest_address(self._network, name, wanted=address, registry=self._registry)
        return GuestSpec(
            name=name,
            uuid=str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{self._network.tag}.kvmconsole-lab.invalid")),
            mac=self._network.mac(f"guest/{name}"),
            address=address,
            prefix_length=self._network.subnet.prefixlen,
            gateway=self._network.gateway,
            **{**DEFAULTS.get(name, {}), **{key: value for key, value in options.items() if value is not None}},
        )

    def start(
        self,
        name: str,
        *,
        host: str = "kvm-1",
        transient: bool = False,
        address: str | None = None,
        wait_s: float = 0,
        saved: bool = False,
        **options: Any,
    ) -> GuestSpec:
        """Start guest `name` on `host`; it keeps its disk from earlier starts. `options` as in GuestSpec.

        Runs already: nothing happens, wherever it runs. With `wait_s` it returns only when the guest answers ping. With
        `saved` it does not boot, but is restored from the state of one that did; on its disk that looks like a boot.
        """
        spec = self.spec(name, address=address, **options)
        if self.host_of(name) is None:
            target = require_kvm(self._hosts[host])
            self._ensure_image(target, spec)
            definition = guest_xml.render(spec)
            timeout_s = target.start_timeout_s * 2
            if saved:
                self._saved.restore(target, spec, transient=transient)
            elif transient:
                target.run(["virsh", "create", "/dev/stdin"], timeout_s, input_text=definition)
            else:
                target.run(["virsh", "define", "/dev/stdin"], timeout_s, input_text=definition)
                target.run(["virsh", "start", name], timeout_s)
            self._save_capabilities(target)
        if wait_s:
            wait_for(
                lambda: answers_ping(spec.address),
                timeout_s=wait_s,
                what=f"guest {name} to answer ping at {spec.address}; its console is in {spec.serial_log} on its host",
            )
        return spec

    def _ensure_image(self, host: LabHost, spec: GuestSpec) -> None:
        if spec.disk_folder.startswith(MOUNT_TARGET) and host.mounted_source() is None:
            raise LabError(
                f"{host.name} has not mounted the storage, so guest {spec.name} has no disk. Run: lab up --mounted"
            )
        # Everything allocated beforehand: then a write of the guest changes data only, and `heartbeat` reads a whole
        # disk although QEMU keeps changed tables in memory.
        script = (
            'test -e "$1" || { mkdir -p "${1%/*}" && qemu-img create -q -f qcow2 -o preallocation=full "$1" "$2"; }'
        )
        host.run(["sh", "-c", script, "sh", spec.image, str(heartbeat.DISK_BYTES)], host.start_timeout_s)
        if spec.data_mib:
            argv = ["sh", "-c", DATA_DISK, "sh", spec.data_image, str(spec.data_mib)]
            host.run([*argv, spec.backing_image if spec.data_backing else ""], host.start_timeout_s)

    def _save_capabilities(self, host: LabHost) -> None:
        if self.saved_capabilities.exists():
            return
        script = (
            'cd /var/cache/libvirt/qemu/capabilities && for file in *.xml; do echo "$file $(base64 -w0 <$file)"; done'
        )
        lines = host.run(["sh", "-c", script], check=False).stdout.splitlines()
        temporary = self.saved_capabilities.with_suffix(f".{host.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for line in lines:
            file_name, _, content = line.partition(" ")
            (temporary / Path(file_name).name).write_bytes(base64.b64decode(content))
        if lines and not self.saved_capabilities.exists():
            temporary.rename(self.saved_capabilities)
        shutil.rmtree(temporary, ignore_errors=True)

    def on(self, host: LabHost) -> list[dict[str, Any]]:
        """The domains that `host` knows: name, state, persistent. Empty where libvirtd does not answer."""
        everything = host.run(["virsh", "-q", "list", "--all"], check=False).stdout
        persistent = host.run(
            ["virsh", "-q", "list", "--all", "--persistent", "--name"], check=False
        ).stdout.splitlines()
        rows = [match for line in everything.splitlines() if (match := LIST_ROW.fullmatch(line))]
        return [{"name": row[1], "state": row[2], "persistent": row[1] in persistent} for row in rows]

    def host_of(self, name: str) -> str | None:
        """The host that `name` runs on, or is paused on if it runs nowhere; None if it is active on no host.

        In a migration the destination has a paused one: the one that runs counts. Raises LabError if two run.
        """
        running = self._hosts_with(name, "--state-running")
        if len(running) > 1:
            raise LabError(f"Guest {name} runs on {' and '.join(running)} at the same time.")
        return next(iter(running or self._hosts_with(name, "--state-paused")), None)

    def _hosts_with(self, name: str, state: str) -> list[str]:
        argv = ["virsh", "list", "--name", state]
        return [host.name for host in self._kvm_hosts() if name in host.run(argv, check=False).stdout.splitlines()]

    def _kvm_hosts(self) -> list[LabHost]:
        return [self._hosts[name] for name in KVM_HOSTS if self._hosts[name].is_up]

    def status(self) -> list[dict[str, Any]]:
        """Each guest known to any host: name, address (if from the lab), host it runs on, whether it answers ping."""
        addresses = network.registered_guests(self._network, registry=self._registry)
        known = {domain["name"] for host in self._kvm_hosts() for domain in self.on(host)}
        rows = []
        for name in sorted(known):
            address, runs_on = addresses.get(name), self.host_of(name)
            answers = address is not None and runs_on is not None and answers_ping(address)
            rows.append({"name": name, "address": address, "host": runs_on, "answers_ping": answers})
        return rows

    def stop(self, name: str, *, timeout_s: float = 90) -> None:
        """Shut the guest down as by its power button, and wait for it. Does not run: nothing happens."""
        host = self.host_of(name)
        if host is not None:
            self._hosts[host].virsh("shutdown", name)
            wait_for(
                lambda: self.host_of(name) is None, timeout_s=timeout_s, what=f"guest {name} on {host} to shut down"
            )

    def destroy(self, name: str) -> None:
        """Pull the guest's plug on every host that runs it."""
        for host in self._kvm_hosts():
            host.run(["virsh", "destroy", name], check=False)

    def remove(self, name: str) -> None:
        """Destroy the guest, undefine it everywhere, delete its disk: the next start is a first one."""
        self.destroy(name)
        for host in self._kvm_hosts():
            host.run(["virsh", "undefine", name], check=False)
            own = [f"{guest_xml.LOCAL_FOLDER}/{name}{ending}" for ending in (".qcow2", "-data.qcow2", "-base.raw")]
            host.run(["rm", "-f", f"{guest_xml.SERIAL_LOG_FOLDER}/{name}-serial.log", *own])
        shared = [f"{EXPORT}/kvm/{name}{ending}" for ending in (".qcow2", "-data.qcow2", "-base.raw")]
        self._hosts[NFS_HOST].run(["rm", "-f", *shared])
        with self._locked():
            network.forget_guest(self._network, name, registry=self._registry)

    def heartbeat(self, name: str) -> Heartbeat:
        """Read the guest's disk on the server, running or not, or on the host that runs it where it lies there alone.

        cache=writeback may hold the last half minute back.
        """
        script = (
            f'[ -e "$1" ] || exit {NO_IMAGE}; '
            "copy=$(mktemp) && trap 'rm -f \"$copy\"' EXIT && "
            'qemu-img convert -U -f qcow2 -O raw "$1" "$copy" && gzip -1 <"$copy" | base64 -w0'
        )
        argv = ["bash", "-o", "pipefail", "-c", script, "bash"]
        done = self._hosts[NFS_HOST].run([*argv, f"{EXPORT}/kvm/{name}.qcow2"], 120, check=False)
        if done.returncode == NO_IMAGE and (runs_on := self.host_of(name)):
            done = self._hosts[runs_on].run([*argv, f"{guest_xml.LOCAL_FOLDER}/{name}.qcow2"], 120)
        if done.returncode:
            raise LabError(f"The disk of guest {name} can't be read: {done.stderr.strip() or done.returncode}")
        return heartbeat.parse(gzip.decompress(base64.b64decode(done.stdout)))

    def wait_for_beats(self, name: str, *, count: int = 3, timeout_s: float = 60) -> Heartbeat:
        """Wait until the guest has written `count` more beats than it has now; returns what the disk then proves."""
        begun = self.heartbeat(name)
        latest = [begun]

        def enough() -> bool:
            latest[0] = self.heartbeat(name)
            return latest[0].last >= begun.last + count or latest[0].boot_ids != begun.boot_ids

        wait_for(enough, timeout_s=timeout_s, what=f"guest {name} to write {count} beats after {begun}", interval_s=0.8)
        return latest[0]


def answers_ping(address: str) -> bool:
    """Does `address` answer one ping within a second?"""
    return run(["ping", "-c1", "-W1", "-q", address], timeout_s=5, check=False).returncode == 0
