"""A fix that a preflight offers: asked on a page of its own, done, and then checked again."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from hosts.errors import HostError
from hosts.http import HtmxHttpRequest, actor, require, see_other
from migrations_app import fixes, rights
from migrations_app.fixes import FIXES, Case
from migrations_app.forms import MigrationForm
from migrations_app.views.new import page, vm_for

NOT_OURS = ("csrfmiddlewaretoken", "confirmed", "arg")


@require_POST
def fix(request: HtmxHttpRequest, act: str) -> HttpResponse:
    """Ask, or with `confirmed` do it and go back to the form, which is as it was and checks again."""
    vm = vm_for(request, request.POST.get("vm", ""))
    form = MigrationForm(request.POST, destinations=rights.destinations_for(request.user, vm))
    if not form.is_valid():
        return page(request, vm, form, status=422)
    wanted = FIXES[act]
    case = Case(vm, form.cleaned_data["destination"], request.POST.get("arg", ""), actor(request))
    require(request, wanted.permission, wanted.host(case))
    context: dict[str, Any] = {
        "vm": vm,
        "fix": wanted,
        "case": case,
        "fields": [(name, value) for name, value in request.POST.items() if name not in NOT_OURS],
        "back": _back(request),
    }
    if not request.POST.get("confirmed"):
        context["shown"] = fixes.shown(act, case)
        return render(request, "migrations_app/fix.html", context)
    try:
        wanted.run(case)
    except HostError as error:
        return render(request, "migrations_app/fix.html", {**context, "refusal": error}, status=422)
    messages.success(request, wanted.done)
    return see_other(request, _back(request))


def _back(request: HtmxHttpRequest) -> str:
    """The form with what was entered."""
    given = [(name, value) for name, value in request.POST.items() if name not in NOT_OURS and value]
    return f"{reverse('migrations:new')}?{urlencode(given)}"
