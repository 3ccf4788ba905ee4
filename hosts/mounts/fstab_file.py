"""Changing /etc/fstab on a host: read, change by hosts.fstab, write beside it and rename; never over another's change."""

import hashlib
from collections.abc import Callable

from hosts import reach
from hosts.errors import CommandFailed, Refused
from hosts.fstab import Fstab
from hosts.models import Host
from hosts.mounts import scripts

FSTAB_TIMEOUT_S = 45.0
ATTEMPTS = 3


def edit_fstab(host: Host, change: Callable[[Fstab], Fstab]) -> None:
    """Replace the host's fstab by `change` of it, if that differs. Raises HostError; then the file is as it was.

    Somebody else's edit between reading and writing is seen by its checksum, and the change is made anew on top of it.
    """
    for _ in range(ATTEMPTS):
        old = Fstab(reach.run(host, ["cat", "/etc/fstab"], timeout_s=FSTAB_TIMEOUT_S).stdout)
        new = change(old)
        if new.text == old.text:
            return
        checksum = hashlib.sha256(old.text.encode(errors="surrogateescape")).hexdigest()
        argv = scripts.argv(scripts.WRITE_FSTAB, checksum)
        result = reach.run(host, argv, timeout_s=FSTAB_TIMEOUT_S, input=new.text, check=False)
        if result.returncode == 0:
            return
        if result.returncode != scripts.CHANGED:
            raise CommandFailed(["write /etc/fstab"], result.returncode, result.stderr, host=host.name)
    raise Refused(f"/etc/fstab on {host.name} keeps changing; it was not edited.", host=host.name)
