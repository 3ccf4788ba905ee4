"""The two WebSockets, through the real application: who is refused, who gets what, and what becomes of an event."""

import asyncio
import json
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.contrib.auth.models import User

from hosts import inventory, live
from hosts.models import ApiToken
from kvmconsole.consumers import LISTENERS, SPREAD_MS
from migrations_app import record
from migrations_app.models import Migration
from migrations_app.snapshot import snapshot
from tests import build
from tests.kvmconsole.sockets import ORIGIN, cookie_of, in_thread, socket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


def seed() -> tuple[Migration, tuple[bytes, bytes], tuple[bytes, bytes]]:
    """A migration between two hosts of site b; the sessions of who sees everything and of who sees site a only."""
    site_a, site_b = build.group("site-a"), build.group("site-b")
    build.host("h9", groups=(site_a,))
    h1, h2 = build.host("h1", groups=(site_b,)), build.host("h2", groups=(site_b,))
    migration = build.migration(build.vm("<b>web</b>", on=h1), to=h2)
    everybody = cookie_of(build.user("vera", role="viewer"))
    elsewhere = cookie_of(build.user("adam", role="viewer", scope=site_a))
    return migration, everybody, elsewhere


@pytest.mark.parametrize("path", ["/ws/?topic=migrations", "/ws/migrations/1"])
async def test_the_anonymous_are_refused_in_the_handshake(path: str) -> None:
    for headers in ((ORIGIN,), (ORIGIN, (b"cookie", b"sessionid=forged")), ((b"authorization", b"Bearer forged"),)):
        connected, _ = await socket(path, *headers).connect()
        assert not connected


async def test_a_foreign_or_missing_origin_is_refused() -> None:
    _, everybody, _ = await in_thread(seed)
    for origin in ((b"origin", b"http://evil.example"), (b"x-nothing", b"")):
        connected, _ = await socket("/ws/?topic=migrations", origin, everybody).connect()
        assert not connected


async def test_topics_that_are_none_are_closed_with_4403() -> None:
    _, everybody, _ = await in_thread(seed)
    page = socket("/ws/?topic=../../etc&topic=%3Cscript%3E", ORIGIN, everybody)
    assert (await page.connect())[0]
    assert await page.receive_output() == {"type": "websocket.close", "code": 4403}


async def test_a_user_without_a_role_is_closed_with_4403() -> None:
    nobody = await in_thread(lambda: cookie_of(build.user("nora")))
    page = socket("/ws/?topic=migrations", ORIGIN, nobody)
    assert (await page.connect())[0]
    assert (await page.receive_output())["code"] == 4403


async def test_a_change_becomes_one_fragment_per_message_and_a_signal() -> None:
    migration, everybody, _ = await in_thread(seed)
    page = socket(f"/ws/?topic=migrations,migration.{migration.pk}", ORIGIN, everybody)
    assert (await page.connect())[0]
    await in_thread(record.publish, migration)
    got = [await page.receive_from(timeout=5) for _ in range(len(record.FRAGMENTS) + 2)]
    for name in ("status", "steps", "progress", "ping"):
        fragment = [text for text in got if f'id="migration-{migration.pk}-{name}"' in text]
        assert len(fragment) == 1
        assert "hx-swap-oob" not in fragment[0]
        assert "<b>web</b>" not in fragment[0]
    signals = [text for text in got if "live-signal" in text]
    assert len(signals) == 2
    assert any('data-topic="migrations"' in text for text in signals)
    await page.disconnect()


async def test_figures_reach_the_page_without_status_or_signal() -> None:
    migration, everybody, _ = await in_thread(seed)
    page = socket(f"/ws/?topic=migrations,migration.{migration.pk}", ORIGIN, everybody)
    assert (await page.connect())[0]
    await in_thread(record.show_figures, migration)
    got = [await page.receive_from(timeout=5) for _ in range(2)]
    assert [f"-{name}" in text for name, text in zip(("progress", "ping"), got, strict=True)] == [True, True]
    assert await page.receive_nothing(timeout=0.3)
    await page.disconnect()


