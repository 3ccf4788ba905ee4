"""Where each host lies on the map of the fleet: by groups, in rows. Whoever draws onto the map lays it out the same way."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from django.db.models import Min

from hosts import access

WIDTH = 960
FEW = 24
"""Up to so many hosts have tiles that hold their names."""
LABEL, GAP = 26, 14


@dataclass(frozen=True, slots=True)
class Tile:
    """A host's place on the map; all in units of the picture's own."""

    pk: int
    name: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class FleetMap:
    """`labels` are the groups' names with the height at which each stands; an empty name is that of no group."""

    height: int
    tile_width: int
    tile_height: int
    tiles: list[Tile]
    labels: list[tuple[str, int]]
    width: int = WIDTH

    @property
    def is_small(self) -> bool:
        """Whether tiles are too small for names."""
        return self.tile_width < 100

    def centres(self) -> dict[int, tuple[float, float]]:
        """The middle of each host's tile, by the host's id."""
        return {tile.pk: (tile.x + self.tile_width / 2, tile.y + self.tile_height / 2) for tile in self.tiles}


def layout(hosts: Iterable[tuple[int, str, str]]) -> FleetMap:
    """The map of `hosts`, each as id, name and group, in order of their groups (those of none last) and names."""
    ordered = sorted(hosts, key=lambda one: (one[2] == "", one[2], one[1]))
    pitch, tile = (160, (148, 52)) if len(ordered) <= FEW else (32, (28, 28))
    per_row, y = WIDTH // pitch, 0
    tiles: list[Tile] = []
    labels: list[tuple[str, int]] = []
    for group, members in groupby(ordered, key=lambda one: one[2]):
        labels.append((group, y + 16))
        y += LABEL
        rows = 0
        for place, (pk, name, _) in enumerate(members):
            rows = place // per_row + 1
            tiles.append(Tile(pk, name, place % per_row * pitch, y + (rows - 1) * (tile[1] + 4)))
        y += rows * (tile[1] + 4) + GAP
    return FleetMap(max(y - GAP, 1), *tile, tiles, labels)


def of_user(user: access.AnyUser) -> FleetMap:
    """The map of the hosts that `user` may see; a host in several groups lies in the first."""
    hosts = access.hosts_for(user).order_by().annotate(group=Min("groups__name")).values_list("pk", "name", "group")
    return layout((pk, name, group or "") for pk, name, group in hosts)
