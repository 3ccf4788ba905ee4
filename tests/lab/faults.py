"""Cuts in the lab's network, made on this machine's bridge: the hosts see packets vanish, as with a pulled cable.
And a host whose disk for definitions is full or read-only.

nft comes from the lab's root file system, so the machine itself needs no such package.
"""

from pathlib import Path

from .network import HOSTS, Network
from .process import LabError, run

MACHINE = "machine"
_TIMEOUT_S = 10


def _nft(root: Path, script: str, *, check: bool = True) -> None:
    run(["chroot", str(root), "/usr/sbin/nft", "-f", "-"], input_text=script, timeout_s=_TIMEOUT_S, check=check)


def _table(network: Network) -> str:
    return f"bridge kvmlab_{network.tag}"


def cut(network: Network, host: str, peer: str, *, root: Path, tcp_port: int | None = None) -> None:
    """Drop every packet between `host` with its guests and `peer` (a host, or `machine`: this machine) with its guests.

    Both directions, also of connections that are open; nothing is answered. With `tcp_port` only what `host` sends to that
    port of another host, as a firewall there would. Cuts add up until `heal`.
    """
    for name in (host, peer):
        if name not in (*HOSTS, MACHINE):
            raise LabError(f"There is no `{name}` to cut; the lab knows {', '.join(HOSTS)} and {MACHINE}.")
    ends = sorted({host, peer} - {MACHINE})
    if len({host, peer}) != 2:
        raise LabError(f"`{host}` can't be cut from itself.")
    table = _table(network)
    rules = [f"add table {table}"]
    for hook in ("forward", "input", "output"):
        rules.append(f"add chain {table} {hook} {{ type filter hook {hook} priority 0; }}")
    if tcp_port is not None:
        ways = f'iifname "{network.port(host)}" oifname "{network.port(peer)}"'
        rules.append(f"add rule {table} forward {ways} tcp dport {tcp_port} drop")
    elif MACHINE in (host, peer):
        port = network.port(ends[0])
        rules.append(f'add rule {table} input iifname "{port}" drop')
        rules.append(f'add rule {table} output oifname "{port}" drop')
    else:
        first, second = (network.port(end) for end in ends)
        rules.append(f'add rule {table} forward iifname "{first}" oifname "{second}" drop')
        rules.append(f'add rule {table} forward iifname "{second}" oifname "{first}" drop')
    _nft(root, "\n".join(rules) + "\n")


def heal(network: Network, *, root: Path) -> None:
    """Take back every cut of this instance."""
    table = _table(network)
    _nft(root, f"add table {table}\ndelete table {table}\n")


DEFINITIONS = "/etc/libvirt/qemu"
SPOIL = """
set -e
mountpoint -q "$1" && exit 0
rm -rf /run/lab-definitions
cp -a "$1" /run/lab-definitions
mount -t tmpfs -o size=64k,nr_inodes=200 lab-definitions "$1"
cp -a /run/lab-definitions/. "$1"
case $2 in
  full) dd if=/dev/zero of="$1/fill" bs=512 2>/dev/null || : ;;
  read-only) mount -o remount,ro "$1" ;;
esac
"""
MEND = """
set -e
mountpoint -q "$1" || exit 0
rm -rf /run/lab-definitions
mount -o remount,rw "$1"
rm -f "$1/fill"
cp -a "$1" /run/lab-definitions
umount -l "$1"
find "$1" -mindepth 1 -delete
cp -a /run/lab-definitions/. "$1"
"""


def spoil_definitions(how: str) -> list[str]:
    """The argument list that makes the place of libvirt's definitions on a host `full` or `read-only`."""
    return ["sh", "-c", SPOIL, "sh", DEFINITIONS, how]


def mend_definitions() -> list[str]:
    """The argument list that undoes it; what was defined or undefined meanwhile stays so. Idempotent."""
    return ["sh", "-c", MEND, "sh", DEFINITIONS]
