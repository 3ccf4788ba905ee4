"""One's own account: API tokens and the password."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from hosts import audit
from hosts.actions import people
from hosts.asking import Question, ask
from hosts.forms import TokenForm
from hosts.http import HtmxHttpRequest, actor, see_other
from hosts.models import ApiToken


@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HtmxHttpRequest) -> HttpResponse:
    """One's own tokens; POST makes one and shows it, this one time."""
    form = TokenForm(request.POST or None)
    context: dict[str, Any] = {"tokens": ApiToken.objects.filter(user=request.user), "form": form}
    if request.method == "POST" and form.is_valid():
        made = people.make_token(user=request.user, name=form.cleaned_data["name"], actor=actor(request))
        context |= {"made": made, "form": TokenForm()}
    response = render(request, "hosts/tokens.html", context, status=422 if form.errors else 200)
    response["Cache-Control"] = "no-store"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def revoke_token(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(ApiToken, pk=pk, user=request.user)
    if request.method != "POST":
        return ask(request, _revoke(token))
    people.revoke_token(token=token, actor=actor(request))
    messages.success(request, gettext("The token was revoked: whoever uses it is refused from now on."))
    return see_other(request, reverse("hosts:tokens"))


def _revoke(token: ApiToken) -> Question:
    back, name = reverse("hosts:tokens"), token.name or gettext("without a name")
    return Question(
        title=gettext("Revoke an API token"),
        question=gettext("Revoke the token {name}?").format(name=name),
        facts=[(gettext("Token"), f"{token.prefix}…"), (gettext("Name"), name)],
        consequences=[
            gettext("Whoever uses it is refused from then on, for good."),
            gettext("What it has begun goes on."),
        ],
        submit=gettext("Revoke"),
        back=back,
        trail=[(gettext("API tokens"), back)],
    )


class Password(PasswordChangeView):
    """Django's own form, in our words and on the audit list."""

    template_name = "hosts/password.html"
    success_url = reverse_lazy("hosts:overview")

    def form_valid(self, form: Any) -> HttpResponse:
        with audit.act(actor=actor(self.request), action="change password", target=f"user {self.request.user}"):  # type: ignore[arg-type]
            response = super().form_valid(form)
        messages.success(self.request, gettext("Your password was changed."))
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)
