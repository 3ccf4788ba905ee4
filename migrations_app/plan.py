"""A migration's options: as asked for, as libvirt's flags and parameters, and as the virsh command that does the same."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hosts.errors import InvalidInput

ON_TIMEOUT = ("cancel", "postcopy", "pause")
POLICIES = ("manual", "automatic", "gentle", "fast", "must_finish")
"""Who steers while it copies: nobody, or the autopilot of convergence.py within the limits of its policy."""
COPY_STORAGE = ("none", "all", "inc")
"""Disks on shared storage, copied whole, or copied on top of a backing image that both hosts have."""
CHOICES = {"on_timeout": ON_TIMEOUT, "policy": POLICIES, "copy_storage": COPY_STORAGE}
SOFT_THROTTLE = {"auto_converge_initial": 5, "auto_converge_increment": 20}
"""Percent. QEMU takes its first step, 20 % by itself, as soon as two rounds did not get ahead; the policy then has just raised
the downtime, which often is enough. So where nobody asked for auto-converge its first step is one that hardly hurts, and the
others are twice QEMU's: with steps of 10 % a guest on the lab was slowed down for 30 s before it was slow enough."""
LIMITS: dict[str, tuple[int, int]] = {
    "parallel_connections": (0, 16),
    "bandwidth_mib": (0, 100_000),
    "max_downtime_ms": (0, 60_000),
    "max_pause_ms": (100, 600_000),
    "finish_within_s": (0, 7 * 86_400),
    "port": (0, 65_535),
    "disks_port": (0, 65_535),
    "timeout_s": (0, 7 * 86_400),
}
"""Lowest and highest value of each number; 0 leaves the choice to libvirt (timeout_s: no limit)."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to migrate. Bandwidth in MiB/s, downtime in ms, timeout in s; 0 means libvirt's own choice or no limit.

    Defaults as in the design: live, peer to peer (always), persistent at the destination from the start, the source's
    definition removed after the guest is proven to run at the destination. `unsafe` only when asked for.
    `policy` says who steers; `max_pause_ms` is the longest standstill that the autopilot may cause, never raised without
    asking; `finish_within_s` (policy must_finish) is counted from the start of the copy. `port` is the destination's port
    for the guest's memory, `disks_port` the one for disks that are copied along, 0 libvirt's choice. `direct`: the console drives both hosts, for where the source can't reach
    the destination's libvirt; such a migration ends if the console does.
    """

    policy: str = "automatic"
    live: bool = True
    unsafe: bool = False
    persistent: bool = True
    undefine_source: bool = True
    postcopy: bool = False
    auto_converge: bool = False
    compressed: bool = False
    tls: bool = False
    tunnelled: bool = False
    direct: bool = False
    copy_storage: str = "none"
    parallel_connections: int = 0
    bandwidth_mib: int = 0
    max_downtime_ms: int = 0
    max_pause_ms: int = 2000
    finish_within_s: int = 0
    port: int = 0
    disks_port: int = 0
    timeout_s: int = 0
    on_timeout: str = "cancel"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Options":
        """Read options as the form or the API gives them. Raises InvalidInput(field=…) on what it does not know."""
        defaults = cls().to_dict()
        for name, value in values.items():
            if name not in defaults:
                raise InvalidInput(
                    f"There is no option {str(name)!r}; there are: {', '.join(defaults)}.", field=str(name)
                )
            if type(value) is not type(defaults[name]):
                raise InvalidInput(f"Option {name} can't be {value!r}.", field=name)
            if value not in CHOICES.get(name, (value,)):
                raise InvalidInput(f"{name} must be one of {', '.join(CHOICES[name])}.", field=name)
            low, high = LIMITS.get(name, (0, 0))
            if name in LIMITS and not low <= value <= high:
                raise InvalidInput(f"Option {name} must be from {low} to {high}, not {value}.", field=name)
        options = cls(**values)
        options._require_sense()
        return options

    def _require_sense(self) -> None:
        if self.on_timeout == "postcopy" and self.timeout_s and not self.postcopy:
            raise InvalidInput("Switching to post-copy after a time needs post-copy to be allowed.", field="postcopy")
        if self.policy == "must_finish" and not self.finish_within_s:
            raise InvalidInput("Say within how many seconds it must finish.", field="finish_within_s")
        if self.tunnelled and (self.parallel_connections or self.allows_postcopy or self.tls):
            # libvirt: tunnelled migration has one stream through libvirtd, which encrypts it by its own transport.
            raise InvalidInput(
                "A tunnelled migration knows neither parallel connections, post-copy nor TLS of its own.",
                field="tunnelled",
            )
        if self.tunnelled and self.direct:
            # libvirt: the tunnel is between the two libvirtds, which a direct migration does not connect.
            raise InvalidInput(
                "A tunnelled migration needs the source to reach the destination's libvirt.", field="direct"
            )
        if self.tunnelled and self.copy_storage != "none":
            raise InvalidInput("Disks can't be copied through the tunnel.", field="copy_storage")
        if self.disks_port and self.disks_port == self.port:
            raise InvalidInput("Memory and disks need a port each.", field="disks_port")
        if self.parallel_connections and self.allows_postcopy:
            # qemuMigrationParams in libvirt refuses multifd with post-copy at this QEMU's level.
            raise InvalidInput("Parallel connections and post-copy don't go together.", field="parallel_connections")

    @property
    def allows_postcopy(self) -> bool:
        return self.postcopy or self.policy == "fast"

    @property
    def allows_auto_converge(self) -> bool:
        """QEMU must be told at the start; it then slows the guest only where the copy does not get ahead."""
        return self.auto_converge or self.policy in ("automatic", "must_finish")

    @property
    def throttle_steps(self) -> dict[str, int]:
        """How auto-converge goes on; empty for QEMU's own steps."""
        return SOFT_THROTTLE if self.policy == "automatic" and not self.auto_converge else {}

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


