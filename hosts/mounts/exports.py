"""What an NFS server offers."""

from django.db import transaction
from django.utils import timezone

from hosts import live, reach, ssh
from hosts.errors import CommandFailed, TimedOut
from hosts.host_uri import validate_address
from hosts.models import Export, Host
from hosts.mounts.knocking import why_unlisted
from hosts.mounts.messages import explain_showmount
from hosts.nfs import parse_showmount, showmount_argv

SHOWMOUNT_TIMEOUT_S = 10.0
HERE = "this machine"


def exports(server: str, via: Host | None = None) -> list[Export]:
    """Ask `server` what it exports, from this machine or from the host `via`, and keep the answer.

    Raises InvalidInput(field="server"), or the HostError that says why there is no answer.
    """
    server = validate_address(server, field="server")
    where = via.name if via else HERE
    try:
        result = _run(via, list(showmount_argv(server)))
    except TimedOut as error:
        raise why_unlisted(error, via=via, server=server, where=where) from error
    except CommandFailed as error:
        told = explain_showmount(returncode=error.returncode, stderr=error.stderr, server=server, host=where)
        if error.returncode != ssh.NOT_FOUND:
            told = why_unlisted(told, via=via, server=server, where=where)
        raise told from error
    offered = parse_showmount(result.stdout)
    with transaction.atomic():
        gone = Export.objects.filter(server=server).exclude(path__in=[export.path for export in offered])
        changed = gone.delete()[0] > 0
        for export in offered:
            _, new = Export.objects.update_or_create(
                server=server, path=export.path, defaults={"clients": ",".join(export.clients), "seen": timezone.now()}
            )
            changed |= new
        if changed:
            live.publish("storage")
    return list(Export.objects.filter(server=server))


def _run(via: Host | None, argv: list[str]) -> ssh.Result:
    if via is not None:
        return reach.run(via, argv, timeout_s=SHOWMOUNT_TIMEOUT_S)
    return ssh.run(None, argv, timeout_s=SHOWMOUNT_TIMEOUT_S, check=True)
