"""The NFS mounts of one host: the table, mounting, unmounting, and what a server offers."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from hosts import access, holds, mounts
from hosts.asking import Question, ask
from hosts.errors import HostError, InvalidInput, WouldHide
from hosts.forms import MountForm, RemountForm, UnmountForm
from hosts.http import HtmxHttpRequest, actor, back_or, failure, host_for, is_fragment, see_other
from hosts.models import Export, Host, Mount
from hosts.mount_options import asked, effective

PREFILLED = ("source", "target", "options")


@require_http_methods(["GET", "HEAD", "POST"])
def of_host(request: HtmxHttpRequest, name: str) -> HttpResponse:
    """The table and the form; POST mounts."""
    posted = request.method == "POST"
    host = host_for(request, name, access.OPERATE if posted else access.SEE)
    form = MountForm(request.POST if posted else None, initial={key: request.GET.get(key, "") for key in PREFILLED})
    context: dict[str, Any] = {"form": form}
    if posted and form.is_valid():
        try:
            mount = mounts.mount(host=host, actor=actor(request), **form.cleaned_data)
        except InvalidInput as error:
            form.refuse(error)
        except HostError as error:
            context["failure"] = failure(error)
            context["can_move"] = isinstance(error, WouldHide)
        else:
            messages.success(
                request,
                gettext("{source} is mounted at {target} on {host}.").format(
                    source=mount.source, target=mount.target, host=host.name
                ),
            )
            return see_other(request, back_or(request, reverse("hosts:mounts", args=[host.name])))
    return _page(request, host, context, status=422 if posted else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def unmount(request: HtmxHttpRequest, name: str, pk: int) -> HttpResponse:
    host = host_for(request, name, access.OPERATE)
    mount = get_object_or_404(Mount.objects.select_related("host"), host=host, pk=pk)
    form = UnmountForm(request.POST or None, initial={"forget_fstab": mount.is_kept})
    back = back_or(request, reverse("hosts:mounts", args=[host.name]))
    context: dict[str, Any] = {"host": host, "mount": mount, "form": form, "held": holds.why(host=host), "back": back}
    if request.method != "POST":
        return render(request, "hosts/unmount.html", context)
    form = UnmountForm(request.POST)
    if form.is_valid():
        try:
            mounts.unmount(mount=mount, actor=actor(request), **form.cleaned_data)
        except HostError as error:
            return render(
                request, "hosts/unmount.html", context | {"form": form, "failure": failure(error)}, status=422
            )
        messages.success(
            request, gettext("{source} is not mounted on {host} any more.").format(source=mount.source, host=host.name)
        )
    return see_other(request, back)


@require_http_methods(["GET", "HEAD", "POST"])
def remount(request: HtmxHttpRequest, name: str, pk: int) -> HttpResponse:
    """Other options for a share that is mounted: the form, and the act."""
    host = host_for(request, name, access.OPERATE)
    mount = get_object_or_404(Mount.objects.select_related("host"), host=host, pk=pk)
    back = back_or(request, reverse("hosts:mounts", args=[host.name]))
    asks = asked(effective(mount.options, fstype=mount.kind)) if mount.options else ""
    form = RemountForm(request.POST if request.method == "POST" else None, initial={"options": asks})
    context: dict[str, Any] = {"host": host, "mount": mount, "form": form, "back": back}
    if request.method != "POST":
        return render(request, "hosts/remount.html", context)
    if form.is_valid():
        try:
            row = mounts.remount(mount=mount, actor=actor(request), **form.cleaned_data)
        except InvalidInput as error:
            form.refuse(error)
        except HostError as error:
            context["failure"] = failure(error)
        else:
            messages.success(
                request,
                gettext("{source} is mounted anew at {target} on {host}.").format(
                    source=row.source, target=row.target, host=host.name
                ),
            )
            return see_other(request, back)
    return render(request, "hosts/remount.html", context, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
def forget(request: HtmxHttpRequest, name: str, pk: int) -> HttpResponse:
    """Ask, then take a share that is not mounted off the list."""
    host = host_for(request, name, access.OPERATE)
    mount = get_object_or_404(Mount.objects.select_related("host"), host=host, pk=pk)
    if request.method != "POST":
        return ask(request, _forget(mount))
    try:
        mounts.forget(mount=mount, actor=actor(request))
    except HostError as error:
        return _page(request, host, {"form": MountForm(), "failure": failure(error)}, status=422)
    messages.success(
        request, gettext("{target} is off the list of {host}.").format(target=mount.target, host=host.name)
    )
    return see_other(request, reverse("hosts:mounts", args=[host.name]))


def _forget(mount: Mount) -> Question:
    host, back = mount.host, reverse("hosts:mounts", args=[mount.host.name])
    return Question(
        title=gettext("Forget {target}").format(target=mount.target),
        question=gettext("Take {target} off the list of {host}?").format(target=mount.target, host=host.name),
        facts=[
            (gettext("Host"), host.name),
            (gettext("Share"), mount.source),
            (gettext("Mount point"), mount.target),
            (gettext("State"), gettext(mount.get_state_display())),
        ],
        consequences=[
            gettext("Nothing is done on the host; the console no longer says that this share is missing there."),
            gettext("The share can be mounted again as a new one."),
        ],
        submit=gettext("Forget"),
        back=back,
        trail=[(host.name, host.get_absolute_url()), (gettext("Mounts"), back)],
    )


@require_safe
def exports(request: HtmxHttpRequest) -> HttpResponse:
    """What `server` offers, asked from `host` where one is given; each line fills the form of that host."""
    if not access.may_anywhere(request.user, access.OPERATE):
        raise PermissionDenied("Your roles don't let you ask NFS servers for their exports.")
    name, server = request.GET.get("host", ""), request.GET.get("server", "").strip()
    host = host_for(request, name, access.OPERATE) if name else None
    context: dict[str, Any] = {"host": host, "server": server}
    try:
        context["offered"] = [_offer(row, host) for row in mounts.exports(server, via=host)]
    except HostError as error:
        context["failure"] = failure(error)
    template = "hosts/_exports.html" if is_fragment(request) else "hosts/exports.html"
    return render(request, template, context, status=422 if "failure" in context else 200)


def _offer(row: Export, host: Host | None) -> dict[str, Any]:
    fills = reverse("hosts:mounts", args=[host.name]) + "?" + urlencode({"source": str(row)}) if host else ""
    return {"source": str(row), "clients": row.clients, "fills": fills}


def _page(request: HtmxHttpRequest, host: Host, context: dict[str, Any], *, status: int) -> HttpResponse:
    context |= {
        "host": host,
        "mounts": host.mounts.prefetch_related("samples"),
        "servers": Export.objects.order_by("server").values_list("server", flat=True).distinct(),
        "may_operate": access.may(request.user, access.OPERATE, host),
        "default_options": mounts.DEFAULT_OPTIONS,
    }
    return render(
        request, "hosts/_mounts.html" if _wants_table(request) else "hosts/mounts.html", context, status=status
    )


def _wants_table(request: HtmxHttpRequest) -> bool:
    """The live part reads only the table again; a click on an export reads the form."""
    return is_fragment(request) and request.htmx.target == "live-part"
