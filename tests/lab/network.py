"""The lab's network on this machine: addresses, names, the bridge, and cuts between its ports.

Instance i of engine netns has the /27 number 2i of 198.51.100.0/24 (TEST-NET-2, RFC 5737) and, from instance 4 on, of 198.18.0.0/24
(the network of benchmarks, RFC 2544), of engine uml number 2i+1: nobody's LAN. The other two TEST-NETs are not free everywhere:
build machines give their package proxies such addresses. In each: .1 this machine (the bridge), .2 nfs, .3 kvm-1, .4 kvm-2, .10 to .30 the guests.
"""

import hashlib
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from .process import LabError, run

HOSTS = {"nfs": 2, "kvm-1": 3, "kvm-2": 4}
KVM_HOSTS = ("kvm-1", "kvm-2")
NFS_HOST = "nfs"
BLOCKS = ("198.51.100.0/24", "198.18.0.0/24")
FIRST_GUEST, LAST_GUEST = 10, 30
INSTANCES = range(8)
_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Network:
    """Names and addresses of one instance. Every name carries engine and instance, so that instances never collide."""

    engine: str
    instance: int

    @property
    def tag(self) -> str:
        """`n0` … `n7` or `u0` … `u7`; short, since Linux limits the name of an interface to 15 characters."""
        return f"{self.engine[0]}{self.instance}"

    @property
    def subnet(self) -> ipaddress.IPv4Network:
        """The /27 of this instance."""
        block, place = divmod(2 * self.instance + (1 if self.engine == "uml" else 0), 8)
        return list(ipaddress.IPv4Network(BLOCKS[block]).subnets(new_prefix=27))[place]

    def at(self, offset: int) -> str:
        """The address with the number `offset` in the /27."""
        return str(self.subnet[offset])

    @property
    def gateway(self) -> str:
        """The address of this machine in the lab's network."""
        return self.at(1)

    @property
    def bridge(self) -> str:
        """The bridge on this machine that all hosts hang on."""
        return f"kvmlab-{self.tag}"

    def port(self, host: str) -> str:
        """The interface on this machine that leads to `host`."""
        return f"kl-{self.tag}-{host}"

    def address(self, host: str) -> str:
        """The address of a lab host."""
        return self.at(HOSTS[host])

    def mac(self, name: str) -> str:
        """The MAC address of a host or guest: fixed by its name, in the locally administered prefix that KVM uses."""
        digest = hashlib.sha256(f"{self.tag}/{name}".encode()).hexdigest()
        return ":".join(["52", "54", "00", digest[0:2], digest[2:4], digest[4:6]])


def link_exists(name: str) -> bool:
    """Is there an interface of that name on this machine?"""
    return Path("/sys/class/net", name).exists()


def ensure_bridge(network: Network) -> None:
    """Make the bridge with this machine's address, where it is not there yet."""
    if not link_exists(network.bridge):
        run(
            ["ip", "link", "add", network.bridge, "type", "bridge", "stp_state", "0", "forward_delay", "0"],
            timeout_s=_TIMEOUT_S,
        )
    address = f"{network.gateway}/{network.subnet.prefixlen}"
    run(["ip", "address", "replace", address, "dev", network.bridge], timeout_s=_TIMEOUT_S)
    run(["ip", "link", "set", network.bridge, "up"], timeout_s=_TIMEOUT_S)


def ensure_tap(network: Network, host: str) -> None:
    """Make the tap device that a User Mode Linux kernel uses as its network card."""
    port = network.port(host)
    if not link_exists(port):
        run(["ip", "tuntap", "add", "dev", port, "mode", "tap"], timeout_s=_TIMEOUT_S)
    run(["ip", "link", "set", port, "master", network.bridge, "up"], timeout_s=_TIMEOUT_S)


def ensure_veth(network: Network, host: str, *, namespace: str) -> None:
    """Make a veth pair: one end on the bridge, the other named eth0 in `namespace`."""
    port = network.port(host)
    if link_exists(port):
        run(["ip", "link", "delete", port], timeout_s=_TIMEOUT_S)
    run(
        ["ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace],
        timeout_s=_TIMEOUT_S,
    )
    run(["ip", "link", "set", port, "master", network.bridge, "up"], timeout_s=_TIMEOUT_S)


def remove(network: Network) -> None:
    """Take every interface of this instance away."""
    for name in [*(network.port(host) for host in HOSTS), network.bridge]:
        if link_exists(name):
            done = run(["ip", "link", "delete", name], timeout_s=_TIMEOUT_S, check=False)
            # A veth also goes by itself, with the namespace of a host that was ended before.
            if done.returncode and link_exists(name):
                raise LabError(f"The interface {name} can't be deleted: {done.stderr.strip()}")


def registered_guests(network: Network, *, registry: Path) -> dict[str, str]:
    """The guests that have an address, by name. The two default guests have theirs whatever was started before them."""
    fixed = {"share": network.at(FIRST_GUEST), "busy": network.at(FIRST_GUEST + 1)}
    return {**fixed, **(json.loads(registry.read_text()) if registry.exists() else {})}


def guest_address(network: Network, name: str, *, wanted: str | None, registry: Path) -> str:
    """The address of guest `name`: `wanted`, else the one it had, else the next free one. `registry` is a JSON file.

    The caller holds the lock of the instance. Raises LabError when all addresses are taken.
    """
    addresses = registered_guests(network, registry=registry)
    if wanted is None and name not in addresses:
        free = [network.at(offset) for offset in range(FIRST_GUEST, LAST_GUEST + 1)]
        wanted = next((address for address in free if address not in addresses.values()), None)
        if wanted is None:
            raise LabError(f"No address is left for guest {name}: {network.subnet} is full. Remove guests first.")
    if wanted is not None:
        addresses[name] = wanted
        registry.write_text(json.dumps(addresses))
    return addresses[name]


def forget_guest(network: Network, name: str, *, registry: Path) -> None:
    """Give the address of guest `name` back. The caller holds the lock of the instance."""
    addresses = registered_guests(network, registry=registry)
    if addresses.pop(name, None):
        registry.write_text(json.dumps(addresses))
