"""The images for copied disks: created once, never over a file, removed only where that is proven to be right."""

from pathlib import Path
from shutil import which
from typing import Any

import pytest

from hosts.errors import HostError
from migrations_app import disks, record, views_of_hosts
from migrations_app.host_view import View
from migrations_app.models import Migration
from migrations_app.preflight import Report
from migrations_app.preflight.copies import DiskCopy
from migrations_app.states import State
from tests import build

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not which("qemu-img"), reason="images are really created here: apt-get install qemu-utils"),
]
RUNS, ABSENT, SILENT = View(True, True, "running"), View(True), View(False)


@pytest.fixture
def migration() -> Migration:
    """To a host whose shell is this machine's."""
    here = build.host("here", uri="qemu:///system")
    return build.migration(to=here, state=State.CHECKING, command="")


@pytest.fixture
def planned(migration: Migration, tmp_path: Path) -> Migration:
    """With one raw disk to copy."""
    copy = DiskCopy("vda", str(tmp_path / "-odd name.img"), "raw", 1024 * 1024, 4096)
    assert migration.destination
    disks.plan(migration, Report(migration.destination, [], {}, "virsh migrate", copies=(copy,)))
    return migration


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What both hosts say, as a test sets it: there is no libvirt here."""

    def say(source: View, destination: View) -> None:
        monkeypatch.setattr(views_of_hosts, "both", lambda _migration: (source, destination))

    return say


def made(migration: Migration) -> list[Path]:
    return sorted(Path(migration.disks[0]["path"]).parent.iterdir())


def end(migration: Migration, state: State) -> None:
    Migration.objects.filter(pk=migration.pk).update(state=state)
    migration.refresh_from_db()


def test_what_is_to_be_created_stands_in_the_row_first(planned: Migration) -> None:
    row = Migration.objects.get(pk=planned.pk)
    assert [disk["state"] for disk in row.disks] == ["planned"] and not row.disks_settled
    assert row.command == "virsh migrate" and not made(planned)
    assert disks.targets(row) == ["vda"]


def test_created_once_however_often_it_is_asked(planned: Migration) -> None:
    disks.create(planned)
    image = Path(planned.disks[0]["path"])
    assert image.stat().st_size == 1024 * 1024 and image.stat().st_nlink == 2
    image.write_bytes(b"written by the copy")
    record.note(planned, disks=[{**planned.disks[0], "state": "creating"}])  # as after a crash just then
    disks.create(planned)
    assert image.read_bytes() == b"written by the copy"
    assert planned.disks[0]["state"] == "created" and len(made(planned)) == 2


@pytest.mark.parametrize("kind", ["file", "dangling link", "folder"])
def test_nothing_that_is_there_is_ever_overwritten(planned: Migration, views: Any, kind: str) -> None:
    image = Path(planned.disks[0]["path"])
    if kind == "file":
        image.write_bytes(b"mine")
    elif kind == "folder":
        image.mkdir()
    else:
        image.symlink_to("/nowhere/at/all")
    with pytest.raises(HostError, match="overwritten"):
        disks.create(planned)
    end(planned, State.FAILED)
    views(RUNS, ABSENT)
    disks.settle(planned)
    assert made(planned) == [image] and planned.disks_settled
    assert kind != "file" or image.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("source", "destination"),
    [(SILENT, ABSENT), (RUNS, SILENT), (RUNS, RUNS), (RUNS, View(True, True, "paused")), (ABSENT, ABSENT)],
)
def test_nothing_is_removed_without_proof(planned: Migration, views: Any, source: View, destination: View) -> None:
    disks.create(planned)
    end(planned, State.FAILED)
    views(source, destination)
    disks.settle(planned)
    assert len(made(planned)) == 2 and not planned.disks_settled
    views(RUNS, ABSENT)
    disks.settle(planned)
    assert made(planned) == [] and planned.disks[0]["state"] == "removed"
    assert "removed" in planned.timeline.last().text  # type: ignore[union-attr]


def test_a_file_that_took_the_place_of_ours_stays(planned: Migration, views: Any) -> None:
    disks.create(planned)
    image = Path(planned.disks[0]["path"])
    image.unlink()
    image.write_bytes(b"somebody else's")
    end(planned, State.CANCELLED)
    views(RUNS, ABSENT)
    disks.settle(planned)
    assert made(planned) == [image]


def test_after_the_move_the_image_stays_and_the_mark_goes(planned: Migration) -> None:
    disks.create(planned)
    end(planned, State.COMPLETED)
    disks.settle(planned)
    assert [path.name for path in made(planned)] == ["-odd name.img"]
    assert planned.disks[0]["state"] == "copied"
    assert "kept" in planned.timeline.last().text  # type: ignore[union-attr]
    disks.settle(planned)
    assert planned.timeline.count() == 2


def test_where_nobody_can_know_all_is_left(planned: Migration, views: Any) -> None:
    disks.create(planned)
    disks.leave(planned)
    end(planned, State.FAILED)
    views(RUNS, ABSENT)
    disks.settle(planned)
    assert len(made(planned)) == 2 and planned.disks[0]["state"] == "left"


def test_what_ever_was_in_doubt_is_left_even_where_the_source_runs_again(planned: Migration, views: Any) -> None:
    disks.create(planned)
    record.advance(planned, State.COPYING)
    record.needs_attention(planned, error="Neither host runs it.", evidence={})
    end(planned, State.FAILED)
    views(RUNS, ABSENT)
    disks.settle(planned)
    assert len(made(planned)) == 2 and planned.disks[0]["state"] == "left" and planned.disks_settled


def test_a_doubt_that_ends_at_the_destination_is_settled_as_moved(planned: Migration) -> None:
    disks.create(planned)
    record.advance(planned, State.COPYING)
    record.needs_attention(planned, error="No answer.", evidence={})
    end(planned, State.COMPLETED)
    disks.settle(planned)
    assert len(made(planned)) == 1 and planned.disks[0]["state"] == "copied"


def test_what_was_never_created_is_settled_without_asking_anybody(planned: Migration, views: Any) -> None:
    end(planned, State.CANCELLED)
    views(SILENT, SILENT)
    disks.settle(planned)
    row = Migration.objects.get(pk=planned.pk)
    assert row.disks_settled and row.disks[0]["state"] == "planned" and not row.timeline.exists()


def test_a_migration_under_way_is_not_settled(planned: Migration, views: Any) -> None:
    disks.create(planned)
    views(RUNS, ABSENT)
    disks.settle(planned)
    assert len(made(planned)) == 2


def test_the_page_shows_the_disks(planned: Migration, admin_client: Any) -> None:
    page = admin_client.get(planned.get_absolute_url()).content.decode()
    assert "Disks copied along" in page and "odd name.img" in page and "not created yet" in page
