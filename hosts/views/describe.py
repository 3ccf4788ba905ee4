"""The form for the note and the tags of a guest or host."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from hosts import access, actions
from hosts.errors import InvalidInput
from hosts.forms import DescriptionForm
from hosts.http import HtmxHttpRequest, actor, host_for, require, see_other
from hosts.models import Host, VirtualMachine
from hosts.views.of_vm import vm_for


@require_http_methods(["GET", "HEAD", "POST"])
def vm(request: HtmxHttpRequest, uuid: UUID) -> HttpResponse:
    of = vm_for(request, uuid)
    require(request, access.OPERATE, of.host)
    return _form(request, of)


@require_http_methods(["GET", "HEAD", "POST"])
def host(request: HtmxHttpRequest, name: str) -> HttpResponse:
    return _form(request, host_for(request, name, access.OPERATE))


def _form(request: HtmxHttpRequest, of: VirtualMachine | Host) -> HttpResponse:
    form = DescriptionForm(request.POST or None, initial={"note": of.note, "tags": of.tags.strip()})
    if request.method == "POST" and form.is_valid():
        try:
            actions.describe(of=of, actor=actor(request), **form.cleaned_data)
        except InvalidInput as error:
            form.refuse(error)
        else:
            messages.success(request, gettext("Note and tags of {of} are kept.").format(of=of.name))
            return see_other(request, of.get_absolute_url())
    context = {"of": of, "form": form, "is_vm": isinstance(of, VirtualMachine)}
    return render(request, "hosts/describe.html", context, status=422 if form.errors else 200)
