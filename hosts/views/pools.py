"""Storage pools of a host and the volumes of one: what there is, who uses it, and what is done to it."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hosts import access, pools
from hosts.asking import Question, ask
from hosts.errors import HostError, InvalidInput
from hosts.forms import CloneForm, PoolForm, ResizeForm, ServiceForm, UploadForm, VolumeForm
from hosts.http import HtmxHttpRequest, actor, failure, host_for, page_of, see_other
from hosts.models import StoragePool, Volume
from hosts.pools import users

DONE = {
    "start": _("{pool} was started."),
    "stop": _("{pool} was stopped; its files stay."),
    "refresh": _("{pool} was read again."),
    "autostart-on": _("{pool} starts with libvirtd."),
    "autostart-off": _("{pool} no longer starts with libvirtd."),
    "undefine": _("{pool} was undefined; its files stay."),
}
NO_FORMS: Mapping[str, ServiceForm] = {}
MIB = 2**20


@require_http_methods(["GET", "HEAD", "POST"])
def of_host(request: HtmxHttpRequest, name: str) -> HttpResponse:
    """The pools, and the form that defines one; POST defines, on this host or on many."""
    posted = request.method == "POST"
    host = host_for(request, name, access.OPERATE if posted else access.SEE)
    form = PoolForm(request.POST if posted else None, host=host, hosts=access.hosts_for(request.user, access.OPERATE))
    context: dict[str, Any] = {"host": host, "form": form}
    if posted and form.is_valid():
        try:
            outcome = pools.define_on(hosts=form.chosen(), actor=actor(request), **form.pool())
        except InvalidInput as error:
            form.refuse(error)
        else:
            context["failures"] = [failure(error) for error in outcome.values() if error]
            done = [host for host, error in outcome.items() if error is None]
            if done:
                messages.success(
                    request,
                    gettext("The pool {name} is defined and active on {names}.").format(
                        name=form.cleaned_data["name"], names=", ".join(done)
                    ),
                )
            if not context["failures"]:
                return see_other(request, reverse("hosts:pools", args=[host.name]))
    context |= {"pools": host.pools.all(), "may_operate": access.may(request.user, access.OPERATE, host)}
    return render(request, "hosts/pools.html", context, status=422 if posted else 200)


@require_safe
def detail(request: HtmxHttpRequest, name: str, pool: str) -> HttpResponse:
    """A pool with its volumes; `?unused=1` lists those that nobody uses."""
    return _page(request, _pool(request, name, pool))


@require_http_methods(["GET", "HEAD", "POST"])
def act(request: HtmxHttpRequest, name: str, pool: str, act: str) -> HttpResponse:
    row = _pool(request, name, pool, access.OPERATE)
    if request.method != "POST":
        if act == "undefine":
            return render(request, "hosts/pool_undefine.html", {"pool": row})
        return ask(request, _stop(row)) if act == "stop" else HttpResponseNotAllowed(["POST"])
    try:
        pools.POOL_ACTS[act](pool=row, actor=actor(request))
    except HostError as error:
        return _page(request, row, error=error)
    messages.success(request, DONE[act].format(pool=row.name))
    return see_other(request, reverse("hosts:pools", args=[name]) if act == "undefine" else _url(row))


def _stop(pool: StoragePool) -> Question:
    host = pool.host
    consequences = [
        gettext("Refused while a VM that runs has a disk in it."),
        gettext("No file is deleted, and the pool can be started again."),
        gettext("VMs whose definition names a volume of this pool can't be started until then."),
    ]
    if pool.kind == "netfs":
        consequences.insert(1, gettext("The share is unmounted."))
    return Question(
        title=gettext("Stop pool {pool}").format(pool=pool.name),
        question=gettext("Stop the pool {pool} on {host}?").format(pool=pool.name, host=host.name),
        facts=[(gettext("Host"), host.name), (gettext("Folder"), pool.target)],
        consequences=consequences,
        submit=gettext("Stop pool"),
        back=_url(pool),
        trail=[(host.name, host.get_absolute_url()), (pool.name, _url(pool))],
    )


@require_POST
def create(request: HtmxHttpRequest, name: str, pool: str) -> HttpResponse:
    row, form = _pool(request, name, pool, access.OPERATE), VolumeForm(request.POST)
    if not form.is_valid():
        return _page(request, row, forms={"volume_form": form}, status=422)
    given = dict(form.cleaned_data)
    given["capacity_bytes"] = given.pop("capacity_mib") * MIB
    return _do(
        request,
        row,
        form,
        "volume_form",
        gettext("{name} was made.").format(name=given["name"]),
        lambda: pools.create(pool=row, actor=actor(request), **given),
    )


@require_POST
def upload(request: HtmxHttpRequest, name: str, pool: str) -> HttpResponse:
    row, form = _pool(request, name, pool, access.OPERATE), UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, row, forms={"upload_form": form}, status=422)
    file = form.cleaned_data["content"]
    wanted = form.cleaned_data["name"] or file.name
    return _do(
        request,
        row,
        form,
        "upload_form",
        gettext("{wanted} was uploaded.").format(wanted=wanted),
        lambda: pools.upload(pool=row, name=wanted, content=file.file, size_bytes=file.size, actor=actor(request)),
    )


@require_safe
def volume(request: HtmxHttpRequest, name: str, pool: str, volume: str) -> HttpResponse:
    """One volume: its chain, who uses it, cloning and resizing."""
    row = _volume(request, name, pool, volume)
    return _volume_page(request, row)


@require_POST
def clone(request: HtmxHttpRequest, name: str, pool: str, volume: str) -> HttpResponse:
    row, form = _volume(request, name, pool, volume, access.OPERATE), CloneForm(request.POST)
    if not form.is_valid():
        return _volume_page(request, row, forms={"clone_form": form}, status=422)
    try:
        pools.clone(volume=row, name=form.cleaned_data["name"], actor=actor(request))
    except HostError as error:
        return _volume_page(request, row, forms={"clone_form": form}, error=error)
    messages.success(
        request, gettext("{row} was cloned as {name}.").format(row=row.name, name=form.cleaned_data["name"])
    )
    return see_other(request, _url(row.pool))


@require_POST
def resize(request: HtmxHttpRequest, name: str, pool: str, volume: str) -> HttpResponse:
    row, form = _volume(request, name, pool, volume, access.OPERATE), ResizeForm(request.POST)
    if not form.is_valid():
        return _volume_page(request, row, forms={"resize_form": form}, status=422)
    try:
        pools.resize(volume=row, capacity_bytes=form.cleaned_data["capacity_mib"] * MIB, actor=actor(request))
    except HostError as error:
        return _volume_page(request, row, forms={"resize_form": form}, error=error)
    messages.success(
        request,
        gettext("{row} has {capacity_mib} MiB now.").format(
            row=row.name, capacity_mib=form.cleaned_data["capacity_mib"]
        ),
    )
    return see_other(request, _url(row.pool))


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HtmxHttpRequest, name: str, pool: str, volume: str) -> HttpResponse:
    row = _volume(request, name, pool, volume, access.OPERATE)
    context: dict[str, Any] = {
        "volume": row,
        "uses": users.by_rows(row.pool).get(row.path, []),
        "places": users.same_file(row.pool.host, row.path),
    }
    if request.method != "POST":
        return render(request, "hosts/volume_delete.html", context)
    try:
        pools.delete(volume=row, actor=actor(request))
    except HostError as error:
        return render(request, "hosts/volume_delete.html", context | {"failure": failure(error)}, status=422)
    messages.success(request, gettext("{row} was deleted.").format(row=row.name))
    return see_other(request, _url(row.pool))


def _do(request: HtmxHttpRequest, pool: StoragePool, form: ServiceForm, key: str, words: str, do: Any) -> HttpResponse:
    try:
        do()
    except InvalidInput as error:
        form.refuse(error)
        return _page(request, pool, status=422, forms={key: form})
    except HostError as error:
        return _page(request, pool, error=error, forms={key: form})
    messages.success(request, words)
    return see_other(request, _url(pool))


def _pool(request: HtmxHttpRequest, name: str, pool: str, permission: str = access.SEE) -> StoragePool:
    host = host_for(request, name, permission)
    return get_object_or_404(StoragePool.objects.select_related("host"), host=host, name=pool)


def _volume(request: HtmxHttpRequest, name: str, pool: str, volume: str, permission: str = access.SEE) -> Volume:
    return get_object_or_404(
        Volume.objects.select_related("pool__host"), pool=_pool(request, name, pool, permission), name=volume
    )


def _url(pool: StoragePool) -> str:
    return reverse("hosts:pool", args=[pool.host.name, pool.name])


def _page(
    request: HtmxHttpRequest,
    pool: StoragePool,
    *,
    error: HostError | None = None,
    status: int = 200,
    forms: Mapping[str, ServiceForm] = NO_FORMS,
) -> HttpResponse:
    uses = users.by_rows(pool)
    volumes = pool.volumes.all()
    unused = request.GET.get("unused") == "1"
    free = [row.pk for row in volumes if not uses.get(row.path)]
    page = page_of(request, volumes.filter(pk__in=free) if unused else volumes)
    context = {
        "pool": pool,
        "host": pool.host,
        "page": page,
        "rows": [{"volume": row, "uses": uses.get(row.path, [])} for row in page.object_list],
        "unused": unused,
        "unused_count": len(free),
        "total": volumes.count(),
        "shared_by": [host.name for host, _ in users.same_file(pool.host, f"{pool.target}/x")],
        "bases": list(volumes.values_list("name", flat=True)[:200]),
        "may_operate": access.may(request.user, access.OPERATE, pool.host),
        "failure": failure(error) if error else None,
        "volume_form": forms.get("volume_form") or VolumeForm(),
        "upload_form": forms.get("upload_form") or UploadForm(),
    }
    return render(request, "hosts/pool.html", context, status=422 if error else status)


def _volume_page(
    request: HtmxHttpRequest,
    volume: Volume,
    *,
    error: HostError | None = None,
    status: int = 200,
    forms: Mapping[str, ServiceForm] = NO_FORMS,
) -> HttpResponse:
    context = {
        "volume": volume,
        "pool": volume.pool,
        "host": volume.pool.host,
        "uses": users.by_rows(volume.pool).get(volume.path, []),
        "chain": _chain(volume),
        "may_operate": access.may(request.user, access.OPERATE, volume.pool.host),
        "failure": failure(error) if error else None,
        "clone_form": forms.get("clone_form") or CloneForm(),
        "resize_form": forms.get("resize_form") or ResizeForm(initial={"capacity_mib": volume.capacity_bytes // MIB}),
    }
    return render(request, "hosts/volume.html", context, status=422 if error else status)


def _chain(volume: Volume) -> list[dict[str, Any]]:
    """What it is based on, nearest first, as far as the pool's volumes tell."""
    known = {row.path: row for row in volume.pool.volumes.all()}
    found, path, seen = [], volume.backing, {volume.path}
    while path and path not in seen:
        seen.add(path)
        row = known.get(path)
        found.append({"path": path, "volume": row})
        path = row.backing if row else ""
    return found
