"""Run a program, wait for a condition, remember a process: what all parts of the lab do."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class LabError(Exception):
    """The lab can't do what was asked. The text says what, where, and what to do next."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a program ended."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    input_text: str | None = None,
    check: bool = True,
    env: Mapping[str, str] | None = None,
) -> Result:
    """Run `argv` and return how it ended. With `check`, a status other than 0 raises LabError with its output."""
    try:
        done = subprocess.run(
            list(argv),
            input=input_text if input_text is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            env={**os.environ, **env} if env else None,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{' '.join(argv)}` did not end within {timeout_s:g} s.") from error
    except FileNotFoundError as error:
        raise LabError(f"`{argv[0]}` is not installed on this machine.") from error
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it printed nothing")[-2000:]
        raise LabError(f"`{' '.join(argv)}` ended with status {done.returncode}: {said}")
    return Result(tuple(argv), done.returncode, done.stdout, done.stderr)


def compile_c(source: Path, into: Path, *options: str) -> None:
    """Compile one file of C. LabError where there is no compiler."""
    if shutil.which("gcc") is None:
        raise LabError("`gcc` is missing. Install it: apt-get install gcc libc6-dev")
    run(["gcc", "-O2", *options, "-o", str(into), str(source)], timeout_s=60)


def wait_for(condition: Callable[[], bool], *, timeout_s: float, what: str, interval_s: float | None = None) -> None:
    """Return once `condition()` is true; after `timeout_s` raise LabError that names `what` was awaited.

    Looks every `interval_s`; by default more and more seldom, from ten times a second to twice.
    """
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        if waited > timeout_s:
            raise LabError(f"Waited {timeout_s:g} s for {what}, in vain.")
        time.sleep(interval_s or min(0.5, max(0.1, waited / 20)))


@contextlib.contextmanager
def lock(path: Path, *, timeout_s: float, what: str) -> Iterator[None]:
    """Hold the file lock `path`; raise LabError if another process holds it for longer than `timeout_s`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:

        def taken() -> bool:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            return False

        wait_for(taken, timeout_s=timeout_s, what=f"another process to finish with {what}")
        yield


def start_time(pid: int) -> str | None:
    """The start time of a process in clock ticks since boot, None if it is gone or a zombie.

    Together with the pid it names one process for good: pids are used again, such pairs are not (proc(5), field 22).
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def remember(path: Path, pid: int) -> None:
    """Write the process `pid` down in `path`, so that `remembered` finds it and no later one with its number."""
    path.write_text(f"{pid} {start_time(pid)}\n")


def remembered(path: Path) -> int | None:
    """The pid written down in `path` if that very process still runs, else None."""
    try:
        pid, _, started = path.read_text().strip().partition(" ")
    except FileNotFoundError:
        return None
    return int(pid) if pid and start_time(int(pid)) == started else None


def kill(path: Path, *, timeout_s: float) -> None:
    """Kill (SIGKILL) the process written down in `path` and wait until it is gone. No process, no error."""
    pid = remembered(path)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: remembered(path) is None, timeout_s=timeout_s, what=f"process {pid} to end", interval_s=0.02)
    path.unlink(missing_ok=True)
