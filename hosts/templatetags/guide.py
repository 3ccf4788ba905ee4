"""The guide to the first migration, wherever a page has nothing to show yet."""

from typing import Any

from django.template import Context, Library

from hosts import access
from hosts import first_steps as guide

register = Library()


@register.inclusion_tag("hosts/_first_steps.html", takes_context=True)
def first_steps(context: Context, framed: str = "") -> dict[str, Any]:
    """The steps with the first that is not done marked; nothing once all are, or for who may operate nothing.

    `framed` "card" puts them into a card of their own.
    """
    user = context["request"].user
    if not access.may_anywhere(user, access.OPERATE):
        return {"framed": framed, "empty": not access.may_anywhere(user, access.SEE)}
    found = guide.steps(user)
    at = next((number for number, step in enumerate(found) if not step.done), 0)
    shown = [
        {"step": step, "next": number == at, "may": access.may_anywhere(user, step.permission)}
        for number, step in enumerate(found)
    ]
    return {"steps": shown, "framed": framed, "done": sum(step.done for step in found)}
