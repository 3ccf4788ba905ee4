"""manage.py token USER: an API token on standard output, and nothing else there."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from hosts import audit
from hosts.models import ApiToken


class Command(BaseCommand):
    help = "Print a new API token of a user. It can't be shown again; only its digest is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="", help="what it is for")

    def handle(self, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['username']!r}. Make one with: manage.py createsuperuser")
        if not user.is_active:
            raise CommandError(f"The user {user.username!r} is disabled; a token would not open anything.")
        actor = audit.Actor(user=None, source="command")
        with audit.act(actor=actor, action="issue API token", target=f"user {user.username}", reason=options["name"]):
            text = ApiToken.issue(user=user, name=options["name"])
        self.stdout.write(text)
