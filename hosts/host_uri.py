"""The addresses an admin types: libvirt URIs, ssh targets, host names. Only what is known to be harmless passes.

These texts end on command lines and in ssh and libvirt URIs, so each is matched against what it may be,
never searched for what it must not be.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal, cast

from hosts.errors import InvalidInput

Transport = Literal["ssh", "tls", "tcp", "local"]

FORMS = "qemu+ssh://USER@HOST/system, qemu+tls://HOST/system, qemu+tcp://HOST/system or qemu:///system"

_USER = r"[A-Za-z_][A-Za-z0-9_.-]{0,31}"
_HOST = r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+"
_REMOTE = re.compile(
    rf"qemu\+(?P<transport>ssh|tls|tcp)://(?:(?P<user>{_USER})@)?(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?"
    r"(?P<path>/[a-z]*)"
)
_SSH = re.compile(rf"(?:(?P<user>{_USER})@)?(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?")
# RFC 1123 labels, and the underscore that real networks use
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


@dataclass(frozen=True, slots=True)
class SshAddress:
    """Where ssh logs in: an empty `user` or a `port` of None leaves ssh's own default (root's name, 22)."""

    hostname: str
    user: str = ""
    port: int | None = None

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{user}{_bracketed(self.hostname)}{port}"


@dataclass(frozen=True, slots=True)
class HostUri:
    """A libvirt URI, taken apart. `text` is the canonical form; `port` None means the transport's default."""

    text: str
    transport: Transport
    user: str = ""
    hostname: str = ""
    port: int | None = None
    path: str = "/system"

    @classmethod
    def parse(cls, text: str, *, allow_test: bool = False) -> HostUri:
        """Read a URI as typed; `allow_test` also takes libvirt's test driver (test:///default).

        Raises InvalidInput(field="uri").
        """
        text = text.strip()
        if text == "qemu:///system":
            return cls(text=text, transport="local")
        if allow_test and re.fullmatch(r"test:///[A-Za-z0-9_./-]+", text):
            return cls(text=text, transport="local", path=text.removeprefix("test://"))
        matched = _REMOTE.fullmatch(text)
        if not matched:
            raise _uri_error(text)
        if matched["path"] != "/system":
            raise _invalid("uri", f"The path of {text!r} must be /system: the system's VMs are managed.")
        hostname = _hostname(matched["host"], field="uri")
        port = _port(matched["port"], field="uri")
        user = matched["user"] or ""
        where = SshAddress(hostname=hostname, user=user, port=port)
        return cls(
            text=f"qemu+{matched['transport']}://{where}/system",
            transport=cast("Transport", matched["transport"]),
            user=user,
            hostname=hostname,
            port=port,
        )

    @property
    def ssh_target(self) -> SshAddress | None:
        """Where to run commands unless the admin says otherwise; None means: on this machine.

        The port of a tls or tcp URI is libvirtd's, so it is not carried over.
        """
        if self.transport == "local":
            return None
        if self.transport == "ssh":
            return SshAddress(hostname=self.hostname, user=self.user, port=self.port)
        return SshAddress(hostname=self.hostname)


def validate_ssh_target(text: str) -> SshAddress:
    """`user@host`, `host:port`, `[v6]:port` and so on. Raises InvalidInput(field="ssh")."""
    matched = _SSH.fullmatch(text.strip())
    if not matched:
        raise _invalid("ssh", f"{text!r} is not an ssh target: write USER@HOST or USER@HOST:PORT.")
    return SshAddress(
        hostname=_hostname(matched["host"], field="ssh"),
        user=matched["user"] or "",
        port=_port(matched["port"], field="ssh"),
    )


def validate_address(text: str, *, field: str = "address") -> str:
    """An IPv4 or IPv6 address (brackets are dropped) or a host name. Raises InvalidInput."""
    return _hostname(text.strip(), field=field)


def _hostname(text: str, *, field: str) -> str:
    """Canonical host: addresses as `ipaddress` writes them, names in lower case (as ssh compares them)."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in bare or bare != text:
        try:
            # IPv6Address takes any text after a %, so a zone is refused first
            return str(ipaddress.IPv6Address("" if "%" in bare else bare))
        except ValueError:
            raise _invalid(field, f"{text!r} is not an IPv6 address.") from None
    if re.fullmatch(r"[0-9.]+", bare):
        try:
            return str(ipaddress.IPv4Address(bare))
        except ValueError:
            raise _invalid(field, f"{text!r} is not an IPv4 address.") from None
    if not bare or len(bare) > 253 or not all(_LABEL.fullmatch(label) for label in bare.split(".")):
        raise _invalid(field, f"{text!r} is not a host name or IP address.")
    return bare.lower()


def _port(text: str | None, *, field: str) -> int | None:
    if text is None:
        return None
    if not 1 <= int(text) <= 65535:
        raise _invalid(field, f"Port {text} is out of range: 1 to 65535.")
    return int(text)


def _bracketed(hostname: str) -> str:
    return f"[{hostname}]" if ":" in hostname else hostname


def _uri_error(text: str) -> InvalidInput:
    """Say which of the usual mistakes this is."""
    if not text:
        return _invalid("uri", "The libvirt URI is empty.")
    if "?" in text or "#" in text:
        return _invalid(
            "uri",
            f"{text!r} has parameters; the console sets them itself. Leave out all from '?' on.",
        )
    scheme, found, rest = text.partition("://")
    if not found or not re.fullmatch(r"qemu(\+(ssh|tls|tcp))?", scheme):
        return _invalid("uri", f"{text!r} is not a libvirt URI the console can use.")
    if scheme == "qemu":
        return _invalid(
            "uri",
            f"{text!r} must be qemu:///system; a remote host needs qemu+ssh, qemu+tls or qemu+tcp.",
        )
    if rest.startswith("/"):
        return _invalid("uri", f"{text!r} names no host.")
    if "/" not in rest:
        return _invalid("uri", f"{text!r} lacks the path: end it with /system.")
    return _invalid("uri", f"{text!r} holds characters that a user, host or port can't have.")


def _invalid(field: str, message: str) -> InvalidInput:
    hint = f"Use {FORMS}." if field == "uri" else ""
    return InvalidInput(message, field=field, hint=hint)
