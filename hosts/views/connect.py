"""Adding a host, changing its address, and trusting its ssh key once the admin has compared it."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from hosts import access, actions, reach
from hosts.errors import HostError, HostKeyChanged, HostKeyUnknown, InvalidInput
from hosts.forms import HostForm, TrustForm
from hosts.http import HtmxHttpRequest, actor, failure, host_for, require, see_other
from hosts.models import Host


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HtmxHttpRequest) -> HttpResponse:
    require(request, access.MANAGE)
    form = HostForm(request.POST or None, with_groups=True)
    return _answer(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HtmxHttpRequest, name: str) -> HttpResponse:
    host = host_for(request, name, access.MANAGE)
    form = HostForm(
        request.POST or None, initial=HostForm.values_of(host), with_groups=access.may(request.user, access.MANAGE)
    )
    return _answer(request, form, host)


@require_POST
def test(request: HtmxHttpRequest, name: str) -> HttpResponse:
    """Try a stored host, show what it says, and offer its ssh key where that is not trusted yet."""
    host = host_for(request, name, access.MANAGE)
    context: dict[str, Any] = {"host": host}
    try:
        if "trust" in request.POST:
            trust_seen_keys(request)
            actions.refresh_host(host)
        found = actions.test_connection(name=host.name, uri=host.uri, ssh=host.ssh)
        context |= {"found": found, "failure": failure(found.error) if found.error else None}
    except HostError as error:
        context["failure"] = failure(error)
    return render(request, "hosts/test.html", context, status=422 if context["failure"] else 200)


def _answer(request: HtmxHttpRequest, form: HostForm, host: Host | None) -> HttpResponse:
    """The form, or, once what it holds is stored, the host's page."""
    context: dict[str, Any] = {"form": form, "host": host, "public_key": _public_key()}
    if request.method != "POST":
        return render(request, "hosts/form.html", context)
    if form.is_valid():
        try:
            if "trust" in request.POST:
                trust_seen_keys(request)
            stored = _store(request, form, host)
        except InvalidInput as error:
            form.refuse(error)
        except (HostKeyUnknown, HostKeyChanged) as error:
            context |= {"failure": failure(error), "found": _seen_keys(form)}
        except HostError as error:
            context["failure"] = failure(error)
        else:
            return see_other(request, stored.get_absolute_url())
    return render(request, "hosts/form.html", context, status=422)


def _store(request: HtmxHttpRequest, form: HostForm, host: Host | None) -> Host:
    given: dict[str, Any] = dict(form.cleaned_data)
    asked: dict[str, Any] = {"actor": actor(request), "require_connection": "anyway" not in request.POST}
    if host:
        stored = actions.edit_host(host=host, **asked, **given)
        messages.success(request, gettext("{stored} was changed.").format(stored=stored.name))
        return stored
    stored = actions.add_host(**asked, **given)
    said = (
        gettext("{stored} was added.")
        if stored.is_online
        else gettext("{stored} was stored and is tried again and again.")
    )
    messages.success(request, said.format(stored=stored.name))
    return stored


def trust_seen_keys(request: HtmxHttpRequest) -> None:
    """Keep the keys whose fingerprints the form showed. Raises HostError where the host presents others now."""
    seen = TrustForm(request.POST)
    if not seen.is_valid():
        raise InvalidInput("The form does not say whose key is trusted.", hint="Test the connection again.")
    actions.trust_host_key(
        hostname=seen.cleaned_data["trust_hostname"],
        port=seen.cleaned_data["trust_port"],
        fingerprints=request.POST.getlist("fingerprint"),
        actor=actor(request),
    )


def _seen_keys(form: HostForm) -> actions.ConnectionTest:
    given = form.cleaned_data
    return actions.test_connection(name=given["name"], uri=given["uri"], ssh=given["ssh"])


def _public_key() -> str:
    try:
        return reach.keyring().public_key
    except (HostError, OSError):
        return ""
