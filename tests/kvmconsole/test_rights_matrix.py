"""Who may do what: every route and method, and every WebSocket, against each kind of user.

The tables below are the contract. A route that they do not name fails a test, and so does a name without a route.
"""

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import resolve

from hosts import actions
from hosts.editing import CHANGES
from hosts.models import Host
from hosts.views.hardware import CONFIRMED
from kvmconsole import asgi
from migrations_app import record
from migrations_app.models import Migration
from tests import build
from tests.kvmconsole.matrix_world import NAMES, PATTERNS, World, all_rows
from tests.kvmconsole.sockets import ORIGIN, Header, bearer, cookie_of, in_thread, socket

OPEN, USER, VIEWER, OPERATOR, ADMIN = range(5)
"""Who may, at least: anybody · who is signed in (lists then hold what one may see) · who has the role here."""
PERSONAS = {"anonymous": OPEN, "nobody": USER, "viewer": VIEWER, "operator": OPERATOR, "admin": ADMIN, "stranger": USER}
"""With what each may use. The stranger is an operator of another host group: for this group as good as without a role."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

ASK = {"GET": OPERATOR, "POST": OPERATOR}
DO = {"POST": OPERATOR}
LIFECYCLE = ("pause", "resume", "reset", "save", "discard-save", "autostart", "no-autostart")
ROUTES: dict[str, dict[str, int]] = {
    "login": {"GET": OPEN, "POST": OPEN, "PUT": OPEN},
    "logout": {"POST": USER},
    "language": {"POST": OPEN},
    "words-of-scripts": {"GET": OPEN},
    "activity": {"GET": USER},
    "find": {"GET": USER},
    "healthz": {"GET": OPEN},
    "readyz": {"GET": OPEN},
    "metrics": {"GET": VIEWER},
    "openapi": {"GET": USER},
    "api-docs": {"GET": USER},
    "hosts:overview": {"GET": USER},
    "hosts:map": {"GET": USER},
    "hosts:list": {"GET": USER},
    "hosts:add": {"GET": ADMIN, "POST": ADMIN},
    "hosts:detail": {"GET": VIEWER},
    "hosts:describe-host": ASK,
    "hosts:edit": {"GET": ADMIN, "POST": ADMIN},
    "hosts:test": {"POST": ADMIN},
    "hosts:remove": {"GET": ADMIN, "POST": ADMIN},
    "hosts:refresh": DO,
    "hosts:maintenance": {"POST": ADMIN},
    "hosts:mounts": {"GET": VIEWER, "POST": OPERATOR},
    "hosts:unmount": ASK,
    "hosts:forget-mount": ASK,
    "hosts:remount": ASK,
    "hosts:matrix": {"GET": USER},
    "hosts:storage-alert": {"GET": USER},
    "hosts:prove-sharing": DO,
    "hosts:group-mounts": ASK,
    "hosts:group-mount": {"GET": VIEWER},
    "hosts:host-metrics": {"GET": VIEWER},
    "hosts:vm-metrics": {"GET": VIEWER},
    "hosts:exports": {"GET": OPERATOR},
    "hosts:pools": {"GET": VIEWER, "POST": OPERATOR},
    "hosts:pool": {"GET": VIEWER},
    **{f"hosts:pool-{act}": DO for act in ("start", "refresh", "autostart-on", "autostart-off")},
    "hosts:pool-stop": ASK,
    "hosts:pool-undefine": ASK,
    "hosts:create-volume": DO,
    "hosts:upload-volume": DO,
    "hosts:volume": {"GET": VIEWER},
    "hosts:clone-volume": DO,
    "hosts:resize-volume": DO,
    "hosts:delete-volume": ASK,
    "hosts:plan-image-move": DO,
    "hosts:image-moves": {"GET": USER},
    "hosts:image-move": {"GET": VIEWER, "POST": OPERATOR},
    "hosts:image-move-look-again": DO,
    "hosts:image-move-go-on": DO,
    "hosts:image-move-undo": ASK,
    "hosts:image-move-discard": ASK,
    "hosts:image-move-remove-originals": ASK,
    "hosts:nfs-servers": {"GET": VIEWER},
    "hosts:add-nfs-server": {"GET": ADMIN, "POST": ADMIN},
    "hosts:nfs-server": {"GET": VIEWER, "POST": ADMIN},
    "hosts:refresh-nfs-server": DO,
    "hosts:start-nfs-server": {"POST": ADMIN},
    "hosts:remove-nfs-server": {"GET": ADMIN, "POST": ADMIN},
    "hosts:unexport": {"GET": ADMIN, "POST": ADMIN},
    "hosts:vms": {"GET": USER},
    "hosts:vm-rows": {"GET": USER},
    "hosts:save-view": {"POST": USER},
    "hosts:remove-view": {"POST": USER},
    "hosts:bulk-start": ASK,
    "hosts:bulk-shutdown": ASK,
    "hosts:describe-vm": ASK,
    "hosts:vm": {"GET": VIEWER},
    "hosts:console": {"GET": OPERATOR},
    "hosts:definition": {"GET": VIEWER},
    "hosts:edit-definition": ASK,
    "hosts:delete-vm": ASK,
    "hosts:clone-vm": ASK,
    "hosts:new-vm-host": {"GET": USER},
    "hosts:new-vm": ASK,
    "hosts:build": {"GET": VIEWER},
    "hosts:cancel-build": ASK,
    "hosts:shutting-down": {"GET": VIEWER},
    "hosts:hardware": {"GET": VIEWER},
    **{f"hosts:change-hardware {change}": DO for change in CHANGES if change not in CONFIRMED},
    **{f"hosts:change-hardware {change}": ASK for change in CONFIRMED},
    "hosts:snapshots": {"GET": VIEWER, "POST": OPERATOR},
    "hosts:revert-snapshot": ASK,
    "hosts:delete-snapshot": ASK,
    "hosts:vm-act start": DO,
    "hosts:vm-act shutdown": ASK,
    "hosts:vm-act stop-waiting": DO,
    "hosts:vm-act reboot": ASK,
    "hosts:vm-act destroy": ASK,
    "hosts:vm-act pause": DO,
    "hosts:vm-act resume": DO,
    "hosts:vm-act reset": ASK,
    "hosts:vm-act save": ASK,
    "hosts:vm-act discard-save": ASK,
    "hosts:vm-act autostart": DO,
    "hosts:vm-act no-autostart": DO,
    "hosts:vm-act define": DO,
    "hosts:vm-act redefine": ASK,
    "hosts:vm-act mark-stale": DO,
    "hosts:vm-act undefine-stale": ASK,
    "hosts:vm-act adopt": ASK,
    "hosts:storage": {"GET": USER},
    "hosts:audit": {"GET": USER},
    "hosts:people": {"GET": ADMIN},
    "hosts:add-user": {"POST": ADMIN},
    "hosts:user": {"GET": ADMIN, "POST": ADMIN},
    "hosts:set-active": {"GET": ADMIN, "POST": ADMIN},
    "hosts:new-password": {"GET": ADMIN, "POST": ADMIN},
    "hosts:take-role": {"GET": ADMIN, "POST": ADMIN},
    "hosts:add-group": {"POST": ADMIN},
    "hosts:group": {"GET": ADMIN, "POST": ADMIN},
    "hosts:remove-group": {"GET": ADMIN, "POST": ADMIN},
    "hosts:tokens": {"GET": USER, "POST": USER},
    "hosts:revoke-token": {"GET": USER, "POST": USER},
    "hosts:password": {"GET": USER, "POST": USER, "PUT": USER},
    "migrations:list": {"GET": USER, "POST": OPERATOR},
    "migrations:create": {"GET": USER, "POST": OPERATOR},
    "migrations:new": {"GET": OPERATOR},
    "migrations:preflight": DO,
    "migrations:destinations": DO,
    "migrations:fix-eject": DO,
    "migrations:fix-mount": DO,
    "migrations:fix-compatible-cpu": DO,
    "migrations:fix-end-maintenance": {"POST": ADMIN},
    "migrations:queue": {"GET": USER},
    "migrations:queue-limits": {"GET": ADMIN, "POST": ADMIN},
    "migrations:requeue": DO,
    "migrations:estimates": {"GET": USER},
    "migrations:running": {"GET": USER},
    "migrations:map-moves": {"GET": USER},
    "migrations:export": {"GET": USER},
    "migrations:detail": {"GET": VIEWER},
    "migrations:live-xml": {"GET": VIEWER},
    "migrations:report": {"GET": VIEWER},
    "migrations:tune": DO,
    "migrations:resolve": ASK,
    "migrations:cancel": ASK,
    "migrations:postcopy": ASK,
    "migrations:pause-guest": ASK,
    "migrations:evacuations": {"GET": USER, "POST": OPERATOR},
    "migrations:evacuation-new": {"GET": OPERATOR},
    "migrations:evacuation": {"GET": VIEWER},
    "migrations:evacuation-edit": DO,
    "migrations:evacuation-start": DO,
    "migrations:evacuation-stop": DO,
    "migrations:evacuation-resume": DO,
    "migrations:evacuation-discard": ASK,
    "migrations:evacuation-check": DO,
    "migrations:move-destination": DO,
    "migrations:move-skip": DO,
    "migrations:move-retry": DO,
    "migrations:rules": {"GET": USER, "POST": OPERATOR},
    "migrations:rule": ASK,
    "migrations:rule-remove": ASK,
    "migrations:evacuabilities": {"GET": USER},
    "migrations:evacuability": {"GET": VIEWER, "POST": OPERATOR},
    "migrations:schedules": {"GET": USER, "POST": OPERATOR},
    "migrations:schedule-new": {"GET": OPERATOR},
    "migrations:schedule-preview": {"GET": USER},
    "migrations:schedule": {"GET": VIEWER},
    "migrations:schedule-edit": ASK,
    "migrations:schedule-switch": DO,
    "migrations:schedule-run": DO,
    "migrations:schedule-seen": DO,
    "migrations:schedule-delete": ASK,
    "migrations:resume-guest": ASK,
    "migrations:raise-pause": ASK,
    "hosts-api:hosts": {"GET": USER, "POST": ADMIN},
    "hosts-api:host": {"GET": VIEWER, "PATCH": ADMIN, "DELETE": ADMIN},
    "hosts-api:host-refresh": DO,
    "hosts-api:pools": {"GET": VIEWER, "POST": OPERATOR},
    "hosts-api:pool": {"DELETE": OPERATOR},
    **{f"hosts-api:pool-{act}": DO for act in ("start", "stop", "refresh", "autostart-on", "autostart-off")},
    "hosts-api:upload-volume": DO,
    "hosts-api:volumes": {"GET": VIEWER, "POST": OPERATOR},
    "hosts-api:volume": {"DELETE": OPERATOR},
    "hosts-api:clone-volume": DO,
    "hosts-api:resize-volume": DO,
    "hosts-api:mounts": {"GET": VIEWER, "POST": OPERATOR},
    "hosts-api:mount": {"DELETE": OPERATOR},
    "hosts-api:mount-remount": DO,
    "hosts-api:shares": {"GET": USER},
    "hosts-api:sharing-proofs": {"GET": USER, "POST": OPERATOR},
    "hosts-api:group-mounts": DO,
    "hosts-api:group-mount": {"GET": VIEWER},
    "hosts-api:host-metrics": {"GET": VIEWER},
    "hosts-api:vm-metrics": {"GET": VIEWER},
    "hosts-api:exports": {"GET": OPERATOR},
    "hosts-api:image-moves": {"GET": VIEWER, "POST": OPERATOR},
    "hosts-api:image-move": {"GET": VIEWER},
    **{
        f"hosts-api:image-move-{act}": DO
        for act in ("start", "look-again", "go-on", "undo", "discard", "remove-originals")
    },
    "hosts-api:nfs-servers": {"GET": VIEWER, "POST": ADMIN},
    "hosts-api:nfs-server": {"GET": VIEWER, "DELETE": ADMIN},
    "hosts-api:nfs-server-refresh": DO,
    "hosts-api:nfs-server-start": {"POST": ADMIN},
    "hosts-api:nfs-server-exports": {"POST": ADMIN, "DELETE": ADMIN},
    "hosts-api:vms": {"GET": USER},
    "hosts-api:vm": {"GET": VIEWER, "PATCH": OPERATOR, "DELETE": OPERATOR},
    "hosts-api:consoles": DO,
    "hosts-api:vm-start": DO,
    "hosts-api:vm-shutdown": DO,
    "hosts-api:vm-stop-waiting": DO,
    "hosts-api:clone-vm": DO,
    "hosts-api:builds": DO,
    "hosts-api:build": {"GET": VIEWER},
    "hosts-api:cancel-build": DO,
    "hosts-api:vm-definition": {"GET": VIEWER, "PUT": OPERATOR},
    **{f"hosts-api:vm-{change}": DO for change in CHANGES},
    "hosts-api:snapshots": {"GET": VIEWER, "POST": OPERATOR},
    "hosts-api:snapshot": {"DELETE": OPERATOR},
    "hosts-api:revert-snapshot": DO,
    "hosts-api:vm-reboot": DO,
    "hosts-api:vm-destroy": DO,
    **{f"hosts-api:vm-{act}": DO for act in LIFECYCLE},
    "hosts-api:vm-define": DO,
    "hosts-api:vm-redefine": DO,
    "hosts-api:vm-mark-stale": DO,
    "hosts-api:vm-undefine-stale": DO,
    "hosts-api:vm-adopt": DO,
    "hosts-api:audit": {"GET": USER},
    "migrations-api:migrations": {"GET": USER, "POST": OPERATOR},
    "migrations-api:preflight": DO,
    "migrations-api:fix": DO,
    "migrations-api:migration": {"GET": VIEWER, "PATCH": OPERATOR},
    "migrations-api:migration-report": {"GET": VIEWER},
    "migrations-api:queue": {"GET": USER, "PATCH": ADMIN},
    "migrations-api:migration-move": DO,
    "migrations-api:migration-resolve": DO,
    "migrations-api:migration-cancel": DO,
    "migrations-api:migration-postcopy": DO,
    "migrations-api:migration-pause-guest": DO,
    "migrations-api:evacuations": {"GET": USER, "POST": OPERATOR},
    "migrations-api:evacuation": {"GET": VIEWER, "PATCH": OPERATOR},
    "migrations-api:evacuation-start": DO,
    "migrations-api:evacuation-stop": DO,
    "migrations-api:evacuation-resume": DO,
    "migrations-api:evacuation-discard": DO,
    "migrations-api:evacuation-check": DO,
    "migrations-api:move": {"PATCH": OPERATOR},
    "migrations-api:move-skip": DO,
    "migrations-api:move-retry": DO,
    "migrations-api:evacuate": DO,
    "migrations-api:evacuability": {"GET": VIEWER, "POST": OPERATOR},
    "migrations-api:rules": {"GET": USER, "POST": OPERATOR},
    "migrations-api:rule": {"GET": VIEWER, "PUT": OPERATOR, "DELETE": OPERATOR},
    "migrations-api:schedules": {"GET": USER, "POST": OPERATOR},
    "migrations-api:schedule": {"GET": VIEWER, "PATCH": OPERATOR, "DELETE": OPERATOR},
    "migrations-api:schedule-run": DO,
    "migrations-api:migration-resume-guest": DO,
    "migrations-api:migration-raise-pause": DO,
}
SOCKETS = {r"^ws/$": "/ws/?topic=migrations,migration.{pk}", r"^ws/migrations/(?P<pk>\d{1,18})$": "/ws/migrations/{pk}"}
"""Each WebSocket route with an address of it. All are for viewers, and tell of the hosts that the viewer may see."""
CONSOLE = r"^ws/vms/(?P<uuid>[0-9a-f-]{36})/(?P<kind>screen|serial)$"
"""Takes a ticket besides, and is for operators: test_console_socket.py."""
CASES = [(route, method) for route, methods in ROUTES.items() for method in methods]


def is_refused(answer: HttpResponse, route: str) -> bool:
    """Whether the answer is a refusal; also 422 where the API's body names a VM or host that one may not see."""
    if answer.status_code == 302:
        return "?next=" in answer["Location"]
    if answer.status_code == 422 and route in (
        "migrations-api:migrations",
        "migrations-api:preflight",
        "migrations-api:fix",
        "migrations-api:evacuations",
        "migrations-api:rules",
        "migrations-api:schedules",
    ):
        return "you may not see it" in answer.json()["detail"]
    return answer.status_code in (401, 403, 404)


