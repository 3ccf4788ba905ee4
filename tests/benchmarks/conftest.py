"""Fixtures of the benchmarks: the lab, and one console that knows it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console import Console, new_console
from tests.lab.fixtures import *  # noqa: F403 - a conftest is how pytest shares fixtures
from tests.lab.lab import Lab


@pytest.fixture(scope="module")
def console(netns_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    console = new_console(Path(tmp_path_factory.mktemp("console")))
    console.add_lab(netns_lab)
    yield console
    console.kill()
    print(console.log.read_text()[-3000:])
