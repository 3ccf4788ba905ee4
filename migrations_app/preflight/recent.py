"""A report that was just made, for whoever needs the same one moments later: the migration that a running plan begins with it."""

import hashlib
import json

from django.core.cache import cache

from hosts.models import Host, VirtualMachine
from migrations_app.plan import Options

BELIEVED_S = 60
"""How long a report stands for a new one. What changes within it libvirt still finds by itself."""


def key(vm: VirtualMachine, destination: Host, options: Options) -> str:
    asked = json.dumps([str(vm.uuid), vm.host_id, destination.pk, options.to_dict()], sort_keys=True)
    return f"preflight-{hashlib.sha256(asked.encode()).hexdigest()}"


def remember(vm: VirtualMachine, destination: Host, options: Options, report: object) -> None:
    cache.set(key(vm, destination, options), report, timeout=BELIEVED_S)


def recall(vm: VirtualMachine, destination: Host, options: Options) -> object | None:
    """The report, once: a second attempt is looked at anew."""
    name = key(vm, destination, options)
    found: object | None = cache.get(name)
    cache.delete(name)
    return found
