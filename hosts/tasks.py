"""What workers do for hosts and their storage: nudges begin, sweeps find what no nudge did."""

from hosts import actions, group_mounts, jobs, proof_renewal, sharing
from hosts.making import running
from hosts.moving_images import runner


@jobs.task("hosts.move_images")
def move_images(pk: int) -> None:
    """Go on with move `pk` of images, in a thread of its own."""
    runner.launch(pk)


@jobs.sweep
def pick_up_moves_of_images() -> None:
    """Go on with moves that nobody drives."""
    runner.sweep()


@jobs.sweep
def look_after_shutdowns() -> None:
    """End the waits for guests that are off or out of time."""
    actions.look_after_shutdowns()


@jobs.task("hosts.mount_on_many")
def mount_on_many(pk: int) -> None:
    """Mount a share on the hosts of job `pk`, in a thread of its own."""
    group_mounts.launch(pk)


@jobs.sweep
def pick_up_group_mounts() -> None:
    """Go on with jobs that nobody drives."""
    group_mounts.sweep()


@jobs.task("hosts.prove_sharing")
def prove_sharing(path: str, hosts: list[int], event: int) -> None:
    """Prove between hosts that they see the same storage, in a thread of its own."""
    sharing.launch(path, hosts, event)


@jobs.sweep
def renew_proofs() -> None:
    """Prove anew what grew old."""
    proof_renewal.sweep()


@jobs.task("hosts.make_vm")
def make_vm(pk: int) -> None:
    """Make VM `pk`, in a thread of its own."""
    running.launch(pk)


@jobs.sweep
def pick_up_vms_being_made() -> None:
    """Begin what no nudge began, and end what its worker left."""
    running.sweep()
