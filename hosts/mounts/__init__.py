"""NFS mounts of the hosts: what is wanted and what is, mounting and unmounting, and the refusals that keep images safe.

The check and the act run as one script on the host, under a lock, so that nothing slips between the two.
"""

from hosts.mounts.acts import DEFAULT_OPTIONS, forget, mount, unmount
from hosts.mounts.check import check_mounts
from hosts.mounts.exports import exports
from hosts.mounts.remounting import remount

__all__ = ["DEFAULT_OPTIONS", "check_mounts", "exports", "forget", "mount", "remount", "unmount"]
