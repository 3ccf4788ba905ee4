"""Run an argument list on a host, over one shared connection per host, or on this machine."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from hosts.errors import CommandFailed, HostError, TimedOut, Unreachable
from hosts.host_uri import SshAddress
from hosts.ssh.keyring import SshKeyring
from hosts.ssh_messages import classify

SSH_FAILED = 255
"""ssh's exit code for all failures of its own (ssh(1), EXIT STATUS)."""
NOT_FOUND = 127
"""What a shell ends with for a program that is not there, and so what a missing local program becomes."""
CONTROL_PERSIST_S = 60
# Without a shell in between, a command that a signal ends is 255 as well, since sshd then reports no exit code.
_SHELL = ("sh", "-c", '"$@"; exit "$?"', "kvmconsole")
# Two first calls at once race for the shared connection; the loser goes its own way and says so (mux.c).
_RACE = re.compile(r"^ControlSocket .* already exists, disabling multiplexing\r?\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SshTarget:
    """Where commands run, with whose keys. `host` names it in messages; its address does where that is empty."""

    address: SshAddress
    keyring: SshKeyring
    host: str = ""

    @property
    def name(self) -> str:
        return self.host or self.address.hostname


@dataclass(frozen=True, slots=True)
class Result:
    """What a command came to."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def run(
    target: SshTarget | None,
    argv: Sequence[str],
    *,
    timeout_s: float,
    input: str | None = None,
    check: bool = False,
) -> Result:
    """Run `argv` on `target`, or on this machine for None, in the C locale.

    Every argument arrives as it is: the far shell sees it quoted. With `check`, an exit code other than 0 raises
    CommandFailed. Raises TimedOut, HostKeyUnknown, HostKeyChanged, AuthenticationRefused, Unreachable and its kin.
    After a time-out the command may go on at the far side: give what must not an own limit there (`timeout 5 …`).
    """
    if target is None:
        result = _run_here(argv, argv, timeout_s=timeout_s, input=input)
    else:
        result = _run_here(_ssh_argv(target, argv), argv, timeout_s=timeout_s, input=input, host=target.name)
        if result.returncode == SSH_FAILED:
            raise error_of(result.stderr, host=target.name)
    if check and result.returncode:
        raise CommandFailed(argv, result.returncode, result.stderr, host=target.name if target else "")
    return result


def argv_for(target: SshTarget | None, argv: Sequence[str]) -> list[str]:
    """The local argument list that runs `argv` on `target`, for a program that runs on and on; None: on this machine."""
    return list(argv) if target is None else _ssh_argv(target, argv)


def forward_argv(target: SshTarget, address: str, port: int) -> list[str]:
    """The local argument list whose standard input and output are a connection from `target` to `address` and `port`.

    It takes the shared connection where there is one, and never becomes it: it may end at any time.
    """
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    # `-W` and what follows it go before the host's name, as all options.
    return [*_to(target, master="no"), "-W", where, "--", target.address.hostname]


def _ssh_argv(target: SshTarget, argv: Sequence[str]) -> list[str]:
    shared = _to(target, master="auto")
    return [*shared, "--", target.address.hostname, shlex.join(["env", "LC_ALL=C", *_SHELL, *argv])]


def _to(target: SshTarget, *, master: str) -> list[str]:
    address, keyring = target.address, target.keyring
    command = ["ssh", "-F", str(keyring.config), "-T"]
    command += ["-o", f"ControlMaster={master}", "-o", f"ControlPersist={CONTROL_PERSIST_S}"]
    command += ["-o", f"ControlPath={keyring.control_path}"]
    if address.port:
        command += ["-p", str(address.port)]
    if address.user:
        command += ["-l", address.user]
    return command


def _run_here(
    command: Sequence[str], argv: Sequence[str], *, timeout_s: float, input: str | None, host: str = ""
) -> Result:
    """Run `command`, the local form of `argv`, and never leave it running."""
    environment = {**os.environ, "LC_ALL": "C"}
    stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
    try:
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            # a group of its own, so that all of it can be ended
            start_new_session=True,
        )
    except FileNotFoundError:
        return Result(tuple(argv), NOT_FOUND, "", f"{command[0]}: command not found")
    try:
        stdout, stderr = process.communicate(None if input is None else _encode(input), timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        where = f" on {host}" if host else ""
        raise TimedOut(
            f"{argv[0]}{where} did not end within {timeout_s:g} s", host=host, raw=shlex.join(argv)
        ) from error
    finally:
        _end(process, whole_group=not host)
    return Result(tuple(argv), process.returncode, _decode(stdout), _RACE.sub("", _decode(stderr)))


def _end(process: subprocess.Popen[bytes], *, whole_group: bool) -> None:
    """Kill what is left of a child. Of ssh only the child itself: its shared connection may be in the same group."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            if whole_group:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            with suppress(BrokenPipeError):
                pipe.close()


def error_of(stderr: str, *, host: str) -> HostError:
    """What ssh itself failed of, from its words."""
    found = classify(stderr, host=host)
    return found or Unreachable(f"ssh to {host} failed: {stderr.strip() or 'no reason given'}", host=host, raw=stderr)


def _encode(text: str) -> bytes:
    """File names that are no UTF-8 come and go unchanged."""
    return text.encode(errors="surrogateescape")


def _decode(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")
