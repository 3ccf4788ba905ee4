"""The sentences of modules that know no Django, as templates: what an f-string there says, with names for what it fills in.

`hosts/said.py` finds them again in what was said, and puts the reader's language in their place.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePath

WORDS = re.compile(r"[A-Za-z][a-z']+")
SILENT = re.compile(r"/(migrations|management|views|api|templatetags)/|/(scripts|report|lease|api\w*|serializers\w*|filters|urls|settings|sentences|phrases|health|consumers|palette|activity|context|first_steps|middleware|\w*forms|nfs_probe)\.py$")  # fmt: skip
"""Modules that mark their words themselves, or say nothing to a reader."""
NOT_WORDS = re.compile(
    r"\w\|\w|\w\||\(\?|[\\$\n]|icmp_seq=|^(--|#|<)"
    r"|^(devices|seclabel|for|command|apt|ufw|systemctl (restart|enable) nfs-server|firewall-cmd|announced|tuple|Future|qemu\+ssh)\b"
)
"""Patterns, commands, paths in XML."""
AS_OTHERS_SAY = {
    "another migration job is already running",
    "api error",
    "cannot acquire state change lock",
    "Cannot recv data",
    "Cannot write data",
    "client socket is closed",
    "command not found",
    "Connection refused",
    "Connection timed out",
    "Disk quota exceeded",
    "does not support NFS export",
    "End of file while reading data",
    "Input/output error",
    "libvirt events",
    "minor version",
    "No route to host",
    "No space left",
    "Permission denied",
    "Read-only file system",
    "received from server too large",
    "requires fsid=",
    "seconds from last renew",
    "Stale file handle",
    "timed out",
    "Unable to resolve address",
    "[Ss]tale file handle",
    "[Tt]imed out",
    "{strip} (Failed to resolve server {server})",
    "{value}: command not found",
    "{value} (Failed to resolve server {server})",
}
"""What hosts say, and is looked for in their answers."""
MARKED = {"gettext", "_", "ngettext", "gettext_lazy", "gettext_noop"}
FOR_PROGRAMS = MARKED | {"compile", "debug", "info", "warning", "exception", "xpath", "findall", "find", "match", "search", "fullmatch", "sub", "split", "startswith", "endswith", "replace", "CommandError", "ImproperlyConfigured", "RuntimeError", "getLogger", "execute"}  # fmt: skip
"""Calls whose words no reader of a page sees."""


def has_sentences(path: str) -> bool:
    """Whether a module's sentences are to be found by their look."""
    return path.endswith(".py") and not SILENT.search(f"/{PurePath(path).as_posix()}")


def sentences(source: str) -> Iterator[str]:
    """Each string of two words or more that a reader may see, values as `{name}`."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            if isinstance(parents[node], ast.JoinedStr | ast.FormattedValue | ast.Expr) or for_programs(node, parents):
                continue
            said = template(node)
            bare = re.sub(r"\{\w*\}", "", said)
            words = len(WORDS.findall(bare)) >= 2 and " " in bare.strip()
            if words and said not in AS_OTHERS_SAY and not NOT_WORDS.search(said):
                yield said


def for_programs(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    while not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
        above = parents[node]
        if isinstance(above, ast.Compare) or (isinstance(above, ast.keyword) and above.arg in ("help", "help_text")):
            return True
        if isinstance(above, ast.Call) and node is not above.func and name_of(above.func) in FOR_PROGRAMS:
            return True
        node = above
    return False


def template(node: ast.expr) -> str:
    """The text of a string, with `{name}` for each value of an f-string."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.JoinedStr)
    said, names = "", dict[str, str]()
    for part in node.values:
        if isinstance(part, ast.Constant):
            said += str(part.value).replace("{", "{{").replace("}", "}}")
        elif isinstance(part, ast.FormattedValue):
            code = ast.unparse(part.value)
            if code not in names:
                stem = name_of(part.value).strip("_").lower() or "value"
                taken = [name for name in names.values() if name.rstrip("0123456789") == stem]
                names[code] = f"{stem}{len(taken) + 1}" if taken else stem
            said += f"{{{names[code]}}}"
    return said


def name_of(node: ast.expr) -> str:
    """A word for a value, for who translates."""
    match node:
        case ast.Attribute(value=ast.Name() | ast.Attribute() as owner, attr="name" | "pk" | "message"):
            return name_of(owner)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case ast.Call(func=ast.Attribute(attr="join")):
            return "names"
        case ast.Call(func=ast.Name(id="len")):
            return "count"
        case ast.Call(func=ast.Attribute(attr=name)) if name.startswith("get_") and name.endswith("_display"):
            return name.removeprefix("get_").removesuffix("_display")
        case ast.Call(func=ast.Name(id=name)):
            return name
        case ast.Await(value=inner) | ast.BoolOp(values=[inner, *_]):
            return name_of(inner)
        case ast.Subscript(slice=ast.Constant(value=str(name))) if name.isidentifier():
            return name
        case ast.IfExp(body=ast.Constant(value="s" | ""), orelse=ast.Constant(value="s" | "")):
            return "s"
        case _:
            return "value"
