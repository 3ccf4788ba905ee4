"""Fixtures of the tests on the lab."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts import reach
from hosts.models import Host
from tests.lab.fixtures import *  # noqa: F403 - a conftest is how pytest shares fixtures


@pytest.fixture
def own_keys(db: None, settings: Any, tmp_path: Path) -> Iterator[None]:
    """A console that has never met any host, in this process."""
    settings.DATA_DIR = tmp_path
    reach.keyring.cache_clear()
    yield
    for host in Host.objects.all():
        reach.forget(host)
    reach.keyring.cache_clear()
