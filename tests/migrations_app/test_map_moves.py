"""What moves, drawn over the map of hosts."""

from itertools import pairwise

import pytest
from django.test import Client

from hosts import fleet_map
from hosts.fleet_map import layout
from migrations_app.states import State
from migrations_app.views.moves import line
from tests import build

pytestmark = pytest.mark.django_db


def test_hosts_lie_by_group_and_name_and_never_over_each_other() -> None:
    few = layout([(1, "b", "site"), (2, "a", "site"), (3, "c", ""), (4, "d", "lab")])
    assert [tile.name for tile in few.tiles] == ["d", "a", "b", "c"]
    assert [name for name, _ in few.labels] == ["lab", "site", ""]
    many = layout([(number, f"h{number}", f"g{number % 7}") for number in range(500)])
    assert many.is_small and not few.is_small
    for found in (few, many):
        assert len({(tile.x, tile.y) for tile in found.tiles}) == len(found.tiles)
        assert all(tile.x + found.tile_width <= found.width for tile in found.tiles)
        assert max(tile.y for tile in found.tiles) + found.tile_height <= found.height
        tops = sorted({tile.y for tile in found.tiles})
        assert all(lower - upper >= found.tile_height for upper, lower in pairwise(tops))
    assert layout([]).tiles == []


def test_a_move_is_a_line_from_host_to_host_with_the_guest_on_it(client: Client) -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    moving = build.migration(build.vm("<web>", on=h1), to=h2, state=State.COPYING, progress={"percent": 50})
    build.migration(build.vm("done", on=h1), to=h2, state=State.COMPLETED)
    viewer = build.user("vera", role="viewer")
    client.force_login(viewer)
    page = client.get("/migrations/map/").content.decode()
    assert page.count("map-move") - page.count("map-moves") == 1
    assert "&lt;web&gt;</a> h1 → h2, copying, 50" in page
    places = fleet_map.of_user(viewer).centres()
    start, end = places[h1.pk], places[h2.pk]
    assert line(moving, start, end).path.startswith(f"M{start[0]:.1f} {start[1]:.1f}Q")
    moving.progress = {"percent": 100}
    assert (line(moving, start, end).x, line(moving, start, end).y) == end
    moving.progress = {"percent": 0}
    assert (line(moving, start, end).x, line(moving, start, end).y) == start


def test_nothing_of_hosts_that_one_may_not_see_is_drawn(client: Client) -> None:
    hidden = build.group("hidden")
    build.migration(build.vm("secret", on=build.host("h1", groups=(hidden,))), to=build.host("h2", groups=(hidden,)))
    client.force_login(build.user("olga", role="viewer", scope=build.group("ours")))
    assert "secret" not in client.get("/migrations/map/").content.decode()
    assert "h1" not in client.get("/map/").content.decode().split('id="fleet-map"')[1]
