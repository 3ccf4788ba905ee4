"""Makes `manage.py lab` known where the checkout has a lab."""

from django.apps import AppConfig


class LabConfig(AppConfig):
    """An app with one command, no models, no URLs."""

    name = "tests.lab"
    label = "lab"
