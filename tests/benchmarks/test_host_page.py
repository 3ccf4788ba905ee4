"""The page of a host with 500 guests, beside WebVirtCloud's of the same host in the same run.

    KVMCONSOLE_BENCH_WEBVIRTCLOUD=SOURCE KVMCONSOLE_BENCH_WEBVIRTCLOUD_PYTHON=VENV/bin/python \\
      pytest -m bench -s tests/benchmarks/test_host_page.py

SOURCE is a checkout of github.com/retspen/webvirtcloud; VENV has what its conf/requirements.txt names, without LDAP's two.
The host is one of libvirt's test driver, inside each process: WebVirtCloud, which asks libvirt about each guest for each
page, pays no network here, as it would to a real host. It shows all 500 guests on one page; ours pages by 50, so ours is
timed both as it is and with all 500 on one page. Both run Django's test client on SQLite, on one core, one after the other.
"""

import json
import os
import subprocess
import uuid
from pathlib import Path

import pytest
from django.test import Client

from hosts import http, inventory
from hosts.libvirt_client.connection import Target, open_connection
from hosts.models import Host, VirtualMachine
from tests import build
from tests.benchmarks.report import keep, percentile
from tests.benchmarks.test_lists import measure
from tests.hosts.nodes import write_node

pytestmark = [pytest.mark.bench, pytest.mark.django_db, pytest.mark.timeout(900)]
GUESTS, ROUNDS, LIMIT_S = 500, 20, 600
LAUNCHER = Path(__file__).with_name("webvirtcloud_host.py")


def test_a_host_page_with_500_guests(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = write_node(tmp_path / "node.xml", {f"guest-{number:03d}": uuid.uuid4() for number in range(GUESTS)})
    host = build.host("kvm-1", uri=uri)
    fill(host, uri)
    client.force_login(build.user("anna", role="admin"))
    assert VirtualMachine.objects.filter(host=host).count() == GUESTS
    figures = {"paged": measure(client, "/hosts/kvm-1/")}
    monkeypatch.setattr(http, "PER_PAGE", GUESTS)
    figures["all 500 on one page"] = measure(client, "/hosts/kvm-1/")
    assert "guest-499" in client.get("/hosts/kvm-1/").content.decode()
    theirs = webvirtcloud(uri)
    for name, row in figures.items():
        print(
            f"\nkvmconsole, {name}: p50 {row['p50_ms']:.0f} ms, p95 {row['p95_ms']:.0f} ms, CPU {row['cpu_p50_ms']:.0f} ms, {row['bytes']} bytes"
        )
        if theirs:
            row["ratio_p50"], row["ratio_p95"] = theirs["p50_ms"] / row["p50_ms"], theirs["p95_ms"] / row["p95_ms"]
            row["ratio_cpu"] = theirs["cpu_p50_ms"] / row["cpu_p50_ms"]
            ratios = ", ".join(f"{name} {row[f'ratio_{name}']:.1f}" for name in ("p50", "p95", "cpu"))
            print(f"  WebVirtCloud takes so many times as long: {ratios}")
    keep("host-page", {"kvmconsole": figures, "webvirtcloud": theirs})
    if not theirs:
        pytest.skip("WebVirtCloud was not timed: KVMCONSOLE_BENCH_WEBVIRTCLOUD names no checkout of it")


def fill(host: Host, uri: str) -> None:
    """The host's rows, as a sync of it leaves them."""
    with open_connection(Target(host.name, uri), timeout_s=30) as connection:
        inventory.sync_host(host, connection)


def webvirtcloud(uri: str) -> dict[str, float] | None:
    source = os.environ.get("KVMCONSOLE_BENCH_WEBVIRTCLOUD")
    if not source:
        return None
    python = os.environ.get("KVMCONSOLE_BENCH_WEBVIRTCLOUD_PYTHON") or f"{source}/venv/bin/python"
    command = [python, str(LAUNCHER), source, uri, str(ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["guests"] == GUESTS
    times, busy = found["times_ms"], found["cpu_ms"]
    theirs = {"p50_ms": percentile(times, 50), "p95_ms": percentile(times, 95), "cpu_p50_ms": percentile(busy, 50)}
    theirs["bytes"] = found["bytes"]
    print(
        f"\nWebVirtCloud: p50 {theirs['p50_ms']:.0f} ms, p95 {theirs['p95_ms']:.0f} ms, CPU {theirs['cpu_p50_ms']:.0f} ms, {theirs['bytes']} bytes"
    )
    return theirs
