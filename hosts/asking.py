"""The page that asks before a small act that can't be undone, where the act needs no fields and no page of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render

from hosts.http import HtmxHttpRequest


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, in the reader's language.

    `facts` are pairs of a label and a value that name what it is about, `consequences` say what follows and what does not,
    `trail` are the pages above as pairs of a name and an address, `back` is where who thinks better of it goes.
    """

    title: str
    question: str
    facts: Sequence[tuple[str, object]]
    consequences: Sequence[str]
    submit: str
    back: str
    trail: Sequence[tuple[str, str]]


def ask(request: HtmxHttpRequest, question: Question) -> HttpResponse:
    """The page; its form posts to the address at which it is shown."""
    return render(request, "components/ask.html", {"asked": question})
