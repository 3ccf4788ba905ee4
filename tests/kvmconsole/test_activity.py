"""What is under way, in one list; and the toasts that tell others of an act."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from hosts import audit
from hosts.models import AuditEvent
from migrations_app.states import State
from tests import build
from tests.hosts.conftest import LiveEvents, live_events  # noqa: F401 - a fixture
from tests.kvmconsole.sockets import ORIGIN, cookie_of, in_thread, socket


def titles(role: str = "admin", **scope: Any) -> dict[str, list[str]]:
    client = Client()
    client.force_login(build.user(f"{role}-who-looks", role=role, **scope))
    answer = client.get("/activity/", headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return {title: [item.title for item in items] for title, _, items in answer.context["groups"]}


@pytest.mark.django_db
def test_everything_in_progress_stands_in_one_list() -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    build.migration(build.vm("asks", on=h1), to=h2, state=State.NEEDS_ATTENTION)
    build.migration(build.vm("moves", on=h1), to=h2, state=State.COPYING, progress={"percent": 40})
    build.migration(build.vm("waits", on=h1), to=h2, state=State.QUEUED)
    build.migration(build.vm("went", on=h1), to=h2, state=State.COMPLETED)
    build.plan(build.vm("web", on=h1), to=h2, of=h1, state="running")
    build.image_move(on=h1, state="running")
    build.schedule("tonight", of=h1, next_due=timezone.now() + timedelta(hours=3))
    build.schedule("next week", of=h1, next_due=timezone.now() + timedelta(days=6))
    audit.begin(actor=audit.SYSTEM, action="create volume", target="a.qcow2")
    audit.begin(actor=audit.SYSTEM, action="migrate", target="moves")
    old = audit.begin(actor=audit.SYSTEM, action="mount", target="/mnt")
    AuditEvent.objects.filter(pk=old.pk).update(at=timezone.now() - timedelta(hours=2))
    assert titles() == {
        "Migrations": ["asks", "moves", "1 in the queue"],
        "Plans": ["Empty a host h1"],
        "Moves of images": ["/mnt on h1"],
        "Other acts": ["Create volume"],
        "Due within a day": ["tonight"],
    }


@pytest.mark.django_db
def test_who_sees_other_hosts_sees_none_of_it() -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    build.migration(build.vm("moves", on=h1), to=h2)
    build.plan(build.vm("web", on=h1), to=h2, of=h1, state="running")
    build.image_move(on=h1, state="running")
    audit.begin(actor=audit.SYSTEM, action="mount", target="/mnt")
    elsewhere = build.group("site-b")
    build.host("other", groups=(elsewhere,))
    assert titles("operator", scope=elsewhere) == {}


@pytest.mark.django_db
def test_an_act_on_a_host_is_told_and_one_without_is_not(live_events: LiveEvents) -> None:  # noqa: F811
    h1 = build.host("h1")
    person = audit.Actor(user=build.user("otto"), source="web")
    for actor, hosts in ((person, [h1]), (person, []), (audit.SYSTEM, [h1])):
        with audit.act(actor=actor, action="start", target="web", hosts=hosts):
            pass
    told = [event for event in live_events() if event["topic"] == "acts"]
    assert [event["data"]["act"]["who"] for event in told] == ["otto"]
    assert told[0]["hosts"] == [h1.pk]


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
async def test_others_get_a_toast_and_who_acted_gets_none() -> None:
    def seed() -> tuple[Any, ...]:
        host, site_b = build.host("h1"), build.group("site-b")
        build.host("h9", groups=(site_b,))
        otto, vera = build.user("otto", role="operator"), build.user("vera", role="viewer")
        stan = build.user("stan", role="operator", scope=site_b)
        return host, otto, *(cookie_of(user) for user in (otto, vera, stan))

    host, otto, own, other, stranger = await in_thread(seed)
    sockets = [socket("/ws/?topic=acts", ORIGIN, cookie) for cookie in (own, other, stranger)]
    for each in sockets:
        assert (await each.connect())[0]

    def act() -> None:
        with audit.act(actor=audit.Actor(user=otto, source="web"), action="start", target="<b>web</b>", hosts=[host]):
            pass

    await in_thread(act)
    toast = await sockets[1].receive_from(timeout=5)
    assert "otto: start succeeded" in toast and "&lt;b&gt;web" in toast and 'hx-swap-oob="beforeend:#toasts"' in toast
    assert await sockets[0].receive_nothing(timeout=0.3)
    assert await sockets[2].receive_nothing(timeout=0.3)
    for each in sockets:
        await each.disconnect()
