"""Who each lab host is: its name, keys, ids and settings, as a tree of files laid over the common root at boot."""

import shutil
import uuid
from pathlib import Path

from . import rootfs
from .network import HOSTS, KVM_HOSTS, NFS_HOST, Network
from .process import run

EXPORT = "/home/image"
MOUNT_TARGET = "/mnt"
LIBVIRTD_CONF = """\
listen_tls = 0
listen_tcp = 1
auth_tcp = "none"
auth_unix_rw = "none"
host_uuid = "{uuid}"
keepalive_interval = 2
keepalive_count = 3
"""
# keepalive, in both: a dead network is noticed after 8 s; by default it takes libvirt 30 s, which tests would wait for.
# The guests run as root without confinement or cgroups: a lab host is itself confined, and has no systemd to ask.
QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
dynamic_ownership = 0
stdio_handler = "file"
vnc_listen = "0.0.0.0"
keepalive_interval = 2
keepalive_count = 3
"""
SSHD_CONF = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
UsePAM no
UseDNS no
MaxStartups 100:30:200
MaxSessions 100
"""


def keys_folder(network: Network) -> Path:
    """The folder with the instance's ssh keys. It outlives `lab down`, so that a console's known_hosts stays true."""
    return rootfs.cache_folder() / "keys" / network.tag


def client_key(network: Network) -> Path:
    """The private key that opens root@ every host of the instance."""
    return keys_folder(network) / "client"


def known_hosts(network: Network) -> Path:
    """A known_hosts file with the hosts' true keys, by name and by address."""
    return keys_folder(network) / "known_hosts"


def ensure_keys(network: Network) -> None:
    """Make the key pairs where missing: `client` for the console, `hosts` for host to host, and each host's own."""
    folder = keys_folder(network)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("client", "hosts", *HOSTS):
        if not (folder / f"{name}.pub").exists():
            (folder / name).unlink(missing_ok=True)
            comment = f"kvmconsole-lab-{network.tag}-{name}"
            run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(folder / name)],
                timeout_s=20,
            )
    lines = [
        f"{name},{network.address(name)} {' '.join((folder / f'{name}.pub').read_text().split()[:2])}\n"
        for name in HOSTS
    ]
    known_hosts(network).write_text("".join(lines))


def host_uuid(network: Network, host: str) -> str:
    """The host's libvirt UUID: fixed, and another for each host (two hosts with one UUID refuse to migrate)."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{host}.{network.tag}.kvmconsole-lab.invalid"))


def write_files(network: Network, host: str, folder: Path) -> None:
    """Write the tree of files that makes the common root file system into `host`."""
    shutil.rmtree(folder, ignore_errors=True)
    keys = keys_folder(network)
    names = "".join(f"{network.address(name)} {name}\n" for name in HOSTS)
    public = "".join((keys / f"{name}.pub").read_text() for name in ("client", "hosts"))
    texts = {
        "etc/hostname": f"{host}\n",
        "etc/hosts": f"127.0.0.1 localhost\n{names}",
        "etc/machine-id": host_uuid(network, host).replace("-", "") + "\n",
        "etc/fstab": "# <source> <target> <type> <options> <dump> <pass>\n",
        "etc/ssh/sshd_config.d/lab.conf": SSHD_CONF,
        "etc/ssh/ssh_known_hosts": known_hosts(network).read_text(),
        "etc/ssh/ssh_host_ed25519_key": (keys / host).read_text(),
        "etc/ssh/ssh_host_ed25519_key.pub": (keys / f"{host}.pub").read_text(),
        "root/.ssh/authorized_keys": public,
        "root/.ssh/id_ed25519": (keys / "hosts").read_text(),
        "root/.ssh/id_ed25519.pub": (keys / "hosts.pub").read_text(),
    }
    if host in KVM_HOSTS:
        texts["etc/libvirt/libvirtd.conf"] = LIBVIRTD_CONF.format(uuid=host_uuid(network, host))
        texts["etc/libvirt/qemu.conf"] = QEMU_CONF
    if host == NFS_HOST:
        texts["etc/exports"] = f"{EXPORT} {network.subnet}(rw,sync,no_root_squash,no_subtree_check,fsid=1)\n"
    for path, text in texts.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(0o600 if target.name in ("id_ed25519", "ssh_host_ed25519_key", "authorized_keys") else 0o644)
    (folder / "root").chmod(0o700)
    (folder / "root/.ssh").chmod(0o700)
