"""What may break that needs hosts with kernels of their own: the storage, real NFS. The rest is in faults.py."""

import time

from tests.real.faults import Fault, Scene, copying

STALL_S = 20.0
"""How long the server is away: longer than the rest of the copy takes, so that the switch-over meets a server that hangs."""


def stall(scene: Scene) -> None:
    """Cut the NFS server off from both hosts for a while, as a switch that restarts does."""
    server = scene.lab.host("nfs")
    for name in ("kvm-1", "kvm-2"):
        server.cut(name)
    time.sleep(STALL_S)
    server.heal()


FAULTS_UML = [
    Fault(
        "nfs-stalls",
        stall,
        moment=copying,
        state="completed",
        guest_runs_on="kvm-2",
        message="completed",
    ),
]
