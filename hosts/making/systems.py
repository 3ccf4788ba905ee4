"""Which operating systems a VM can be made for: libosinfo's, where the host has it, and a few of our own."""

from dataclasses import dataclass

from django.core.cache import cache

from hosts import reach
from hosts.errors import HostError
from hosts.models import Host

ASK_S = 15.0
KEEP_S = 3600
ARGV = ["osinfo-query", "os", "--fields=short-id,name,family,id"]


@dataclass(frozen=True, slots=True)
class System:
    """`family` is libosinfo's word for whose drivers it has: linux, winnt, freebsd …; `id` its address, or ""."""

    key: str
    name: str
    family: str
    id: str = ""


OWN = (System("linux", "Linux", "linux"), System("windows", "Windows", "winnt"), System("other", "Another", "other"))


def systems(host: Host) -> list[System]:
    """Ours, then those that osinfo-query on `host` lists; asked once an hour. Nothing more where it is not there."""
    kept = cache.get(f"systems-of-host-{host.pk}")
    if kept is None:
        try:
            kept = parse(reach.run(host, ARGV, timeout_s=ASK_S).stdout)
        except HostError:
            kept = []
        cache.set(f"systems-of-host-{host.pk}", kept, KEEP_S)
    return [*OWN, *kept]


def parse(listed: str) -> list[System]:
    """The table that osinfo-query prints: a header, a rule, and a row for each, with bars between."""
    found = []
    for line in listed.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 4 and cells[3].startswith("http"):
            found.append(System(*cells))
    return found
