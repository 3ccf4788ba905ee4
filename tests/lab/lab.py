"""The lab: two KVM hosts and an NFS server on this machine, up, down and in between. The same for both engines."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from . import faults, identity, initramfs, machine, rootfs
from . import network as net
from .guest import Guests
from .heartbeat import Heartbeat
from .host import LabHost
from .netns import NetnsEngine
from .network import HOSTS, INSTANCES, KVM_HOSTS, Network
from .process import LabError, lock
from .uml import UmlEngine

ENGINES: dict[str, type[NetnsEngine] | type[UmlEngine]] = {"netns": NetnsEngine, "uml": UmlEngine}
RUN_FOLDER = Path("/run/kvmconsole-lab")


def _silent(_: str) -> None:
    """Say nothing: the default for progress lines."""


class Lab:
    """One instance of the lab. Making the object does nothing; `up` and `down` may be called at any time."""

    def __init__(self, *, engine: str = "netns", instance: int = 0, say: Callable[[str], None] = _silent) -> None:
        if engine not in ENGINES:
            raise LabError(f"There is no engine `{engine}`; choose {' or '.join(ENGINES)}.")
        if instance not in INSTANCES:
            raise LabError(f"There is no instance {instance}; choose {INSTANCES[0]} to {INSTANCES[-1]}.")
        self.network = Network(engine, instance)
        self.folder = RUN_FOLDER / self.network.tag
        self.root = rootfs.location()
        self.engine = ENGINES[engine](network=self.network, folder=self.folder, root=self.root)
        self.hosts = {name: LabHost(name, self.network, self.root, self.engine) for name in HOSTS}
        self.guests = Guests(hosts=self.hosts, network=self.network, folder=self.folder, locked=self.locked)
        self._say = say

    @property
    def key(self) -> Path:
        """The private ssh key that opens root@ADDRESS of every host."""
        return identity.client_key(self.network)

    @property
    def known_hosts(self) -> Path:
        """A known_hosts file with the hosts' keys."""
        return identity.known_hosts(self.network)

    def host(self, name: str) -> LabHost:
        """The host of that name; raises LabError if there is none."""
        if name not in self.hosts:
            raise LabError(f"There is no host `{name}`; the lab has {', '.join(self.hosts)}.")
        return self.hosts[name]

    def heartbeat(self, guest: str) -> Heartbeat:
        """What the disk of `guest` proves; see heartbeat.py."""
        return self.guests.heartbeat(guest)

    def locked(self) -> AbstractContextManager[None]:
        """Keep other processes from changing this instance meanwhile."""
        return lock(rootfs.cache_folder() / "locks" / self.network.tag, timeout_s=600, what=f"lab {self.network.tag}")

    def up(self, *, mounted: bool = True) -> None:
        """Bring up what is not up: hosts, network, libvirtd; with `mounted` the storage at /mnt of the KVM hosts."""
        machine.check(engine=self.network.engine)
        rootfs.ensure(say=self._say)
        with self.locked():
            missing = [name for name in HOSTS if not self.engine.is_up(name)]
            identity.ensure_keys(self.network)
            net.ensure_bridge(self.network)
            if missing:
                machine.check_memory(engine=self.network.engine)
                self._say(f"booting {', '.join(missing)} ({self.network.engine}, {self.network.subnet})")
                self._boot(missing)
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda name: self._ready(name, mounted=mounted), KVM_HOSTS))
        self._say(f"up: {', '.join(f'{name} {host.address}' for name, host in self.hosts.items())}")

    def _boot(self, names: list[str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.engine.prepare()
        initramfs.build(self.root, self.folder / "guest")
        for name in names:
            self.engine.stop(name)
            files = self.folder / name / "files"
            identity.write_files(self.network, name, files)
            if name in KVM_HOSTS:
                shutil.copytree(self.folder / "guest", files / initramfs.FOLDER_ON_HOST, dirs_exist_ok=True)
                self._seed_capabilities(files)
            self.engine.boot(name)
        for name in names:
            self.engine.wait(name)

    def _seed_capabilities(self, files: Path) -> None:
        """Give the host what libvirt found out about QEMU in an earlier run; libvirt checks that it still applies."""
        saved = self.guests.saved_capabilities
        if saved.exists():
            shutil.copytree(saved, files / "var/cache/libvirt/qemu/capabilities", dirs_exist_ok=True)

    def _ready(self, name: str, *, mounted: bool) -> None:
        host = self.hosts[name]
        if mounted:
            host.mount_share()
        if not host.libvirtd_runs:
            host.start_libvirtd()
            self._say(f"{name}: libvirtd answers")

    def down(self) -> None:
        """Take everything away: processes, namespaces, interfaces, mounts, folders. The cache folder stays."""
        machine.require_root()
        with self.locked():
            self.engine.sweep()
            if self.root.exists():
                faults.heal(self.network, root=self.root)
            net.remove(self.network)
            shutil.rmtree(self.folder, ignore_errors=True)
            if RUN_FOLDER.exists() and not any(RUN_FOLDER.iterdir()):
                RUN_FOLDER.rmdir()
        self._say(f"down: lab {self.network.tag}")

    def shape(self, mbit_s: int) -> None:
        """Let both KVM hosts send no faster than `mbit_s` Mbit/s."""
        for name in KVM_HOSTS:
            self.host(name).shape(mbit_s)

    def crash(self, host: str) -> None:
        """Let a host lose power: all its processes end at once, its own disk is lost. `up` boots it again."""
        with self.locked():
            self.engine.stop(self.host(host).name)

    def status(self) -> dict[str, Any]:
        """The lab as JSON: engine, instance, network, key, known_hosts, run_folder, hosts, guests."""
        return {
            "engine": self.network.engine,
            "instance": self.network.instance,
            "network": str(self.network.subnet),
            "key": str(self.key),
            "known_hosts": str(self.known_hosts),
            "run_folder": str(self.folder),
            "up": all(self.engine.is_up(name) for name in HOSTS),
            "hosts": [self._host_status(host) for host in self.hosts.values()],
            "guests": self.guests.status(),
        }

    def _host_status(self, host: LabHost) -> dict[str, Any]:
        up = host.is_up
        kvm = host.name in KVM_HOSTS
        return {
            "name": host.name,
            "address": host.address,
            "uri": host.uri if kvm else None,
            "tcp_uri": host.tcp_uri if kvm else None,
            "ssh": f"root@{host.address}",
            "up": up,
            "libvirtd": up and kvm and host.libvirtd_runs,
            "mounts": host.mounts() if up else [],
            "domains": self.guests.on(host) if up and kvm else [],
        }
