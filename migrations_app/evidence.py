"""What a person needs who must decide where a guest may go on: both hosts' words, and what else each host shows of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.utils import timezone

from hosts import reach
from hosts.errors import HostError
from hosts.models import Host, Placement
from hosts.templatetags.units import duration
from migrations_app.host_view import View
from migrations_app.models import Migration
from migrations_app.verdict import Verdict

ASK_S = 8.0
SCRIPT = """
name=$1 uuid=$2
shift 2
read -r up _ </proc/uptime
echo "uptime ${up%.*}"
pid=$(cat "/run/libvirt/qemu/$name.pid" 2>/dev/null || pgrep -of -- "-uuid $uuid")
if [ -n "$pid" ] && tr '\\0' '\\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$uuid"; then
  echo "qemu $pid $(ps -o etimes= -p "$pid") $(ps -o cputimes= -p "$pid") $(ps -o stat= -p "$pid")"
  for fd in /proc/"$pid"/fd/*; do
    grep -q '^lock:' "/proc/$pid/fdinfo/${fd##*/}" 2>/dev/null && echo "lock $(readlink "$fd")"
  done
fi
for image in "$@"; do
  timeout -s KILL 3 stat -L -c 'image %Y %n' -- "$image" 2>/dev/null || echo "image - $image"
done
exit 0
"""
"""Reads only. An image on storage that hangs is given 3 s; `lock` names what this QEMU holds a lock on (proc(5), fdinfo)."""


def gather(migration: Migration, views: tuple[View, View], verdict: Verdict, error: HostError | None) -> dict[str, Any]:
    """Both hosts' answers and what their systems show, as kept on the row; what libvirt said at first (`error`) stays."""
    before = migration.evidence
    asked = timezone.now().isoformat()
    same = before.get("finding") == verdict.finding
    found: dict[str, Any] = {
        "finding": str(verdict.finding),
        "source": views[0].in_words(),
        "destination": views[1].in_words(),
        "error": str(error) if error else before.get("error", ""),
        "raw": error.raw if error else before.get("raw", ""),
        "choices": list(verdict.choices),
        "asked": asked,
        "since": before.get("since", asked) if same else asked,
        "moved_bytes": views[0].moved_bytes,
    }
    hosts = (migration.source, migration.destination)
    with ThreadPoolExecutor(max_workers=2) as pool:
        facts = list(pool.map(partial(_facts, migration, images(migration)), hosts, views))
    for role, view, lines in zip(("source", "destination"), views, facts, strict=True):
        was = before.get("hosts", {}).get(role, {})
        stands = was.get("words") == view.in_words()
        since = was.get("since", asked) if stands else asked
        if view.reachable and not view.present and any(line.get("pid") for line in lines):
            # What libvirt says is proven wrong (hosts/forgotten.py), so nothing that rests on it is offered.
            found["forgotten"], found["choices"] = role, ["look_again"]
        found.setdefault("hosts", {})[role] = {"words": view.in_words(), "since": since, "facts": lines}
    return found


def images(migration: Migration) -> list[str]:
    """The files of the guest's disks, as its placements name them."""
    rows = Placement.objects.filter(vm_id=migration.vm_id).values_list("facts", flat=True)
    disks = (disk for facts in rows for disk in facts.get("disks", []))
    return sorted({disk["source"] for disk in disks if disk.get("source", "").startswith("/")})


def _facts(migration: Migration, paths: list[str], host: Host | None, view: View) -> list[dict[str, str]]:
    lines = []
    if view.present:
        definition = "none: it vanishes when it stops" if not view.persistent else "there"
        danger = ", with autostart: this host starts the guest when it boots" if view.autostart else ""
        lines.append({"label": "Definition", "text": f"{definition}{danger}"})
    if host is None:
        return [{"label": "Host", "text": "was removed from the console"}]
    argv = ["sh", "-c", SCRIPT, "sh", migration.vm_name, str(migration.vm_uuid), *paths]
    try:
        said = reach.run(host, argv, timeout_s=ASK_S).stdout
    except HostError as error:
        return [*lines, {"label": "Shell", "text": f"no answer: {error}"}]
    return lines + parse(said)


def parse(said: str) -> list[dict[str, str]]:
    """The lines that SCRIPT printed, in words."""
    words = [line.partition(" ")[::2] for line in said.splitlines()]
    locked = {rest for key, rest in words if key == "lock"}
    readers: dict[str, Callable[[str], dict[str, str]]] = {
        "uptime": lambda rest: {"label": "Host is up for", "text": duration(rest)},
        "qemu": _qemu,
        "image": lambda rest: _image(rest, locked),
    }
    lines = [readers[key](rest) for key, rest in words if key in readers]
    if not any(key == "qemu" for key, _ in words):
        lines.insert(0, {"label": "QEMU", "text": "no process of this guest"})
    return lines


def _qemu(rest: str) -> dict[str, str]:
    pid, age, cpu, stat, *_ = (*rest.split(), "", "", "", "")
    stopped = ", stopped by a signal" if stat.startswith("T") else ""
    blocked = ", waits for a disk" if stat.startswith("D") else ""
    return {
        "pid": pid,
        "label": "QEMU",
        "text": f"process {pid}, up for {duration(age)}, used {duration(cpu)} of CPU{stopped}{blocked}",
    }


def _image(rest: str, locked: set[str]) -> dict[str, str]:
    written, _, path = rest.partition(" ")
    holder = ", locked by this QEMU" if path in locked else ""
    if not written.isdigit():
        return {"label": path, "text": f"can't be read there{holder}"}
    return {"label": path, "text": holder, "written": datetime.fromtimestamp(int(written), tz=UTC).isoformat()}
