"""The line for a turn at the database: who gets none is woken, nobody is forgotten; and a look that came too late is known."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hosts import inventory
from hosts.libvirt_client.host_info import HostInfo
from hosts.models import Placement
from hosts.watcher.database import Line
from tests import build


@pytest.mark.django_db
def test_who_got_no_turn_is_woken_in_the_order_of_asking_until_it_has_one() -> None:
    line, woken = Line(1), list[str]()
    with line.turn("first", lambda: woken.append("first")) as is_ours:
        assert is_ours
        for name in ("second", "third", "second"):
            with line.turn(name, lambda name=name: woken.append(name)) as got:  # type: ignore[misc]
                assert not got
        assert woken == []
    assert woken == ["second"]
    with line.turn("newcomer", lambda: woken.append("newcomer")) as got:
        assert got
    assert woken == ["second", "second"]  # it was slow: it is woken again, before the third
    with line.turn("second", lambda: woken.append("second")) as got:
        assert got
    assert woken == ["second", "second", "third"]
    line.forget("third")
    with line.turn("newcomer", lambda: woken.append("newcomer")) as got:
        assert got
    assert len(woken) == 3


@pytest.mark.django_db
def test_a_turn_is_given_back_after_a_failure() -> None:
    line = Line(1)
    with pytest.raises(ValueError, match="broken"), line.turn("one", lambda: None):
        raise ValueError("broken")
    with line.turn("another", lambda: None) as got:
        assert got


@pytest.mark.django_db
def test_of_a_look_is_told_which_rows_are_newer() -> None:
    host = build.host("h1")
    old, new = build.vm("old", on=host), build.vm("new", on=host)
    asked = timezone.now()
    Placement.objects.filter(vm=old).update(seen=asked - timedelta(seconds=1))
    Placement.objects.filter(vm=new).update(seen=asked + timedelta(seconds=1))
    info = HostInfo("h1", "", "", "", "", "x86_64", 1, 1, 1)
    both = [str(old.uuid), str(new.uuid)]
    assert inventory.overtaken(host, inventory.Look(asked, info, [], both)) == [str(new.uuid)]
    assert inventory.overtaken(host, inventory.Look(asked, info, [], None)) == []