def test_the_table_names_every_route_and_no_other() -> None:
    assert {route.partition(" ")[0] for route in ROUTES} == set(PATTERNS)
    assert {route.partition(" ")[2] for route in ROUTES if " " in route} == {*actions.VM_ACTS, *CHANGES}
    assert {*SOCKETS, CONSOLE} == {str(route.pattern) for route in asgi.routes}


@pytest.mark.django_db
@pytest.mark.parametrize("route", ROUTES)
def test_only_who_may_is_let_through(route: str) -> None:
    world = World()
    for method, lowest in ROUTES[route].items():
        before = all_rows()
        for persona in (name for name, rank in PERSONAS.items() if rank < lowest):
            answer = world.call(persona, route, method)
            assert is_refused(answer, route), f"{persona}, {method}: {answer.status_code}"
            if persona == "anonymous":
                assert answer.status_code == (401 if "api" in route or route == "metrics" else 302)
        assert all_rows() == before, f"a refused {method} changed something"
        for persona in (name for name, rank in PERSONAS.items() if rank >= lowest):
            savepoint = transaction.savepoint()
            answer = world.call(persona, route, method)
            assert not is_refused(answer, route), f"{persona}, {method}: {answer.status_code}"
            assert answer.status_code not in (405, 500)
            if persona in ("nobody", "stranger"):
                assert not [name for name in NAMES if name in answer.content.decode()], f"{persona} reads of the group"
            transaction.savepoint_rollback(savepoint)


