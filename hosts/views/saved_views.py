"""Lists as a person likes to see them, under a name; what a view stands for is the list's address."""

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from hosts.http import HtmxHttpRequest, see_other
from hosts.models import SavedView

MOST_VIEWS = 30
"""Of one list."""
URLS = {SavedView.List.VMS: "hosts:vms", SavedView.List.HOSTS: "hosts:list"}


@require_POST
def save(request: HtmxHttpRequest) -> HttpResponse:
    """Keep the list as it is shown under a name; the same name again replaces what it stood for."""
    name = " ".join(request.POST.get("name", "").split())
    query = QueryDict(request.POST.get("query", "")[:2000]).urlencode()
    of = SavedView.List.HOSTS if request.POST.get("list") == SavedView.List.HOSTS else SavedView.List.VMS
    mine = SavedView.objects.filter(user=request.user, list=of)
    if not name or len(name) > 40 or len(query) > 1000:
        messages.error(request, "A view needs a name of at most 40 characters, and a filter that is not that long.")
    elif mine.exclude(name=name).count() >= MOST_VIEWS:
        messages.error(request, f"You have {MOST_VIEWS} views already; remove one first.")
    else:
        mine.update_or_create(user=request.user, list=of, name=name, defaults={"query": query})
        messages.success(request, f"“{name}” is kept. To share it, pass its address on.")
    return see_other(request, f"{reverse(URLS[of])}?{query}")


@require_POST
def remove(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    view = get_object_or_404(SavedView, pk=pk, user=request.user)
    view.delete()
    kind = "VM" if view.list == SavedView.List.VMS else "host"
    messages.success(request, f"The view “{view.name}” was removed; no {kind} was touched.")
    return see_other(request, reverse(URLS[SavedView.List(view.list)]))
