"""People, tokens, passwords and the audit list."""

import re

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from hosts.models import ApiToken, AuditEvent, HostGroup, RoleBinding
from tests import build

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(build.user("admin", role="admin"))
    return client


def shown(page: str, element_id: str) -> str:
    found = re.search(rf'<code id="{element_id}">([^<]+)</code>', page)
    assert found, page[-2000:]
    return found[1]


def test_a_new_user_signs_in_with_the_password_that_was_shown_once(admin: Client) -> None:
    Group.objects.get_or_create(name="viewer")
    answer = admin.post("/people/add/", {"username": "vera", "role": "viewer", "scope": ""})
    assert answer["Cache-Control"] == "no-store"
    password = shown(answer.content.decode(), "password")
    assert Client().login(username="vera", password=password)
    assert str(RoleBinding.objects.get(user__username="vera")) == "vera: viewer on all hosts"
    assert password not in str(AuditEvent.objects.values())


def test_a_user_name_is_taken_once_and_is_no_markup(admin: Client) -> None:
    for name in ("ADMIN", "<b>", "a b"):
        answer = admin.post("/people/add/", {"username": name, "role": "viewer"})
        assert answer.status_code == 422, name
        assert answer.context["user_form"].errors["username"]
    assert User.objects.count() == 1


def test_roles_are_given_on_a_group_and_taken_away(admin: Client) -> None:
    Group.objects.get_or_create(name="operator")
    person, group = build.user("olga"), build.group("ours")
    admin.post(f"/people/{person.pk}/", {"role": "operator", "scope": group.pk})
    binding = RoleBinding.objects.get(user=person)
    assert (binding.role.name, binding.scope) == ("operator", group)
    assert admin.post(f"/people/{person.pk}/", {"role": "emperor"}).status_code == 422
    assert admin.post(f"/people/groups/{group.pk}/remove/").status_code == 422
    admin.post(f"/people/roles/{binding.pk}/take/")
    assert not RoleBinding.objects.filter(user=person).exists()
    admin.post(f"/people/groups/{group.pk}/remove/")
    assert not HostGroup.objects.exists()


def test_the_last_admin_stays_one(admin: Client) -> None:
    binding = RoleBinding.objects.get(user__username="admin")
    answer = admin.post(f"/people/roles/{binding.pk}/take/")
    assert answer.status_code == 422
    assert "last admin" in answer.content.decode()
    assert admin.post(f"/people/{binding.user_id}/active/", {"active": "no"}).status_code == 422
    assert RoleBinding.objects.filter(pk=binding.pk).exists()
    assert User.objects.get(username="admin").is_active


def test_a_disabled_user_is_out_at_once(admin: Client) -> None:
    person = build.user("vera", role="viewer")
    hers = Client()
    hers.force_login(person)
    token = ApiToken.issue(user=person)
    admin.post(f"/people/{person.pk}/active/", {"active": "no"})
    assert hers.get("/").status_code == 302
    assert Client().get("/api/v1/vms", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_groups_get_their_hosts(admin: Client) -> None:
    one, two = build.host("kvm-1"), build.host("kvm-2")
    assert admin.post("/people/groups/add/", {"name": "no spaces"}).status_code == 422
    admin.post("/people/groups/add/", {"name": "ours"})
    group = HostGroup.objects.get()
    admin.post(f"/people/groups/{group.pk}/", {"hosts": [one.pk]})
    assert list(group.hosts.all()) == [one]
    admin.post(f"/people/groups/{group.pk}/", {"hosts": [two.pk]})
    assert list(group.hosts.all()) == [two]


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_people_are_for_who_manages_all_hosts(client: Client, role: str) -> None:
    person = build.user("vera", role=role)
    client.force_login(person)
    assert client.get("/people/").status_code == 403
    binding = RoleBinding.objects.get()
    for path in (
        "add/",
        f"{person.pk}/",
        f"{person.pk}/password/",
        f"{person.pk}/active/",
        f"roles/{binding.pk}/take/",
    ):
        assert client.post(f"/people/{path}", {"username": "x", "role": "admin"}).status_code == 403, path
    assert User.objects.count() == 1


def test_an_admin_of_one_group_does_not_manage_people(client: Client) -> None:
    client.force_login(build.user("gina", role="admin", scope=build.group("ours")))
    assert client.get("/people/").status_code == 403


def test_a_token_is_shown_once_works_and_is_revoked(client: Client) -> None:
    client.force_login(build.user("vera", role="viewer"))
    token = shown(client.post("/account/tokens/", {"name": "script"}).content.decode(), "token")
    header = {"Authorization": f"Bearer {token}"}
    assert Client().get("/api/v1/vms", headers=header).status_code == 200
    assert token not in client.get("/account/tokens/").content.decode()
    row = ApiToken.objects.get()
    client.post(f"/account/tokens/{row.pk}/revoke/")
    assert Client().get("/api/v1/vms", headers=header).status_code == 401


def test_nobody_revokes_the_token_of_another(client: Client) -> None:
    ApiToken.issue(user=build.user("admin", role="admin"))
    client.force_login(build.user("vera", role="viewer"))
    assert client.post(f"/account/tokens/{ApiToken.objects.get().pk}/revoke/").status_code == 404


def test_a_password_is_changed_and_a_weak_one_is_not(client: Client) -> None:
    client.force_login(build.user("vera"))
    form = {"old_password": build.PASSWORD, "new_password1": "short", "new_password2": "short"}
    assert client.post("/account/password/", form).status_code == 422
    form |= {"new_password1": "staple battery horse", "new_password2": "staple battery horse"}
    assert client.post("/account/password/", form).status_code == 302
    assert Client().login(username="vera", password="staple battery horse")


def test_one_reads_ones_own_acts_and_an_admin_all(client: Client) -> None:
    vera, admin = build.user("vera", role="viewer"), build.user("admin", role="admin")
    for person, target in ((vera, "hers"), (admin, "<b>his</b>")):
        AuditEvent.objects.create(user=person, username=str(person), source="web", action="mount", target=target)
    client.force_login(vera)
    assert [event.target for event in client.get("/audit/").context["page"]] == ["hers"]
    client.force_login(admin)
    assert len(client.get("/audit/").context["page"]) == 2
    assert "&lt;b&gt;his" in client.get("/audit/?q=his").content.decode()
    assert len(client.get("/audit/?outcome=failed").context["page"]) == 0