@pytest.mark.django_db
def test_methods_that_the_table_does_not_name_are_not_allowed() -> None:
    world = World()
    for route, named in ROUTES.items():
        # Who is signed in is led away from the login page whatever the method.
        persona = "anonymous" if route == "login" else "admin"
        for method in set(METHODS) - set(named):
            assert world.call(persona, route, method).status_code == 405, f"{method} {route}"


@pytest.mark.django_db
def test_nothing_acts_on_get() -> None:
    world = World()
    before = all_rows()
    for route, methods in ROUTES.items():
        if "GET" in methods:
            world.call("admin", route, "GET")
    assert all_rows() == before


@pytest.mark.django_db
def test_a_session_acts_only_with_its_csrf_token() -> None:
    world = World()
    client = Client(enforce_csrf_checks=True)
    client.cookies = world.clients["admin"].cookies
    before = all_rows()
    for route, method in CASES:
        if method != "GET":
            assert world.call("admin", route, method, client=client).status_code == 403, f"{method} {route}"
    assert all_rows() == before


@pytest.mark.django_db
def test_a_route_is_one_that_its_name_leads_to() -> None:
    """Else an entry of the table would be tested at another route that hides it; two of migrations share a view."""
    world = World()
    for route in ROUTES:
        found = resolve(world.path("admin", route)).view_name
        assert found == {"migrations:create": "migrations:list"}.get(route, "") or found == route.partition(" ")[0]


