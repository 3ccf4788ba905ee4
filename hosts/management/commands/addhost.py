"""manage.py addhost NAME URI: the same as the page's form, for scripts."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hosts import actions, audit
from hosts.errors import HostError
from hosts.models import HostGroup


class Command(BaseCommand):
    help = (
        "Add a host by name and libvirt URI. One that can't be reached is stored too, and tried again by the watcher."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("uri", help="qemu+ssh://root@HOST/system, qemu+tls://…, qemu+tcp://… or qemu:///system")
        parser.add_argument(
            "--ssh", default="", help="user@host[:port] for mounts and probes, where the URI does not say it"
        )
        parser.add_argument("--peer-uri", default="", help="URI through which other hosts reach it, if it is another")
        parser.add_argument(
            "--migration-address", default="", help="its address in the network that carries guest memory"
        )
        parser.add_argument("--group", action="append", default=[], help="host group; may be given more than once")
        parser.add_argument(
            "--accept-host-key",
            action="store_true",
            help="trust the ssh key that it presents now, if none is known yet",
        )

    def handle(self, **options: Any) -> None:
        try:
            host = actions.add_host(
                name=options["name"],
                uri=options["uri"],
                ssh=options["ssh"],
                peer_uri=options["peer_uri"],
                migration_address=options["migration_address"],
                actor=audit.Actor(user=None, source="command"),
                require_connection=False,
                accept_new_host_key=options["accept_host_key"],
            )
        except HostError as error:
            raise CommandError(f"{error} {error.hint}") from error
        for name in options["group"]:
            host.groups.add(HostGroup.objects.get_or_create(name=name)[0])
        host.refresh_from_db()
        self.stdout.write(f"{host.name}: {host.get_state_display()}")
        if host.error:
            self.stderr.write(f"{host.error} {host.hint}")
