"""What can be done to a migration: each act asks on a page of its own first, then does it by POST."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _
from django.views.decorators.http import require_http_methods, require_POST

from hosts.errors import HostError
from hosts.http import HtmxHttpRequest, actor, see_other
from migrations_app import actions, recovery, rights, snapshot
from migrations_app.forms import TuneForm
from migrations_app.models import Migration
from migrations_app.verdict import CHOICES
from migrations_app.views.detail import page as detail_page


@dataclass(frozen=True, slots=True)
class Act:
    """One act: what it is called, what it asks before, what follows from it, and the service that does it."""

    title: str
    question: str
    consequences: tuple[str, ...]
    done: str
    run: Callable[..., Any]


ACTS = {
    "cancel": Act(
        _("Cancel migration"),
        _("Cancel this migration?"),
        (
            _("The guest runs on at the source; it does not stand still."),
            _("What was copied so far is thrown away."),
            _("Once the guest has switched over, cancelling is refused."),
        ),
        _("Asked to cancel."),
        actions.cancel,
    ),
    "postcopy": Act(
        _("Switch to post-copy"),
        _("Let the guest go on at the destination now?"),
        (
            _("The guest goes on at the destination at once; the rest of its memory follows."),
            _("Until all of it is there, a failure of the network or of the source stops the guest."),
            _("From then on the migration can't be cancelled."),
        ),
        _("Asked to switch to post-copy."),
        actions.start_postcopy,
    ),
    "pause-guest": Act(
        _("Pause the guest"),
        _("Pause the guest until the copy is done?"),
        (_("The guest stands still until all of its memory is copied, then goes on at the destination by itself."),),
        _("Asked to pause the guest."),
        actions.pause_guest,
    ),
    "resume-guest": Act(
        _("Resume the guest"),
        _("Cancel the migration and let the guest go on at the source?"),
        (
            _("libvirt resumes no guest while it migrates, so the migration is cancelled first."),
            _("The guest then goes on at the source, once both hosts prove that it is active nowhere else."),
            _("What was copied so far is thrown away."),
        ),
        _("Asked to cancel and to resume the guest."),
        actions.resume_guest,
    ),
    "raise-pause": Act(
        _("Allow a longer pause"),
        _("Let the guest stand still for longer, so that the copy can end?"),
        (
            _("The autopilot may then let the guest stand still for as long as it asks for, once."),
            _("For that time the guest answers nobody; its connections usually outlast some seconds."),
            _("Without it the migration goes on with what is allowed, and is given up where that does not do."),
        ),
        _("Allowed."),
        actions.raise_pause,
    ),
}


ASKED_FIRST = _("Both hosts are asked once more right before; where that is not safe any more, nothing is done.")


@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HtmxHttpRequest, pk: int, act: str) -> HttpResponse:
    """Ask, then do `act`."""
    return ask_or_do(request, rights.migration_for(request.user, pk, operate=True), ACTS[act])


@require_http_methods(["GET", "HEAD", "POST"])
def resolve(request: HtmxHttpRequest, pk: int, choice: str) -> HttpResponse:
    """Ask, then carry out `choice` for a migration that needs a person's decision."""
    migration = rights.migration_for(request.user, pk, operate=True)
    if choice not in CHOICES:
        raise Http404("There is no such choice.")
    run = partial(recovery.resolve, choice=choice)
    names = {"source": migration.source_name, "destination": migration.destination_name}
    label, effect = (gettext(words).format(**names) for words in (CHOICES[choice].label, CHOICES[choice].effect))
    consequences = (effect, ASKED_FIRST) if choice != "look_again" else (effect,)
    act = Act(
        label, gettext("{label}?").format(label=label), consequences, gettext("Done; both hosts are asked again."), run
    )
    return ask_or_do(request, migration, act)


def ask_or_do(request: HtmxHttpRequest, migration: Migration, act: Act) -> HttpResponse:
    """The page that asks, or by POST the act itself; what goes wrong is shown on the same page."""
    question = snapshot.snapshot(migration)["question"]
    context: dict[str, Any] = {"migration": migration, "act": act, "question": question}
    if request.method != "POST":
        return render(request, "migrations_app/confirm.html", context)
    try:
        act.run(migration=migration, actor=actor(request))
    except HostError as error:
        return render(request, "migrations_app/confirm.html", {**context, "refusal": error}, status=422)
    messages.success(request, gettext(act.done))
    return see_other(request, migration.get_absolute_url())


@require_POST
def tune(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """Change bandwidth or maximum downtime while it copies."""
    migration = rights.migration_for(request.user, pk, operate=True)
    form = TuneForm(request.POST)
    if form.is_valid():
        try:
            actions.tune(migration=migration, actor=actor(request), **form.given())
        except HostError as error:
            form.add_error(None, f"{error} {error.hint}")
    if form.errors:
        return detail_page(request, migration, form, status=422)
    messages.success(request, gettext("Changed; it takes effect within a second."))
    return see_other(request, migration.get_absolute_url())
