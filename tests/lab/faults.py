"""Cuts in the lab's network, made on this machine's bridge: the hosts see packets vanish, as with a pulled cable.

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


def cut(network: Network, host: str, peer: str, *, root: Path) -> None:
    """Drop every packet between `host` with its guests and `peer` (a host, or `machine`: this machine) with its guests.

    Both directions, also of connections that are open; nothing is answered. Cuts add up until `heal`.
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
    if MACHINE in (host, peer):
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
