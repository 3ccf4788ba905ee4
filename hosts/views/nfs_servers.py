"""NFS servers: what each serves and to whom; adding a server, its exports, its services."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hosts import access, actions, nfs_servers, reach
from hosts.errors import HostError, HostKeyChanged, HostKeyUnknown, InvalidInput
from hosts.forms import ExportForm, NfsServerForm, UnexportForm
from hosts.http import HtmxHttpRequest, actor, failure, require, see_other
from hosts.models import NfsServer
from hosts.nfs_servers.looking import problems
from hosts.views.connect import trust_seen_keys

PREFILLED = ("path", "clients", "options")


@require_safe
def listing(request: HtmxHttpRequest) -> HttpResponse:
    require(request, access.SEE)
    may_manage = access.may(request.user, access.MANAGE)
    return render(request, "hosts/nfs_servers.html", {"servers": NfsServer.objects.all(), "may_manage": may_manage})


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HtmxHttpRequest) -> HttpResponse:
    """The form; POST stores the server once ssh lets the console in with a key that the admin trusts."""
    require(request, access.MANAGE)
    form = NfsServerForm(request.POST or None)
    context: dict[str, Any] = {"form": form, "public_key": _public_key()}
    if request.method != "POST":
        return render(request, "hosts/nfs_server_form.html", context)
    if form.is_valid():
        try:
            if "trust" in request.POST:
                trust_seen_keys(request)
            server = nfs_servers.add_server(actor=actor(request), **form.cleaned_data)
        except InvalidInput as error:
            form.refuse(error)
        except (HostKeyUnknown, HostKeyChanged) as error:
            given = form.cleaned_data
            found = actions.test_ssh(name=given["name"], ssh=given["ssh"])
            context |= {"failure": failure(error), "found": found}
        except HostError as error:
            context["failure"] = failure(error)
        else:
            messages.success(request, gettext("{server} was added.").format(server=server.name))
            return see_other(request, server.get_absolute_url())
    return render(request, "hosts/nfs_server_form.html", context, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: HtmxHttpRequest, name: str) -> HttpResponse:
    """What the server serves; POST adds or changes an export."""
    posted = request.method == "POST"
    require(request, access.MANAGE if posted else access.SEE)
    server = get_object_or_404(NfsServer, name=name)
    form = ExportForm(request.POST if posted else None, initial={key: request.GET.get(key, "") for key in PREFILLED})
    context: dict[str, Any] = {"form": form}
    if posted and form.is_valid():
        try:
            nfs_servers.export(server=server, actor=actor(request), **form.cleaned_data)
        except InvalidInput as error:
            form.refuse(error)
        except HostError as error:
            context["failure"] = failure(error)
        else:
            messages.success(
                request, gettext("{server} exports {path}.").format(server=server.name, path=form.cleaned_data["path"])
            )
            return see_other(request, server.get_absolute_url())
    return _page(request, server, context, status=422 if posted else 200)


@require_POST
def refresh(request: HtmxHttpRequest, name: str) -> HttpResponse:
    require(request, access.OPERATE)
    server = nfs_servers.check_server(get_object_or_404(NfsServer, name=name))
    return see_other(request, server.get_absolute_url())


@require_POST
def start(request: HtmxHttpRequest, name: str) -> HttpResponse:
    require(request, access.MANAGE)
    server = get_object_or_404(NfsServer, name=name)
    try:
        nfs_servers.start_services(server=server, actor=actor(request))
    except HostError as error:
        return _page(request, server, {"form": ExportForm(), "failure": failure(error)}, status=422)
    messages.success(
        request, gettext("The NFS server of {server} runs, and starts with the machine.").format(server=server.name)
    )
    return see_other(request, server.get_absolute_url())


@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HtmxHttpRequest, name: str) -> HttpResponse:
    require(request, access.MANAGE)
    server = get_object_or_404(NfsServer, name=name)
    if request.method != "POST":
        return render(request, "hosts/nfs_server_remove.html", {"server": server})
    nfs_servers.remove_server(server=server, actor=actor(request))
    messages.success(request, gettext("{server} is off the list.").format(server=server.name))
    return see_other(request, reverse("hosts:nfs-servers"))


@require_http_methods(["GET", "HEAD", "POST"])
def unexport(request: HtmxHttpRequest, name: str) -> HttpResponse:
    """Asks before the export `path` of the query string is taken back."""
    require(request, access.MANAGE)
    server = get_object_or_404(NfsServer, name=name)
    path = request.GET.get("path", "")
    on, running = nfs_servers.users_of(server, path)
    context: dict[str, Any] = {"server": server, "path": path, "on": on, "running": running, "form": UnexportForm()}
    if request.method != "POST":
        return render(request, "hosts/unexport.html", context)
    form = UnexportForm(request.POST)
    form.is_valid()
    try:
        nfs_servers.unexport(server=server, path=path, actor=actor(request), **form.cleaned_data)
    except HostError as error:
        return render(request, "hosts/unexport.html", context | {"form": form, "failure": failure(error)}, status=422)
    messages.success(
        request, gettext("{server} does not export {path} any more.").format(server=server.name, path=path)
    )
    return see_other(request, server.get_absolute_url())


def _page(request: HtmxHttpRequest, server: NfsServer, context: dict[str, Any], *, status: int) -> HttpResponse:
    context |= {
        "server": server,
        "facts": server.facts,
        "problems": problems(server.facts) if server.facts else [],
        "may_manage": access.may(request.user, access.MANAGE),
        "may_operate": access.may(request.user, access.OPERATE),
    }
    return render(request, "hosts/nfs_server.html", context, status=status)


def _public_key() -> str:
    try:
        return reach.keyring().public_key
    except (HostError, OSError):
        return ""