async def test_who_sees_neither_host_gets_nothing() -> None:
    migration, everybody, elsewhere = await in_thread(seed)
    topics = f"/ws/?topic=migrations,migration.{migration.pk}"
    theirs, ours = socket(topics, ORIGIN, elsewhere), socket(topics, ORIGIN, everybody)
    assert (await theirs.connect())[0] and (await ours.connect())[0]
    await in_thread(record.publish, migration)
    await ours.receive_from(timeout=5)
    assert await theirs.receive_nothing(timeout=0.3)
    await theirs.disconnect()
    await ours.disconnect()


async def test_json_begins_with_what_get_answers_and_follows_each_change() -> None:
    migration, _, _ = await in_thread(seed)
    token = await in_thread(lambda: ApiToken.issue(user=User.objects.get(username="vera")))
    program = socket(f"/ws/migrations/{migration.pk}?format=json", (b"authorization", f"Bearer {token}".encode()))
    assert (await program.connect())[0]
    first = json.loads(await program.receive_from(timeout=5))
    now = await in_thread(lambda: snapshot(Migration.objects.get(pk=migration.pk)))
    del first["total_ms"], now["total_ms"]
    assert first == {"type": "migration", **now}
    await in_thread(record.show_figures, migration)
    assert json.loads(await program.receive_from(timeout=5))["id"] == migration.pk
    await program.disconnect()


async def test_json_of_a_migration_that_one_may_not_see_is_closed_with_4403() -> None:
    migration, _, elsewhere = await in_thread(seed)
    for pk in (migration.pk, 999_999):
        program = socket(f"/ws/migrations/{pk}", ORIGIN, elsewhere)
        assert (await program.connect())[0]
        assert (await program.receive_output())["code"] == 4403


async def test_a_user_who_was_disabled_is_closed_with_4401(monkeypatch: pytest.MonkeyPatch) -> None:
    migration, everybody, _ = await in_thread(seed)
    page = socket("/ws/?topic=migrations", ORIGIN, everybody)
    assert (await page.connect())[0]
    monkeypatch.setattr("kvmconsole.consumers.LOOK_AGAIN_S", 0.0)
    await in_thread(lambda: User.objects.filter(username="vera").update(is_active=False))
    await in_thread(record.publish, migration)
    assert (await page.receive_output(timeout=5)) == {"type": "websocket.close", "code": 4401}


async def test_an_event_from_another_thread_arrives_at_once() -> None:
    _, everybody, _ = await in_thread(seed)
    page = socket("/ws/?topic=vms", ORIGIN, everybody)
    assert (await page.connect())[0]
    assert get_channel_layer() is not None
    await asyncio.get_running_loop().run_in_executor(None, lambda: live._send("vms", _event("vms")))
    assert 'data-topic="vms"' in await page.receive_from(timeout=2)
    await page.disconnect()


def _event(topic: str) -> dict[str, Any]:
    return {"type": "live.event", "topic": topic, "fragments": [], "data": {}}


async def test_a_page_hears_of_the_rows_it_names_last_and_of_no_other() -> None:
    _, everybody, _ = await in_thread(seed)
    first, second = "0" * 8 + "-0000-4000-8000-" + "0" * 12, "1" * 8 + "-0000-4000-8000-" + "1" * 12
    page = socket("/ws/?topic=migrations", ORIGIN, everybody)
    assert (await page.connect())[0]
    for said in (json.dumps({"rows": [first]}), json.dumps({"rows": [second, "vms", 7]}), "no json", "[]"):
        await page.send_to(text_data=said)
        if said.startswith("{"):
            named = said
    await page.send_to(text_data=named)
    assert await page.receive_nothing(timeout=0.3)
    for uuid in (first, second):
        await in_thread(live.publish, f"vm.{uuid}")
    assert f'data-topic="vm.{second}"' in await page.receive_from(timeout=5)
    assert await page.receive_nothing(timeout=0.3)
    await page.disconnect()


async def test_a_picture_is_made_only_for_a_page_that_listens(settings: Any) -> None:
    # Redis can't be asked who listens: there every topic counts as heard.
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "kvmconsole.channel_layer.ThreadSafeInMemoryLayer"}}
    _, everybody, _ = await in_thread(seed)
    made: list[str] = []

    def picture() -> dict[str, Any]:
        made.append("vms")
        return {}

    await in_thread(lambda: live.publish("vms", data=picture))
    assert not made and not live.is_heard("vms")
    page = socket("/ws/?topic=vms", ORIGIN, everybody)
    assert (await page.connect())[0]
    assert live.is_heard("vms")
    await in_thread(lambda: live.publish("vms", data=picture))
    assert 'data-topic="vms"' in await page.receive_from(timeout=2)
    await page.disconnect()
    assert made == ["vms"] and not live.is_heard("vms")


