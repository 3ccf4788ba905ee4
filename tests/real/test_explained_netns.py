"""Failures of real hosts, explained from their own words: libvirt's answer and the log lines of both."""

import io
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hosts import actions
from migrations_app import explain, host_logs
from tests.console import Console, eventually, new_console
from tests.lab.fixtures import GuestFactory
from tests.lab.guest_xml import GuestSpec
from tests.lab.lab import Lab
from tests.real.keys import ACTOR, trust

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
SLOW_MBIT_S = 80
PORTS = ["-p", "tcp", "--dport", "49152:49215", "-j", "REJECT", "--reject-with", "tcp-reset"]


@dataclass(frozen=True)
class Fault:
    """What is broken on kvm-2, how it is mended, and the rule that must be found."""

    name: str
    rule: str
    breaks: Callable[[Lab, GuestSpec], Any]
    mends: Callable[[Lab, GuestSpec], Any]
    options: tuple[str, ...] = ("--unsafe",)


def _define_other(lab: Lab, spec: GuestSpec) -> None:
    """Another VM of the same name on kvm-2."""
    xml = lab.host("kvm-1").virsh("dumpxml", "--inactive", spec.name).replace(spec.uuid, spec.uuid[:-4] + "0000")
    lab.host("kvm-2").run(["virsh", "define", "/dev/stdin"], input_text=xml)


FAULTS = (
    Fault(
        "the image is missing",
        "no_disk",
        lambda lab, _: lab.host("kvm-2").unmount_share(),
        lambda lab, _: lab.host("kvm-2").mount_share(),
    ),
    Fault(
        "the ports are closed",
        "port_refused",
        lambda lab, _: lab.host("kvm-2").run(["iptables", "-I", "INPUT", *PORTS]),
        lambda lab, _: lab.host("kvm-2").run(["iptables", "-D", "INPUT", *PORTS]),
    ),
    Fault(
        "the name is taken",
        "name_taken",
        _define_other,
        lambda lab, spec: lab.host("kvm-2").virsh("undefine", spec.name),
    ),
    Fault("libvirt calls it unsafe", "unsafe", lambda *_: None, lambda *_: None, options=()),
)


@pytest.mark.django_db
def test_what_real_hosts_say_is_understood(netns_lab: Lab, netns_guest: GuestFactory, own_keys: None) -> None:
    """One guest for all faults: each leaves it running at the source."""
    spec = netns_guest()
    hosts = {}
    for name in ("kvm-1", "kvm-2"):
        trust(netns_lab, name)
        hosts[name] = actions.add_host(name=name, uri=netns_lab.host(name).uri, actor=ACTOR)
    for fault in FAULTS:
        began = datetime.now(tz=UTC)
        fault.breaks(netns_lab, spec)
        try:
            argv = ["virsh", "migrate", "--live", "--p2p", *fault.options, spec.name, "qemu+ssh://kvm-2/system"]
            said = netns_lab.host("kvm-1").run(argv, check=False)
        finally:
            fault.mends(netns_lab, spec)
        assert said.returncode, fault.name
        logs = [
            # The lab has one clock, so that nothing of the fault before is looked at.
            host_logs.of_host(
                host, name, role, vm=spec.name, since=began + host_logs.BEFORE, until=datetime.now(tz=UTC)
            )
            for (name, host), role in zip(hosts.items(), ("source", "destination"), strict=True)
        ]
        assert not any(log.error for log in logs), logs
        found = explain.explain(said.stderr, [line for log in reversed(logs) for line in log.lines], vm=spec.name)
        assert found.name == fault.rule, f"{fault.name}: {said.stderr} {logs}"
        assert netns_lab.host("kvm-1").virsh("domstate", spec.name) == "running"


@pytest.fixture
def console(netns_lab: Lab, tmp_path: Path) -> Iterator[Console]:
    console = new_console(tmp_path)
    console.add_lab(netns_lab)
    yield console
    console.kill()
    print(console.log.read_text()[-6000:])


def test_a_failure_in_mid_copy_is_explained_on_its_row_with_lines_of_both_hosts(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    netns_lab.shape(SLOW_MBIT_S)
    number = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True)
    eventually(
        lambda: console.migration(number)["progress"].get("transferred_bytes", 0) > 0, timeout_s=40, what="the copy"
    )
    netns_lab.host("kvm-2").kill_libvirtd()
    eventually(
        lambda: console.migration(number)["state"] in ("failed", "needs_attention"), timeout_s=60, what="the failure"
    )
    netns_lab.host("kvm-2").start_libvirtd()
    console.reaches(number, "failed", "needs_attention", timeout_s=90)
    eventually(lambda: console.migration(number)["state"] == "failed", timeout_s=90, what="it to be settled")
    told = eventually(
        lambda: (now := console.migration(number))["explanation"].get("state") == "failed" and now,
        timeout_s=40,
        what="the explanation",
    )["explanation"]
    assert told["name"] in ("destination_lost", "reason_lost", "stream_broken"), told
    assert "kvm-2" in told["cause"] + told["fix"]
    assert {host["name"]: host["role"] for host in told["hosts"]} == {"kvm-1": "source", "kvm-2": "destination"}
    assert any(host["libvirtd"] or host["qemu"] for host in told["hosts"] if host["name"] == "kvm-1")
    content = subprocess.run(
        [
            "curl",
            "-sf",
            "-H",
            f"Authorization: Bearer {console.token}",
            f"{console.url}/api/v1/migrations/{number}/report",
        ],
        capture_output=True,
        check=True,
    ).stdout
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        assert "logs/source-kvm-1-libvirtd.log" in names and "logs/destination-kvm-2-qemu.log" in names
        assert archive.read("logs/source-kvm-1-qemu.log").strip()
