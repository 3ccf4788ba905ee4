"""The rules that keep VMs apart or together."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from hosts import access
from hosts.asking import Question, ask
from hosts.errors import InvalidInput
from hosts.http import HtmxHttpRequest, actor, see_other
from hosts.models import VirtualMachine
from migrations_app.evacuation import lookup, rules
from migrations_app.models import PlacementRule


class RuleForm(forms.Form):
    """A name, a kind, and two VMs or more of those that the user may operate."""

    name = forms.CharField(label=_("Name"), max_length=80, help_text=_("What it is for, such as “two name servers”."))
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[
            ("apart", _("Keep apart: never two on one host")),
            ("together", _("Keep together: always on one host")),
        ],
    )
    vms = forms.ModelMultipleChoiceField(
        queryset=VirtualMachine.objects.none(), label=_("VMs"), help_text=_("Two or more; hold Ctrl to choose several.")
    )

    def __init__(
        self, data: Any = None, *, vms: QuerySet[VirtualMachine], initial: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data, initial=initial)
        field = self.fields["vms"]
        assert isinstance(field, forms.ModelMultipleChoiceField)
        field.queryset = vms.order_by("name")
        field.widget.attrs["size"] = 8


@require_http_methods(["GET", "HEAD", "POST"])
def rule_list(request: HtmxHttpRequest) -> HttpResponse:
    """All rules; by POST a new one."""
    mine = access.vms_for(request.user, access.OPERATE)
    form = RuleForm(request.POST if request.method == "POST" else None, vms=mine)
    if request.method == "POST":
        _require_named(request)
        if answer := _saved(request, form, None):
            return answer
    context = {
        "rules": lookup.rules(request.user),
        "form": form,
        "may_operate": access.may_anywhere(request.user, access.OPERATE),
    }
    return render(request, "migrations_app/rules.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def rule(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """One rule, to change."""
    row = lookup.rule_for(request.user, pk, operate=True)
    mine = access.vms_for(request.user, access.OPERATE)
    initial = {"name": row.name, "kind": row.kind, "vms": row.vms.all()}
    form = RuleForm(request.POST if request.method == "POST" else None, vms=mine, initial=initial)
    if request.method == "POST":
        _require_named(request)
        if answer := _saved(request, form, row):
            return answer
    context = {"rule": row, "form": form}
    return render(request, "migrations_app/rule.html", context, status=422 if form.errors else 200)


def _require_named(request: HtmxHttpRequest) -> None:
    """404 where the form names a VM that the user may not see, 403 where one is not the user's to operate."""
    if not access.may_anywhere(request.user, access.OPERATE):
        raise PermissionDenied("A rule takes the operator role on the hosts of its VMs.")
    wanted = {text for text in request.POST.getlist("vms") if text.isdecimal() and len(text) <= 18}
    named = VirtualMachine.objects.filter(pk__in=wanted)
    if named.exclude(pk__in=access.vms_for(request.user).values("pk")).exists():
        raise Http404("One of these VMs is not there, or you may not see it.")
    lookup.require_vms(request.user, named)


def _saved(request: HtmxHttpRequest, form: RuleForm, row: PlacementRule | None) -> HttpResponse | None:
    """The way on where the form could be saved; None where its errors are to be shown."""
    if not form.is_valid():
        return None
    given = form.cleaned_data
    try:
        rules.save(name=given["name"], kind=given["kind"], vms=list(given["vms"]), actor=actor(request), rule=row)
    except InvalidInput as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return None
    messages.success(
        request, gettext("Rule {name} was saved; plans made from now on keep to it.").format(name=given["name"])
    )
    return see_other(request, reverse("migrations:rules"))


@require_http_methods(["GET", "HEAD", "POST"])
def remove_rule(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    row = lookup.rule_for(request.user, pk, operate=True)
    if request.method != "POST":
        return ask(request, _remove(row))
    rules.remove(rule=row, actor=actor(request))
    messages.success(request, gettext("Rule {row} was removed.").format(row=row.name))
    return see_other(request, reverse("migrations:rules"))


def _remove(rule: PlacementRule) -> Question:
    back = reverse("migrations:rule", args=[rule.pk])
    vms = ", ".join(rule.vms.order_by("name").values_list("name", flat=True))
    return Question(
        title=gettext("Remove rule {rule}").format(rule=rule.name),
        question=gettext("Remove the rule {rule}?").format(rule=rule.name),
        facts=[(gettext("VMs"), vms), (gettext("Kind"), rule.get_kind_display())],
        consequences=[
            gettext("Plans made from now on do not keep to it."),
            gettext("No VM is moved by that, and plans that were made stay as they are."),
        ],
        submit=gettext("Remove rule"),
        back=back,
        trail=[(gettext("Rules"), reverse("migrations:rules")), (rule.name, back)],
    )
