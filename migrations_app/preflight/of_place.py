"""Checks of the destination: room, CPU, machine, network, and what else the guest needs of a host. Pure."""

from collections.abc import Iterator
from ipaddress import ip_address

from hosts.domain_xml import Domain
from migrations_app.preflight.facts import Check, Facts
from migrations_app.preflight.look import Look

ELSEWHERE = "choose another destination."


def of_place(facts: Facts, domain: Domain) -> Iterator[Check]:
    if facts.other_of_same_name:
        message = f"{facts.destination} has another VM named {facts.vm_name} (UUID {facts.other_of_same_name})."
        yield Check("name", "Name free", "blocker", message, "Rename one of the two.")
    if facts.known_at_destination in ("running", "paused"):
        message = (
            f"{facts.vm_name} is already {facts.known_at_destination} on {facts.destination}: two copies of one VM."
        )
        yield Check(
            "copy", "No second copy", "blocker", message, "Find out which one is the real one before anything else."
        )
    elif facts.known_at_destination:
        message = f"{facts.destination} has an old definition of {facts.vm_name}, shut off; it is replaced."
        yield Check("copy", "No second copy", "warning", message)
    yield from _memory(facts, domain)
    if facts.capabilities_error:
        message = f"{facts.destination} can't run machine type {domain.machine}: {facts.capabilities_error}"
        yield Check("machine", "Machine type", "blocker", message, f"Update QEMU there, or {ELSEWHERE}")
    else:
        yield Check("machine", "Machine type", "ok", f"{facts.destination} knows machine type {domain.machine}.")
    yield _cpu(facts, domain)
    if facts.destination_look:
        yield from _needs(facts, domain, facts.destination_look)


def _memory(facts: Facts, domain: Domain) -> Iterator[Check]:
    free = facts.memory_free_mib
    size = facts.needs.huge_page_kib
    if size and facts.destination_look:
        pages = facts.destination_look.free_huge_pages.get(size, 0)
        have = pages * size // 1024
        message = f"{domain.memory_mib} MiB of {size} KiB pages needed, {have} MiB free on {facts.destination}."
        if have < domain.memory_mib:
            fix = f"Reserve more there (vm.nr_hugepages), or {ELSEWHERE}"
            yield Check("huge_pages", "Huge pages", "blocker", message, fix)
        else:
            yield Check("huge_pages", "Huge pages", "ok", message)
    elif free is not None and free < domain.memory_mib:
        message = f"{facts.vm_name} needs {domain.memory_mib} MiB, {facts.destination} has {free} MiB free."
        yield Check("memory", "Memory", "blocker", message, f"Free memory there, or {ELSEWHERE}")
    elif free is not None:
        yield Check("memory", "Memory", "ok", f"{domain.memory_mib} MiB needed, {free} MiB free.")


def _cpu(facts: Facts, domain: Domain) -> Check:
    if facts.cpu == "incompatible":
        message = f"The guest's CPU does not run on {facts.destination}: {facts.cpu_text}"
        fix = "Give the guest a CPU that both hosts have. That takes effect at its next start, then it can move live."
        return Check("cpu", "CPU", "blocker", message, fix, "compatible_cpu")
    if domain.cpu_mode == "host-passthrough":
        return _passthrough(facts)
    if facts.cpu == "unknown":
        return Check("cpu", "CPU", "warning", f"The CPUs could not be compared: {facts.cpu_text}")
    return Check("cpu", "CPU", "ok", f"{facts.destination} offers the guest's CPU.")


def _passthrough(facts: Facts) -> Check:
    """The guest has the source's own CPU; libvirt can't vouch for another one, nor does it compare microcodes."""
    one, other = (look.cpu if look else {} for look in (facts.source_look, facts.destination_look))
    if not one or not other:
        return Check("cpu", "CPU", "warning", "The guest has the host's own CPU; the two could not be compared.")
    missing = sorted(set(one.get("flags", "").split()) - set(other.get("flags", "").split()))
    if missing:
        message = f"The guest has {facts.source}'s own CPU; {facts.destination} lacks {', '.join(missing[:8])}."
        fix = "Give the guest a CPU that both hosts have. That takes effect at its next start, then it can move live."
        return Check("cpu", "CPU", "blocker", message, fix, "compatible_cpu")
    differ = [key for key in ("vendor_id", "model name", "stepping", "microcode") if one.get(key) != other.get(key)]
    if differ:
        told = ", ".join(f"{key} {one.get(key, 'unknown')} and {other.get(key, 'unknown')}" for key in differ)
        message = f"The guest has the host's own CPU, and the hosts' differ: {told}."
        return Check(
            "cpu", "CPU", "warning", message, "Safe between equal CPUs only; a named CPU model moves anywhere."
        )
    return Check(
        "cpu", "CPU", "ok", "The guest has the host's own CPU, and both hosts have the same, microcode included."
    )


