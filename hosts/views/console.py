"""The page with a guest's screen and serial console. What they show comes through a WebSocket, let in by a ticket."""

from typing import Any
from uuid import UUID

from csp.constants import NONCE
from csp.decorators import csp_update
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hosts import access
from hosts.http import HtmxHttpRequest, require
from hosts.models import VirtualMachine
from hosts.views.of_vm import vm_for

SHOWN = ("screen", "serial", "both")


# xterm.js makes style elements, and gives them no nonce by itself: console.js does.
@require_safe
@csp_update({"style-src": ["'self'", NONCE]})  # type: ignore[arg-type] # csp's types know plain requests only
def page(request: HtmxHttpRequest, uuid: UUID) -> HttpResponse:
    """The consoles of one guest; `?show=` says which: screen, serial or both."""
    vm = vm_for(request, uuid)
    require(request, access.OPERATE, vm.host)
    kinds = _kinds(vm)
    wanted = request.GET.get("show", "")
    shown = wanted if wanted in SHOWN else "screen" if "screen" in kinds else "serial"
    context = {"vm": vm, "shown": shown, "has_screen": "screen" in kinds, "nonce": request.csp_nonce}  # type: ignore[attr-defined]
    return render(request, "hosts/console.html", context)


def _kinds(vm: VirtualMachine) -> set[str]:
    """The consoles that the guest seems to have, by its rows: what to show first, no more."""
    here: list[Any] = [row.facts for row in vm.placements.all() if row.host_id == vm.host_id]
    has_vnc = any(screen.get("type") == "vnc" for facts in here for screen in facts.get("graphics", []))
    return {"serial"} | ({"screen"} if has_vnc else set())
