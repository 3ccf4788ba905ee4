"""The failures that are known: a pattern over libvirt's and QEMU's own words, what it means, and what to do.

Pure. tests/data/explained_errors.txt has real messages for each; docs/explained-errors.md is this table in words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """A known failure. {source}, {destination}, {vm} and the pattern's own groups are put into `cause` and `fix`."""

    name: str
    pattern: re.Pattern[str]
    cause: str
    fix: str


def _rule(name: str, pattern: str, cause: str, fix: str) -> Rule:
    return Rule(name, re.compile(pattern, re.IGNORECASE), cause, fix)


RULES: tuple[Rule, ...] = (
    # Where the source does not get to the destination's libvirt
    _rule(
        "host_key",
        r"host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        "root on {source} does not know the ssh key of {destination}, or knows another one.",
        "On {source}, as root, run once: virsh -c qemu+ssh://root@{destination}/system hostname. Compare the fingerprint, and accept it.",
    ),
    _rule(
        "ssh_login",
        r"permission denied \(|too many authentication failures",
        "root of {source} may not log in to {destination} by ssh.",
        "Put the public key of root on {source} into /root/.ssh/authorized_keys on {destination}.",
    ),
    _rule(
        "name",
        r"unable to resolve address '?(?P<what>[^' ]*)|could not resolve hostname (?P<name>\S+?):|name or service not known"
        r"|temporary failure in name resolution|(?:No address associated|nodename nor servname)",
        "{source} can't resolve the name of {destination}.",
        "Give {destination} a migration address on its page, or put its name into DNS or /etc/hosts on {source}.",
    ),
    _rule(
        "same_host",
        r"attempt to migrate guest to the same host|migration to the same host|hostname on destination resolved to localhost",
        "For {source}, the name of {destination} leads to {source} itself: usually a name that /etc/hosts sends to 127.0.1.1, "
        "or two hosts with one host UUID.",
        "Give {destination} a migration address; if the UUIDs are equal, set host_uuid in libvirtd.conf.",
    ),
    _rule(
        "libvirt_login",
        r"authentication (?:failed|unavailable|cancelled|required)|no agent is available to authenticate",
        "libvirtd on {destination} asks for a login that {source} does not have.",
        "Let {source} connect as root by ssh (qemu+ssh://root@…), or set up the login for libvirt's SASL or TLS.",
    ),
    _rule(
        "libvirt_tls",
        r"cannot read CA certificate|certificate (?:failed validation|is not trusted|hasn't got a known issuer|owner does not match)"
        r"|server verification \(of our certificate",
        "{source} and {destination} do not trust each other's libvirt certificates.",
        "Put matching certificates into /etc/pki/libvirt and /etc/pki/CA on both hosts.",
    ),
    _rule(
        "qemu_tls",
        r"unable to access credentials (?P<file>\S+)|tls handshake failed|tls-creds",
        "TLS was asked for, but QEMU on one of the hosts has no certificates that the other trusts.",
        "Put the certificates into /etc/pki/qemu on both hosts, or migrate without TLS.",
    ),
    _rule(
        "libvirtd_away",
        r"failed to connect socket to '/(?:var/)?run/libvirt|unable to connect to server at '[^']*(?:16509|16514)'",
        "libvirtd on {destination} does not answer {source}.",
        "On {destination}: systemctl start libvirtd (or virtqemud.socket); check the firewall for its port.",
    ),
    # The memory's own connection
    _rule(
        "no_port",
        r"unable to find an unused port in range '?(?P<range>[^']*)",
        "All of {destination}'s migration ports are in use.",
        "Let fewer migrations run at once, or widen migration_port_min and migration_port_max in qemu.conf there.",
    ),
    _rule(
        "port_refused",
        r"unable to connect to server at '[^']*'|failed to connect to '?[\w.:\[\]-]+'?: (?:connection|no route|network)"
        r"|failed to connect socket: |no route to host",
        "{source} could not open the connection for the guest's memory to {destination}.",
        "Open TCP ports 49152 to 49215 (or the range of qemu.conf) on {destination} for {source}, and check the migration address.",
    ),
    _rule(
        "bind",
        r"failed to bind socket|cannot assign requested address|address already in use",
        "QEMU on {destination} could not listen at the migration address or port.",
        "Check that the migration address belongs to {destination}, and that nothing else uses the port.",
    ),
    # Storage
    _rule(
        "unsafe",
        r"unsafe migration|migration may lead to data corruption|migration without shared storage is unsafe",
        "libvirt does not take the disks as safe to move: it knows no shared file system there, or their cache mode keeps data in "
        "a host's memory.",
        "Set cache='none' and use storage that both hosts share; or allow `unsafe`, if both hosts are known to see the same data.",
    ),
    _rule(
        "no_disk",
        r"cannot access storage file '?(?P<file>[^':]+)'?.*: no such file|could not open '(?P<image>[^']+)': no such file"
        r"|failed to open file '(?P<path>[^']+)': no such file|unable to get path for volume",
        "{destination} does not see a disk image that the guest uses: {detail}.",
        "Mount the same share at the same path on {destination}, and check that the file is there.",
    ),
    _rule(
        "disk_permission",
        r"could not open '?(?:disk image )?(?P<image>[^':]+)'?: (?:could not open file: )?permission denied|permission denied.*\.(?:qcow2|raw|img)|unable to set user and group",
        "QEMU on {destination} may not open {detail}.",
        "Check owner and mode of the image, root_squash of the export, and SELinux or AppArmor there.",
    ),
    _rule(
        "disk_lock",
        r"failed to get \"?(?:shared )?\"?(?P<lock>write|consistent read|resize|shared)?\"?.*lock|is another process using the image",
        "Another process has the disk image locked: a second copy of the guest may be running.",
        "Find out which host has it open before anything is started again; don't force the lock.",
    ),
    _rule(
        "disk_full",
        r"no space left on device|disk quota exceeded",
        "There is no space left where {destination} or the guest's storage writes.",
        "Free space there, then try again.",
    ),
    _rule(
        "stale_nfs",
        r"stale file handle|nfs: server .* not responding",
        "The share does not answer as it did: its file handle is stale.",
        "Mount the share again on the host that says so.",
    ),
    # What the destination lacks
    _rule(
        "cpu",
        r"guest CPU doesn't match specification|cpu is incompatible with host cpu|host doesn't support requested feature"
        r"|unsupported feature\(s\)|operation not supported: guest CPU|(?:missing features: (?P<features>[\w.,-]+))",
        "The CPU of {destination} can't give the guest what it runs with.",
        "Choose a host with an equal or newer CPU, or give the VM a CPU that both hosts have; that takes effect at its next start.",
    ),
    _rule(
        "machine_type",
        r"unsupported machine type '?(?P<machine>[\w.-]+)|machine type '(?P<type>[\w.-]+)' (?:is )?not support"
        r"|emulator .* does not support machine|no emulator found|unsupported machine",
        "QEMU on {destination} does not know the guest's machine type.",
        "Install a QEMU there that is not older than that of {source}.",
    ),
    _rule(
        "network",
        r"cannot get interface MTU on '(?P<bridge>[^']+)'|network not found|no network with matching name '(?P<net>[^']+)'"
        r"|cannot find bridge|unable to add (?:port|bridge) (?P<port>\S+)",
        "{destination} lacks the bridge or network of a network card of the guest: {detail}.",
        "Set it up there under the same name.",
    ),
    _rule(
        "memory",
        r"cannot set up guest memory '[^']*': cannot allocate memory|unable to allocate memory|cannot allocate memory",
        "{destination} has not enough free memory for the guest.",
        "Free memory there, or choose another host.",
    ),
    _rule(
        "name_taken",
        r"domain '(?P<domain>[^']+)' already exists with uuid|domain '(?P<other>[^']+)' is already defined with uuid"
        r"|domain is already active|already (?:being started|active) as|VM is already active",
        "{destination} has a VM of that name or UUID, or runs it already.",
        "Look at it there: a leftover can be removed on the VM's page; a running copy must be settled first.",
    ),
    _rule(
        "swtpm",
        r"swtpm.*(?:does not support the --migration|not found|failed)|can_migrate_shared_storage",
        "The TPM's state can't move: swtpm on {destination} is missing, too old, or its state is not where it should be.",
        "Install swtpm there in the version of {source}; libvirt 10 and newer can keep its state on shared storage.",
    ),
    # What the guest has
    _rule(
        "hostdev",
        r"domain has assigned (?:non-USB )?host devices|cannot migrate .*(?:host dev|vfio|mdev|vdpa)|VFIO.*migrat|non-migratable device",
        "The guest uses a device of its host, which can't be moved with it.",
        "Detach the device, or shut the guest down and move its definition.",
    ),
    _rule(
        "snapshots",
        r"cannot migrate domain with \d+ snapshots|domain has (?:active )?(?:snapshots|checkpoints)|\d+ checkpoints",
        "libvirt migrates no guest that has snapshots or checkpoints.",
        "Delete or merge them first: virsh snapshot-list {vm}.",
    ),
    _rule(
        "block_job",
        r"domain has (?:an )?active block job|disk '(?P<disk>[^']+)' (?:already|has) .*job",
        "A block job (copy, commit, backup) works on a disk of the guest.",
        "Wait for it, or end it: virsh blockjob {vm} DISK --abort.",
    ),
    _rule(
        "busy",
        r"cannot acquire state change lock|another migration job is already running|domain is already (?:being )?migrat",
        "Another job works on the guest, so libvirt could not begin.",
        "Wait until it is over: virsh domjobinfo {vm}.",
    ),
    # Two QEMUs that do not understand each other
    _rule(
        "device_state",
        r"error while loading state for instance .* of device '?(?P<device>[^'\n]+)|unknown savevm section|unknown ramblock|missing section footer"
        r"|load of migration failed: (?:invalid argument|operation not permitted)|length mismatch|failed to load .*: ?\S*"
        r"|unsupported version \d+ for",
        "QEMU on {destination} could not read the state of a device: the two QEMUs build this guest differently.",
        "Use the same or a newer QEMU on {destination}; a guest that was changed while it ran may need a restart first.",
    ),
    _rule(
        "postcopy_kernel",
        r"postcopy is not supported|userfaultfd|unprivileged_userfaultfd",
        "Post-copy needs userfaultfd, which QEMU on {destination} may not use.",
        "On {destination}: sysctl vm.unprivileged_userfaultfd=1, or migrate without post-copy.",
    ),
    _rule(
        "unsupported",
        r"migration option '(?P<option>[^']+)' is not supported|(?:parallel|compress|TLS|post-copy|tunnelled) migration is not supported"
        r"|migration capability: '(?P<capability>[^']+)'|not supported by QEMU binary",
        "One of the two hosts' QEMU or libvirt does not know an option that was asked for.",
        "Leave the option out, or update that host.",
    ),
    # Broken on the way
    _rule(
        "destination_qemu_died",
        r"unable to read from monitor|monitor connection|process exited (?:prior to|while) (?:migration|connecting)"
        r"|domain crashed|shutting down, reason=crashed|terminating on signal (?:9|11)|qemu unexpectedly closed the monitor",
        "QEMU died during the migration.",
        "Read its last words below; on that host: dmesg | tail, for the kernel's out-of-memory killer.",
    ),
    _rule(
        "destination_lost",
        r"lost connection to destination host|client socket is closed|received hangup|connection closed due to keepalive timeout"
        r"|the connection which controls migration of domain",
        "The connection to libvirtd on {destination} broke while the guest was moving: it ended, was restarted, or the network failed.",
        "Look whether libvirtd runs on {destination}, then try again.",
    ),
    _rule(
        "cancelled",
        r"canceled by client|migration cancell?ed|job cancell?ed|job: is canceled",
        "Somebody cancelled the migration.",
        "Start it again when you like.",
    ),
    _rule(
        "stream_broken",
        r"unable to (?:write to|read from) socket: (?P<why>[\w ]+)|channel error: (?P<error>[\w/ ]+)"
        r"|load of migration failed: (?:input/output error|connection)|detected IO error|broken pipe|connection reset by peer"
        r"|failed to save SaveStateEntry",
        "The connection that carried the guest's memory broke.",
        "Check the network between the two hosts, and QEMU's log of {destination} below; then try again.",
    ),
    _rule(
        "timed_out",
        r"timed out|timeout|did not answer within",
        "One of the hosts did not answer in time.",
        "Look at the load and the network of both hosts, then try again.",
    ),
    _rule(
        "reason_lost",
        r"end of file while reading data|libvirt lost the reason",
        "libvirt on {source} ended its connection to {destination} before it could say why.",
        "The lines of both hosts below are nearest to the reason.",
    ),
)
"""From the most telling to the least: a broken connection is what almost every failure ends in."""
