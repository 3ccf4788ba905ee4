"""Every act that can't be undone asks first, on a page that names what it is about, and leaves a closed row on the audit list.

A route whose name says that it takes something away fails a test until one of the tables below names it.
"""

import re

import pytest
from django.db import transaction

from hosts import actions
from hosts.editing import CHANGES
from hosts.models import AuditEvent
from tests.kvmconsole.matrix_world import NAMES, PATTERNS, World, all_rows
from tests.kvmconsole.test_rights_matrix import ROUTES

H1, H2, WEB, RULE, SCHEDULE, SERVER, NEW = NAMES
TAKES_AWAY = re.compile(
    r"\b(active|adopt|cancel|delete|destroy|discard|eject|end|forget|new-password|off|pause|postcopy|raise|reboot|redefine|remount"
    r"|remove|reset|resolve|resume|revert|revoke|save|shutdown|skip|stop|take|undefine|undo|unexport|unmount)\b"
)
"""By its words, what a route does may not be undone by another click."""
OF_VM = (WEB, H1)
OF_MIGRATION = (WEB, H1, H2)
ASKS: dict[str, tuple[str, ...]] = {
    "hosts:remove": (H1,),
    "hosts:unmount": (H1, "/mnt"),
    "hosts:remount": (H1, "/mnt"),
    "hosts:forget-mount": (H1, "/mnt"),
    "hosts:pool-stop": (H1, "images"),
    "hosts:pool-undefine": (H1, "images"),
    "hosts:delete-volume": (H1, "web.qcow2"),
    "hosts:image-move-undo": (H1,),
    "hosts:image-move-discard": (H1,),
    "hosts:image-move-remove-originals": (H1,),
    "hosts:remove-nfs-server": (SERVER,),
    "hosts:unexport": (SERVER,),
    "hosts:delete-vm": OF_VM,
    "hosts:cancel-build": (NEW, H1),
    "hosts:bulk-shutdown": (WEB,),
    "hosts:revert-snapshot": (*OF_VM, "before"),
    "hosts:delete-snapshot": (*OF_VM, "before"),
    **{f"hosts:change-hardware {change}": OF_VM for change in ("remove-disk", "remove-nic")},
    **{
        f"hosts:vm-act {act}": OF_VM
        for act in (
            "shutdown",
            "reboot",
            "destroy",
            "reset",
            "save",
            "discard-save",
            "redefine",
            "undefine-stale",
            "adopt",
        )
    },
    "hosts:set-active": ("nora",),
    "hosts:new-password": ("nora",),
    "hosts:take-role": ("vera", "viewer"),
    "hosts:remove-group": ("site-a", H1),
    "hosts:revoke-token": (),
    **{
        f"migrations:{act}": OF_MIGRATION
        for act in ("cancel", "postcopy", "pause-guest", "resume-guest", "raise-pause", "resolve")
    },
    "migrations:evacuation-discard": (WEB, H1),
    "migrations:rule-remove": (RULE, WEB),
    "migrations:schedule-delete": (SCHEDULE,),
}
"""Each with what its page must name."""
HARMLESS = {
    "hosts:remove-view": "a filter under a name, of one's own: its address stays in the browser's history",
    "hosts:save-view": "takes nothing away",
    "hosts:pool-autostart-off": "pool-autostart-on takes it back",
    "hosts:change-hardware eject": "insert puts the image back",
    "hosts:vm-act stop-waiting": "ends only the wait; shutdown waits again",
    "hosts:vm-act pause": "resume takes it back",
    "hosts:vm-act resume": "pause takes it back",
    "migrations:evacuation-stop": "evacuation-resume takes it back",
    "migrations:evacuation-resume": "evacuation-stop takes it back",
    "migrations:move-skip": "move-retry takes it back",
    "migrations:fix-end-maintenance": "the host's page takes it back",
    "migrations:fix-eject": "asks on a page of its own where it can't be taken back",
}
PAGES = {
    *(name for name in PATTERNS if "api" not in name and name not in ("hosts:vm-act", "hosts:change-hardware")),
    *(f"hosts:vm-act {act}" for act in actions.VM_ACTS),
    *(f"hosts:change-hardware {change}" for change in CHANGES),
}


def test_the_tables_name_each_route_that_takes_something_away() -> None:
    told = {name for name in PAGES if TAKES_AWAY.search(re.split("[: ]", name)[-1])}
    assert told <= {*ASKS, *HARMLESS}
    assert {*ASKS, *HARMLESS} <= PAGES
    assert not {*ASKS} & {*HARMLESS}


@pytest.mark.django_db
@pytest.mark.parametrize("route", ASKS)
def test_it_asks_and_names_what_it_is_about(route: str) -> None:
    world = World()
    before = all_rows()
    answer = world.call("admin", route, "GET")
    assert answer.status_code in (200, 503), "503: asked, beside the error that the host is away"
    main = answer.content.decode().partition("<main")[2]
    assert "confirm-consequences" in main, "it does not say what follows"
    assert [name for name in ASKS[route] if name not in main] == []
    assert all_rows() == before


@pytest.mark.django_db
@pytest.mark.parametrize("route", ASKS)
def test_it_is_on_the_audit_list_with_its_end(route: str) -> None:
    assert_audited(World(), route, "POST")


@pytest.mark.django_db
def test_what_the_api_takes_away_is_on_the_audit_list() -> None:
    world = World()
    found = set()
    for route in (name for name in PATTERNS if "-api:" in name):
        takes = ("DELETE", "POST") if TAKES_AWAY.search(route.partition(":")[2]) else ("DELETE",)
        for method in (one for one in takes if one in ROUTES[route]):
            found.add(route)
            savepoint = transaction.savepoint()
            assert_audited(world, route, method)
            transaction.savepoint_rollback(savepoint)
    assert {"hosts-api:vm-destroy", "hosts-api:host", "migrations-api:migration-cancel"} <= found


def assert_audited(world: World, route: str, method: str) -> None:
    """One row more, closed with what came of it: here mostly that the host is away."""
    known = set(AuditEvent.objects.values_list("pk", flat=True))
    answer = world.call("admin", route, method)
    new = AuditEvent.objects.exclude(pk__in=known)
    said = f"{method} {route}: {answer.status_code}"
    assert len(new) == 1, said
    assert new[0].outcome != AuditEvent.Outcome.PENDING, said
