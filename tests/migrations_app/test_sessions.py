"""What a plan's checks ask hosts together: really looked at, on this machine in both roles."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts import reach
from hosts.errors import Unreachable
from hosts.models import Host
from migrations_app.plan import Options
from migrations_app.preflight.sessions import Sessions
from tests import build
from tests.console import eventually

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts on which programs were run, in order; they really run."""
    names: list[str] = []
    run = reach.run

    def noted(host: Host, argv: list[str], **how: Any) -> Any:
        names.append(host.name)
        return run(host, argv, **how)

    monkeypatch.setattr(reach, "run", noted)
    return names


@pytest.fixture
def pair() -> Iterator[tuple[Host, Host]]:
    yield build.host("kvm-1", uri="test:///kvm-1"), build.host("kvm-2", uri="test:///kvm-2")


def test_many_guests_are_looked_at_by_one_look_a_host(
    pair: tuple[Host, Host], asked: list[str], tmp_path: Path
) -> None:
    (tmp_path / "a.qcow2").touch()
    folder, a, b = ("folder", str(tmp_path)), ("file", f"{tmp_path}/a.qcow2"), ("file", f"{tmp_path}/b.qcow2")
    with Sessions(pair[0], Options()) as sessions:
        sessions.look_ahead([folder, a, b], [pair[1]])
        mine = sessions.look(pair[0], [folder, a], anew=False)
        theirs = sessions.look(pair[1], [folder, b], anew=False)
        assert asked == ["kvm-1", "kvm-2"]
        assert mine.folders[folder[1]].probe == "written" and mine.files == {a[1]: True}
        assert theirs.folders[folder[1]].probe == sessions.token and theirs.files == {b[1]: False}
        sessions.look(pair[1], [folder, ("dir", "/etc")], anew=False)
        sessions.look(pair[1], [folder], anew=True)
        assert asked[2:] == ["kvm-2", "kvm-2"], "what was not looked for, or is wanted anew, is asked"
    eventually(lambda: not list(tmp_path.glob(".kvmconsole*")), timeout_s=20, what="the probe file to be removed")


def test_without_the_source_no_destination_is_looked_at_ahead(
    pair: tuple[Host, Host], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else each would seem to lack the file that the source never wrote."""
    run = reach.run

    def source_is_away(host: Host, argv: list[str], **how: Any) -> Any:
        if host.name == "kvm-1":
            raise Unreachable("kvm-1 does not answer", host="kvm-1")
        return run(host, argv, **how)

    monkeypatch.setattr(reach, "run", source_is_away)
    wanted = [("folder", str(tmp_path))]
    with Sessions(pair[0], Options()) as sessions:
        sessions.look_ahead(wanted, [pair[1]])
        monkeypatch.setattr(reach, "run", run)
        assert sessions.look(pair[0], wanted, anew=False).folders[str(tmp_path)].probe == "written"
        assert sessions.look(pair[1], wanted, anew=False).folders[str(tmp_path)].probe == sessions.token


def test_the_way_between_two_hosts_is_tried_once(pair: tuple[Host, Host], asked: list[str]) -> None:
    pair[1].migration_address = "127.0.0.1"
    with Sessions(pair[0], Options()) as sessions:
        way = sessions.way(pair[1])
        assert way and way.tried and all(how == "open" for _, how in way.tried)
        count = len(asked)
        assert sessions.way(pair[1]) == way and len(asked) == count
