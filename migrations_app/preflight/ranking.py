"""Which destination is the best? Pure."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """What a destination is ranked by; `total_s` is the expected time, None where it is not known."""

    name: str
    blocked: bool
    reachable: bool
    memory_free_mib: int
    total_s: float | None
    warnings: int = 0


def ranked(standings: Iterable[Standing]) -> list[str]:
    """The names, best first: what fits before what does not, what answers before what is silent; then by the most free
    memory, in steps of a tenth, so that a faster way decides between hosts of about the same room."""
    found = list(standings)
    most = max((standing.memory_free_mib for standing in found), default=0)

    def key(standing: Standing) -> tuple[object, ...]:
        tenth = standing.memory_free_mib * 10 // most if most else 0
        seconds = standing.total_s if standing.total_s is not None else float("inf")
        return (
            standing.blocked,
            not standing.reachable,
            -tenth,
            seconds,
            -standing.memory_free_mib,
            standing.name,
        )

    return [standing.name for standing in sorted(found, key=key)]
