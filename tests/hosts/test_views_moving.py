"""The wizard's pages: offered where a mount would hide files, and what each state lets one do."""

from typing import Any

import pytest
from django.test import Client

from hosts import mounts
from hosts.errors import WouldHide
from hosts.models import AuditEvent, ImageMove
from tests import build

pytestmark = pytest.mark.django_db
SHARE = "198.51.100.2:/home/image"


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(build.user("olga", role="operator"))
    return client


def begun(**fields: Any) -> ImageMove:
    event = AuditEvent.objects.create(username="olga", source="web", action="move images", target="x")
    return build.image_move(on=build.host("kvm-1", uri="qemu+tcp://127.0.0.1:1/system"), audit=event, **fields)


def test_a_refusal_to_hide_files_offers_to_move_them(operator: Client, monkeypatch: Any) -> None:
    build.host("kvm-1")

    def refuse(**given: Any) -> None:
        raise WouldHide("/mnt on kvm-1 is not empty", host="kvm-1")

    monkeypatch.setattr(mounts, "mount", refuse)
    page = operator.post("/hosts/kvm-1/mounts/", {"source": SHARE, "target": "/mnt", "persist": "on"}).content.decode()
    assert 'action="/hosts/kvm-1/image-moves/"' in page
    answer = operator.post("/hosts/kvm-1/image-moves/", {"source": SHARE, "target": "/mnt", "persist": "on"})
    move = ImageMove.objects.get()
    assert answer["Location"] == f"/image-moves/{move.pk}/"
    assert (move.state, move.persist, move.options) == ("looking", True, mounts.DEFAULT_OPTIONS)
    again = operator.post("/hosts/kvm-1/image-moves/", {"source": SHARE, "target": "/mnt"})
    assert again["Location"] == answer["Location"] and ImageMove.objects.count() == 1


def test_a_plan_that_is_blocked_says_why_and_has_no_button(operator: Client) -> None:
    move = build.image_move(on=build.host("kvm-1"), found={"blockers": ["The share has 1 MiB free"]})
    page = operator.get(f"/image-moves/{move.pk}/").content.decode()
    assert "The share has 1 MiB free" in page and "Start the move" not in page
    answer = operator.post(f"/image-moves/{move.pk}/", {})
    assert answer.status_code == 422
    move.refresh_from_db()
    assert move.state == "planned" and not move.steps


def test_running_vms_are_shut_down_only_where_that_was_ticked(operator: Client) -> None:
    vm = {
        "uuid": "0" * 8,
        "name": "web",
        "was_active": True,
        "managed_save": False,
        "paths": ["web.qcow2"],
        "volumes": [],
        "chain": [],
    }
    vm["uuid"] = str(build.vm("web", on=build.host("kvm-1")).uuid)
    move = build.image_move(on=build.host("kvm-2"), vms=[vm])
    answer = operator.post(f"/image-moves/{move.pk}/", {"shutdown_limit_s": "60"})
    assert answer.status_code == 422 and "web runs on kvm-2" in answer.content.decode()
    assert operator.post(f"/image-moves/{move.pk}/", {"shut_down": "on", "shutdown_limit_s": "60"}).status_code == 303
    move.refresh_from_db()
    assert (move.state, move.shut_down, move.shutdown_limit_s) == ("running", True, 60)
    assert AuditEvent.objects.get(action="move images").outcome == "pending"


@pytest.mark.parametrize("name", ["../web.qcow2", "/etc/passwd", "other.qcow2"])
def test_a_name_on_the_share_that_leads_elsewhere_or_is_taken_is_refused(operator: Client, name: str) -> None:
    move = build.image_move(on=build.host("kvm-1"))
    move.files.update(on_share="other", new_name="web-kvm-1.qcow2")
    move.files.create(position=1, path="other.qcow2", kind="file")
    answer = operator.post(f"/image-moves/{move.pk}/", {"name-0": name})
    assert answer.status_code == 422
    assert move.files.get(position=0).new_name == "web-kvm-1.qcow2"


def test_a_new_name_for_what_others_are_based_on_is_refused(operator: Client) -> None:
    move = build.image_move(on=build.host("kvm-1"))
    move.files.update(on_share="other", new_name="web-kvm-1.qcow2")
    move.files.create(position=1, path="top.qcow2", kind="file", backing="/mnt/web.qcow2")
    assert "is based on it" in operator.get(f"/image-moves/{move.pk}/").content.decode().replace("&#x27;", "'")


STATES = {
    "looking": set(),
    "planned": set(),
    "running": {"undo"},
    "stopped": {"undo", "go-on"},
    "moved": {"undo", "remove-originals"},
    "undoing": set(),
    "undone": set(),
    "cleared": set(),
    "discarded": set(),
}


@pytest.mark.parametrize("state", STATES)
def test_each_state_offers_what_it_allows_and_refuses_the_rest(operator: Client, state: str) -> None:
    move = begun(state=state)
    page = operator.get(f"/image-moves/{move.pk}/").content.decode()
    for act in ("undo", "go-on", "remove-originals", "discard"):
        assert (f'/image-moves/{move.pk}/{act}/"' in page) is (act in STATES[state]), act
        if act not in STATES[state]:
            assert operator.post(f"/image-moves/{move.pk}/{act}/").status_code == 422
            move.refresh_from_db()
            assert move.state == state


def test_undoing_asks_first_and_turns_the_way(operator: Client) -> None:
    move = begun(state="running")
    assert "Bring everything back" in operator.get(f"/image-moves/{move.pk}/undo/").content.decode()
    assert operator.post(f"/image-moves/{move.pk}/undo/").status_code == 303
    move.refresh_from_db()
    assert (move.state, move.going_back) == ("undoing", True)


def test_originals_stay_while_one_copy_was_never_read_back(operator: Client) -> None:
    move = begun(state="moved")
    answer = operator.post(f"/image-moves/{move.pk}/remove-originals/")
    assert answer.status_code == 422 and "never read back" in answer.content.decode()


def test_a_host_and_its_vms_are_held_while_images_move(operator: Client) -> None:
    from hosts import holds

    move = begun(state="running")
    vm = build.vm("web", on=move.host)
    assert f"move #{move.pk}" in holds.why(host=move.host)
    assert holds.why(vm=vm) == ""
    ImageMove.objects.update(vms=[{"uuid": str(vm.uuid), "name": "web"}])
    assert f"move #{move.pk}" in holds.why(vm=vm)
    ImageMove.objects.update(state="moved")
    assert holds.why(host=move.host) == ""
