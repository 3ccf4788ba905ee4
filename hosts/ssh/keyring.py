"""The console's own ssh folder: its key, the host keys it trusts, and the configuration that makes ssh strict."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hosts.errors import CommandFailed, HostError
from hosts.ssh.host_keys import HostKey, KeyState, compare, known_hosts_name, parse_key_line

KEYGEN_TIMEOUT_S = 20.0
# sun_path is 108 bytes (Linux unix(7)); ssh binds "/" + 40 hex digits (%C) + "." + 16 random characters + NUL
_LONGEST_CONTROL_FOLDER = 108 - 1 - 40 - 17 - 1

_CONFIG = """\
# Written by kvmconsole, at each start. Strict on purpose: host keys are trusted in the console, never by ssh itself.
Host *
    StrictHostKeyChecking yes
    UserKnownHostsFile {known_hosts}
    GlobalKnownHostsFile /dev/null
    UpdateHostKeys no
    CheckHostIP no
    BatchMode yes
    ConnectTimeout 8
    ServerAliveInterval 5
    ServerAliveCountMax 3
    ForwardAgent no
    ForwardX11 no
    LogLevel ERROR
"""

# libvirt passes on at most 1024 bytes of what its ssh says; of more than that, nothing at all ("Value too large for defined
# data type", virNetSocketReadWire in src/rpc/virnetsocket.c). A changed host key's text is longer where paths are long.
_WRAPPER = """\
#!/bin/bash
exec ssh -F {config} "$@" 2> >(exec >&2; head -c 1000; cat >/dev/null)
"""


class SshKeyring:
    """The folder, made and filled on first use. Safe for several processes at once: writes are atomic, under a lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._is_ready = False

    @property
    def config(self) -> Path:
        """The file for `ssh -F`."""
        return self._ready() / "config"

    @property
    def wrapper(self) -> Path:
        """A program that is ssh with our configuration: libvirt's `command=` takes a path, not arguments."""
        return self._ready() / "ssh"

    @property
    def known_hosts(self) -> Path:
        return self._ready() / "known_hosts"

    @property
    def public_key(self) -> str:
        """The line for a host's authorized_keys."""
        return (self._ready() / "id_ed25519.pub").read_text().strip()

    @property
    def control_path(self) -> str:
        """The value of ssh's ControlPath: one socket per user, host and port."""
        return f'{_quoted(self.control_folder)[:-1]}/%C"'

    @property
    def control_folder(self) -> Path:
        """Where sockets of shared connections lie: in the folder, or, where that path is too long, in /tmp."""
        inside = self._ready() / "cm"
        if len(os.fsencode(inside)) <= _LONGEST_CONTROL_FOLDER:
            inside.mkdir(mode=0o700, exist_ok=True)
            return inside
        digest = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:12]
        outside = Path(tempfile.gettempdir()) / f"kvmc-{os.getuid()}-{digest}"
        outside.mkdir(mode=0o700, exist_ok=True)
        found = outside.lstat()
        # Everybody may write to /tmp: a folder of that name that is not ours would hand our connections to its owner.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise HostError(
                f"{outside} is not a private folder of this user", hint=f"Look at it, then remove it: {outside}"
            )
        return outside

    def known(self, hostname: str, port: int) -> list[HostKey]:
        """The keys trusted for this address."""
        name = known_hosts_name(hostname, port)
        return [key for names, key in self._trusted() if name in names.split(",")]

    def check(self, hostname: str, port: int, presented: Sequence[HostKey]) -> KeyState:
        """What the presented keys are to us: "known", "unknown" (nothing trusted yet) or "changed"."""
        return compare(self.known(hostname, port), presented)

    def trust(self, hostname: str, port: int, keys: Sequence[HostKey]) -> None:
        """Trust these keys from now on, besides those trusted already."""
        name = known_hosts_name(hostname, port)
        self._ready()
        with self._locked():
            known = self.known(hostname, port)
            lines = self._lines() + [f"{name} {key.type} {key.base64}" for key in keys if key not in known]
            self._write("known_hosts", "".join(f"{line}\n" for line in lines))

    def forget(self, hostname: str, port: int) -> None:
        """Trust no key of this address any more."""
        name = known_hosts_name(hostname, port)
        self._ready()
        with self._locked():
            kept = [
                line
                for line in self._lines()
                if not (parsed := parse_key_line(line)) or name not in parsed[0].split(",")
            ]
            self._write("known_hosts", "".join(f"{line}\n" for line in kept))

    def _trusted(self) -> list[tuple[str, HostKey]]:
        return [parsed for line in self._lines() if (parsed := parse_key_line(line))]

    def _lines(self) -> list[str]:
        return self.known_hosts.read_text().splitlines()

    def _ready(self) -> Path:
        """The folder with all that belongs in it."""
        if not self._is_ready:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            with self._locked():
                self._fill()
            self._is_ready = True
        return self._folder

    def _fill(self) -> None:
        if not (self._folder / "id_ed25519").exists():
            _generate_key(self._folder / "id_ed25519")
        if not (self._folder / "known_hosts").exists():
            self._write("known_hosts", "")
        own = [self._folder / "id_ed25519"]
        theirs = sorted(
            path for path in (Path.home() / ".ssh").glob("id_*") if path.with_name(f"{path.name}.pub").exists()
        )
        identities = "".join(f"    IdentityFile {_quoted(path)}\n" for path in own + theirs)
        self._write("config", _CONFIG.format(known_hosts=_quoted(self._folder / "known_hosts")) + identities)
        # libvirt's connections stay apart from the shared ones, so that neither ends with the other.
        self._write("ssh", _WRAPPER.format(config=shlex.quote(str(self._folder / "config"))), mode=0o700)

    def _write(self, name: str, text: str, *, mode: int = 0o600) -> None:
        """Replace a file in one step: ssh may be reading it."""
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=f".{name}.")
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(temporary).chmod(mode)
        Path(temporary).replace(self._folder / name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _generate_key(path: Path) -> None:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "kvmconsole", "-f", str(path)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=KEYGEN_TIMEOUT_S, check=False)
    except FileNotFoundError as error:
        raise HostError("ssh-keygen is not installed here", hint="apt install openssh-client") from error
    if done.returncode:
        raise CommandFailed(argv, done.returncode, done.stderr)


def _quoted(path: Path) -> str:
    """A path for ssh_config(5), where % starts a token. No quote can be escaped there, so such a path is refused."""
    if any(character in str(path) for character in '"\n\\'):
        raise HostError(f"The console's data folder can't have a path with quotes or backslashes: {path}")
    return f'"{str(path).replace("%", "%%")}"'
