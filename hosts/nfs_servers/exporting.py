"""Adding, changing and removing exports: in the console's own file, taken back where exportfs complains."""

import hashlib
from collections.abc import Callable

from hosts import audit, nfs_exports
from hosts.errors import CommandFailed, HostError, Refused, Unsupported
from hosts.models import NfsServer
from hosts.nfs_exports import EXPORTS_FILE, ExportRule
from hosts.nfs_servers import scripts
from hosts.nfs_servers.looking import check_server, look, run, users_of

WRITE_TIMEOUT_S = 75.0
ATTEMPTS = 3
Rules = tuple[ExportRule, ...]


def export(
    *,
    server: NfsServer,
    path: str,
    clients: str,
    options: str = "",
    make_folder: bool = False,
    actor: audit.Actor,
    reason: str = "",
) -> NfsServer:
    """Export `path`, or change whom and how it is exported to; in force when this returns.

    Refused where another file exports it already, and where running VMs would lose access. Raises InvalidInput or HostError;
    then the exports are as they were.
    """
    rule = ExportRule.checked(path=path, clients=clients, options=options)
    what = f"{server.name}:{rule.path} to {', '.join(rule.clients)} ({rule.options})"
    with audit.act(actor=actor, action="export", target=what, reason=reason):
        _require_login(server)
        exported = look(server)["exports"]
        foreign = [row for row in exported if row["path"] == rule.path and not row["ours"]]
        if foreign:
            raise Refused(
                f"{rule.path} is exported already, by /etc/exports or another file on {server.name}.",
                host=server.name,
                hint=f"Change it there, or take it out there and export it here: this console writes {EXPORTS_FILE} only.",
            )
        _require_access_stays(server, rule, [row for row in exported if row["path"] == rule.path])
        _edit(server, lambda rules: (*_without(rules, rule.path), rule), rule.path, make_folder=make_folder)
        return check_server(server)


def unexport(
    *, server: NfsServer, path: str, although_mounted: bool = False, actor: audit.Actor, reason: str = ""
) -> NfsServer:
    """Take back an export of the console's own. Refused while running VMs need it, and, unless `although_mounted`, while a
    host has it mounted: its file handles turn stale. The files stay."""
    with audit.act(actor=actor, action="unexport", target=f"{server.name}:{path}", reason=reason):
        _require_login(server)
        exported = [row for row in look(server)["exports"] if row["path"] == path]
        if not any(row["ours"] for row in exported):
            where = "by another file than the console's" if exported else "by nobody"
            raise Refused(
                f"{path} is exported {where} on {server.name}.",
                host=server.name,
                hint=f"Look into {EXPORTS_FILE} there.",
            )
        on, running = users_of(server, path)
        if running:
            raise Refused(
                f"{path} on {server.name} is in use: {', '.join(running)} runs from it.",
                host=server.name,
                hint="Shut these VMs down, or move their disks, then try again.",
            )
        if on and not although_mounted:
            raise Refused(
                f"{path} on {server.name} is mounted on {', '.join(on)}, where every access would fail.",
                host=server.name,
                hint="Unmount it there first, or confirm that it goes although it is mounted.",
            )
        _edit(server, lambda rules: _without(rules, path), "", make_folder=False)
        return check_server(server)


def _require_login(server: NfsServer) -> None:
    if not server.ssh:
        raise Refused(
            f"The console can't log in to {server.name}.", host=server.name, hint="Give the server an ssh target first."
        )


def _require_access_stays(server: NfsServer, rule: ExportRule, exported: list[dict[str, str]]) -> None:
    """While VMs run from the export, no client of it is left out and none becomes read-only."""
    lost = [row["client"] for row in exported if row["client"] not in rule.clients]
    narrowed = "ro" in rule.options.split(",") and any("rw" in row["options"].split(",") for row in exported)
    if not lost and not narrowed:
        return
    _, running = users_of(server, rule.path)
    if running:
        what = f"{', '.join(lost)} would lose access" if lost else "it would become read-only"
        raise Refused(
            f"{rule.path} on {server.name} is in use: {', '.join(running)} runs from it, and {what}.",
            host=server.name,
            hint="Keep the clients and rw, or shut these VMs down first.",
        )


def _without(rules: Rules, path: str) -> Rules:
    return tuple(rule for rule in rules if rule.path != path)


def _edit(server: NfsServer, change: Callable[[Rules], Rules], path: str, *, make_folder: bool) -> None:
    """Read, change, put in place under a lock; made anew where somebody else's edit came between."""
    for _ in range(ATTEMPTS):
        read = run(server, ["cat", EXPORTS_FILE], timeout_s=WRITE_TIMEOUT_S, check=False)
        old = read.stdout if read.returncode == 0 else ""
        new = nfs_exports.render_file(change(nfs_exports.parse_file(old)))
        checksum = hashlib.sha256(old.encode(errors="surrogateescape")).hexdigest()
        argv = scripts.argv(scripts.WRITE, checksum, path, "yes" if make_folder else "no")
        done = run(server, argv, timeout_s=WRITE_TIMEOUT_S, input=new, check=False)
        if done.returncode == 0:
            return
        if done.returncode != scripts.CHANGED:
            raise _refusal(server, path, done.returncode, done.stdout.strip(), done.stderr)
    raise Refused(f"{EXPORTS_FILE} on {server.name} keeps changing; it was not edited.", host=server.name)


def _refusal(server: NfsServer, path: str, code: int, said: str, stderr: str) -> HostError:
    name = server.name
    if code == scripts.COMPLAINED:
        return nfs_exports.explain_exportfs(said=stderr.strip(), path=path, server=name)
    told: dict[int, HostError] = {
        scripts.LOCKED: Refused(f"Another change of exports is under way on {name}.", hint="Try again in a moment."),
        scripts.NO_FOLDER: Refused(
            f"{path} does not exist on {name}.", hint="Make it there, or tick that the console shall make it."
        ),
        scripts.NOT_A_FOLDER: Refused(f"{path} on {name} is not a folder.", hint="Choose another path."),
        scripts.IS_LINK: Refused(f"{path} on {name} leads to {said} by a symbolic link.", hint=f"Export {said}."),
        scripts.NO_NFS: Unsupported(f"{name} has no NFS server.", hint="apt install nfs-kernel-server"),
    }
    found = told.get(code) or CommandFailed([f"write {EXPORTS_FILE}"], code, stderr)
    found.host = name
    return found
