"""What all tests share."""

import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import translation
from pytest_django import Settings

LONGEST = (
    "test_every_page.py",
    "test_faults_in_copy_netns.py",
    "test_convergence_netns.py",
    "test_faults_in_postcopy_netns.py",
    "test_faults_at_the_end_netns.py",
    "test_story_netns.py",
    "test_evacuation_netns.py",
    "test_preflight_netns.py",
    "test_migration_netns.py",
    "test_disks_netns.py",
)
"""The files that take longest, on the lab or in the browser: handed out first, so that no worker is left alone with one in the end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put LONGEST first; `--no-loadscope-reorder` lets pytest-xdist keep that."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_configure(config: pytest.Config) -> None:
    """What is translated counts, also where nobody ran scripts/setup since: only what changed is compiled."""
    if not hasattr(config, "workerinput"):
        call_command("compilemessages", verbosity=0, ignore_patterns=["node_modules", ".venv"])


@pytest.fixture(autouse=True)
def _as_in_a_checkout(settings: Settings) -> None:
    """Static files by their plain names, since no test collects them, and found when asked for: each client would list them
    all anew. Passwords hashed fast, since tests make many users.
    """
    settings.WHITENOISE_AUTOREFRESH = True
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # A request leaves its thread the language in which it was answered.
    translation.deactivate()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SQLite in a file: threads that share one in memory get "table is locked" where a file's writers wait in turn."""
    database = connections["default"]
    if database.vendor == "sqlite":
        database.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