def _needs(facts: Facts, domain: Domain, look: Look) -> Iterator[Check]:
    name, needs = facts.destination, facts.needs
    if needs.nodes and look.nodes and not needs.nodes <= look.nodes:
        message = f"The guest's memory is bound to NUMA nodes {_listed(needs.nodes)}; {name} has {_listed(look.nodes)}."
        yield Check("numa", "NUMA nodes", "blocker", message, f"Unbind it (virsh numatune), or {ELSEWHERE}")
    if needs.cpus and look.cpus and not needs.cpus <= look.cpus:
        message = f"The guest is pinned to CPUs {_listed(needs.cpus)}; {name} has {_listed(look.cpus)}."
        yield Check("pinning", "CPU pinning", "blocker", message, f"Unpin it (virsh vcpupin), or {ELSEWHERE}")
    absent = [path for path in needs.boot_files if not look.files.get(path, True)]
    if absent:
        message = f"{name} lacks {', '.join(absent)}, from which the guest boots."
        yield Check("boot_files", "Firmware and kernel", "blocker", message, f"Copy it there, or {ELSEWHERE}")
    gone = [path for path in needs.folders if not look.dirs.get(path, True)]
    if gone:
        message = f"{name} has no folder {', '.join(gone)}; the guest keeps its NVRAM, a log or a socket there."
        yield Check("folders", "Folders", "blocker", message, f"Create it on {name}.")
    if needs.has_emulated_tpm and not look.has_swtpm:
        message = f"The guest has a TPM; {name} has no swtpm to emulate it."
        yield Check("tpm", "TPM", "blocker", message, f"Install swtpm on {name}.")
    yield from _listening(facts, domain, look)


def _listed(numbers: frozenset[int]) -> str:
    return ",".join(str(number) for number in sorted(numbers)[:16]) + ("…" if len(numbers) > 16 else "")


def _listening(facts: Facts, domain: Domain, look: Look) -> Iterator[Check]:
    """A graphical console that listens at an address of the source alone stops QEMU from starting elsewhere."""
    foreign = sorted({g.listen for g in domain.graphics if g.listen and not _is_anywhere(g.listen, look)})
    if foreign:
        message = f"The guest's console listens at {', '.join(foreign)}, which is no address of {facts.destination}."
        fix = "Let it listen at 0.0.0.0 or 127.0.0.1 in the VM's definition; that takes effect at its next start."
        yield Check("graphics", "Console address", "blocker", message, fix)
    elif domain.graphics:
        yield Check("graphics", "Console address", "ok", f"{facts.destination} has the address of the guest's console.")


def _is_anywhere(listen: str, look: Look) -> bool:
    try:
        address = ip_address(listen)
    except ValueError:
        return True  # a name: each host resolves it by itself
    return address.is_unspecified or address.is_loopback or listen in look.addresses or not look.addresses


def of_network(facts: Facts, domain: Domain) -> Iterator[Check]:
    missing = []
    for nic in domain.interfaces:
        if nic.type == "network" and nic.source not in facts.networks:
            missing.append(f"network {nic.source}")
        if nic.type in ("bridge", "direct") and facts.links is not None and nic.source not in facts.links:
            missing.append(f"{nic.type} {nic.source}")
    if missing:
        message = f"{facts.destination} lacks {', '.join(missing)}."
        yield Check("network", "Network", "blocker", message, f"Create it on {facts.destination} under the same name.")
    elif facts.links is None and domain.interfaces:
        yield Check("network", "Network", "warning", f"The bridges of {facts.destination} could not be listed.")
    else:
        names = ", ".join(nic.source for nic in domain.interfaces) or "no NIC"
        yield Check("network", "Network", "ok", f"{facts.destination} has {names}.")
