"""Who else may look at a guest while it moves: a second host, and what the source's bridges say. Sessions are counted."""

import logging
from collections import Counter
from dataclasses import dataclass
from threading import Lock

from django.contrib.auth.models import User

from hosts import access, reach
from hosts.domain_xml import Domain
from hosts.errors import HostError
from hosts.models import Host, HostGroup, HostState
from migrations_app.models import Migration

log = logging.getLogger(__name__)
ASK_S = 10.0
SESSIONS = 6
"""sshd lets ten sessions share a connection (MaxSessions); so many probes of all migrations may run on one host."""
_sessions: Counter[int] = Counter()
_lock = Lock()
PORTS = "command -v bridge >/dev/null && bridge fdb show 2>/dev/null || true"


@dataclass(frozen=True, slots=True)
class Observer:
    """The second host that probes: `role` is third, or source where there is no third one."""

    host: Host
    role: str

    @property
    def title(self) -> str:
        return f"{self.host.name}, {'a third host' if self.role == 'third' else 'the source'}"


def take_session(host: Host) -> bool:
    with _lock:
        _sessions[host.pk] += 1
        if _sessions[host.pk] <= SESSIONS:
            return True
        _sessions[host.pk] -= 1
        return False


def give_session_back(host: Host) -> None:
    with _lock:
        _sessions[host.pk] -= 1


def observer_of(migration: Migration) -> Observer | None:
    """A host that takes no part and that who asked for the migration may operate; where there is none, the source.

    It is in all groups of both hosts, so that its name is no news to anybody who may see the migration. The source sees the
    guest over the network once that has moved; the destination would see it on its own bridge.
    """
    if migration.source is None:
        return None
    user, taking_part = migration.user, [host.pk for host in (migration.source, migration.destination) if host]
    hosts = access.hosts_for(user, access.OPERATE) if isinstance(user, User) else Host.objects.all()
    groups = set(HostGroup.objects.filter(hosts__in=taking_part).values_list("pk", flat=True))
    others = hosts.filter(state=HostState.ONLINE).exclude(pk__in=taking_part).order_by("name")
    for host in others.prefetch_related("groups"):
        if groups <= {group.pk for group in host.groups.all()}:
            return Observer(host, "third")
    return Observer(migration.source, "source")


def switch_ports(migration: Migration) -> list[dict[str, str]]:
    """By which port the source's bridges reach each of the guest's MACs now: the guest's announcement must have moved it."""
    if migration.source is None or not migration.live_xml:
        return []
    try:
        macs = {nic.mac.lower() for nic in Domain.parse(migration.live_xml).interfaces}
        said = reach.run(migration.source, ["sh", "-c", PORTS], timeout_s=ASK_S, check=False).stdout
    except HostError as error:
        log.info("switch ports of migration %s: %s", migration.pk, error)
        return []
    rows = [line.split() for line in said.splitlines()]
    found = {row[0]: row[row.index("dev") + 1] for row in rows if row and row[0] in macs and "dev" in row[:-1]}
    return [{"mac": mac, "host": migration.source_name, "port": port} for mac, port in sorted(found.items())]
