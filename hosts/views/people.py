"""Users, their roles and host groups: for who manages all hosts."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hosts import access
from hosts.actions import people
from hosts.asking import Question, ask
from hosts.errors import HostError, InvalidInput
from hosts.forms import BindingForm, GroupForm, GroupHostsForm, UserForm
from hosts.http import HtmxHttpRequest, actor, failure, require, see_other
from hosts.models import HostGroup, RoleBinding


@require_safe
def listing(request: HtmxHttpRequest) -> HttpResponse:
    require(request, access.MANAGE)
    return _page(request, {})


@require_POST
def add_user(request: HtmxHttpRequest) -> HttpResponse:
    require(request, access.MANAGE)
    form = UserForm(request.POST)
    if form.is_valid():
        try:
            user, password = people.add_user(**form.cleaned_data, actor=actor(request))
        except InvalidInput as error:
            form.refuse(error)
        else:
            return _once(request, user, password)
    return _page(request, {"user_form": form}, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
def user(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """One user; POST gives a role."""
    person = _person(request, pk)
    form = BindingForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        people.give_role(user=person, **form.cleaned_data, actor=actor(request))
        messages.success(request, gettext("{person} has the role now.").format(person=person))
        return see_other(request, reverse("hosts:user", args=[pk]))
    return _user_page(request, person, form, status=422 if request.method == "POST" else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def take_role(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    require(request, access.MANAGE)
    binding = get_object_or_404(RoleBinding.objects.select_related("user", "role", "scope"), pk=pk)
    person = binding.user
    if request.method != "POST":
        return ask(request, _take_role(binding))
    try:
        people.take_role(binding=binding, actor=actor(request))
    except HostError as error:
        return _user_page(request, person, BindingForm(), error=error, status=422)
    messages.success(request, gettext("{person} does not have that role any more.").format(person=person))
    return see_other(request, reverse("hosts:user", args=[person.pk]))


@require_http_methods(["GET", "HEAD", "POST"])
def set_active(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """POST enables or disables; GET asks before disabling."""
    person = _person(request, pk)
    if request.method != "POST":
        return ask(request, _disable(person))
    active = request.POST.get("active") == "yes"
    try:
        people.set_active(user=person, active=active, actor=actor(request))
    except HostError as error:
        return _user_page(request, person, BindingForm(), error=error, status=422)
    messages.success(
        request,
        gettext("{person} may sign in again.").format(person=person)
        if active
        else gettext("{person} can't sign in any more.").format(person=person),
    )
    return see_other(request, reverse("hosts:user", args=[pk]))


@require_http_methods(["GET", "HEAD", "POST"])
def new_password(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    person = _person(request, pk)
    if request.method != "POST":
        return ask(request, _new_password(person))
    return _once(request, person, people.new_password(user=person, actor=actor(request)))


@require_POST
def add_group(request: HtmxHttpRequest) -> HttpResponse:
    require(request, access.MANAGE)
    form = GroupForm(request.POST)
    if form.is_valid():
        try:
            group = people.add_group(name=form.cleaned_data["name"], actor=actor(request))
        except InvalidInput as error:
            form.refuse(error)
        else:
            return see_other(request, reverse("hosts:group", args=[group.pk]))
    return _page(request, {"group_form": form}, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
def group(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """Which hosts are in a group."""
    require(request, access.MANAGE)
    row = get_object_or_404(HostGroup, pk=pk)
    posted = request.method == "POST"
    form = GroupHostsForm(request.POST if posted else None, initial={"hosts": row.hosts.all()})
    if posted and form.is_valid():
        people.set_group_hosts(group=row, hosts=form.cleaned_data["hosts"], actor=actor(request))
        messages.success(request, gettext("{row} was changed.").format(row=row))
        return see_other(request, reverse("hosts:people"))
    return render(request, "hosts/group.html", {"group": row, "form": form}, status=422 if posted else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def remove_group(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    require(request, access.MANAGE)
    row = get_object_or_404(HostGroup, pk=pk)
    if request.method != "POST":
        return ask(request, _remove_group(row))
    try:
        people.remove_group(group=row, actor=actor(request))
    except HostError as error:
        form = GroupHostsForm(initial={"hosts": row.hosts.all()})
        return render(request, "hosts/group.html", {"group": row, "form": form, "failure": failure(error)}, status=422)
    messages.success(request, gettext("The group {row} was removed.").format(row=row.name))
    return see_other(request, reverse("hosts:people"))


def _person(request: HtmxHttpRequest, pk: int) -> User:
    require(request, access.MANAGE)
    return get_object_or_404(User, pk=pk)


def _take_role(binding: RoleBinding) -> Question:
    person, role = binding.user, binding.role.name
    on = binding.scope.name if binding.scope else gettext("all hosts")
    return _of_person(
        person,
        title=gettext("Take a role away"),
        question=gettext("Take the role {role} on {on} away from {person}?").format(role=role, on=on, person=person),
        consequences=[
            gettext("{person} loses at once what only this role allows, in open pages and in scripts too."),
            gettext("What {person} has begun goes on."),
        ],
        submit=gettext("Take away"),
    )


def _disable(person: User) -> Question:
    return _of_person(
        person,
        title=gettext("Disable {person}").format(person=person),
        question=gettext("Let {person} not sign in any more?").format(person=person),
        consequences=[
            gettext("{person} is signed out everywhere, and the API tokens are refused."),
            gettext("Roles, history and audit list stay; {person} can be enabled again."),
        ],
        submit=gettext("Disable"),
    )


def _new_password(person: User) -> Question:
    return _of_person(
        person,
        title=gettext("New password of {person}").format(person=person),
        question=gettext("Replace the password of {person}?").format(person=person),
        consequences=[
            gettext("The old password ends at once, and {person} is signed out everywhere."),
            gettext("The new one is shown this one time, for you to hand over."),
        ],
        submit=gettext("Make a new password"),
    )


def _of_person(person: User, *, title: str, question: str, consequences: list[str], submit: str) -> Question:
    """The question about a user; the consequences may name {person}."""
    back = reverse("hosts:user", args=[person.pk])
    return Question(
        title=title,
        question=question,
        facts=[(gettext("User"), person.username)],
        consequences=[line.format(person=person) for line in consequences],
        submit=submit,
        back=back,
        trail=[(gettext("People"), reverse("hosts:people")), (person.username, back)],
    )


def _remove_group(row: HostGroup) -> Question:
    names = ", ".join(row.hosts.order_by("name").values_list("name", flat=True))
    back = reverse("hosts:group", args=[row.pk])
    return Question(
        title=gettext("Remove host group {group}").format(group=row.name),
        question=gettext("Remove the host group {group}?").format(group=row.name),
        facts=[(gettext("Hosts"), names or gettext("none"))],
        consequences=[
            gettext("Refused while roles are given on it."),
            gettext("Its hosts stay, and their VMs with them."),
        ],
        submit=gettext("Remove group"),
        back=back,
        trail=[(gettext("People"), reverse("hosts:people")), (row.name, back)],
    )


def _page(request: HtmxHttpRequest, forms: dict[str, Any], *, status: int = 200) -> HttpResponse:
    context = {
        "users": User.objects.order_by("username").prefetch_related("role_bindings__role", "role_bindings__scope"),
        "groups": HostGroup.objects.prefetch_related("hosts"),
        "user_form": UserForm(),
        "group_form": GroupForm(auto_id="id_group_%s"),
    }
    return render(request, "hosts/people.html", context | forms, status=status)


def _user_page(
    request: HtmxHttpRequest, person: User, form: BindingForm, *, error: HostError | None = None, status: int
) -> HttpResponse:
    bindings = person.role_bindings.select_related("role", "scope")
    context = {"person": person, "bindings": bindings, "form": form, "failure": failure(error) if error else None}
    return render(request, "hosts/user.html", context, status=status)


def _once(request: HtmxHttpRequest, person: User, password: str) -> HttpResponse:
    """The password, shown this one time: kept neither in the session nor in any cache."""
    response = render(request, "hosts/password_once.html", {"person": person, "password": password})
    response["Cache-Control"] = "no-store"
    return response
