"""Host keys: what a machine presents now, and lines of a known_hosts file."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hosts.errors import ConnectionRefused, HostError, NameUnresolved, TimedOut, Unreachable
from hosts.host_uri import validate_address

KeyState = Literal["known", "unknown", "changed"]

SSH_PORT = 22
_KEY_LINE = re.compile(r"(?P<names>[^\s#@]\S*) (?P<type>[a-z0-9@.-]+) (?P<base64>[A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public host key; its fingerprint as `ssh-keygen -l` shows it."""

    type: str
    base64: str
    fingerprint_sha256: str

    @classmethod
    def of(cls, key_type: str, encoded: str) -> HostKey:
        """With its fingerprint worked out. Raises ValueError if `encoded` is no base64."""
        try:
            digest = hashlib.sha256(base64.b64decode(encoded, validate=True)).digest()
        except binascii.Error as error:
            raise ValueError(f"not base64: {encoded[:40]}") from error
        return cls(key_type, encoded, f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}")


def known_hosts_name(hostname: str, port: int) -> str:
    """The name under which ssh looks a host up: bare on port 22, else [name]:port; in lower case."""
    return hostname.lower() if port == SSH_PORT else f"[{hostname.lower()}]:{port}"


def parse_key_line(line: str) -> tuple[str, HostKey] | None:
    """A line of ssh-keyscan or known_hosts: the names, and the key. None for anything else."""
    matched = _KEY_LINE.match(line)
    if not matched:
        return None
    try:
        return matched["names"], HostKey.of(matched["type"], matched["base64"])
    except ValueError:
        return None


def compare(trusted: Sequence[HostKey], presented: Sequence[HostKey]) -> KeyState:
    """ "changed" where a trusted type comes with another key, or none of the trusted keys is presented any more."""
    if not trusted:
        return "unknown"
    of_type = {key.type: key.base64 for key in trusted}
    if any(of_type.get(key.type, key.base64) != key.base64 for key in presented):
        return "changed"
    return "known" if any(key.type in of_type for key in presented) else "changed"


def scan_host_key(hostname: str, port: int, *, timeout_s: float) -> list[HostKey]:
    """The keys that the ssh server presents now, proven by nobody: an admin must compare the fingerprint.

    Raises InvalidInput, NameUnresolved, ConnectionRefused, TimedOut or Unreachable.
    """
    hostname = validate_address(hostname, field="hostname")
    _require_listening(hostname, port, timeout_s=timeout_s)
    argv = ["ssh-keyscan", "-T", str(max(1, math.ceil(timeout_s))), "-p", str(port), "--", hostname]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s + 1, check=False)
    except subprocess.TimeoutExpired as error:
        raise TimedOut(f"{hostname} port {port} answers, but shows no ssh host key in time", host=hostname) from error
    except FileNotFoundError as error:
        raise HostError("ssh-keyscan is not installed here", hint="apt install openssh-client") from error
    found = [parsed[1] for line in done.stdout.splitlines() if (parsed := parse_key_line(line))]
    if not found:
        raise Unreachable(
            f"{hostname} port {port} answers, but not as an ssh server",
            host=hostname,
            hint="Check the port: an ssh server must listen there.",
            raw=done.stderr,
        )
    return sorted(found, key=lambda key: key.type)


def _require_listening(hostname: str, port: int, *, timeout_s: float) -> None:
    """Say why there is no connection: ssh-keyscan itself is silent about it."""
    where = f"{hostname} port {port}"
    try:
        socket.create_connection((hostname, port), timeout=timeout_s).close()
    except socket.gaierror as error:
        raise NameUnresolved(f"The name {hostname} does not resolve", host=hostname, raw=str(error)) from error
    except ConnectionRefusedError as error:
        raise ConnectionRefused(f"{where} refused the connection", host=hostname, raw=str(error)) from error
    except TimeoutError as error:
        raise TimedOut(f"{where} did not answer within {timeout_s:g} s", host=hostname, raw=str(error)) from error
    except OSError as error:
        raise Unreachable(f"There is no route to {where}", host=hostname, raw=str(error)) from error
