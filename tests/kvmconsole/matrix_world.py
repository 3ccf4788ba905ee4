"""What the matrix of rights walks: the routes, objects of a host group, and a client for each kind of user."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse

from hosts.models import ApiToken, RoleBinding, SavedView
from migrations_app.states import State
from tests import build

NAMES = ("hidden-h1", "hidden-h2", "hidden-web", "hidden-rule", "hidden-schedule", "hidden-nas", "hidden-new")
"""What nobody and the stranger must not read anywhere."""

OF_MOUNTS = ("hosts:unmount", "hosts:remount", "hosts:forget-mount", "hosts-api:mount", "hosts-api:mount-remount")


def patterns(within: URLResolver, prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    """Each route's full name with the names of the parts of its path."""
    for entry in within.url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns(entry, f"{prefix}{entry.namespace}:" if entry.namespace else prefix)
        else:
            fixed = entry.default_args
            yield f"{prefix}{entry.name}", [key for key in entry.pattern.converters if key not in fixed]


PATTERNS = dict(patterns(get_resolver()))


def all_rows() -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    return {model._meta.label: list(model._base_manager.order_by("pk").values()) for model in apps.get_models()}


class World:
    """A host group with one of everything, another group with one host, and a signed-in client per persona.

    The hosts' addresses are closed ports of this machine: what is let through to them ends in an error at once.
    """

    def __init__(self) -> None:
        self.site_a, self.site_b = build.group("site-a"), build.group("site-b")
        closed = {"ssh": "root@127.0.0.1:1", "groups": (self.site_a,)}
        self.h1 = build.host(NAMES[0], uri="qemu+tcp://127.0.0.1:1/system", **closed)
        self.h2 = build.host(NAMES[1], uri="qemu+tcp://127.0.0.1:2/system", **closed)
        build.host("other", uri="qemu+tcp://127.0.0.1:3/system", groups=(self.site_b,))
        self.vm = build.vm(NAMES[2], on=self.h1, also_defined_on=(self.h2,))
        self.mount, self.pool = build.mount(on=self.h1), build.pool(on=self.h1)
        self.volume = self.pool.volumes.create(name="web.qcow2", path="/mnt/kvm/web.qcow2", format="qcow2")
        self.image_move = build.image_move(on=self.h1)
        self.build = build.vm_build("hidden-new", on=self.h1)
        self.group_mount = build.group_mount(self.h1, states=("failed",))
        self.server = build.nfs_server("hidden-nas")
        self.migration = build.migration(self.vm, to=self.h2, state=State.COPYING, live_xml="<domain/>")
        second = build.vm("hidden-db", on=self.h1)
        self.plan = build.plan(self.vm, to=self.h2, of=self.h1)
        self.move = self.plan.moves.get()
        self.rule = build.rule("hidden-rule", self.vm, second)
        self.schedule = build.schedule("hidden-schedule", vm=self.vm, to=self.h2)
        self.users = {
            "nobody": build.user("nora"),
            "viewer": build.user("vera", role="viewer"),
            "operator": build.user("otto", role="operator"),
            "admin": build.user("anna", role="admin"),
            "stranger": build.user("stan", role="operator", scope=self.site_b),
        }
        for user in self.users.values():
            SavedView.objects.create(user=user, name="mine", query="state=running")
        self.tokens = {name: ApiToken.issue(user=user) for name, user in self.users.items()}
        self.clients = {name: Client() for name in ("anonymous", *self.users)}
        for name, user in self.users.items():
            self.clients[name].force_login(user)

    def call(self, persona: str, route: str, method: str, *, client: Client | None = None) -> Any:
        """The answer to `persona`, to a request that names the group's objects."""
        path = self.path(persona, route) + (self.query(route) if method in ("GET", "DELETE") else "")
        body = self.body(route) if method != "GET" else {}
        send = getattr(client or self.clients[persona], method.lower())
        return send(path, body, **({"content_type": "application/json"} if "api" in route and method != "GET" else {}))

    def path(self, persona: str, route: str) -> str:
        name, _, word = route.partition(" ")
        given = {
            "name": self.h1.name,
            "uuid": self.vm.uuid,
            "pool": self.pool.name,
            "volume": self.volume.name,
            "snapshot": "before",
            "act": word,
            "change": word,
            "move": self.move.pk,
        }
        wanted = set(PATTERNS[name])
        if "nfs-server" in name or name.endswith("unexport"):
            given["name"] = self.server.name
        kwargs = {key: value for key, value in given.items() if key in wanted}
        if "choice" in wanted:
            kwargs["choice"] = "look_again"
        if "pk" in wanted:
            kwargs["pk"] = self.pk(persona, name)
        return reverse(name, kwargs=kwargs)

    def pk(self, persona: str, name: str) -> int:
        if name.startswith("migrations"):
            part = name.partition(":")[2]
            of_plans = {"rule": self.rule, "evacuation": self.plan, "move": self.plan, "schedule": self.schedule}
            found = next((row for word, row in of_plans.items() if part.startswith(word)), self.migration)
            return int(found.pk)
        if "group-mount" in name:
            return int(self.group_mount.pk)
        if "image-move" in name:
            return int(self.image_move.pk)
        if name.endswith(("-build", ":build")):
            return int(self.build.pk)
        rows: dict[str, Any] = {
            "hosts:take-role": RoleBinding.objects.filter(user=self.users["viewer"]),
            "hosts:group": type(self.site_a).objects.filter(pk=self.site_a.pk),
            "hosts:remove-group": type(self.site_a).objects.filter(pk=self.site_a.pk),
            "hosts:remove-view": SavedView.objects.filter(user=self.users.get(persona, self.users["nobody"])),
            "hosts:revoke-token": ApiToken.objects.filter(user=self.users.get(persona, self.users["nobody"])),
            **{key: [self.users["nobody"]] for key in ("hosts:user", "hosts:set-active", "hosts:new-password")},
            **{key: [self.mount] for key in OF_MOUNTS},
        }
        return int(rows[name][0].pk)

    def query(self, route: str) -> str:
        return {
            "hosts:vm-rows": f"?vm={self.vm.uuid}",
            "hosts-api:vm": f"?confirm={self.vm.name}",
            **dict.fromkeys(("hosts:bulk-start", "hosts:bulk-shutdown"), f"?vm={self.vm.uuid}"),
            "find": "?q=hidden",
            "migrations:new": f"?vm={self.vm.uuid}",
            "migrations:evacuation-new": f"?host={self.h1.name}",
            "migrations:schedule-new": f"?vm={self.vm.uuid}",
            "hosts:group-mounts": "?on=site-a",
            "hosts:exports": f"?server=127.0.0.1&host={self.h1.name}",
            "hosts-api:exports": f"?server=127.0.0.1&via={self.h1.name}",
        }.get(route, "")

    def body(self, route: str) -> dict[str, Any]:
        migration = {"vm": str(self.vm.uuid), "destination": self.h2.name}
        how = {"parallel": 2, "stop_after_failures": 1}
        rule = {"name": "a rule", "kind": "apart"}
        schedule = {**migration, "name": "a schedule", "at": "2099-01-01T02:00"}
        when = {"repeat": "once", "zone": "UTC", "window_minutes": 60}
        vms = [vm.pk for vm in self.rule.vms.all()]
        changes = {
            "rename": {"name": "web-2"},
            "memory": {"memory_mib": 512},
            "vcpus": {"vcpus": 2},
            "boot-order": {"devices": ["vda"]},
            "add-drive": {},
            "insert": {"target": "sda", "pool": self.pool.name, "volume": self.volume.name},
            "eject": {"target": "sda"},
            "add-disk": {"pool": self.pool.name, "volume": self.volume.name},
            "remove-disk": {"target": "vda"},
            "add-nic": {"kind": "bridge", "source": "br0"},
            "remove-nic": {"mac": "52:54:00:00:00:01"},
        }
        return {
            **{f"hosts-api:vm-{change}": given for change, given in changes.items()},
            "hosts:remove": {"reason": "it is sold"},
            "hosts:delete-vm": {"confirm": self.vm.name},
            "hosts:save-view": {"name": "those of mine", "query": "state=running"},
            **{name: {"vm": str(self.vm.uuid)} for name in ("hosts:bulk-start", "hosts:bulk-shutdown")},
            "migrations:evacuations": {"vm": str(self.vm.uuid), **how},
            "migrations:evacuation-edit": how,
            "migrations:move-destination": {"destination": self.h2.name},
            **{f"migrations:{name}": {**rule, "vms": vms} for name in ("rules", "rule")},
            **{f"migrations:{name}": {**schedule, **when} for name in ("schedules", "schedule-edit")},
            "migrations-api:schedules": schedule,
            "migrations-api:schedule": {"window_minutes": 30},
            "hosts:prove-sharing": {"path": "/mnt", "group": "site-a"},
            "hosts-api:sharing-proofs": {"path": "/mnt", "hosts": [self.h1.name, self.h2.name]},
            "hosts:group-mounts": {"source": "198.51.100.2:/home/image", "target": "/srv", "on": "site-a"},
            "hosts-api:group-mounts": {"source": "198.51.100.2:/home/image", "target": "/srv", "hosts": [self.h1.name]},
            "hosts:nfs-server": {"path": "/srv/images", "clients": "192.0.2.0/24"},
            "hosts-api:nfs-server-exports": {"path": "/srv/images", "clients": "192.0.2.0/24"},
            "hosts-api:nfs-servers": {"name": "nas-9", "address": "127.0.0.9", "ssh": "root@127.0.0.1:1"},
            "migrations-api:evacuations": {"host": self.h1.name},
            "migrations-api:evacuation": {"parallel": 3},
            "migrations-api:move": {"destination": self.h2.name},
            **{
                f"migrations-api:{name}": {**rule, "vms": [str(vm.uuid) for vm in self.rule.vms.all()]}
                for name in ("rules", "rule")
            },
            "hosts-api:pools": {"name": "more", "kind": "dir", "target": "/mnt/more"},
            "hosts-api:volumes": {"name": "a.qcow2", "format": "qcow2", "capacity_bytes": 2**30},
            "hosts-api:clone-volume": {"name": "a.qcow2"},
            "hosts-api:resize-volume": {"capacity_bytes": 2**30},
            "hosts-api:image-moves": {"source": "198.51.100.2:/home/image", "target": "/srv"},
            "hosts:plan-image-move": {"source": "198.51.100.2:/home/image", "target": "/srv"},
            "hosts-api:consoles": {"kind": "screen"},
            "hosts-api:clone-vm": {"name": "web-2"},
            "hosts-api:builds": {
                "host": self.h1.name,
                "name": "web-2",
                "memory_mib": 512,
                "vcpus": 1,
                "medium": "iso",
                "pool": self.pool.name,
                "volume": self.volume.name,
                "nic_kind": "bridge",
                "nic_source": "br0",
            },
            "hosts-api:vm-definition": {"xml": "<domain/>", "digest": "0"},
            "hosts-api:snapshots": {"name": "before"},
            "hosts-api:hosts": {"name": "h9", "uri": "qemu+tcp://127.0.0.1:9/system"},
            "migrations-api:migration-resolve": {"choice": "look_again"},
            "migrations-api:migration-move": {"where": "up"},
            "migrations-api:queue": {"overall": 5},
            "migrations:requeue": {"where": "up"},
            "migrations-api:fix": {**migration, "act": "eject", "arg": "sda"},
            **{name: migration for name in PATTERNS if name.startswith("migrations:fix-")},
            "migrations-api:migration": {"bandwidth_mib": 10},
            **dict.fromkeys(("migrations-api:migrations", "migrations-api:preflight"), migration),
            **dict.fromkeys(
                ("migrations:list", "migrations:create", "migrations:preflight", "migrations:destinations"), migration
            ),
        }.get(route, {})
