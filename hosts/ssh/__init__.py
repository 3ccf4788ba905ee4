"""OpenSSH's own programs, run with argument lists: the console's key, the host keys that it trusts, commands on hosts.

`reach.py` and others use this package; nobody else starts ssh.
"""

from hosts.ssh.command import NOT_FOUND, SSH_FAILED, Result, SshTarget, argv_for, error_of, forward_argv, run
from hosts.ssh.host_keys import HostKey, KeyState, scan_host_key
from hosts.ssh.keyring import SshKeyring
from hosts.ssh.stream import stream

__all__ = [
    "NOT_FOUND",
    "SSH_FAILED",
    "HostKey",
    "KeyState",
    "Result",
    "SshKeyring",
    "SshTarget",
    "argv_for",
    "error_of",
    "forward_argv",
    "run",
    "scan_host_key",
    "stream",
]
