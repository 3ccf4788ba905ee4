"""libvirt's errors as ours. By number where a number tells; where only the text does, its source is named.

Numbers are virErrorNumber in libvirt's include/libvirt/virterror.h.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from hosts.errors import (
    AuthenticationRefused,
    Busy,
    ConnectionRefused,
    DomainNotFound,
    HostError,
    HostKeyChanged,
    HostKeyUnknown,
    LibvirtNotRunning,
    MigrationCancelled,
    MigrationFailed,
    NameUnresolved,
    PoolNotFound,
    Refused,
    TimedOut,
    Unreachable,
    UnsafeMigration,
    Unsupported,
)
from hosts.ssh_messages import classify

# number: our class, and what to say before libvirt's own words
_BY_CODE: dict[int, tuple[type[HostError], str]] = {
    libvirt.VIR_ERR_NO_DOMAIN: (DomainNotFound, "{host} does not know {vm}"),
    libvirt.VIR_ERR_NO_STORAGE_POOL: (PoolNotFound, "{host} does not know this storage pool"),
    libvirt.VIR_ERR_NO_STORAGE_VOL: (Refused, "{host} does not know this volume"),
    libvirt.VIR_ERR_STORAGE_VOL_EXIST: (Refused, "{host} has a volume of that name already"),
    libvirt.VIR_ERR_MIGRATE_UNSAFE: (UnsafeMigration, "libvirt on {host} calls moving {vm} unsafe"),
    libvirt.VIR_ERR_OPERATION_ABORTED: (MigrationCancelled, "The job of {vm} on {host} was cancelled"),
    libvirt.VIR_ERR_NO_SUPPORT: (Unsupported, "{host} can't do this"),
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED: (Unsupported, "{host} can't do this"),
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED: (Unsupported, "{host} can't do this"),
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED: (Unsupported, "{host} can't do what the definition asks for"),
    libvirt.VIR_ERR_OPERATION_INVALID: (Refused, "libvirt on {host} refused"),
    libvirt.VIR_ERR_OPERATION_DENIED: (Refused, "libvirt on {host} denied this to the console's login"),
    libvirt.VIR_ERR_ACCESS_DENIED: (Refused, "libvirt on {host} denied this to the console's login"),
    libvirt.VIR_ERR_INVALID_ARG: (Refused, "libvirt on {host} refused"),
    libvirt.VIR_ERR_XML_ERROR: (Refused, "libvirt on {host} refused the definition"),
    libvirt.VIR_ERR_XML_DETAIL: (Refused, "libvirt on {host} refused the definition"),
    libvirt.VIR_ERR_XML_INVALID_SCHEMA: (Refused, "libvirt on {host} refused the definition"),
    libvirt.VIR_ERR_DOM_EXIST: (Refused, "{host} has a VM of that name or UUID already"),
    libvirt.VIR_ERR_CPU_INCOMPATIBLE: (Refused, "The CPU of {host} can't run this VM"),
    libvirt.VIR_ERR_RESOURCE_BUSY: (Busy, "{host} is busy with this"),
    libvirt.VIR_ERR_AUTH_FAILED: (AuthenticationRefused, "libvirt on {host} refused the login"),
    libvirt.VIR_ERR_AUTH_CANCELLED: (AuthenticationRefused, "libvirt on {host} refused the login"),
    libvirt.VIR_ERR_AUTH_UNAVAILABLE: (AuthenticationRefused, "libvirt on {host} refused the login"),
}
_AUTH_CODES = (libvirt.VIR_ERR_AUTH_FAILED, libvirt.VIR_ERR_AUTH_CANCELLED, libvirt.VIR_ERR_AUTH_UNAVAILABLE)
_AUTH_HINT = (
    "libvirtd on {host} asks for a login (SASL or polkit) that the console does not have; use qemu+ssh as root."
)

# virReportSystemError keeps errno in int1 (src/util/virerror.c)
_BY_ERRNO: dict[int, tuple[type[HostError], str]] = {
    errno.ECONNREFUSED: (ConnectionRefused, "{host} refused the connection to libvirtd"),
    errno.ETIMEDOUT: (TimedOut, "{host} did not answer in time"),
    errno.EHOSTUNREACH: (Unreachable, "There is no route to {host}"),
    errno.ENETUNREACH: (Unreachable, "There is no route to {host}"),
    errno.ECONNRESET: (Unreachable, "{host} closed the connection"),
    errno.EPIPE: (Unreachable, "{host} closed the connection"),
}

# Texts, since these come with numbers that say no more than "system" or "internal error":
_BY_TEXT: tuple[tuple[str, type[HostError], str], ...] = (
    # src/rpc/virnetsocket.c: virNetSocketNewConnectTCP
    ("Unable to resolve address", NameUnresolved, "The name of {host} does not resolve"),
    # src/rpc/virnetclient.c: the first bytes were no length
    ("received from server too large", Unreachable, "What answers at {host} is not libvirtd"),
    # src/rpc/virnettlscontext.c
    ("ertificate", AuthenticationRefused, "There is no trusted TLS connection to {host}"),
    # src/rpc/virnetclient.c, virkeepalive.c, virnetsocket.c: the connection is gone
    ("client socket is closed", Unreachable, "The connection to {host} broke"),
    ("keepalive timeout", Unreachable, "{host} stopped answering and the connection was given up"),
    ("End of file while reading data", Unreachable, "{host} closed the connection"),
    ("Cannot write data", Unreachable, "{host} closed the connection"),
    ("Cannot recv data", Unreachable, "{host} closed the connection"),
)
_CONNECTION_CODES = (
    libvirt.VIR_ERR_SYSTEM_ERROR,
    libvirt.VIR_ERR_RPC,
    libvirt.VIR_ERR_INTERNAL_ERROR,
    libvirt.VIR_ERR_NO_CONNECT,
    libvirt.VIR_ERR_GNUTLS_ERROR,
)
# virDomainObjBeginJobInternal in src/conf/virdomainjob.c (9.0: src/hypervisor/domain_job.c)
_JOB_LOCK = "cannot acquire state change lock"
# qemuMigrationJobStart and its callers in src/qemu/qemu_migration.c; the number says only "invalid"
_JOB_RUNS = "another migration job is already running"
# virNetSocketReadWire in src/rpc/virnetsocket.c. Measured with 9.0 over qemu+ssh: as the source closes its connection to the
# destination after a cancelled or failed job, this sometimes takes the place of the error that was to be reported.
_LOST_REASON = "End of file while reading data"
_NO_WAY = (Unreachable, TimedOut, AuthenticationRefused, HostKeyUnknown, HostKeyChanged)


@contextmanager
def libvirt_errors(*, host: str, vm: str = "") -> Iterator[None]:
    """Raise what libvirt raises inside as one of ours, with `host` and `vm` in it."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise translate(error, host=host, vm=vm) from error


