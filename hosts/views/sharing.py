"""Proving that hosts see the same storage at a path."""

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from hosts import sharing
from hosts.errors import InvalidInput
from hosts.http import HtmxHttpRequest, actor, back_or, see_other
from hosts.views.group_mounts import operable


@require_POST
def prove(request: HtmxHttpRequest) -> HttpResponse:
    """Between all hosts of `group` (of all) that one may operate and that have something mounted at `path`."""
    path = request.POST.get("path", "")
    hosts = operable(request, request.POST.get("group", ""))
    try:
        sharing.ask(path=path, hosts=list(hosts.filter(mounts__target=path).distinct()), actor=actor(request))
    except InvalidInput as error:
        messages.error(request, f"{error} {error.hint}")
    else:
        messages.info(
            request, gettext("{path} is being proven; what is found appears here in some seconds.").format(path=path)
        )
    return see_other(request, back_or(request, reverse("hosts:matrix")))
