"""Faults of NFS on real machines: each ends in a clear message, with every image as it was.

What is refused for its looks alone (blanks, quotes, hostile options, exports to everybody) never reaches a machine, and is
tested without one: test_views_storage.py, test_nfs.py, test_nfs_exports.py. One set-up for all that is left.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from hosts import audit, mounts, nfs_servers, sharing
from hosts.errors import HostError
from hosts.models import Host, Mount, MountState, NfsServer
from hosts.nfs_servers.looking import problems
from tests import build
from tests.lab.lab import Lab
from tests.lab.network import KVM_HOSTS
from tests.real.keys import ACTOR, authorise, trust_key

pytestmark = [pytest.mark.real, pytest.mark.uml, pytest.mark.timeout(400)]
TARGET, FOLDER, EXTRA = "/srv/images", "/home/image", "/home/extra"
SMALL = "/home/small"
IMAGES = "/home/image/fault /home/extra/fault"
PREPARE = """
mkdir -p /srv/nfs/home/extra /home/extra && mount --bind /srv/nfs/home/extra /home/extra
mkdir -p /srv/nfs/home/small /home/small && mount -t tmpfs -o size=64k small /srv/nfs/home/small
mount --bind /srv/nfs/home/small /home/small
for folder in /home/image /home/extra; do
    mkdir -p $folder/fault && for name in a b; do head -c 200000 /dev/urandom >$folder/fault/$name.qcow2; done
