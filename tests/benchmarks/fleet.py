"""A fleet as rows: hosts and guests in the numbers that the console is meant for, made in bulk."""

import uuid

from hosts import inventory
from hosts.models import Host, HostState, Placement, VirtualMachine, VmState

CHUNK = 2000


def make_fleet(*, hosts: int, vms: int) -> None:
    """`vms` guests spread over `hosts`, each with a MAC and an address, settled by the real code."""
    rows = Host.objects.bulk_create(
        Host(
            name=f"kvm-{number:03d}",
            uri=f"qemu+tcp://kvm-{number:03d}.example.net/system",
            state=HostState.ONLINE,
            cpus=64,
            memory_mib=2**19,
            memory_free_mib=2**18,
        )
        for number in range(hosts)
    )
    for first in range(0, vms, CHUNK):
        _make_guests(rows, range(first, min(first + CHUNK, vms)))


def mac_of(number: int) -> str:
    return "52:54:00:" + ":".join(f"{number:06x}"[place : place + 2] for place in (0, 2, 4))


def address_of(number: int) -> str:
    return f"198.18.{number // 250}.{number % 250 + 1}"


def _make_guests(hosts: list[Host], numbers: range) -> None:
    vms = VirtualMachine.objects.bulk_create(
        VirtualMachine(uuid=uuid.uuid4(), name=f"app-{number:05d}", address=address_of(number)) for number in numbers
    )
    Placement.objects.bulk_create(
        Placement(
            vm=vm,
            host=hosts[number % len(hosts)],
            state=VmState.RUNNING if number % 10 else VmState.SHUTOFF,
            persistent=True,
            facts={
                "name": vm.name,
                "vcpus": 2,
                "memory_mib": 2048,
                "disks": [{"target": "vda", "source": f"/mnt/{vm.name}.qcow2", "format": "qcow2"}],
                "interfaces": [{"mac": mac_of(number), "type": "bridge", "source": "br0", "model": "virtio"}],
            },
        )
        for number, vm in zip(numbers, vms, strict=True)
    )
    inventory.settle({vm.pk for vm in vms})
