"""One migration, while it runs and ever after."""

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from hosts import access
from hosts.http import HtmxHttpRequest
from migrations_app import report, rights, snapshot
from migrations_app.forms import TuneForm, option_rows
from migrations_app.models import Migration
from migrations_app.plan import Options
from migrations_app.standstill import QEMU_DOWNTIME_MS
from migrations_app.states import State
from migrations_app.views.repairs import repairs_for


@require_safe
def detail(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """The page of one migration; its live part reads itself again when the state changes."""
    return page(request, rights.migration_for(request.user, pk), TuneForm())


def page(request: HtmxHttpRequest, migration: Migration, tune_form: TuneForm, *, status: int = 200) -> HttpResponse:
    may_operate = rights.may_operate(request.user, migration)
    context = {
        "migration": migration,
        "m": snapshot.snapshot(migration),
        "series": snapshot.series(migration),
        "may_operate": may_operate,
        "can_tune": may_operate and migration.state == State.COPYING and not migration.cancel_requested,
        "may_postcopy": Options.from_dict(migration.options).allows_postcopy,
        "tune_form": tune_form,
        "in_force": _in_force(migration),
        "option_rows": option_rows(migration.options),
        "next_host": _next_host(request, migration),
        "repairs": repairs_for(request.user, migration),
    }
    return render(request, "migrations_app/detail.html", context, status=status)


def _in_force(migration: Migration) -> dict[str, int]:
    """Bandwidth, downtime limit and ceiling as they are now: what was asked for in flight, else at the start."""
    names = ("bandwidth_mib", "max_downtime_ms", "max_pause_ms")
    found = {name: migration.tuning.get(name) or migration.options.get(name) or 0 for name in names}
    return found | {"max_downtime_ms": found["max_downtime_ms"] or QEMU_DOWNTIME_MS}


def _next_host(request: HtmxHttpRequest, migration: Migration) -> str:
    """Where the guest could go next: back after success, else the same way again; empty where that makes no sense."""
    ends = {migration.source_id: migration.destination, migration.destination_id: migration.source}
    vm = migration.vm
    wanted = ends.get(vm.host_id) if vm and migration.is_over else None
    return wanted.name if wanted and access.may(request.user, access.OPERATE, wanted) else ""


@require_safe
def bug_report(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """Everything that a bug report needs, as a zip; both hosts are asked for their logs."""
    migration = rights.migration_for(request.user, pk)
    response = HttpResponse(report.build(migration), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{report.file_name(migration)}"'
    return response


@require_safe
def live_xml(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """The live XML that was dumped at the destination, as a file."""
    migration = rights.migration_for(request.user, pk)
    if not migration.live_xml:
        raise Http404("No live XML was kept for this migration.")
    name = slugify(migration.vm_name) or "vm"
    response = HttpResponse(migration.live_xml, content_type="application/xml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}-migration-{pk}.xml"'
    return response
