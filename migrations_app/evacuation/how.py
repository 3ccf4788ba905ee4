"""How a plan is to run: what a person may choose for it, the same for the form, the API and a schedule."""

from dataclasses import dataclass, field

from hosts.errors import InvalidInput
from migrations_app.plan import Options

PARALLEL = 2
"""So many moves at once where nobody says otherwise."""
MOST_PARALLEL, MOST_FAILURES = 32, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """`destinations`: names of hosts, none for all; `stop_after_failures`: 0 never stops by itself.

    `maintenance`: take the host to be emptied out of service when the run begins.
    """

    options: Options = field(default_factory=Options)
    destinations: tuple[str, ...] = ()
    parallel: int = PARALLEL
    canary: bool = False
    stop_after_failures: int = 1
    maintenance: bool = False
    reason: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.parallel <= MOST_PARALLEL:
            raise InvalidInput(f"Move from 1 to {MOST_PARALLEL} VMs at once, not {self.parallel}.", field="parallel")
        if not 0 <= self.stop_after_failures <= MOST_FAILURES:
            raise InvalidInput(f"Stop after 0 to {MOST_FAILURES} failures.", field="stop_after_failures")
        if len(self.reason) > 300:
            raise InvalidInput("The reason may have 300 characters.", field="reason")
