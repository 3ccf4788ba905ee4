"""Checks of the way that the guest's memory takes: ports, names, certificates. Pure."""

from collections.abc import Iterator
from ipaddress import ip_address

from migrations_app.plan import Options
from migrations_app.preflight.facts import Check, Facts
from migrations_app.preflight.look import Look

PLAIN = "qemu+tcp://"
CLIENT_FILES = ("ca-cert.pem", "client-cert.pem", "client-key.pem")
SERVER_FILES = ("ca-cert.pem", "server-cert.pem", "server-key.pem")
"""What QEMU's tls-creds-x509 reads; the source is the client (QEMU's docs/system/tls.rst)."""


def of_transport(facts: Facts, options: Options) -> Iterator[Check]:
    if options.tunnelled:
        yield Check("ports", "Migration ports", "ok", "Not needed: the memory goes through libvirt's own connection.")
    else:
        yield from _address(facts)
        yield from _ports(facts, options)
    if options.tls:
        yield from _certificates(facts)
    yield from _control(facts, options)


def _control(facts: Facts, options: Options) -> Iterator[Check]:
    """Plain TCP to libvirtd: OSSN-0007 tells what came of a guide that set it up."""
    clear = sorted({uri for uri in (facts.source_uri, facts.destination_uri, facts.peer_uri) if uri.startswith(PLAIN)})
    if not clear:
        return
    memory = "memory and control" if options.tunnelled or not options.tls else "control"
    message = f"{' and '.join(clear)} is plain TCP: {memory} go over the network in the clear, and who reaches that port may be let in."
    fix = "Use qemu+ssh or qemu+tls, and set listen_tcp = 0 in libvirtd.conf; SASL at the least."
    yield Check("control", "Connection to libvirt", "warning", message, fix)


def _address(facts: Facts) -> Iterator[Check]:
    """Without a migration address libvirt sends to the destination's own host name, as the source resolves it."""
    way = facts.way
    if facts.migration_address or way is None or way.unable:
        return
    if not way.resolved or _is_loopback(way.resolved):
        leads = f"resolves it to {way.resolved}" if way.resolved else "can't resolve it"
        message = f"Memory goes to {facts.destination}'s own name, {way.host}; {facts.source} {leads}."
        fix = (
            f"Enter the migration address of {facts.destination} in its settings, or repair the name on {facts.source}."
        )
        yield Check("address", "Migration address", "blocker", message, fix)


def _is_loopback(text: str) -> bool:
    try:
        return ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _ports(facts: Facts, options: Options) -> Iterator[Check]:
    way, title = facts.way, "Migration ports"
    if way is None or way.unable:
        why = way.unable if way else "it was not tried"
        message = f"Whether {facts.source} reaches the migration ports of {facts.destination} is not proven: {why}."
        yield Check("ports", title, "warning", message)
        return
    if way.taken:
        wanted = f"port {options.port}" if options.port else "every port of the migration range"
        message = f"On {facts.destination} {wanted} is taken."
        yield Check("ports", title, "blocker", message, "Choose another port, or wait until a migration there is over.")
        return
    if way.disks_taken:
        message = f"On {facts.destination} port {options.disks_port}, meant for the disks, is taken."
        yield Check("ports", title, "blocker", message, "Choose another port for the disks, or 0 for libvirt's choice.")
    closed = [(port, how) for port, how in way.tried if how != "open"]
    if closed:
        told = "; ".join(
            f"{port}: {'no answer, packets are dropped' if how == 'silent' else how.removeprefix('refused ')}"
            for port, how in closed
        )
        message = f"{facts.source} can't reach {way.host} at port {told}."
        ports = _range(facts.destination_look, options)
        fix = f"Open TCP {ports} on {facts.destination} for {facts.source}, or tunnel through libvirt."
        yield Check("ports", title, "blocker", message, fix, "tunnel")
    elif way.tried:
        ports_told = " and ".join(str(port) for port, _ in way.tried)
        message = f"{facts.source} reached a listener on {way.host} at port {ports_told}."
        yield Check("ports", title, "ok", message)


def _range(look: Look | None, options: Options) -> str:
    if options.port:
        disks = f" and {options.disks_port}" if options.disks_port else ""
        return f"{options.port}{disks}"
    low, high = look.ports if look else (49152, 49215)
    return f"{low} to {high}"


def _certificates(facts: Facts) -> Iterator[Check]:
    missing = False
    for host, look, wanted in (
        (facts.source, facts.source_look, CLIENT_FILES),
        (facts.destination, facts.destination_look, SERVER_FILES),
    ):
        absent = [name for name in wanted if look is not None and name not in look.tls_files]
        if look is not None and absent:
            missing = True
            message = f"{host} lacks {', '.join(absent)} in {look.tls_folder}."
            fix = "Make the certificates there, signed by one CA (libvirt.org/kbase/tlscerts.html), or leave TLS out."
            yield Check("tls", "TLS certificates", "blocker", message, fix)
    if not missing:
        yield Check("tls", "TLS certificates", "ok", "Both hosts have certificates for migration.")
