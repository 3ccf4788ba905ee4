"""Room for a definition, and a QEMU that libvirt has forgotten: both looked for in the shell, here this machine's own."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts import forgotten
from hosts.errors import Refused
from hosts.models import Host
from tests import build
from tests.console import eventually

pytestmark = pytest.mark.django_db


@pytest.fixture
def here() -> Host:
    return build.host("here", uri="qemu:///system")


def test_room_is_tried_and_nothing_is_left(here: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgotten, "FOLDER", str(tmp_path))
    forgotten.require_room(here)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(forgotten, "FOLDER", str(tmp_path / "none"))
    forgotten.require_room(here)


def test_a_folder_that_takes_nothing_is_refused_with_the_hosts_own_words(
    here: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgotten, "FOLDER", "/proc/self/fdinfo")
    with pytest.raises(Refused, match=r"here can't keep a definition: .*kvmconsole-try"):
        forgotten.require_room(here)


@pytest.fixture
def stray(tmp_path: Path) -> Iterator[str]:
    """A process that looks like a guest's QEMU; the guest's UUID."""
    program = tmp_path / "qemu-system-stray"
    program.write_text("#!/bin/sh\nread -r line\n")
    program.chmod(0o755)
    name = str(uuid.uuid4())
    with subprocess.Popen([str(program), "-uuid", name], stdin=subprocess.PIPE) as process:
        comm = Path(f"/proc/{process.pid}/comm")
        eventually(lambda: comm.read_text().startswith("qemu"), timeout_s=10, what="the process to start")
        yield name
        process.communicate(b"end\n", timeout=10)


def test_a_qemu_that_runs_is_found_whatever_libvirt_says(here: Host, stray: str) -> None:
    with pytest.raises(Refused, match=r"QEMU of web runs on here \(process \d+\)"):
        forgotten.require_none(here, stray, vm="web")
    forgotten.require_none(here, str(uuid.uuid4()), vm="web")


def test_a_shell_that_does_not_answer_proves_nothing_and_stops_nothing() -> None:
    silent = build.host("silent", uri="qemu+tcp://127.0.0.1:1/system", ssh="root@127.0.0.1:1")
    forgotten.require_room(silent)
    forgotten.require_none(silent, str(uuid.uuid4()), vm="web")