COPY_FLAGS = {"all": "non_shared_disk", "inc": "non_shared_inc"}


def flag_names(options: Options, disks: Sequence[str] = ()) -> list[str]:
    """The names (of libvirt_client.flags) of the flags for `options`; `disks` are the targets of those to copy along.

    Without any no flag of copying is set: libvirt takes an empty list for all disks, shared ones as well, and damages them.
    Never undefine_source: the source's definition goes in a step of its own, once the destination is proven to run.
    """
    names = ["abort_on_error"]
    wanted = {
        "peer2peer": not options.direct,
        "live": options.live,
        "persist_dest": options.persistent,
        "unsafe": options.unsafe,
        "postcopy": options.allows_postcopy,
        "auto_converge": options.allows_auto_converge,
        "compressed": options.compressed,
        "tls": options.tls,
        "tunnelled": options.tunnelled,
        "parallel": options.parallel_connections > 0,
    }
    if disks and options.copy_storage in COPY_FLAGS:
        names.append(COPY_FLAGS[options.copy_storage])
    return names + [name for name, on in wanted.items() if on]


def resume_flag_names(options: Options, disks: Sequence[str] = ()) -> list[str]:
    """The same, to go on with a post-copy that broke: libvirt wants the flags of the first call, and this one."""
    return [*flag_names(options, disks), "postcopy_resume"]


def parameters(options: Options, *, migration_address: str, disks: Sequence[str] = ()) -> dict[str, Any]:
    """The typed parameters, by the names of libvirt_client.flags; `disks` as for `flag_names`."""
    values: dict[str, Any] = {**options.throttle_steps}
    if disks and options.copy_storage in COPY_FLAGS:
        values["migrate_disks"] = tuple(disks)
        if options.disks_port:
            values["disks_port"] = options.disks_port
    if migration_address and not options.tunnelled:
        values["uri"] = migration_uri(migration_address, options.port)
    if options.bandwidth_mib:
        values["bandwidth"] = options.bandwidth_mib
    if options.parallel_connections:
        values["parallel_connections"] = options.parallel_connections
    return values


def offline_flag_names(options: Options) -> list[str]:
    """The flags to move the definition of a guest that is off; its autostart libvirt leaves to us."""
    return ["offline", "persist_dest", *([] if options.direct else ["peer2peer"])]


def offline_command(options: Options, *, vm_name: str, source_uri: str, destination_uri: str) -> str:
    """The virsh command that does the same for a guest that is off, quoted for a shell."""
    peer = [] if options.direct else ["--p2p"]
    undefine = ["--undefinesource"] if options.undefine_source else []
    argv = ["virsh", "-c", source_uri, "migrate", "--offline", "--persistent", *peer, *undefine]
    return shlex.join([*argv, vm_name, destination_uri])


def migration_uri(address: str, port: int = 0) -> str:
    """Where the guest's memory is sent; without it libvirt takes the destination's own host name."""
    host = f"[{address}]" if ":" in address else address
    return f"tcp://{host}:{port}" if port else f"tcp://{host}"


def command(
    options: Options,
    *,
    vm_name: str,
    source_uri: str,
    destination_uri: str,
    migration_address: str,
    disks: Sequence[str] = (),
) -> str:
    """The equivalent virsh command, quoted for a shell; `disks` as for `flag_names`."""
    switches = {
        "--live": options.live,
        "--persistent": options.persistent,
        "--undefinesource": options.undefine_source,
        "--unsafe": options.unsafe,
        "--postcopy": options.allows_postcopy,
        "--auto-converge": options.allows_auto_converge,
        "--compressed": options.compressed,
        "--tls": options.tls,
        "--tunnelled": options.tunnelled,
        "--parallel": options.parallel_connections > 0,
    }
    argv = [
        "virsh",
        "-c",
        source_uri,
        "migrate",
        *([] if options.direct else ["--p2p"]),
        "--verbose",
        "--abort-on-error",
    ]
    argv += [switch for switch, on in switches.items() if on]
    if disks and options.copy_storage in COPY_FLAGS:
        argv += [f"--copy-storage-{options.copy_storage}", "--migrate-disks", ",".join(disks)]
        argv += ["--disks-port", str(options.disks_port)] if options.disks_port else []
    for name, percent in options.throttle_steps.items():
        argv += [f"--{name.replace('_', '-')}", str(percent)]
    if options.parallel_connections:
        argv += ["--parallel-connections", str(options.parallel_connections)]
    if options.bandwidth_mib:
        argv += ["--bandwidth", str(options.bandwidth_mib)]
    if options.timeout_s:
        act = {"postcopy": ["--timeout-postcopy"], "pause": ["--timeout-suspend"]}.get(options.on_timeout, [])
        argv += ["--timeout", str(options.timeout_s), *act]
    argv += [vm_name, destination_uri]
    if migration_address and not options.tunnelled:
        argv += [migration_uri(migration_address, options.port)]
    return shlex.join(argv)
