"""The guide from an empty database to the first migration."""

import re

import pytest
from django.test import Client

from hosts import audit, first_steps
from tests import build

pytestmark = pytest.mark.django_db
SHARE = "198.51.100.2:/home/image"


def page(role: str | None, path: str = "/") -> str:
    client = Client()
    client.force_login(build.user(f"who-starts-{role}", role=role))
    return client.get(path).content.decode()


def next_step(html: str) -> str:
    """What the step in turn leads to; empty where it leads nowhere."""
    marked = re.search(r'<li aria-current="step">(.*?)</li>', html, re.DOTALL)
    assert marked, "no step is in turn"
    link = re.search(r'href="([^"]+)"', marked[1])
    return link[1] if link else ""


def test_each_step_is_done_in_turn_until_a_migration_has_succeeded() -> None:
    admin = build.user("anna", role="admin")

    def done() -> list[bool]:
        return [step.done for step in first_steps.steps(admin)]

    assert done() == [False, False, False, False]
    h1, h2 = build.host("h1"), build.host("h2")
    assert done() == [True, False, False, False]
    build.mount(on=h1, source=SHARE)
    build.mount(on=h2, source=SHARE, target="/elsewhere")
    assert done() == [True, False, False, False]
    build.mount(on=h2, source=SHARE)
    assert done() == [True, True, False, False]
    build.vm("web", on=h1)
    assert done() == [True, True, True, False]
    with audit.act(actor=audit.Actor(user=admin, source="web"), action="migrate", target="web", hosts=[h1, h2]):
        pass
    assert done() == []


def test_the_overview_of_an_empty_console_leads_to_the_first_host() -> None:
    html = page("admin")
    assert next_step(html) == "/hosts/add/" and "virsh -c qemu+ssh://root@HOST/system list --all" in html


def test_the_overview_leads_on_until_the_first_migration() -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    assert next_step(page("admin")) == "/hosts/h1/mounts/"
    build.mount(on=h1)
    build.mount(on=h2)
    build.vm("web", on=h1)
    assert next_step(page("operator")) == "/vms/?state=running"


def test_lists_without_a_host_show_the_guide_too() -> None:
    assert next_step(page("admin", "/hosts/")) == "/hosts/add/"


def test_an_operator_learns_that_an_admin_adds_hosts() -> None:
    html = page("operator")
    assert next_step(html) == "" and "An admin does this." in html


@pytest.mark.parametrize("role", ["viewer", None])
def test_who_may_not_act_is_not_guided(role: str | None) -> None:
    html = page(role)
    assert 'aria-current="step"' not in html and "An admin adds hosts" in html
