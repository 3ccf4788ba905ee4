"""Trying a host before it is stored, and trusting its ssh key: only one whose fingerprint the admin has seen."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from hosts import audit, reach
from hosts.errors import HostError, HostKeyChanged, HostKeyUnknown, InvalidInput, Refused
from hosts.host_uri import HostUri, SshAddress, validate_address, validate_ssh_target
from hosts.libvirt_client.host_info import HostInfo
from hosts.models import Host
from hosts.ssh import HostKey, SshTarget, run, scan_host_key

KeyState = Literal["known", "unknown", "changed", "none"]
CONNECT_TIMEOUT_S = 15.0
SCAN_TIMEOUT_S = 8.0
SSH_PORT = 22
TCP_WARNING = (
    "qemu+tcp has no login and no encryption: whoever reaches its port controls this host and can read guest memory."
)


@dataclass(frozen=True, slots=True)
class ConnectionTest:
    """What came of trying a host: its facts, or the error; and its ssh keys, where ssh is used to reach it.

    `key_state` "none" means that no ssh is used. `hostname` and `port` say whose the keys are, as `trust_host_key` takes
    them. Keys are listed while they are not known: those that the host presents now.
    """

    ok: bool
    info: HostInfo | None = None
    error: HostError | None = None
    host_keys: tuple[HostKey, ...] = ()
    key_state: KeyState = "none"
    hostname: str = ""
    port: int = SSH_PORT
    warnings: tuple[str, ...] = ()


def test_connection(*, name: str, uri: str, ssh: str = "") -> ConnectionTest:
    """Connect as the console would, and say what it is or why not. Stores nothing. Raises InvalidInput on bad input."""
    host = Host(name=name, uri=HostUri.parse(uri).text, ssh=str(validate_ssh_target(ssh)) if ssh else "")
    found = ConnectionTest(ok=True, warnings=_warnings(host))
    for address in ssh_addresses(host):
        found = _look_at_keys(found, name or address.hostname, address)
        if not found.ok:
            return found
    try:
        with reach.open_own(host, timeout_s=CONNECT_TIMEOUT_S) as connection:
            found = replace(found, info=connection.info())
        if host.ssh:
            reach.run(host, ["true"], timeout_s=CONNECT_TIMEOUT_S)
    except HostError as error:
        return replace(found, ok=False, error=error)
    return found


def test_ssh(*, name: str, ssh: str) -> ConnectionTest:
    """Log in by ssh as the console would, to a machine without libvirt. Raises InvalidInput on bad input."""
    address = validate_ssh_target(ssh)
    found = _look_at_keys(ConnectionTest(ok=True), name or address.hostname, address)
    if found.ok:
        try:
            login = SshTarget(address=address, keyring=reach.keyring(), host=name)
            run(login, ["true"], timeout_s=CONNECT_TIMEOUT_S, check=True)
        except HostError as error:
            return replace(found, ok=False, error=error)
    return found


def ssh_addresses(host: Host) -> list[SshAddress]:
    """Where ssh logs in for `host`: for libvirt, where its URI says so, and for commands, where a target is given."""
    uri = HostUri.parse(host.uri)
    addresses = [uri.ssh_target] if uri.transport == "ssh" and uri.ssh_target else []
    if host.ssh:
        addresses.append(validate_ssh_target(host.ssh))
    return addresses


def trust_host_key(*, hostname: str, port: int, fingerprints: Collection[str], actor: audit.Actor) -> list[HostKey]:
    """Keep the host's ssh keys that carry one of `fingerprints`, which the admin has seen; the ones kept.

    The host is asked again, so that what is trusted is what it presents now. Raises Refused where that differs.
    """
    hostname = validate_address(hostname, field="hostname")
    if not 1 <= port <= 65535:
        raise InvalidInput(f"Port {port} is out of range: 1 to 65535.", field="port")
    with audit.act(actor=actor, action="trust ssh host key", target=f"{hostname} port {port}") as event:
        presented = scan_host_key(hostname, port, timeout_s=SCAN_TIMEOUT_S)
        trusted = [key for key in presented if key.fingerprint_sha256 in fingerprints]
        if not trusted:
            raise Refused(
                f"{hostname} does not present a key with that fingerprint now.",
                host=hostname,
                hint="Test the connection again, and compare the fingerprint with the one shown on the host itself.",
                raw="\n".join(f"{key.type} {key.fingerprint_sha256}" for key in presented),
            )
        keyring = reach.keyring()
        keyring.forget(hostname, port)
        keyring.trust(hostname, port, trusted)
        event.detail = ", ".join(key.fingerprint_sha256 for key in trusted)
    return trusted


def accept_new_keys(*, host: Host, actor: audit.Actor) -> None:
    """Trust the keys of `host` on first use, unseen: for scripts that say so. A changed key is never taken."""
    for address in ssh_addresses(host):
        found = _look_at_keys(ConnectionTest(ok=True), host.name, address)
        if found.key_state == "unknown" and found.host_keys:
            prints = [key.fingerprint_sha256 for key in found.host_keys]
            trust_host_key(hostname=found.hostname, port=found.port, fingerprints=prints, actor=actor)


def _look_at_keys(found: ConnectionTest, name: str, address: SshAddress) -> ConnectionTest:
    """Compare what the machine presents with what is trusted; not ok where the admin has to look."""
    hostname, port = address.hostname, address.port or SSH_PORT
    found = replace(found, hostname=hostname, port=port)
    try:
        presented = tuple(scan_host_key(hostname, port, timeout_s=SCAN_TIMEOUT_S))
    except HostError as error:
        return replace(found, ok=False, error=error, key_state="unknown")
    state = reach.keyring().check(hostname, port, list(presented))
    if state == "known":
        return replace(found, key_state="known")
    error_class = HostKeyChanged if state == "changed" else HostKeyUnknown
    what = (
        "presents another ssh host key than the one trusted"
        if state == "changed"
        else "has an ssh host key not trusted yet"
    )
    refusal = error_class(f"{name} ({hostname} port {port}) {what}", host=name)
    return replace(found, ok=False, error=refusal, host_keys=presented, key_state=state)


def _warnings(host: Host) -> tuple[str, ...]:
    return (TCP_WARNING,) if HostUri.parse(host.uri).transport == "tcp" else ()
