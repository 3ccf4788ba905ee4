"""Adding and removing a server, and starting its services."""

import re

from hosts import audit, live
from hosts.actions.connection import test_ssh
from hosts.errors import CommandFailed, InvalidInput, Refused, Unsupported
from hosts.host_uri import validate_address, validate_ssh_target
from hosts.models import Mount, NfsServer
from hosts.nfs_servers import scripts
from hosts.nfs_servers.looking import check_server, run

START_TIMEOUT_S = 75.0
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def add_server(*, name: str, address: str, ssh: str = "", actor: audit.Actor, reason: str = "") -> NfsServer:
    """Store a server and ask it. Its ssh key must be trusted. Raises InvalidInput or HostError; then nothing is stored."""
    if not _NAME.fullmatch(name):
        raise InvalidInput("A name has letters, digits, dots and dashes, 63 at most.", field="name")
    address = validate_address(address, field="address")
    target = str(validate_ssh_target(ssh)) if ssh else ""
    if NfsServer.objects.filter(name=name).exists():
        raise InvalidInput(f"There is a server {name} already.", field="name")
    if NfsServer.objects.filter(address=address).exists():
        raise InvalidInput(f"There is a server at {address} already.", field="address")
    with audit.act(actor=actor, action="add NFS server", target=f"{name} ({address})", reason=reason):
        if target:
            tried = test_ssh(name=name, ssh=target)
            if tried.error:
                raise tried.error
        server = NfsServer.objects.create(name=name, address=address, ssh=target)
        return check_server(server)


def remove_server(*, server: NfsServer, actor: audit.Actor, reason: str = "") -> None:
    """Take a server off the console's list. Nothing is changed on it, and mounts stay."""
    with audit.act(actor=actor, action="remove NFS server", target=server.name, reason=reason) as event:
        mounted = Mount.objects.filter(source__startswith=f"{server.address}:").count()
        event.detail = f"{mounted} mounts of it stay on the list" if mounted else ""
        server.delete()
        live.publish("storage")


def start_services(*, server: NfsServer, actor: audit.Actor, reason: str = "") -> NfsServer:
    """Start the NFS server and rpcbind now and at every start of the machine. Raises HostError."""
    with audit.act(actor=actor, action="start NFS server", target=server.name, reason=reason):
        if not server.ssh:
            raise Refused(f"The console can't log in to {server.name}.", hint="Give the server an ssh target first.")
        done = run(server, scripts.argv(scripts.START), timeout_s=START_TIMEOUT_S, check=False)
        if done.returncode == scripts.NO_SYSTEMD:
            raise Unsupported(
                f"{server.name} does not run systemd: the console does not know how it starts services.",
                host=server.name,
                hint="Start rpcbind, rpc.nfsd and rpc.mountd on it by hand.",
            )
        if done.returncode == scripts.NO_NFS:
            raise Unsupported(
                f"{server.name} has no NFS server.", host=server.name, hint="apt install nfs-kernel-server"
            )
        if done.returncode:
            raise CommandFailed(
                ["systemctl", "enable", "--now", "rpcbind.socket", "nfs-server"],
                done.returncode,
                done.stderr,
                host=server.name,
                hint="Read on the server: journalctl -u nfs-server",
            )
        return check_server(server)
