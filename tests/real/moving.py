"""A mount point full of images on a lab host, and what stands for NFS where the kernel has none: shared set-up of tests."""

import json
from collections.abc import Mapping

from lxml import etree
from lxml.builder import E

from tests.lab.host import LabHost

TARGET = "/srv/images"
STAND_IN = "/run/stand-in"
SHIMS = {
    # A file system of memory whose source is named as the share is: each "mount -t nfs" of it is a bind mount of the same.
    "mount": f"""#!/bin/sh
case "$*" in
*"-t nfs "*)
    while [ "$1" != -- ]; do shift; done
    mountpoint -q {STAND_IN} || {{ mkdir -p {STAND_IN}; /bin/mount -t tmpfs -o size=48m,mode=755 -- "$2" {STAND_IN}; }}
    /bin/mount --bind {STAND_IN} "$3" && if [ -e /run/read-only ]; then /bin/mount -o remount,bind,ro "$3"; fi;;
*) exec /bin/mount "$@";;
esac
""",
    # Half a copy of an image, and then no end, while the mark is there.
    "cp": """#!/bin/sh
if [ -e /run/endless-copy ] && [ "${*%.part}" != "$*" ]; then
    while [ "$1" != -- ]; do shift; done
    head -c 1000000 "$2" >"$3"; exec sleep 600
fi
exec /bin/cp "$@"
""",
}


def stand_in(host: LabHost) -> None:
    """Let `mount -t nfs` work on a netns host, onto a share of 48 MiB; and `cp` be stopped half-way."""
    for name, text in SHIMS.items():
        host.run(["sh", "-c", 'cat >"/usr/local/bin/$1"; chmod 755 "/usr/local/bin/$1"', "lab", name], input_text=text)


def clean(host: LabHost) -> None:
    """Take away what a test left: guests, mounts, folders, marks, and all that lies on the share."""
    for name in host.virsh("list", "--all", "--name").split():
        host.run(["virsh", "destroy", name], check=False)
        host.run(["virsh", "undefine", name], check=False)
    script = f"""
    rm -f /run/read-only /run/endless-copy; pkill -fx 'sleep 60.*'
    while mountpoint -q {TARGET}; do umount {TARGET}; done
    for folder in /run/kvmconsole-look-*; do mountpoint -q $folder && umount $folder; done
    umount {STAND_IN}; rm -rf --one-file-system /srv/*; sed -i '/nfs/d' /etc/fstab; :"""
    host.run(["sh", "-c", script], check=False)


def fill(host: LabHost, script: str) -> None:
    """Make the mount point, and run `script` in it."""
    host.run(["sh", "-c", f"mkdir -p {TARGET} && cd {TARGET} && {script}"])


def put_on_share(host: LabHost, script: str) -> None:
    """Run `script` in the share."""
    source = "lab-share"
    host.run(
        ["sh", "-c", f"mkdir -p {STAND_IN}; mountpoint -q {STAND_IN} || exit 9; cd {STAND_IN} && {script}", source]
    )


def checksums(host: LabHost, *folders: str) -> dict[str, str]:
    """SHA-256 by path of every file below the folders, whatever lies over them."""
    script = 'for folder do find "$folder" -type f -exec sha256sum --zero {} + 2>/dev/null; done; :'
    said = host.run(["sh", "-c", script, "lab", *folders]).stdout
    return {path: digest for digest, _, path in (line.partition("  ") for line in said.split("\0") if line)}


def contents(host: LabHost, *folders: str) -> set[str]:
    """The checksums of all files there: what must not be lost."""
    return set(checksums(host, *folders).values())


def define(host: LabHost, name: str, *disks: str, start: bool = False) -> None:
    """Define a machine of 32 MiB with these files as disks; it has nothing to boot from."""
    devices = E.devices()
    for number, disk in enumerate(disks):
        kind = "qcow2" if disk.endswith("qcow2") else "raw"
        devices.append(
            E.disk(
                E.driver(name="qemu", type=kind),
                E.source(file=disk),
                E.target(dev=f"vd{'abcdef'[number]}", bus="virtio"),
                type="file",
                device="disk",
            )
        )
    system = E.os(E.type("hvm", arch="x86_64", machine="pc"))
    # Without ACPI it hears no power button, which is what some tests want; with it, firmware alone does not listen either.
    domain = E.domain(E.name(name), E.memory("32", unit="MiB"), E.vcpu("1"), system, devices, type="qemu")
    host.run(["virsh", "define", "/dev/stdin"], input_text=etree.tostring(domain, encoding="unicode"))
    if start:
        host.virsh("start", name)


def disks_of(host: LabHost, name: str) -> list[str]:
    xml = etree.fromstring(host.virsh("dumpxml", "--inactive", name).encode())
    return [source.get("file", "") for source in xml.iterfind("devices/disk/source")]


def chain_of(host: LabHost, path: str) -> list[str]:
    said = host.run(["qemu-img", "info", "-U", "--backing-chain", "--output=json", path]).stdout
    return [str(image["filename"]) for image in json.loads(said)]


def below(found: Mapping[str, str], folder: str) -> dict[str, str]:
    """The checksums of those below `folder`, by their path in it."""
    return {path.removeprefix(f"{folder}/"): digest for path, digest in found.items() if path.startswith(f"{folder}/")}
