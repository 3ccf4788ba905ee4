"""Pools and volumes on a real libvirtd and qemu-img: what the test driver can't do, uploads first of all."""

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts import pools, reach
from hosts.actions import refresh_host
from hosts.errors import HostError, Refused
from hosts.models import StoragePool, Volume
from tests import build
from tests.lab.host import LabHost
from tests.lab.lab import Lab
from tests.real import moving
from tests.real.keys import ACTOR, authorise, trust_key

pytestmark = pytest.mark.real
FOLDER = "/srv/pool"
MIB = 2**20


@pytest.fixture
def lab_host(netns_lab: Lab) -> Iterator[LabHost]:
    host = netns_lab.host("kvm-1")
    clean = 'virsh pool-destroy images; virsh pool-undefine images; virsh undefine web; rm -rf "$1"'
    host.run(["sh", "-c", clean, "lab", FOLDER], check=False)
    yield host
    host.run(["sh", "-c", clean, "lab", FOLDER], check=False)


@pytest.fixture
def pool(netns_lab: Lab, lab_host: LabHost, own_keys: None, settings: Any, tmp_path: Path) -> StoragePool:
    reach.keyring.cache_clear()
    authorise(netns_lab, "kvm-1")
    trust_key(netns_lab, "kvm-1")
    host = build.host("kvm-1", uri=lab_host.uri)
    with pytest.raises(HostError) as missing:
        pools.define(host=host, name="images", kind="dir", target=FOLDER, actor=ACTOR)
    assert f"Is {FOLDER} there" in missing.value.hint
    assert "images" not in lab_host.virsh("pool-list", "--all", "--name")
    lab_host.run(["mkdir", FOLDER])
    refresh_host(host)
    pools.define(host=host, name="images", kind="dir", target=FOLDER, actor=ACTOR)
    return StoragePool.objects.select_related("host").get(name="images")


def volume(pool: StoragePool, name: str) -> Volume:
    return Volume.objects.select_related("pool__host").get(pool=pool, name=name)


def test_volumes_are_uploaded_based_on_one_another_grown_and_deleted(pool: StoragePool, lab_host: LabHost) -> None:
    data, seen = os.urandom(3 * MIB + 17), [0]
    odd = 'it\'s "odd" & $(id).raw'
    pools.upload(pool=pool, name=odd, content=io.BytesIO(data), size_bytes=len(data), tell=seen.append, actor=ACTOR)
    assert hashlib.sha256(data).hexdigest() in moving.contents(lab_host, FOLDER)
    assert seen[-1] == len(data) and len(seen) > 5

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("the browser went away")

    with pytest.raises(Exception, match="went away"):
        pools.upload(pool=pool, name="half.raw", content=Broken(), size_bytes=MIB, actor=ACTOR)
    assert lab_host.run(["ls", FOLDER]).stdout.splitlines() == [odd]
    with pytest.raises(Refused, match="MiB free"):
        pools.upload(pool=pool, name="big.raw", content=io.BytesIO(b"x"), size_bytes=2**48, actor=ACTOR)

    pools.create(pool=pool, name="base.qcow2", format="qcow2", capacity_bytes=64 * MIB, actor=ACTOR)
    pools.create(
        pool=pool, name="top.qcow2", format="qcow2", capacity_bytes=64 * MIB, backing="base.qcow2", actor=ACTOR
    )
    assert volume(pool, "top.qcow2").backing == f"{FOLDER}/base.qcow2"
    for refused in (
        lambda: pools.delete(volume=volume(pool, "base.qcow2"), actor=ACTOR),
        lambda: pools.resize(volume=volume(pool, "base.qcow2"), capacity_bytes=128 * MIB, actor=ACTOR),
    ):
        with pytest.raises(Refused, match=r"what is below top\.qcow2"):
            refused()
    moving.define(lab_host, "web", f"{FOLDER}/top.qcow2")
    with pytest.raises(Refused, match="it is a backing file of web on kvm-1"):
        pools.delete(volume=volume(pool, "base.qcow2"), actor=ACTOR)
    pools.resize(volume=volume(pool, "top.qcow2"), capacity_bytes=128 * MIB, actor=ACTOR)
    assert volume(pool, "top.qcow2").capacity_bytes == 128 * MIB
    lab_host.virsh("undefine", "web")
    for name in ("top.qcow2", "base.qcow2", odd):
        pools.delete(volume=volume(pool, name), actor=ACTOR)
    assert lab_host.run(["ls", FOLDER]).stdout == ""