def translate(error: libvirt.libvirtError, *, host: str, vm: str = "") -> HostError:
    """Our error for libvirt's; one that nothing here knows is a plain HostError with libvirt's words."""
    code, said = error.get_error_code(), error.get_error_message() or str(error)
    words = {"host": host, "vm": vm or "this VM"}
    if _JOB_RUNS in said or _JOB_LOCK in said:
        return Busy(f"{words['vm']} is busy on {host}: {said}", host=host, vm=vm, raw=said)
    if code == libvirt.VIR_ERR_OPERATION_TIMEOUT:
        return TimedOut(f"libvirt on {host} gave up waiting: {said}", host=host, vm=vm, raw=said)
    if code in _CONNECTION_CODES and (found := _connection_error(error, said, words)):
        found.vm = vm
        return found
    if code not in _BY_CODE:
        return HostError(f"libvirt on {host} says: {said}", host=host, vm=vm, raw=said)
    error_class, message = _BY_CODE[code]
    hint = _AUTH_HINT.format(**words) if code in _AUTH_CODES else ""
    return error_class(f"{message.format(**words)}: {said}", host=host, vm=vm, hint=hint, raw=said)


def translate_migration(
    error: libvirt.libvirtError, *, host: str, vm: str, destination: str, is_connected: bool
) -> HostError:
    """The same for a migrate call on the source `host`; `destination` is the URI that it was given.

    While the source is still connected, an error of connection or of time is about the destination, and the migration
    has failed. Where the source itself is gone, nobody knows yet, and the error says only that.
    """
    found = translate(error, host=host, vm=vm)
    if isinstance(found, Refused | Busy | MigrationCancelled | DomainNotFound):
        return found
    if not is_connected:
        if isinstance(found, Unreachable):
            return found
        return Unreachable(f"The connection to {host} broke while {vm} was moving", host=host, vm=vm, raw=found.raw)
    if _LOST_REASON in found.raw:
        message = f"The migration of {vm} from {host} ended, and libvirt lost the reason: {found.raw}"
        hint = f"If nobody cancelled it, libvirtd's log on {host} has the reason."
        return MigrationFailed(message, host=host, vm=vm, hint=hint, raw=found.raw)
    # libvirt on the source passes on, in its own error, why it did not reach the destination's.
    cause = classify(found.raw, host="the destination") or found
    hint = ""
    if isinstance(cause, _NO_WAY):
        hint = f"{host} itself must reach the destination's libvirtd. Try it there: virsh -c {destination} hostname"
    return MigrationFailed(f"{vm} did not leave {host}: {found.raw}", host=host, vm=vm, hint=hint, raw=found.raw)


def _connection_error(error: libvirt.libvirtError, said: str, words: dict[str, str]) -> HostError | None:
    """What a failed or broken connection means; None where the error is about something else."""
    host = words["host"]
    # src/rpc/virnetsocket.c: virNetSocketNewConnectUNIX, on this machine; ssh's helper puts its own name before it
    if said.startswith("Failed to connect socket to"):
        return LibvirtNotRunning(f"libvirtd does not run on {host}: {said}", host=host, raw=said)
    if known := classify(said, host=host):
        return known
    if error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR:
        number = error.get_int1()
        if number in _BY_ERRNO:
            error_class, message = _BY_ERRNO[number]
            return error_class(f"{message.format(**words)}: {said}", host=host, raw=said)
    for text, error_class, message in _BY_TEXT:
        if text in said:
            return error_class(f"{message.format(**words)}: {said}", host=host, raw=said)
    return None
