"""manage.py addhost and token: the same acts as on the page, and output that scripts can use."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hosts.models import ApiToken, AuditEvent, Host
from kvmconsole.api import user_of_token
from tests import build

pytestmark = pytest.mark.django_db


def run(*argv: str, **options: Any) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command(*argv, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def test_token_prints_the_token_and_nothing_else() -> None:
    user = build.user("alice")
    out, _ = run("token", "alice", "--name", "backup")
    assert user_of_token(out.strip()) == user
    assert out == f"{out.strip()}\n"
    assert ApiToken.objects.get().name == "backup"
    assert out.strip() not in str(ApiToken.objects.values())
    event = AuditEvent.objects.get()
    assert (event.action, event.target, event.outcome) == ("issue API token", "user alice", "succeeded")


def test_token_of_nobody_or_of_a_disabled_user_is_refused() -> None:
    build.user("bob").save()
    type(build.user("eve")).objects.filter(username="eve").update(is_active=False)
    for name in ("carol", "eve"):
        with pytest.raises(CommandError, match=name):
            run("token", name)
    assert not ApiToken.objects.exists()


def test_addhost_stores_a_host_that_is_away_with_its_error() -> None:
    out, err = run(
        "addhost", "h1", "qemu+tcp://127.0.0.1:1/system", "--migration-address", "198.51.100.3", "--group", "a"
    )
    host = Host.objects.get()
    assert (host.state, host.migration_address) == ("unreachable", "198.51.100.3")
    assert [group.name for group in host.groups.all()] == ["a"]
    assert out == "h1: unreachable\n"
    assert host.error in err


def test_addhost_refuses_bad_input_and_stores_nothing() -> None:
    for uri in ("qemu+ssh://root@h1;id/system", "http://h1", "qemu+ssh://root@h1/system?command=x"):
        with pytest.raises(CommandError):
            run("addhost", "h1", uri, "--group", "a")
    assert not Host.objects.exists()
    assert not AuditEvent.objects.exists()
