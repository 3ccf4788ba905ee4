"""Errors as libvirt 9.0 raised them, with its number, text and errno; the connection to the host is not part of it."""

import libvirt
import pytest

from hosts import errors
from hosts.libvirt_client.errors import libvirt_errors, translate, translate_migration


def raised(code: int, text: str, errno: int = -1) -> libvirt.libvirtError:
    error = libvirt.libvirtError("a call failed")
    error.err = (code, 10, text, 2, "%s", text, None, errno, -1)
    return error


CASES = [
    (libvirt.VIR_ERR_NO_DOMAIN, "Domain not found", -1, errors.DomainNotFound),
    (libvirt.VIR_ERR_NO_STORAGE_POOL, "Storage pool not found", -1, errors.PoolNotFound),
    (libvirt.VIR_ERR_OPERATION_INVALID, "Requested operation is not valid: domain is not running", -1, errors.Refused),
    (
        libvirt.VIR_ERR_OPERATION_ABORTED,
        "operation aborted: job 'migration out' canceled by client",
        -1,
        errors.MigrationCancelled,
    ),
    (
        libvirt.VIR_ERR_MIGRATE_UNSAFE,
        "Unsafe migration: Migration without shared storage is unsafe",
        -1,
        errors.UnsafeMigration,
    ),
    (libvirt.VIR_ERR_NO_SUPPORT, "this function is not supported by the connection driver", -1, errors.Unsupported),
    (libvirt.VIR_ERR_AUTH_FAILED, "authentication failed", -1, errors.AuthenticationRefused),
    (
        libvirt.VIR_ERR_OPERATION_TIMEOUT,
        "Timed out during operation: cannot acquire state change lock (held by x)",
        -1,
        errors.Busy,
    ),
    (libvirt.VIR_ERR_OPERATION_INVALID, "another migration job is already running for domain 'busy'", -1, errors.Busy),
    (libvirt.VIR_ERR_OPERATION_TIMEOUT, "Timed out during operation: other", -1, errors.TimedOut),
    (
        libvirt.VIR_ERR_SYSTEM_ERROR,
        "unable to connect to server at 'h:16509': Connection refused",
        111,
        errors.ConnectionRefused,
    ),
    (
        libvirt.VIR_ERR_SYSTEM_ERROR,
        "unable to connect to server at 'h:16509': No route to host",
        113,
        errors.Unreachable,
    ),
    (
        libvirt.VIR_ERR_SYSTEM_ERROR,
        "Unable to resolve address 'h' service '16509': Name or service not known",
        -1,
        errors.NameUnresolved,
    ),
    (
        libvirt.VIR_ERR_SYSTEM_ERROR,
        "Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory",
        2,
        errors.LibvirtNotRunning,
    ),
    (
        libvirt.VIR_ERR_SYSTEM_ERROR,
        "Cannot read CA certificate '/etc/pki/CA/cacert.pem'",
        2,
        errors.AuthenticationRefused,
    ),
    (
        libvirt.VIR_ERR_SYSTEM_ERROR,
        "Cannot recv data: Host key verification failed.: Connection reset by peer",
        104,
        errors.HostKeyUnknown,
    ),
    (libvirt.VIR_ERR_INTERNAL_ERROR, "internal error: client socket is closed", -1, errors.Unreachable),
    (libvirt.VIR_ERR_INTERNAL_ERROR, "internal error: something else", -1, errors.HostError),
    (libvirt.VIR_ERR_OPERATION_FAILED, "operation failed: something", -1, errors.HostError),
]


@pytest.mark.parametrize(("code", "text", "errno", "error"), CASES, ids=[case[1][:50] for case in CASES])
def test_each_error_of_libvirt_becomes_ours_with_host_and_words(code, text, errno, error):
    found = translate(raised(code, text, errno), host="kvm-1", vm="web")
    assert type(found) is error
    assert (found.host, found.vm, found.raw) == ("kvm-1", "web", text)
    assert "kvm-1" in str(found) or "web" in str(found)


def test_a_full_tuple_is_not_needed():
    bare = libvirt.libvirtError("a call failed")
    bare.err = None
    assert type(translate(bare, host="kvm-1")) is errors.HostError


def test_only_libvirts_errors_are_caught():
    with pytest.raises(ZeroDivisionError), libvirt_errors(host="kvm-1"):
        raise ZeroDivisionError


def migration(code: int, text: str, *, is_connected: bool = True, errno: int = -1) -> errors.HostError:
    return translate_migration(
        raised(code, text, errno),
        host="kvm-1",
        vm="web",
        destination="qemu+ssh://kvm-2/system",
        is_connected=is_connected,
    )


def test_a_destination_that_can_not_be_reached_is_a_failed_migration_with_the_command_to_try():
    text = "Cannot recv data: ssh: connect to host kvm-2 port 22: No route to host: Connection reset by peer"
    found = migration(libvirt.VIR_ERR_SYSTEM_ERROR, text, errno=104)
    assert type(found) is errors.MigrationFailed
    assert "virsh -c qemu+ssh://kvm-2/system hostname" in found.hint


def test_an_error_of_the_job_is_a_failed_migration():
    found = migration(libvirt.VIR_ERR_OPERATION_FAILED, "operation failed: job 'migration out' failed: Unable to write")
    assert type(found) is errors.MigrationFailed and "virsh" not in found.hint


@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        (libvirt.VIR_ERR_OPERATION_ABORTED, "canceled by client", errors.MigrationCancelled),
        (libvirt.VIR_ERR_MIGRATE_UNSAFE, "unsafe", errors.UnsafeMigration),
        (libvirt.VIR_ERR_OPERATION_INVALID, "another migration job is already running for domain 'web'", errors.Busy),
        (libvirt.VIR_ERR_OPERATION_INVALID, "domain is not running", errors.Refused),
        (libvirt.VIR_ERR_NO_DOMAIN, "Domain not found", errors.DomainNotFound),
    ],
)
def test_what_has_a_name_of_its_own_keeps_it(code, text, error):
    assert type(migration(code, text)) is error


def test_a_source_that_is_gone_says_nothing_of_the_outcome():
    for text in ("internal error: client socket is closed", "internal error: anything"):
        found = migration(libvirt.VIR_ERR_INTERNAL_ERROR, text, is_connected=False)
        assert type(found) is errors.Unreachable and found.host == "kvm-1"


def test_a_reason_that_libvirt_lost_is_not_guessed():
    found = migration(libvirt.VIR_ERR_SYSTEM_ERROR, "End of file while reading data: : Input/output error", errno=5)
    assert type(found) is errors.MigrationFailed
    assert "lost the reason" in str(found) and "log on kvm-1" in found.hint
