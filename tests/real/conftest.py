"""Fixtures of the tests on the lab."""

from tests.lab.fixtures import *  # noqa: F403 - a conftest is how pytest shares fixtures
