"""Run what takes long on a host, line by line: silence is a failure, and what runs ends with its caller."""

from __future__ import annotations

import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from hosts.errors import TimedOut
from hosts.ssh.command import SSH_FAILED, Result, SshTarget, argv_for, error_of

READ_BYTES = 65536
_WATCHED = """
trap : TERM
setsid sh -c '"$@"; echo "exit $?"' kvmconsole "$@" </dev/null & program=$!
{ while kill -0 "$program" 2>/dev/null; do sleep 0.2; done; kill -HUP $$; } </dev/null >/dev/null 2>&1 & watcher=$!
cat >/dev/null 2>&1
kill -KILL "-$program" 2>/dev/null
"""
"""Standard input closes with the connection: then the program and all that it began are killed, where ssh would let them
run on. The exit code is the last line, since the shell around it always ends by a signal."""


def stream(
    target: SshTarget | None, argv: Sequence[str], *, silence_s: float, on_line: Callable[[str], None]
) -> Result:
    """Run `argv` on `target` and call `on_line` with each line; what `on_line` raises ends the program.

    Raises TimedOut after `silence_s` without a line, Unreachable and its kin as `run` does. The result holds no output.
    """
    where = target.name if target else ""
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            argv_for(target, ["sh", "-c", _WATCHED, "kvmconsole", *argv]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
        )
        try:
            code = _read(process, silence_s, on_line, where)
        finally:
            if process.stdin:
                with suppress(BrokenPipeError):
                    process.stdin.close()
            try:
                process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        words.seek(0)
        said = words.read().decode(errors="surrogateescape")
    if code is None:
        if target and process.returncode == SSH_FAILED:
            raise error_of(said, host=target.name)
        code = process.returncode
    return Result(tuple(argv), code, "", said)


def _read(process: subprocess.Popen[bytes], silence_s: float, on_line: Callable[[str], None], where: str) -> int | None:
    """The program's exit code; None where the connection ended before it said one."""
    assert process.stdout
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        heard = time.monotonic()
        while True:
            if not selector.select(timeout=max(0.0, heard + silence_s - time.monotonic())):
                raise TimedOut(f"Nothing was heard from {where or 'this machine'} for {silence_s:g} s", host=where)
            piece = os.read(process.stdout.fileno(), READ_BYTES)
            if not piece:
                return None
            heard = time.monotonic()
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                text = line.decode(errors="surrogateescape")
                if text.startswith("exit ") and text[5:].isdigit():
                    return int(text[5:])
                on_line(text)