done
"""
CLEAN = "umount /home/small /srv/nfs/home/small /home/extra; rm -rf /srv/nfs/home/small /srv/nfs/home/extra /home/image/fault; sync"
MEND = f"""
rm -f /etc/exports.d/kvmconsole.exports /srv/link
[ "$(cat /proc/fs/nfsd/threads)" -gt 0 ] || rpc.nfsd 8
echo Y >/proc/fs/nfsd/v4_end_grace
pgrep -x rpcbind >/dev/null || {{ rpcbind -w; pkill -x rpc.mountd; }}
pgrep -x rpc.mountd >/dev/null || rpc.mountd
exportfs -ra
sha256sum {IMAGES.replace(" ", "/* ")}/*; cat /etc/exports
"""


@dataclass
class World:
    """What a fault acts on."""

    lab: Lab
    host: Host
    server: NfsServer

    @property
    def network(self) -> str:
        return str(self.lab.network.subnet)

    def on_server(self, script: str) -> str:
        return self.lab.host("nfs").run(["sh", "-c", script]).stdout

    def on_host(self, script: str) -> str:
        return self.lab.host("kvm-1").run(["sh", "-c", script], check=False).stdout

    def mend(self) -> str:
        """Undo a fault; the images' checksums and the server's own exports."""
        self.lab.host("kvm-1").heal()
        if Mount.objects.filter(target=TARGET).exists():
            self.on_host(f"umount -f {TARGET} 2>/dev/null || umount -l {TARGET}; rm -rf --one-file-system {TARGET}")
            Mount.objects.all().delete()
        return self.on_server(MEND)

    def proof(self) -> str:
        """What the proof of same storage says of writing at the mount on kvm-1. The other host, this machine, has none there."""
        here, event = build.host("here", uri="test:///default"), audit.begin(actor=ACTOR, action="prove", target=TARGET)
        found = sharing.prove(path=TARGET, hosts=[self.host, here], event=event)
        told = next(proof.detail for proof in found if proof.writer == self.host)
        here.delete()
        return told

    def export(self, path: str = EXTRA, clients: str = "", options: str = "rw,fsid=7,no_root_squash") -> None:
        nfs_servers.export(server=self.server, path=path, clients=clients or self.network, options=options, actor=ACTOR)

    def mount(self, path: str = FOLDER, target: str = TARGET, options: str = "") -> Mount:
        source = f"{self.server.address}:{path}"
        return mounts.mount(host=self.host, source=source, target=target, options=options, actor=ACTOR)


@pytest.fixture
def world(uml_lab: Lab, own_keys: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("hosts.mounts.acts.MOUNT_LIMIT_S", 6)
    for name in ("nfs", "kvm-1"):
        authorise(uml_lab, name)
        trust_key(uml_lab, name)
    uml_lab.host("nfs").run(["sh", "-c", PREPARE])
    address = uml_lab.host("nfs").address
    server = nfs_servers.add_server(name="nas", address=address, ssh=f"root@{address}", actor=ACTOR)
    world = World(uml_lab, build.host("kvm-1", uri=uml_lab.host("kvm-1").uri), server)
    yield world
    # These faults leave traces that one would have to know, such as a mountd that rpcbind has forgotten: a new server.
    for name in KVM_HOSTS:
        uml_lab.host(name).unmount_share()
    world.on_server(CLEAN)
    uml_lab.crash("nfs")
    uml_lab.up()


FAULTS: dict[str, tuple[Callable[[World], Any], str]] = {}


def fault(name: str, words: str) -> Callable[[Callable[[World], Any]], Callable[[World], Any]]:
    """Register what must end in an error, or return a text, that says `words`."""

    def register(function: Callable[[World], Any]) -> Callable[[World], Any]:
        FAULTS[name] = (function, words)
        return function

    return register


@fault("the server is stopped", "No NFS server answers on .*refuses TCP port 2049")
def _(world: World) -> None:
    world.on_server("rpc.nfsd 0")
    world.mount()


@fault("a folder that is not exported", "does not offer /home/none")
def _(world: World) -> None:
    world.mount("/home/none")


@fault("not exported to this host", "does not let kvm-1 mount|does not offer /home/extra to kvm-1")
def _(world: World) -> None:
    world.export(clients="192.0.2.77")
    world.mount(EXTRA)


@fault("root_squash", "the server squashes root .*no_root_squash")
def _(world: World) -> str:
    world.export(options="rw,fsid=7,root_squash")
    world.mount(EXTRA)
    return world.proof()


@fault("exported read-only", "it is read-only there.*exports it with rw")
def _(world: World) -> str:
    world.export(options="ro,fsid=7,no_root_squash")
    world.mount(EXTRA)
    return world.proof()


@fault("the share is full", "the share is full")
def _(world: World) -> str:
    world.export(SMALL, options="rw,fsid=8,no_root_squash")
    world.on_server(f"head -c 100k /dev/zero >{SMALL}/fill 2>/dev/null || :")
    world.mount(SMALL)
    return world.proof()


@fault("a target under another mount that hides images, and the same target twice", "is a mount already")
def _(world: World) -> None:
    world.mount()
    with pytest.raises(HostError, match="is not empty"):
        world.mount(target=f"{TARGET}/fault")
    world.mount()


@fault("other options that the host refuses leave it mounted as it was", "It is mounted as it was before")
def _(world: World) -> None:
    row = world.mount()
    row = mounts.remount(mount=row, options="vers=4.1,hard", actor=ACTOR)
    assert (row.state, row.version) == (MountState.HEALTHY, "4.1")
    try:
        mounts.remount(mount=row, options="vers=4.2,hard,sec=krb5p", actor=ACTOR)
    finally:
        assert "vers=4.1" in world.on_host(f"findmnt -n -o OPTIONS --mountpoint {TARGET}")


@fault("a folder that does not exist is exported", "does not exist on nas")
def _(world: World) -> None:
    world.export("/home/none")


@fault("a symbolic link is exported", "leads to /home/extra by a symbolic link")
def _(world: World) -> None:
    world.on_server("ln -sfn /home/extra /srv/link")
    world.export("/srv/link")


@fault("exportfs refuses", "can't resolve one of the clients' names.*|Nothing was changed")
def _(world: World) -> None:
    world.export()
    before = world.on_server("exportfs -s; cat /etc/exports.d/kvmconsole.exports")
    try:
        world.export(clients=f"{world.network} no-such-host.invalid")
    finally:
        assert world.on_server("exportfs -s; cat /etc/exports.d/kvmconsole.exports") == before


@fault("exported by another file already", "is exported already, by /etc/exports")
def _(world: World) -> None:
    world.export(FOLDER)


@fault("somebody else's line in the console's file", "did not write")
def _(world: World) -> None:
    world.on_server("mkdir -p /etc/exports.d; echo '/x 192.0.2.1(rw) 192.0.2.2(ro)' >/etc/exports.d/kvmconsole.exports")
    world.export()


@fault("taken back while a host has it mounted, then taken back although", "is exported by nobody")
def _(world: World) -> None:
    world.export()
    world.server.refresh_from_db()
    assert {row["path"]: row["ours"] for row in world.server.facts["exports"]} == {FOLDER: False, EXTRA: True}
    assert world.mount(EXTRA).state == MountState.HEALTHY
    assert "a.qcow2" in world.on_host(f"ls {TARGET}/fault")
    nfs_servers.check_server(world.server)
    assert {row["version"] for row in world.server.facts["clients"]} == {"4.2"}
    with pytest.raises(HostError, match="is mounted on kvm-1"):
        nfs_servers.unexport(server=world.server, path=EXTRA, actor=ACTOR)
    nfs_servers.unexport(server=world.server, path=EXTRA, although_mounted=True, actor=ACTOR)
    (row,) = (row for row in mounts.check_mounts(world.host) if row.target == TARGET)
    assert row.state == MountState.STALE and row.detail
    nfs_servers.unexport(server=world.server, path=EXTRA, actor=ACTOR)


@fault("services started without systemd", "does not run systemd")
def _(world: World) -> None:
    nfs_servers.start_services(server=world.server, actor=ACTOR)


@fault("rpcbind is stopped", "does not say what it exports")
def _(world: World) -> None:
    world.on_server("pkill -x rpcbind")
    nfs_servers.check_server(world.server)
    assert "rpcbind does not run" in problems(world.server.facts)[0]["text"]
    mounts.exports(world.server.address)


# Last: after lost packets the client's kernel takes some seconds until it tries that server again.
@fault("the server's machine is off", "no sign of life")
def _(world: World) -> None:
    world.lab.host("kvm-1").cut("nfs")
    world.mount()


@fault("a firewall drops NFS", "A firewall drops what kvm-1 sends to TCP port 2049")
def _(world: World) -> None:
    world.lab.host("kvm-1").cut("nfs", tcp_port=2049)
    world.mount()


def test_every_fault_ends_in_a_clear_message_with_every_image_intact(world: World) -> None:
    before, wrong = world.mend(), {}
    assert before.count("qcow2") == 4
    for name, (act, words) in FAULTS.items():
        try:
            said = act(world)
        except HostError as error:
            if not (re.search(words, str(error)) and error.hint):
                wrong[name] = f"{type(error).__name__}: {error} {error.hint}"
        except AssertionError as error:
            wrong[name] = f"AssertionError: {error}"
        else:
            if not (said and re.search(words, said)):
                wrong[name] = f"no error, but {said!r}"
        if world.mend() != before:
            wrong[name] = f"{wrong.get(name, '')} images or exports changed"
    assert not wrong
