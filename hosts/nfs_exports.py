"""What an NFS server exports and to whom: exports(5) lines as values, and what the server's own commands say. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from hosts.errors import HostError, InvalidInput, Refused, Unsupported
from hosts.nfs import require_plain_path, system_folder_above

EXPORTS_FILE = "/etc/exports.d/kvmconsole.exports"
"""exportfs reads every file there whose name ends so (exports(5)); this one is the console's alone."""
HEADER = "# Written by kvmconsole: change these exports there. Other files are left alone."
DEFAULT_OPTIONS = "rw,sync,no_subtree_check,no_root_squash"
"""For disk images. sync: a write is on disk before the guest hears so. no_subtree_check: open images survive a rename.
no_root_squash: libvirt, which is root on the hosts, gives images their owners; so name the hosts, never everybody."""

_FLAG_NAMES = """
rw ro sync subtree_check no_subtree_check root_squash no_root_squash all_squash no_all_squash secure insecure
crossmnt nohide hide wdelay no_wdelay mountpoint mp
"""
_FLAGS = frozenset(_FLAG_NAMES.split())
_VALUED = {
    "anonuid": re.compile(r"[0-9]{1,10}"),
    "anongid": re.compile(r"[0-9]{1,10}"),
    "fsid": re.compile(r"root|[0-9]{1,10}|[0-9A-Fa-f-]{32,36}"),
    "sec": re.compile(r"(?:sys|krb5|krb5i|krb5p)(?::(?:sys|krb5|krb5i|krb5p))*"),
}
_NAME = re.compile(
    r"(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
)
_LINE = re.compile(r"^(/\S*)\s+(\S+?)\(([^)]*)\)\s*$")
_OCTAL = re.compile(r"\\([0-3][0-7]{2})")


@dataclass(frozen=True, slots=True)
class ExportRule:
    """A folder, who may mount it, and how: one line of exports(5). All clients have the same options."""

    path: str
    clients: tuple[str, ...]
    options: str = DEFAULT_OPTIONS

    @classmethod
    def checked(cls, *, path: str, clients: str, options: str = "") -> ExportRule:
        """From what a person typed. Raises InvalidInput that names the field."""
        return cls(path=check_path(path), clients=check_clients(clients), options=check_options(options))

    def render(self) -> str:
        """The line, without its end."""
        return " ".join((self.path, *(f"{client}({self.options})" for client in self.clients)))


def check_path(text: str) -> str:
    """A folder to export. Raises InvalidInput(field="path")."""
    path = text.rstrip("/") if len(text) > 1 and not text.endswith("//") else text
    require_plain_path(path, field="path")
    if path == "/" or (above := system_folder_above(path)):
        what = "/ holds the whole server" if path == "/" else f"{path} belongs to the server's own system ({above})"
        raise InvalidInput(f"{what} and can't be exported.", field="path", hint="Export a folder of its own.")
    return path


def check_clients(text: str) -> tuple[str, ...]:
    """Addresses, networks and names, apart by blanks or commas. Raises InvalidInput(field="clients")."""
    clients = tuple(dict.fromkeys(filter(None, re.split(r"[\s,]+", text))))
    if not clients:
        raise InvalidInput("Nobody could mount this export.", field="clients", hint="Name the hosts or their network.")
    for client in clients:
        if client in ("*", "0.0.0.0/0", "::/0"):
            raise InvalidInput(
                f"{client} lets every machine read and overwrite the images.",
                field="clients",
                hint="Name the hosts or their network, such as 192.0.2.0/24.",
            )
        if not (_is_network(client) or (_NAME.fullmatch(client) and len(client) < 254)):
            raise InvalidInput(f"{client!r} is no address, network or host name.", field="clients")
    return clients


def check_options(text: str) -> str:
    """Options that are known and keep images whole; "" takes the defaults. Raises InvalidInput(field="options")."""
    options = list(dict.fromkeys(option.strip() for option in text.split(","))) if text.strip() else []
    for option in options:
        name, found, value = option.partition("=")
        if name == "async":
            raise InvalidInput(
                "async says that writes are done before they are on disk: a crash of the server would corrupt images.",
                field="options",
                hint="Use sync.",
            )
        if not (name in _VALUED and _VALUED[name].fullmatch(value) if found else name in _FLAGS):
            raise InvalidInput(f"Unknown export option {option!r}.", field="options", hint="man 5 exports lists them.")
    for one, other in (("rw", "ro"), ("root_squash", "no_root_squash"), ("subtree_check", "no_subtree_check")):
        if one in options and other in options:
            raise InvalidInput(f"{one} and {other} exclude one another.", field="options")
    if options and not {"subtree_check", "no_subtree_check"} & set(options):
        options.append("no_subtree_check")  # else exportfs complains
    return ",".join(options) or DEFAULT_OPTIONS


