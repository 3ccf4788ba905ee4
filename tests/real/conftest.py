"""Fixtures of the tests on the lab."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts import reach
from hosts.models import Host
from tests.console import Console, new_console
from tests.lab.fixtures import *  # noqa: F403 - a conftest is how pytest shares fixtures
from tests.lab.lab import Lab


@pytest.fixture(scope="module")
def console(netns_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console that knows both hosts, one for all tests of a file."""
    console = new_console(Path(tmp_path_factory.mktemp("console")))
    console.add_lab(netns_lab)
    yield console
    console.kill()
    print(console.log.read_text()[-6000:])


@pytest.fixture
def own_keys(db: None, settings: Any, tmp_path: Path) -> Iterator[None]:
    """A console that has never met any host, in this process."""
    settings.DATA_DIR = tmp_path
    reach.keyring.cache_clear()
    yield
    for host in Host.objects.all():
        reach.forget(host)
    reach.keyring.cache_clear()
