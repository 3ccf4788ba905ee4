"""Guests that need not boot: a guest of each kind is booted once and saved, and others of its kind are restored from that.

Under emulation a boot takes more than four seconds of a processor, a restore less than one. The saved one has done all that guests do
alike, and awaits what it is to be (guest_init.sh). A guest's save file is then libvirt's header, the guest's own definition,
and the saved state of QEMU, which holds no name, UUID, address or path; its words lie on its disk, where it finds them as soon
as it runs. From then on it is a guest as any other: its kernel's command line is its own, so that it boots as usual when it is
started anew, and its MAC address is the one that its definition has.

The states lie in the lab's cache folder, by a digest of everything that they depend on; delete them as you like.
"""

import hashlib
import shutil
import struct
import uuid
from dataclasses import replace
from pathlib import Path

from . import guest_xml, heartbeat, initramfs, rootfs
from .guest_xml import GuestSpec
from .host import LabHost
from .process import lock, wait_for

HEADER = struct.Struct("=16s5I56x")
"""virQEMUSaveHeader: magic, version, length of the definition, was running, compressed, offset of a cookie, unused
(libvirt 9.0, src/qemu/qemu_saveimage.h)."""
MAGIC, VERSION = b"LibvirtQemudSave", 2
NAME = "saved"
WORDS_AT = heartbeat.WORDS_SECTOR * heartbeat.SECTOR_BYTES
FOLDER_ON_HOST = "/lab/folder"
"""The host's run folder, as it sees it itself."""
BOOT_TIMEOUT_S = 240
RESTORE = f"""
set -e
image=$1 words=$2 state=$3
trap 'rm -f "$state" "$state.words"' EXIT
printf '%-511s\\n' "$words" >"$state.words"
qemu-io -f qcow2 -c "write -q -s $state.words {WORDS_AT} {heartbeat.SECTOR_BYTES}" "$image"
[ -z "$4" ] || printf %s "$4" | virsh -q define /dev/stdin
virsh -q restore "$state"
"""


class Saved:
    """The saved states for the hosts of one lab instance, whose run folders lie in `folder`."""

    def __init__(self, *, folder: Path) -> None:
        self._folder = folder

    def restore(self, host: LabHost, spec: GuestSpec, *, transient: bool) -> None:
        """Start `spec` on `host`; its disks exist."""
        state = self._folder / host.name / f"{spec.name}.save"
        definition = guest_xml.render(spec)
        text = definition.encode() + b"\0"
        with self._state(host, spec).open("rb") as saved, state.open("wb") as file:
            file.write(HEADER.pack(MAGIC, VERSION, len(text), 1, 0, 0) + text)
            shutil.copyfileobj(saved, file)
        words = f"{guest_xml.words(spec)} mac={spec.mac} boot={uuid.uuid4()}"
        argv = ["sh", "-c", RESTORE, "sh", spec.image, words, f"{FOLDER_ON_HOST}/{state.name}"]
        host.run([*argv, "" if transient else definition], host.start_timeout_s * 2)

    def _state(self, host: LabHost, spec: GuestSpec) -> Path:
        """The file with QEMU's state of a guest like `spec`; made on `host` where it is missing, once, whoever asks meanwhile."""
        alike = replace(
            spec,
            name=NAME,
            uuid=str(uuid.uuid5(uuid.NAMESPACE_DNS, NAME)),
            mac="52:54:00:00:00:01",
            disk_folder=guest_xml.LOCAL_FOLDER,
            data_mib=1 if spec.data_mib else 0,
            data_folder=guest_xml.LOCAL_FOLDER,
            data_backing=False,
        )
        definition = guest_xml.render(alike, told=f"await={WORDS_AT}")
        digest = hashlib.sha256(f"{rootfs.location().name}{definition}".encode())
        digest.update((self._folder / "guest" / initramfs.INITRD).read_bytes())
        state = rootfs.cache_folder() / "saved" / digest.hexdigest()[:16]
        with lock(state.with_suffix(".lock"), timeout_s=600, what="booting a guest to be saved"):
            if not state.exists():
                self._make(host, alike, definition, state)
        return state

    def _make(self, host: LabHost, spec: GuestSpec, definition: str, state: Path) -> None:
        made = self._folder / host.name / f"{NAME}.save"
        disks = [spec.image, *([spec.data_image] if spec.data_mib else [])]
        for disk in disks:
            size = str(heartbeat.DISK_BYTES)
            script = 'mkdir -p "${1%/*}" && qemu-img create -q -f qcow2 "$1" "$2"'
            host.run(["sh", "-c", script, "sh", disk, size], host.start_timeout_s)
        host.run(["virsh", "destroy", NAME], check=False)  # left by a try that was broken off
        host.run(["rm", "-f", spec.serial_log])
        host.run(["virsh", "create", "/dev/stdin"], host.start_timeout_s * 2, input_text=definition)
        wait_for(
            lambda: host.run(["grep", "-q", "awaits", spec.serial_log], check=False).returncode == 0,
            timeout_s=BOOT_TIMEOUT_S,
            what=f"guest {NAME} to boot on {host.name}; its console is in {spec.serial_log} there",
        )
        host.virsh("save", NAME, f"{FOLDER_ON_HOST}/{made.name}")
        temporary = state.with_suffix(".tmp")
        with made.open("rb") as file, temporary.open("wb") as copy:
            _, _, length, *_ = HEADER.unpack(file.read(HEADER.size))
            file.seek(length, 1)
            shutil.copyfileobj(file, copy)
        temporary.rename(state)
        made.unlink()
        host.run(["rm", "-f", *disks, spec.serial_log])
