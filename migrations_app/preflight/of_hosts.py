"""Checks of the two hosts themselves. Pure."""

from collections.abc import Iterator

from migrations_app.plan import Options
from migrations_app.preflight.facts import Check, Facts

CLOCKS_APART_S = 1.0
"""More than that makes libvirt's own figures of a migration, and what guests and NFS think of time, doubtful."""


def of_hosts(facts: Facts, options: Options) -> Iterator[Check]:
    for name, host, error in (
        ("source_reachable", facts.source, facts.source_error),
        ("destination_reachable", facts.destination, facts.destination_error),
    ):
        if error:
            yield Check(
                name, "Hosts reachable", "blocker", f"{host}: {error}", "Repair the connection, then check again."
            )
    both = not (facts.source_error or facts.destination_error)
    if both:
        yield Check("hosts_reachable", "Hosts reachable", "ok", f"{facts.source} and {facts.destination} answer.")
    if facts.same_machine:
        fix = "Choose another destination; if they are two machines, give each its own host_uuid in libvirtd.conf."
        yield Check("hosts_differ", "Two hosts", "blocker", "Both names lead to hosts with one and the same UUID.", fix)
    if facts.maintenance:
        fix = "Choose another destination, or end its maintenance."
        message = f"{facts.destination} is in maintenance."
        yield Check("maintenance", "Maintenance", "blocker", message, fix, "end_maintenance", facts.destination)
    if both:
        yield _peer(facts, options)
        yield from _versions(facts)
        yield from _clocks(facts)


def _peer(facts: Facts, options: Options) -> Check:
    title = "Source reaches destination"
    if options.direct:
        message = "Not needed: the console drives this migration. If the console ends, libvirt cancels it."
        return Check("peer", title, "warning", message)
    if not facts.peer_error:
        return Check("peer", title, "ok", f"{facts.source} reaches libvirt on {facts.destination} by itself.")
    message = f"{facts.source} itself can't reach libvirt on {facts.destination}: {facts.peer_error}"
    fix = (
        f"As root on {facts.source}, make `virsh -c {facts.peer_uri or 'URI'} hostname` work (ssh key and known_hosts of root), "
        "or let the console drive the migration: it then ends if the console does."
    )
    return Check("peer", title, "blocker", message, fix, "direct")


def _versions(facts: Facts) -> Iterator[Check]:
    for what, at_source, at_destination in (
        ("libvirt", facts.source_libvirt, facts.destination_libvirt),
        ("QEMU", facts.source_qemu, facts.destination_qemu),
    ):
        if _version(at_destination) < _version(at_source):
            message = f"{what} {at_destination} on {facts.destination} is older than {at_source} on {facts.source}."
            fix = "It often works; upgrade the destination where it does not."
            yield Check("versions", "Versions", "warning", message, fix)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _clocks(facts: Facts) -> Iterator[Check]:
    """Each clock is known between two bounds, since the answer took its time; only what is proven is said."""
    one, other = (look.clock_s if look else None for look in (facts.source_look, facts.destination_look))
    if one is None or other is None:
        return
    least = max(one[0] - other[1], other[0] - one[1], 0.0)
    if least > CLOCKS_APART_S:
        message = f"The clocks of {facts.source} and {facts.destination} are at least {least:.1f} s apart."
        fix = "Let both follow the same time server (chrony, systemd-timesyncd)."
        yield Check("clocks", "Clocks", "warning", message, fix)
    else:
        yield Check("clocks", "Clocks", "ok", "The hosts' clocks agree.")
