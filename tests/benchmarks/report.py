"""What a benchmark found: on standard output, and in test-output/ for later."""

import json
import math
from collections.abc import Sequence
from typing import Any

from tests.console import BASE


def keep(name: str, figures: dict[str, Any]) -> None:
    """Write `figures` to test-output/bench-NAME.json and say where."""
    folder = BASE / "test-output"
    folder.mkdir(exist_ok=True)
    path = folder / f"bench-{name}.json"
    path.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"kept in {path.relative_to(BASE)}")


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that is not exceeded by `percent` of all (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]