def seed_of_sockets() -> tuple[World, dict[str, Header]]:
    world = World()
    return world, {name: cookie_of(user) for name, user in world.users.items()}


async def closed_with(path: str, *headers: Header) -> int | None:
    """The code with which a socket is closed after it was accepted, 0 where it stays open, None where it is refused."""
    opened = socket(path, *headers)
    connected, _ = await opened.connect()
    if not connected:
        return None
    code = 0
    if not await opened.receive_nothing(timeout=0.2):
        said = await opened.receive_output()
        code = said["code"] if said["type"] == "websocket.close" else 0
    await opened.disconnect()
    return code


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("address", SOCKETS.values())
async def test_a_socket_opens_for_who_may_see(address: str) -> None:
    world, cookies = await in_thread(seed_of_sockets)
    path = address.format(pk=world.migration.pk)
    found = {name: await closed_with(path, ORIGIN, cookie) for name, cookie in cookies.items()}
    # A page of the stranger's own hosts may listen; what it then hears is the next test's.
    stranger = 0 if "topic" in path else 4403
    assert found == {"nobody": 4403, "viewer": 0, "operator": 0, "admin": 0, "stranger": stranger}
    assert await closed_with(path, ORIGIN) is None
    assert await closed_with(path, (b"origin", b"http://evil.example"), cookies["admin"]) is None
    assert await closed_with(path, cookies["admin"]) is None
    assert await closed_with(path, bearer(world.tokens["viewer"])) == 0
    assert await closed_with(path, bearer("kvmc_forged")) is None


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
async def test_who_is_of_another_group_hears_nothing_of_this_one() -> None:
    world, cookies = await in_thread(seed_of_sockets)
    viewer = await in_thread(lambda: cookie_of(build.user("vito", role="viewer", scope=world.site_b)))
    topics = f"migrations,migration.{world.migration.pk},hosts,vms,host.{world.h1.pk},vm.{world.vm.uuid}"
    path = f"/ws/?topic={topics}"
    ours, theirs = socket(path, ORIGIN, cookies["viewer"]), socket(path, ORIGIN, viewer)
    assert (await ours.connect())[0] and (await theirs.connect())[0]
    await in_thread(lambda: record.publish(Migration.objects.get(pk=world.migration.pk)))
    await in_thread(lambda: actions.refresh_host(Host.objects.get(pk=world.h1.pk)))
    await ours.receive_from(timeout=5)
    assert await theirs.receive_nothing(timeout=0.5)
    await ours.disconnect()
    await theirs.disconnect()
