"""The checks before a migration: facts of both hosts in, a list of findings out. Pure."""

from migrations_app.plan import Options
from migrations_app.preflight.facts import Check, Facts, Folder
from migrations_app.preflight.of_guest import of_guest
from migrations_app.preflight.of_hosts import of_hosts
from migrations_app.preflight.of_place import of_network, of_place
from migrations_app.preflight.of_storage import of_storage
from migrations_app.preflight.of_transport import of_transport

__all__ = ["Check", "Facts", "Folder", "findings"]


def findings(facts: Facts, options: Options) -> list[Check]:
    """Every check, in the order in which an admin would look."""
    checks = list(of_hosts(facts, options))
    if facts.domain and not facts.source_error:
        checks += of_guest(facts, facts.domain)
    if facts.domain and not facts.destination_error:
        checks += of_place(facts, facts.domain)
        checks += of_network(facts, facts.domain)
        checks += of_storage(facts, facts.domain, options)
        checks += of_transport(facts, options)
    return checks