async def test_a_page_that_the_layer_forgot_joins_its_groups_again(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    # Only this one can be made to forget.
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "kvmconsole.channel_layer.ThreadSafeInMemoryLayer"}}
    monkeypatch.setattr("kvmconsole.consumers.LOOK_AGAIN_S", 0.2)
    monkeypatch.setattr("kvmconsole.consumers.JOIN_AGAIN_S", 0.0)
    _, everybody, _ = await in_thread(seed)
    page = socket("/ws/?topic=vms", ORIGIN, everybody)
    assert (await page.connect())[0]
    get_channel_layer().groups.clear()
    await asyncio.sleep(1)
    await in_thread(live.publish, "vms")
    assert 'data-topic="vms"' in await page.receive_from(timeout=5)
    await page.disconnect()


async def test_what_a_vm_does_comes_with_the_signal_to_who_may_see_its_host() -> None:
    """The signal alone goes to who sees another host that has a copy of it."""

    def seed_copies() -> tuple[Any, tuple[bytes, bytes], tuple[bytes, bytes]]:
        here, there = build.group("here"), build.group("there")
        vm = build.vm("web", on=build.host("h1", groups=(here,)), also_defined_on=(build.host("h2", groups=(there,)),))
        return vm, *(cookie_of(build.user(group.name, role="viewer", scope=group)) for group in (here, there))

    vm, sees_it, sees_copy = await in_thread(seed_copies)
    pages = [socket(f"/ws/?topic=vm.{vm.uuid}", ORIGIN, cookie) for cookie in (sees_it, sees_copy)]
    for page in pages:
        assert (await page.connect())[0]
    await in_thread(inventory.settle, {vm.pk})
    full, bare = [await page.receive_from(timeout=5) for page in pages]
    assert f'data-topic="vm.{vm.uuid}"' in full and f'data-topic="vm.{vm.uuid}"' in bare
    assert f'data-leaf="vm-{vm.pk}-state"' in full and ">h1</a>" in full
    assert "data-leaf" not in bare and "h1" not in bare
    for page in pages:
        await page.disconnect()


async def test_pages_that_listen_to_one_topic_are_told_to_spread() -> None:
    _, everybody, _ = await in_thread(seed)
    pages = [socket("/ws/?topic=vms,vms", ORIGIN, everybody) for _ in range(3)]
    for page in pages:
        assert (await page.connect())[0]
    await pages.pop().disconnect()
    await in_thread(live.publish, "vms")
    for page in pages:
        assert f'data-spread="{SPREAD_MS}"' in await page.receive_from(timeout=5)
        await page.disconnect()
    assert "vms" not in LISTENERS


async def test_rights_are_looked_at_again_before_an_event_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _, everybody, _ = await in_thread(seed)
    monkeypatch.setattr("kvmconsole.consumers.LOOK_AGAIN_S", 0.2)
    page = socket("/ws/?topic=migrations", ORIGIN, everybody)
    assert (await page.connect())[0]
    await in_thread(lambda: User.objects.filter(username="vera").update(is_active=False))
    assert (await page.receive_output(timeout=5)) == {"type": "websocket.close", "code": 4401}


async def test_lists_are_read_again_when_a_vm_comes_or_goes_and_not_when_it_only_stops() -> None:
    _, everybody, _ = await in_thread(seed)
    vm = await in_thread(lambda: build.vm("app", on=build.host("h7")))
    page = socket("/ws/?topic=vm-list", ORIGIN, everybody)
    assert (await page.connect())[0]
    await in_thread(lambda: vm.placements.update(state="shut off"))
    await in_thread(inventory.settle, {vm.pk})
    assert await page.receive_nothing(timeout=0.3)
    await in_thread(lambda: vm.placements.update(present=False))
    await in_thread(inventory.settle, {vm.pk})
    assert 'data-topic="vm-list"' in await page.receive_from(timeout=5)
    await page.disconnect()