def render_file(rules: Iterable[ExportRule]) -> str:
    """The text of EXPORTS_FILE."""
    return "\n".join((HEADER, *(rule.render() for rule in sorted(rules, key=lambda rule: rule.path)), ""))


def parse_file(text: str) -> tuple[ExportRule, ...]:
    """The rules of EXPORTS_FILE; a line that the console did not write raises Refused: it must not be lost."""
    rules = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        path, *clients = line.split()
        found = [re.fullmatch(r"([^()]+)\(([^()]*)\)", client) for client in clients]
        if not found or not all(found) or len({match[2] for match in found if match}) != 1:
            raise Refused(
                f"{EXPORTS_FILE} holds a line that the console did not write: {line.strip()}",
                hint="Move that line to /etc/exports, run exportfs -ra there, then try again.",
            )
        rules.append(ExportRule(path, tuple(m[1] for m in found if m), next(m[2] for m in found if m)))
    return tuple(rules)


@dataclass(frozen=True, slots=True)
class Exported:
    """One folder to one client, as the server's kernel was told (`exportfs -s`)."""

    path: str
    client: str
    options: str


def parse_exportfs(text: str) -> tuple[Exported, ...]:
    """`exportfs -s`: path, blanks, client(options); a blank in a path is written as three octal digits."""
    found = (_LINE.match(line) for line in text.splitlines())
    return tuple(Exported(_unescape(match[1]), match[2], match[3]) for match in found if match)


@dataclass(frozen=True, slots=True)
class ActiveClient:
    """A machine that has an NFS 4 session, or that mountd's list of NFS 3 mounts names (then with a path)."""

    address: str
    name: str = ""
    version: str = ""
    idle_s: int | None = None
    path: str = ""


def parse_clients(text: str) -> tuple[ActiveClient, ...]:
    """The `info` files of /proc/fs/nfsd/clients, one after the other."""
    found = []
    for block in re.split(r"^(?=clientid:)", text, flags=re.MULTILINE):
        fields = dict(re.findall(r'^([a-z ]+): "?([^"\n]*)"?$', block, re.MULTILINE))
        if "address" not in fields:
            continue
        minor, idle = fields.get("minor version", ""), fields.get("seconds from last renew", "")
        found.append(
            ActiveClient(
                address=fields["address"].rpartition(":")[0].strip("[]"),
                name=fields.get("name", "").rpartition(" ")[2],
                version=f"4.{minor}" if minor else "4",
                idle_s=int(idle) if idle.isdecimal() else None,
            )
        )
    return tuple(found)


def parse_rmtab(text: str) -> tuple[ActiveClient, ...]:
    """mountd's /var/lib/nfs/rmtab: client:path:count. Only NFS 3 writes it, and a client that died stays in it."""
    found = (re.fullmatch(r"(.+?):(/.*):0x([0-9a-f]+)", line.strip()) for line in text.splitlines())
    return tuple(ActiveClient(m[1], version="3", path=m[2]) for m in found if m and int(m[3], 16))


def parse_versions(text: str) -> tuple[str, ...]:
    """/proc/fs/nfsd/versions: "+3 +4 -4.0 +4.1". A "4" that stands for all minor versions is left out beside them."""
    offered = [word[1:] for word in text.split() if word.startswith("+")]
    return tuple(version for version in offered if version != "4" or not any(v.startswith("4.") for v in offered))


_SAID: tuple[tuple[str, type[HostError], str, str], ...] = (
    (
        r"does not support NFS export",
        Unsupported,
        "The file system of {path} can't be exported",
        "Export a folder on a file system such as ext4 or xfs, or give it fsid=NUMBER in the options.",
    ),
    (
        r"requires fsid=",
        Refused,
        "The file system of {path} has no identity of its own",
        "Add fsid=NUMBER to the options, another number for each export.",
    ),
    (
        r"[Ff]ailed to stat|No such file",
        Refused,
        "{path} does not exist on {server}",
        "Make the folder first, or say that the console shall make it.",
    ),
    (
        r"[Ff]ailed to resolve|Name or service not known",
        Refused,
        "{server} can't resolve one of the clients' names",
        "Use addresses or a network.",
    ),
    (r"unknown keyword|bad option", Refused, "exportfs on {server} does not know one of the options", "Correct them."),
    (r"command not found|not found$", Unsupported, "{server} has no NFS server", "apt install nfs-kernel-server"),
)


def explain_exportfs(*, said: str, path: str, server: str) -> HostError:
    """Why exportfs refused; the file is as it was before, and so are the exports."""
    for pattern, error, message, hint in _SAID:
        if re.search(pattern, said, re.MULTILINE):
            text = f"{message.format(path=path, server=server)}. Nothing was changed."
            return error(text, host=server, hint=hint, raw=said)
    return Refused(
        f"exportfs on {server} refused the export of {path}. Nothing was changed.",
        host=server,
        hint="Read its own words below.",
        raw=said,
    )


def _unescape(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return False
    return True
