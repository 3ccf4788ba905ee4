"""What all tests share."""

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def _as_in_a_checkout(settings: Settings) -> None:
    """Static files by their plain names, since no test collects them; passwords hashed fast, since tests make many users."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
