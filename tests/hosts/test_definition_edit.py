"""Editing a definition by hand: shown first, checked, never over somebody else's change, and never without its secrets."""

import re

import pytest
from django.test import Client
from lxml import etree

from hosts import actions, editing, holds, reach
from hosts.editing import definition
from hosts.errors import InvalidInput, Refused
from hosts.models import AuditEvent, Host
from tests import build
from tests.hosts.nodes import SHUT_OFF
from tests.hosts.web_node import ACTOR, WEB, NodeMaker, do, on, outcome, web

pytestmark = pytest.mark.django_db
OTHER = "6a4e0d1c-0000-4000-8000-00000000000f"


def current(host: Host) -> str:
    return definition.read(vm=web(), host=host)


def edit(host: Host, xml: str, digest: str = "") -> str:
    digest = digest or definition.digest_of(current(host))
    return editing.definition.edit(vm=web(), host=host, xml=xml, digest=digest, actor=ACTOR)


def test_a_change_is_stored_and_waits_for_the_next_start_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    wanted = current(h1).replace("524288", "1048576")
    changed = [line.text.strip() for line in definition.changes(vm=web(), current=current(h1), xml=wanted)]
    assert any("1048576" in line for line in changed)
    assert edit(h1, wanted) == "At next start."
    assert "1048576" in current(h1) and outcome() == ("edit definition", "succeeded")
    do("destroy", h1)
    assert edit(h1, current(h1).replace("1048576", "524288")) == ""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (str(WEB), OTHER, "UUID must stay"),
        ("<name>web</name>", "<name>db</name>", "name must stay web"),
        ("</domain>", "", "no well-formed XML"),
        ("domain", "network", "not a <domain>"),
        ("<devices>", "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><devices>", "no well-formed XML"),
    ],
)
def test_what_is_no_definition_of_this_vm_is_refused_alike_on_the_test_driver(
    old: str, new: str, said: str, client: Client, node: NodeMaker
) -> None:
    h1 = node("h1", state=SHUT_OFF)
    before = current(h1)
    wrong = before.replace(old, new)
    with pytest.raises(InvalidInput, match=said) as refusal:
        edit(h1, wrong)
    assert refusal.value.field == "xml"
    client.force_login(build.user("olga", role="operator"))
    given = {"xml": wrong, "digest": definition.digest_of(before)}
    answer = client.put(f"/api/v1/vms/{WEB}/definition", given, content_type="application/json")
    assert (answer.status_code, answer.json()["field"]) == (422, "xml")
    assert client.post(f"/vms/{WEB}/definition/edit/", given).status_code == 422
    assert current(h1) == before and not AuditEvent.objects.exists()


def test_what_libvirts_schema_does_not_know_is_refused_on_the_test_driver(node: NodeMaker) -> None:
    """Without the check, libvirt would leave a misspelt element out without a word."""
    h1 = node("h1", state=SHUT_OFF)
    before = current(h1)
    with pytest.raises(Refused, match="refused the definition"):
        edit(h1, before.replace("<devices>", "<memmory>1</memmory><devices>"))
    assert current(h1) == before and outcome() == ("edit definition", "refused")


def test_somebody_elses_change_is_not_overwritten_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1", state=SHUT_OFF)
    mine, digest = current(h1).replace("524288", "1048576"), definition.digest_of(current(h1))
    editing.set_vcpus(vm=web(), host=h1, vcpus=4, actor=ACTOR)
    with pytest.raises(Refused, match="somebody else"):
        edit(h1, mine, digest)
    assert "1048576" not in current(h1)


def test_passwords_are_not_shown_and_not_lost_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1", state=SHUT_OFF)
    screen = "<graphics type='vnc' port='5999' passwd='s3cret'/></devices>"
    with reach.libvirt(h1) as connection:
        connection.define(connection.guest(str(WEB)).xml(inactive=True).replace("</devices>", screen))
    assert "s3cret" not in current(h1)
    edit(h1, current(h1).replace("5999", "5998"))
    with reach.libvirt(h1) as connection:
        root = etree.fromstring(connection.guest(str(WEB)).xml(inactive=True, secure=True))
    found = root.find("devices/graphics")
    assert found is not None and (found.get("port"), found.get("passwd")) == ("5998", "s3cret")
    changed = definition.with_passwords_of(
        "<domain><devices><graphics type='vnc' passwd='old'/></devices></domain>",
        "<domain><devices><graphics type='vnc' passwd='new'/></devices></domain>",
    )
    assert "new" in changed and "old" not in changed


def test_leftovers_held_and_saved_guests_are_not_edited_on_the_test_driver(
    node: NodeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    h1 = node("h1")
    before = current(h1)
    wanted = before.replace("524288", "1048576")
    with monkeypatch.context() as patch:
        patch.setattr(holds, "HOLDS", [lambda host, vm: "migration #7 moves it" if vm else ""])
        with pytest.raises(Refused, match="migration #7"):
            edit(h1, wanted)
    do("save", h1)
    with pytest.raises(Refused, match="has saved memory"):
        edit(h1, wanted)
    do("discard-save", h1)
    node("h2")
    actions.refresh_host(h1)
    assert on(h1).stale
    with pytest.raises(Refused, match="leftover"):
        edit(h1, wanted)
    assert current(h1) == before


def test_only_what_was_shown_is_stored_on_the_test_driver(client: Client, node: NodeMaker) -> None:
    h1 = node("h1")
    client.force_login(build.user("olga", role="operator"))
    url = f"/vms/{WEB}/definition/edit/"
    page = client.get(url)
    given = {"xml": current(h1).replace("524288", "1048576"), "digest": page.context["form"].initial["digest"]}
    assert "Edit…" in client.get(f"/vms/{WEB}/definition/").content.decode()
    shown = client.post(url, given)
    assert shown.status_code == 200 and "Store this" in shown.content.decode()
    assert "1048576" not in current(h1) and not AuditEvent.objects.exists()
    digest = re.search(r'name="shown" value="([0-9a-f]{64})"', shown.content.decode())
    assert digest
    other = client.post(url, {**given, "xml": given["xml"].replace("1048576", "2097152"), "shown": digest[1]})
    assert other.status_code == 200 and "1048576" not in current(h1)
    assert client.post(url, {**given, "shown": digest[1]}).status_code == 303
    assert "1048576" in current(h1)


def test_the_api_stores_one_that_was_read_on_the_test_driver(client: Client, node: NodeMaker) -> None:
    h1 = node("h1")
    client.force_login(build.user("olga", role="operator"))
    url = f"/api/v1/vms/{WEB}/definition"
    found = client.get(url).json()
    given = {"xml": found["persistent"].replace("524288", "1048576"), "digest": found["digest"]}
    answer = client.put(url, given, content_type="application/json")
    assert (answer.status_code, answer.json()["at_next_start"]) == (200, "At next start.")
    assert client.put(url, given, content_type="application/json").status_code == 409
    assert "1048576" in current(h1)
