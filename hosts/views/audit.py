"""Who did what: all of it for who manages all hosts, one's own acts for anybody else."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hosts import access, filters
from hosts.http import HtmxHttpRequest, filled, is_fragment, page_of
from hosts.models import AuditEvent


@require_safe
def listing(request: HtmxHttpRequest) -> HttpResponse:
    found = filters.AuditFilter(filled(request), access.audit_for(request.user))
    context = {
        "page": page_of(request, found.qs),
        "filter": found,
        "filtered": any(request.GET.get(name) for name in ("q", "username", "outcome", "source", "action")),
        "outcomes": AuditEvent.Outcome.choices,
        "sees_all": access.may(request.user, access.MANAGE),
        "default_sort": "-at",
    }
    return render(request, "hosts/_audit.html" if is_fragment(request) else "hosts/audit.html", context)
