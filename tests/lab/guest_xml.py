"""The definition of a lab guest."""

from dataclasses import dataclass

from lxml import etree
from lxml.builder import E

from .initramfs import FOLDER_ON_HOST, INITRD, KERNEL

IMAGE_FOLDER = "/mnt/kvm"
LOCAL_FOLDER = "/var/lib/libvirt/images"
"""A folder that each host has for itself."""
SERIAL_LOG_FOLDER = "/var/log/libvirt/qemu"
QUICK_BOOT = "mitigations=off nokaslr no_timer_check cryptomgr.notests nowatchdog audit=0 8250.nr_uarts=1 i8042.noaux"
"""Saves a sixth of the processor time that a start takes under emulation (measured with Debian 12's cloud kernel)."""


@dataclass(frozen=True, slots=True)
class GuestSpec:
    """What a guest is to be. `dirty_mib` is rewritten without end; `beat_s` 0 means no heartbeat.

    `disk_folder` holds its disk: the share, or a folder that each host has for itself, such as LOCAL_FOLDER. `data_mib`
    gives it a second disk, vdb, in `data_folder`, full of random data, on top of a backing image with `data_backing`.
    """

    name: str
    uuid: str
    mac: str
    address: str
    prefix_length: int
    gateway: str
    memory_mib: int = 160
    dirty_mib: int = 0
    beat_s: int = 1
    cache: str = "none"
    vnc: bool = False
    disk_folder: str = IMAGE_FOLDER
    data_mib: int = 0
    data_folder: str = LOCAL_FOLDER
    data_backing: bool = False

    @property
    def image(self) -> str:
        """The path of its disk, the same on both KVM hosts."""
        return f"{self.disk_folder}/{self.name}.qcow2"

    @property
    def data_image(self) -> str:
        """The path of its second disk, if it has one."""
        return f"{self.data_folder}/{self.name}-data.qcow2"

    @property
    def backing_image(self) -> str:
        """What its second disk lies on with `data_backing`."""
        return f"{self.data_folder}/{self.name}-base.raw"

    @property
    def serial_log(self) -> str:
        """The file on the host that libvirt writes its console to."""
        return f"{SERIAL_LOG_FOLDER}/{self.name}-serial.log"


def words(spec: GuestSpec) -> str:
    """What guest_init.sh is told of `spec`."""
    return (
        f"guest={spec.name} address={spec.address}/{spec.prefix_length} gateway={spec.gateway} "
        f"beat={spec.beat_s} dirty={spec.dirty_mib}"
    )


def render(spec: GuestSpec, *, told: str | None = None) -> str:
    """The libvirt domain XML of `spec` (libvirt.org/formatdomain.html). It is `told` its own words, unless others are given."""
    command_line = f"console=ttyS0 quiet {QUICK_BOOT} {told or words(spec)}"
    domain = E.domain(
        E.name(spec.name),
        E.uuid(spec.uuid),
        E.memory(str(spec.memory_mib), unit="MiB"),
        E.vcpu("1"),
        E.os(
            E.type("hvm", arch="x86_64", machine="pc"),
            E.kernel(f"/{FOLDER_ON_HOST}/{KERNEL}"),
            E.initrd(f"/{FOLDER_ON_HOST}/{INITRD}"),
            E.cmdline(command_line),
        ),
        E.features(E.acpi()),
        E.on_poweroff("destroy"),
        E.on_reboot("restart"),
        E.on_crash("destroy"),
        _devices(spec),
        type="qemu",
    )
    return etree.tostring(domain, encoding="unicode", pretty_print=True)


def _disk(spec: GuestSpec, image: str, target: str) -> etree._Element:
    return E.disk(
        E.driver(name="qemu", type="qcow2", cache=spec.cache),
        E.source(file=image),
        E.target(dev=target, bus="virtio"),
        type="file",
        device="disk",
    )


def _devices(spec: GuestSpec) -> etree._Element:
    devices = E.devices(
        _disk(spec, spec.image, "vda"),
        *([_disk(spec, spec.data_image, "vdb")] if spec.data_mib else []),
        E.interface(
            E.mac(address=spec.mac),
            E.source(bridge="br0"),
            E.model(type="virtio"),
            E.rom(enabled="no"),
            type="bridge",
        ),
        E.serial(E.log(file=spec.serial_log, append="on"), E.target(port="0"), type="pty"),
        E.console(E.target(type="serial", port="0"), type="pty"),
        E.memballoon(model="none"),
    )
    if spec.vnc:
        devices.append(E.graphics(type="vnc", port="-1", autoport="yes", listen="0.0.0.0"))  # noqa: S104 - the lab's net only
        devices.append(E.video(E.model(type="vga")))
    return devices
