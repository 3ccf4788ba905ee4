"""What OpenSSH's client says on stderr, as one of our errors.

ssh ends with 255 for every failure of its own and libvirt only passes the text on ("Cannot recv data: …",
virNetSocketReadWire in libvirt's src/rpc/virnetsocket.c), so text is all there is to tell them apart. The texts
are those of OpenSSH's sshconnect.c, sshconnect2.c, clientloop.c and misc.c; they are not translated.
"""

from __future__ import annotations

import re

from hosts.errors import (
    AuthenticationRefused,
    ConnectionRefused,
    HostError,
    HostKeyChanged,
    HostKeyUnknown,
    LibvirtNotRunning,
    NameUnresolved,
    TimedOut,
    Unreachable,
)

# In this order: a changed key's text also holds the words of an unknown one.
_SAYINGS: tuple[tuple[re.Pattern[str], type[HostError], str], ...] = (
    (
        re.compile(
            r"REMOTE HOST IDENTIFICATION HAS CHANGED|POSSIBLE DNS SPOOFING|host key for .* has changed", re.IGNORECASE
        ),
        HostKeyChanged,
        "{host} presents another ssh host key than the one trusted",
    ),
    (
        re.compile(r"Host key verification failed|No \S+ host key is known for|authenticity of host", re.IGNORECASE),
        HostKeyUnknown,
        "The ssh host key of {host} is not trusted yet",
    ),
    (
        re.compile(
            r"Could not resolve hostname|Name or service not known|Temporary failure in name resolution", re.IGNORECASE
        ),
        NameUnresolved,
        "The name of {host} does not resolve",
    ),
    (
        re.compile(
            r"Permission denied \(|Too many authentication failures|No more authentication methods", re.IGNORECASE
        ),
        AuthenticationRefused,
        "{host} refused the ssh login",
    ),
    # The far end of libvirt's tunnel: virt-ssh-helper (libvirt's src/remote/remote_ssh_helper.c) or netcat
    (
        re.compile(
            r"(libvirt\S*-sock|virtqemud-sock|virt-ssh-helper|nc: unix connect failed).*"
            r"(No such file or directory|Connection refused)",
            re.IGNORECASE | re.DOTALL,
        ),
        LibvirtNotRunning,
        "ssh to {host} works, but libvirtd does not answer there",
    ),
    (
        re.compile(r"(virt-ssh-helper|\bnc|netcat)\S*:? (command )?not found", re.IGNORECASE),
        LibvirtNotRunning,
        "ssh to {host} works, but libvirt's helper (virt-ssh-helper or netcat) is not installed there",
    ),
    (
        re.compile(r"Connection timed out|Operation timed out|Timeout, server .* not responding", re.IGNORECASE),
        TimedOut,
        "{host} did not answer in time",
    ),
    (
        re.compile(
            r"connect to (host|address) .*Connection refused|ssh: .*Connection refused", re.IGNORECASE | re.DOTALL
        ),
        ConnectionRefused,
        "{host} refused the ssh connection",
    ),
    (
        re.compile(r"No route to host|Network is unreachable|Host is down", re.IGNORECASE),
        Unreachable,
        "There is no route to {host}",
    ),
    (
        re.compile(
            r"Connection (closed|reset) by|Broken pipe|kex_exchange_identification|Connection closed", re.IGNORECASE
        ),
        Unreachable,
        "{host} closed the connection",
    ),
)


def classify(text: str, *, host: str) -> HostError | None:
    """The error that `text`, from ssh to `host`, stands for; None where it is none of ssh's sayings."""
    for pattern, error, message in _SAYINGS:
        if pattern.search(text):
            return error(message.format(host=host or "The host"), host=host, raw=text)
    return None
