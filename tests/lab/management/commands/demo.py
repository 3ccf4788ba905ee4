"""`manage.py demo`: put a lab's hosts, its guests' addresses and a login into the console's database."""

import os
import secrets
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandParser

from hosts import access, actions, audit, reach
from hosts.models import Host, VirtualMachine
from tests.lab.lab import ENGINES, Lab

ACTOR = audit.Actor(user=None, source="command")


class Command(BaseCommand):
    help = "Add the lab's hosts to this console and print a login. For demos only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--engine", choices=sorted(ENGINES), default="netns")
        instance = int(os.environ.get("KVMCONSOLE_LAB_INSTANCE", "0"))
        parser.add_argument("--instance", type=int, default=instance)

    def handle(self, *args: Any, engine: str, instance: int, **options: Any) -> None:
        lab = Lab(engine=engine, instance=instance)
        trust_console(lab)
        add_hosts(lab)
        password = secrets.token_urlsafe(9)
        user, _ = User.objects.get_or_create(username="demo")
        user.set_password(password)
        user.save()
        access.give_role(user=user, role="admin")
        self.stdout.write(f"\nSign in as  demo  with password  {password}\n")


def trust_console(lab: Lab) -> None:
    """Let the console's own key into the lab's hosts, as an admin would with ssh-copy-id."""
    public_key = reach.keyring().public_key
    for name in ("nfs", "kvm-1", "kvm-2"):
        script = 'grep -qxF "$1" /root/.ssh/authorized_keys || echo "$1" >>/root/.ssh/authorized_keys'
        lab.host(name).run(["sh", "-c", script, "lab", public_key.strip()], timeout_s=20)


def add_hosts(lab: Lab) -> None:
    """The two KVM hosts, and where their guests answer ping."""
    for name in ("kvm-1", "kvm-2"):
        Host.objects.filter(name=name).exclude(uri=lab.host(name).uri).delete()
        if not Host.objects.filter(name=name).exists():
            actions.add_host(
                name=name,
                uri=lab.host(name).uri,
                migration_address=lab.host(name).address,
                actor=ACTOR,
                accept_new_host_key=True,
            )
    for guest in lab.status()["guests"]:
        VirtualMachine.objects.filter(name=guest["name"]).update(address=guest["address"])
