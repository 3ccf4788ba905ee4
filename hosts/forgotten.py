"""Guests that run although their libvirt does not know them any more, and how not to make one.

Measured with libvirt 9.0: where it can't write the definition of a running transient guest, it drops the guest from its
list (qemuDomainDefineXMLFlags), while QEMU runs on. Only a restart of libvirtd finds it again.
"""

from hosts import reach
from hosts.errors import CommandFailed, HostError, Refused
from hosts.models import Host

ASK_S = 8.0
FOLDER = "/etc/libvirt/qemu"
"""Where libvirt keeps the definitions of qemu:///system."""
TRY = """
[ -d "$1" ] || exit 0
umask 077
try="$1/.kvmconsole-try"
head -c 65536 /dev/zero >"$try" && rm -f "$try" && exit 0
rm -f "$try"
exit 1
"""
FIND = 'for pid in $(pgrep -f -- "-uuid $1"); do case $(cat "/proc/$pid/comm") in qemu*) echo "$pid" ;; esac; done'


def require_room(host: Host) -> None:
    """Raises Refused where `host` can't keep a definition; nothing where its shell does not answer."""
    try:
        reach.run(host, ["sh", "-c", TRY, "sh", FOLDER], timeout_s=ASK_S)
    except CommandFailed as error:
        said = error.stderr.strip() or "no reason given"
        message = f"{host.name} can't keep a definition: {said}"
        raise Refused(
            message, host=host.name, hint=f"Make room in {FOLDER} there, then try again.", raw=said
        ) from error
    except HostError:
        return


def require_none(host: Host, uuid: str, *, vm: str) -> None:
    """Raises Refused where a QEMU of the guest runs on `host`; nothing where its shell does not answer."""
    try:
        pids = reach.run(host, ["sh", "-c", FIND, "sh", uuid], timeout_s=ASK_S, check=False).stdout.split()
    except HostError:
        return
    if pids:
        raise Refused(
            f"QEMU of {vm} runs on {host.name} (process {pids[0]}), although libvirt there says that it does not.",
            host=host.name,
            vm=vm,
            hint=f"Restart libvirtd on {host.name}: it finds the guest again. Then ask both hosts again.",
        )
