"""Fixes: asked first, done once confirmed, refused with words; the form comes back as it was."""

import pytest
from django.test import Client
from django.urls import reverse

from hosts.models import AuditEvent, Host
from migrations_app import fixes
from migrations_app.fixes import FIXES, LABELS, OPTION_FIXES, Case
from migrations_app.plan import Options
from tests import build

pytestmark = pytest.mark.django_db


def admin() -> Client:
    client = Client()
    client.force_login(build.user("anna", role="admin"))
    return client


def test_every_fix_has_a_button_and_every_option_is_one() -> None:
    assert set(LABELS) == set(FIXES) | set(OPTION_FIXES)
    for name, value in OPTION_FIXES.values():
        assert Options.from_dict({name: True if value == "on" else value})


def test_maintenance_is_asked_about_then_ended_and_the_form_comes_back() -> None:
    client, vm = admin(), build.vm(on=build.host("h1"))
    build.host("h2", maintenance=True)
    url = reverse("migrations:fix-end-maintenance")
    given = {"vm": str(vm.uuid), "destination": "h2", "unsafe": "on"}
    asked = client.post(url, given).content.decode()
    assert "back into service?" in asked and 'name="unsafe" value="on"' in asked
    assert Host.objects.get(name="h2").maintenance
    answer = client.post(url, {**given, "confirmed": "yes"})
    assert answer.status_code == 303 and "unsafe=on" in answer["Location"] and "confirmed" not in answer["Location"]
    assert not Host.objects.get(name="h2").maintenance
    assert AuditEvent.objects.get().action == "end maintenance"


def test_a_share_of_the_source_is_found_by_its_folder_and_nothing_else() -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    vm = build.vm(on=h1)
    build.mount(on=h1, source="nfs:/home/image", target="/mnt")
    deeper = build.mount(on=h1, source="nfs:/home/fast", target="/mnt/fast")

    def case(arg: str) -> Case:
        return Case(vm, h2, arg, None)  # type: ignore[arg-type]

    assert fixes.share_of(case("/mnt/fast/web")) == deeper
    assert fixes.share_of(case("/mnt/kvm")).source == "nfs:/home/image"
    assert "no healthy share" in fixes.shown("mount", case("/srv/kvm"))
    assert "whole path" in fixes.shown("mount", case("/mnt/../etc"))


def test_what_is_refused_says_so_and_can_be_left() -> None:
    client, vm = admin(), build.vm(on=build.host("h1"))
    build.host("h2")
    given = {"vm": str(vm.uuid), "destination": "h2", "arg": "/srv/kvm", "confirmed": "yes"}
    answer = client.post(reverse("migrations:fix-mount"), given)
    assert answer.status_code == 422 and "no healthy share" in answer.content.decode()
    assert client.get(reverse("migrations:fix-mount")).status_code == 405
