"""NFS servers as managed machines: what they serve, to whom, and changes to a file of exports of the console's own."""

from hosts.nfs_servers.acts import add_server, remove_server, start_services
from hosts.nfs_servers.exporting import export, unexport
from hosts.nfs_servers.looking import check_server, names_of, users_of

__all__ = [
    "add_server",
    "check_server",
    "export",
    "names_of",
    "remove_server",
    "start_services",
    "unexport",
    "users_of",
]
