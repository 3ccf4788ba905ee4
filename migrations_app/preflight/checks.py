"""The checks before a migration: facts of both hosts in, a list of findings out. Pure."""

from collections.abc import Iterator

from migrations_app.plan import Options
from migrations_app.preflight.facts import Check, Facts, Folder
from migrations_app.preflight.of_copies import of_copies
from migrations_app.preflight.of_guest import of_guest
from migrations_app.preflight.of_hosts import of_hosts
from migrations_app.preflight.of_place import of_network, of_place
from migrations_app.preflight.of_storage import of_storage
from migrations_app.preflight.of_transport import of_transport

__all__ = ["Check", "Facts", "Folder", "findings"]


OF_RUNNING = frozenset({"running", "job", "block_job", "devices", "memory", "huge_pages", "cache"})
"""Checks of what only a guest that runs needs; one that is off takes neither memory nor devices along."""


def findings(facts: Facts, options: Options, *, off: bool = False) -> list[Check]:
    """Every check, in the order in which an admin would look. `off`: only the definition of a guest that is off moves."""
    checks = list(of_hosts(facts, options))
    if facts.domain and not facts.source_error:
        checks += of_guest(facts, facts.domain)
    if facts.domain and not facts.destination_error:
        checks += of_place(facts, facts.domain)
        checks += of_network(facts, facts.domain)
        checks += of_storage(facts, facts.domain, options)
        checks += () if off else of_copies(facts, facts.domain, options)
        checks += () if off else of_transport(facts, options)
    if off:
        return [check for check in checks if check.name not in OF_RUNNING] + list(_is_off(facts))
    return checks


def _is_off(facts: Facts) -> Iterator[Check]:
    if facts.state not in ("shut off", "crashed"):
        message = f"{facts.vm_name} is {facts.state or 'not there'} on {facts.source}, not shut off."
        yield Check("off", "VM shut off", "blocker", message, "Migrate it live, or shut it down first.")
    else:
        yield Check("off", "VM shut off", "ok", f"{facts.vm_name} is {facts.state} on {facts.source}.")
