"""The map of the fleet: each host a tile, coloured by how it is and how full. What moves is drawn onto it by migrations."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from hosts import access, fleet_map
from hosts.fleet_map import FleetMap, Tile
from hosts.http import HtmxHttpRequest
from hosts.models import Host
from hosts.templatetags.look import look_of
from hosts.views.rows import with_counts

MARKS = {"unreachable": "✕", "maintenance": "M", "new": "?"}
"""Beside the colour: what is not simply online has a sign on its tile."""


@require_safe
def fleet(request: HtmxHttpRequest) -> HttpResponse:
    found = fleet_map.of_user(request.user)
    hosts = {host.pk: host for host in with_counts(access.hosts_for(request.user))}
    tiles = [(tile, hosts[tile.pk]) for tile in found.tiles if tile.pk in hosts]
    context = {"map": found, "tiles": drawn(found, tiles), "host_count": len(hosts)}
    return render(request, "hosts/map.html", context)


def drawn(found: FleetMap, tiles: list[tuple[Tile, Host]]) -> SafeString:
    """The tiles as SVG, in one go: there may be hundreds of them."""
    stem = reverse("hosts:list")
    return format_html_join("\n", "{}", ((_tile(found, tile, host, stem),) for tile, host in tiles))


def _tile(found: FleetMap, tile: Tile, host: Host, stem: str) -> SafeString:
    state = "maintenance" if host.maintenance and host.is_online else host.state
    look = look_of(state, "host")
    share = round(100 * host.memory_used_mib / host.memory_mib) if host.memory_mib else 0  # type: ignore[attr-defined]
    running, count = host.running_count, host.vm_count  # type: ignore[attr-defined]
    said = gettext("{host}: {state}, {running} of {count} VMs running, {share} of its memory in use").format(
        host=host.name, state=gettext(look.word), running=running, count=count, share=f"{share} %"
    )
    words = SafeString("")
    if not found.is_small:
        words = format_html(
            '<text class="map-name" x="{}" y="{}">{}</text><text class="map-sub" x="{}" y="{}">{}</text>',
            tile.x + 12, tile.y + 22, host.name if len(host.name) <= 17 else f"{host.name[:16]}…",
            tile.x + 12, tile.y + 40, gettext("{running_count} VMs, {share}").format(running_count=running, share=f"{share} %"),
        )  # fmt: skip
    if mark := MARKS.get(state):
        x = tile.x + (found.tile_width - 16 if words else found.tile_width / 2)
        words += format_html('<text class="map-mark" x="{}" y="{}">{}</text>', x, tile.y + 19, mark)
    return format_html(
        '<a href="{}{}/" class="tone-{} f{}"{}><title>{}</title><rect x="{}" y="{}"/>{}</a>',
        stem, host.name, look.tone, min(share // 25, 3), SafeString(' tabindex="-1"' if found.is_small else ""),
        said, tile.x, tile.y, words,
    )  # fmt: skip
