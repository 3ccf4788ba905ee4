"""What libvirtd and QEMU of one host wrote into their logs around one moment: bounded, scrubbed, and never fatal."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connections

from hosts import reach
from hosts.errors import HostError
from hosts.models import Host
from migrations_app.explain import scrubbed
from migrations_app.models import Migration

TIMEOUT_S = 10.0
TAIL_BYTES = 262_144
"""So much of the end of each log is read."""
MOST_LINES = 60
"""So many lines of each log are kept, the latest."""
LONGEST_LINE = 600
BEFORE, AFTER = timedelta(seconds=5), timedelta(seconds=10)
"""Around the time that is asked for: what led to it, and what libvirt wrote as it cleaned up."""

SCRIPT = r"""
name=$1 age=$2 bytes=$3
date +%s
echo '=== qemu'
tail -c "$bytes" -- "/var/log/libvirt/qemu/$name.log" 2>&1
echo
echo '=== libvirtd'
found=
if command -v journalctl >/dev/null; then
    found=$(timeout 6 journalctl --quiet --no-pager --utc --output=short-iso --lines=2000 \
        --since="@$(( $(date +%s) - age ))" --unit=libvirtd --unit=virtqemud 2>/dev/null | tail -c "$bytes")
fi
if [ -n "$found" ]; then
    echo "$found"
else
    for file in /var/log/libvirt/libvirtd.log /var/log/libvirt/virtqemud.log; do
        if [ -f "$file" ]; then tail -c "$bytes" -- "$file"; fi
    done
fi
"""
# 2026-11-24 22:06:25.466+0000: 70: error : …            libvirt's own (virLogFormatString in src/util/virlog.c)
# 2026-11-24T22:06:25.465070Z qemu-system-x86_64: …      QEMU's, with -msg timestamp=on, which libvirt passes
# 2026-11-24T22:06:25+0000 kvm-1 libvirtd[70]: …         journalctl --output=short-iso
_STAMP = re.compile(r"^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?(?:Z|\+00:?00)")
# What libvirt says of each start and each question of ours, and nobody looks for after a failure.
_CHATTER = re.compile(r"is tainted: |starting up libvirt version|: info : |available only on the source host")


@dataclass(frozen=True, slots=True)
class HostLog:
    """The lines of one host, oldest first; `error` says why there are none where the host could not be read."""

    host: str
    role: str
    qemu: tuple[str, ...] = ()
    libvirtd: tuple[str, ...] = ()
    error: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        return (*self.libvirtd, *self.qemu)


def of_both(migration: Migration, since: datetime, until: datetime) -> list[HostLog]:
    """The logs of the source and the destination about `migration`'s guest between two moments of this machine's clock."""
    ends = [(migration.source, migration.source_name, "source")]
    if migration.destination_name:
        ends.append((migration.destination, migration.destination_name, "destination"))

    def ask(end: tuple[Host | None, str, str]) -> HostLog:
        try:
            return of_host(*end, vm=migration.vm_name, since=since, until=until)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(ask, ends))


def of_host(host: Host | None, name: str, role: str, *, vm: str, since: datetime, until: datetime) -> HostLog:
    """One host's lines; where it does not answer, that is what is said."""
    if host is None:
        return HostLog(name, role, error=f"{name} was removed from the console.")
    if "/" in vm:
        return HostLog(name, role, error="The VM's name is no file name, so there is no log of it.")
    now = datetime.now(tz=UTC)
    age_s = max(0, round((now - since + BEFORE).total_seconds()))
    try:
        said = reach.run(
            host, ["sh", "-c", SCRIPT, "kvmconsole", vm, str(age_s), str(TAIL_BYTES)], timeout_s=TIMEOUT_S, check=False
        ).stdout
    except HostError as error:
        return HostLog(name, role, error=f"Its logs could not be read: {error}")
    return parse(said, host=name, role=role, now=now, since=since - BEFORE, until=until + AFTER)


def parse(said: str, *, host: str, role: str, now: datetime, since: datetime, until: datetime) -> HostLog:
    """Read what SCRIPT printed; times are the host's, so they are first set right by its own clock."""
    clock, _, rest = said.partition("\n=== qemu\n")
    qemu, _, libvirtd = rest.partition("\n=== libvirtd\n")
    if not clock.strip().isdigit():
        return HostLog(host, role, error="Its logs could not be read: no answer that makes sense.")
    ahead = datetime.fromtimestamp(int(clock), tz=UTC) - now
    # A whole second is what `date +%s` can tell; less is no difference of clocks.
    ahead = ahead if abs(ahead) > timedelta(seconds=2) else timedelta()
    window = (since + ahead, until + ahead)
    return HostLog(host, role, _within(qemu, window), _within(libvirtd, window))


def _within(text: str, window: tuple[datetime, datetime]) -> tuple[str, ...]:
    """The stamped lines of that time. Lines without a stamp (QEMU's command line, its guest's devices) are left out."""
    found = []
    for line in text.splitlines():
        stamp = _STAMP.match(line)
        if not stamp or _CHATTER.search(line):
            continue
        at = datetime.fromisoformat(f"{stamp[1]}T{stamp[2]}{(stamp[3] or '.0')[:7].ljust(7, '0')}+00:00")
        if window[0] <= at <= window[1]:
            found.append(line[:LONGEST_LINE])
    return tuple(scrubbed(line) for line in found[-MOST_LINES:])
