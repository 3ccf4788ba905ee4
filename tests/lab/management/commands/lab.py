"""`manage.py lab up|down|status|guest|exec|shell`: a lab of real hosts on this machine. Needs no database."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tests.lab import cli
from tests.lab.process import LabError


class Command(BaseCommand):
    """The edge of tests/lab/cli.py for manage.py."""

    help = "Bring up, look at, take down a lab of two KVM hosts and an NFS server on this machine."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Describe the command line."""
        cli.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked."""
        try:
            status = cli.execute(options, say=lambda text: self.stdout.write(text, ending="\n"))
        except LabError as error:
            raise CommandError(str(error)) from error
        if status:
            sys.exit(status)
