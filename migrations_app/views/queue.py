"""The queue: who has a place, who waits for what, and in which order; moving, priorities and limits."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hosts import access
from hosts.errors import InvalidInput
from hosts.http import HtmxHttpRequest, actor, is_fragment, require, see_other
from migrations_app import admission, queue_picture, rights
from migrations_app.forms import QueueLimitsForm
from migrations_app.models import QueueLimits


@require_safe
def queue(request: HtmxHttpRequest) -> HttpResponse:
    """The places and the line; its live part reads itself again when something changes."""
    return _page(request)


def _page(request: HtmxHttpRequest) -> HttpResponse:
    context: dict[str, Any] = {
        "queue": queue_picture.picture(request.user),
        "priorities": queue_picture.PRIORITIES,
        "may_manage": access.may(request.user, access.MANAGE),
        "may_operate": access.may_anywhere(request.user, access.OPERATE),
    }
    return render(request, "migrations_app/queue.html", context)


@require_POST
def requeue(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """Move a waiting one (`where`) or give it another `priority`."""
    migration = rights.migration_for(request.user, pk, operate=True)
    given = forms.IntegerField(required=False)
    if "priority" in request.POST:
        try:
            priority = given.clean(request.POST["priority"])
        except forms.ValidationError:
            priority = None
        if priority is None:
            raise InvalidInput("A priority is a whole number.", field="priority")
        admission.prioritise(migration=migration, priority=priority, actor=actor(request))
    else:
        admission.move(migration=migration, where=request.POST.get("where", ""), actor=actor(request))
    if is_fragment(request):
        return _page(request)
    return see_other(request, reverse("migrations:queue"))


@require_http_methods(["GET", "HEAD", "POST"])
def queue_limits(request: HtmxHttpRequest) -> HttpResponse:
    """How many may run at once; for an admin of all hosts."""
    require(request, access.MANAGE)
    now = QueueLimits.current()
    given = {name: getattr(now, name) for name in admission.BOUNDS}
    form = QueueLimitsForm(request.POST or None, initial=given)
    if request.method == "POST" and form.is_valid():
        admission.set_limits(values=form.cleaned_data, actor=actor(request))
        messages.success(request, gettext("Changed; what runs goes on, what waits is looked at again."))
        return see_other(request, reverse("migrations:queue"))
    context = {"form": form}
    return render(request, "migrations_app/queue_limits.html", context, status=422 if form.errors else 200)
