"""What can go wrong with a host, in an admin's words: one tree, each leaf with a next step.

Adapters translate what libvirt, OpenSSH and the host's own commands say into these classes; pages and the
API show them as they are. `title`, `slug` and `status` are the fields of an RFC 9457 problem.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence


class HostError(Exception):
    """Base of the tree, and what an unclassified answer of a host becomes.

    `message` says what happened, `host` and `vm` to whom (names as the console shows them), `hint` what to
    do next, `raw` keeps the other side's text, word for word.
    """

    title = "The host reported an error"
    slug = "host-error"
    status = 502
    hint = "Read the host's own words below, then look into its libvirtd log."

    def __init__(self, message: str, *, host: str = "", vm: str = "", hint: str = "", raw: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.host = host
        self.vm = vm
        self.raw = raw
        if hint:
            self.hint = hint

    def __str__(self) -> str:
        return self.message


class Unreachable(HostError):
    """No connection to the host, or the connection broke."""

    title = "The host can't be reached"
    slug = "host-unreachable"
    status = 503
    hint = "Check that the host is up and that this machine can reach its address."


class NameUnresolved(Unreachable):
    title = "The host name does not resolve"
    slug = "name-unresolved"
    hint = "Check the spelling, add the name to DNS or /etc/hosts, or use the IP address."


class ConnectionRefused(Unreachable):
    title = "The host refused the connection"
    slug = "connection-refused"
    hint = "Check the port, the firewall, and that sshd (or libvirtd's TCP or TLS socket) listens."


class LibvirtNotRunning(Unreachable):
    title = "libvirtd is not running"
    slug = "libvirt-not-running"
    hint = "On the host: systemctl start libvirtd (or virtqemud.socket)."


class HostKeyUnknown(HostError):
    title = "The host's ssh key is not known yet"
    slug = "host-key-unknown"
    status = 409
    hint = "Compare the fingerprint with the host's own, then trust it."


class HostKeyChanged(HostError):
    title = "The host's ssh key has changed"
    slug = "host-key-changed"
    status = 409
    hint = "Find out why before you trust the new key: a new installation, or someone in between."


class AuthenticationRefused(HostError):
    title = "The host refused the login"
    slug = "authentication-refused"
    status = 502
    hint = "Add the console's public key to authorized_keys of that user on the host."


class TimedOut(HostError):
    """No answer in time. What was asked may still happen: unknown, not failed."""

    title = "The host did not answer in time"
    slug = "timed-out"
    status = 504
    hint = "Check the host's load and network, then ask again."


class DomainNotFound(HostError):
    title = "The host does not know this VM"
    slug = "domain-not-found"
    status = 404
    hint = "Refresh the host: the VM may have moved, or been undefined."


class PoolNotFound(HostError):
    title = "The host does not know this storage pool"
    slug = "pool-not-found"
    status = 404
    hint = "Refresh the host, or define the pool there."


class Refused(HostError):
    """A rule of ours, or of libvirt's, says no; nothing was changed."""

    title = "Refused"
    slug = "refused"
    status = 409
    hint = "Put right what the message names, then try again."


class WouldHide(Refused):
    """A mount would hide files: the wizard can move them onto the share first."""

    title = "Files would be hidden"
    slug = "would-hide"


class Unsupported(Refused):
    """The host's libvirt or hypervisor can't do this at all."""

    title = "The host can't do this"
    slug = "unsupported"
    status = 501
    hint = "Choose another option, or update libvirt and QEMU on the host."


class UnsafeMigration(Refused):
    title = "libvirt calls this migration unsafe"
    slug = "unsafe-migration"
    hint = (
        "Put the disks on storage both hosts share and set cache='none', "
        "or tick 'unsafe' if you know that both hosts see the same data."
    )


class InvalidInput(HostError):
    """Refused before anything was asked of a host. `field` names the input."""

    title = "This input can't be used"
    slug = "invalid-input"
    status = 422
    hint = "Correct the input."

    def __init__(self, message: str, *, field: str = "", hint: str = "", raw: str = "") -> None:
        super().__init__(message, hint=hint, raw=raw)
        self.field = field


class CommandFailed(HostError):
    """A command on a host ended with an exit code other than 0."""

    title = "A command on the host failed"
    slug = "command-failed"
    hint = "Run the command on the host by hand to see more."

    def __init__(self, argv: Sequence[str], returncode: int, stderr: str, *, host: str = "", hint: str = "") -> None:
        said = stderr.strip()
        where = f" on {host}" if host else ""
        message = f"{shlex.join(argv)}{where} ended with exit code {returncode}"
        super().__init__(f"{message}: {said}" if said else message, host=host, hint=hint, raw=stderr)
        # pickle and copy build an exception again from `args`
        self.args = (tuple(argv), returncode, stderr)
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stderr = stderr


class Busy(HostError):
    """Another job (migration, snapshot, backup) holds the domain's lock."""

    title = "The VM is busy with another job"
    slug = "vm-busy"
    status = 409
    hint = "Wait until the other job ends, or look at it with: virsh domjobinfo VM"


class ConsoleInUse(HostError):
    """Somebody else has the guest's serial console open: libvirt hands it to one at a time."""

    title = "Somebody else is on this serial console"
    slug = "console-in-use"
    status = 409
    hint = "Ask who it is, or take it over: theirs is then closed."


class MigrationFailed(HostError):
    title = "The migration failed"
    slug = "migration-failed"
    hint = "The guest should still run at the source; the message says what to put right."


class MigrationCancelled(HostError):
    title = "The migration was cancelled"
    slug = "migration-cancelled"
    status = 409
    hint = "The guest still runs at the source. Start the migration again when you like."
