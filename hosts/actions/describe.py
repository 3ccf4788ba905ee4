"""What people say of guests and hosts: notes and tags."""

import re

from django.db import transaction

from hosts import audit, inventory, live
from hosts.errors import InvalidInput
from hosts.models import Host, VirtualMachine

TAG = re.compile(r"[\w.:/-]{1,40}")
MOST_TAGS, LONGEST_NOTE = 20, 2000


def describe(
    *, of: VirtualMachine | Host, actor: audit.Actor, note: str | None = None, tags: str | None = None
) -> None:
    """Set the note and the tags (words, with spaces or commas between) of a guest or host; None leaves one as it is.

    Nothing is changed on any host. Raises InvalidInput, which changes nothing.
    """
    kind, host = ("VM", of.host) if isinstance(of, VirtualMachine) else ("host", of)
    wanted = {
        "note": of.note if note is None else _note(note),
        "tags": of.tags if tags is None else tags_of(tags),
    }
    with audit.act(actor=actor, action=f"describe {kind}", target=f"{kind} {of.name}", hosts=[host]) as event:
        changed = {name: value for name, value in wanted.items() if value != getattr(of, name)}
        event.detail = "; ".join(
            f"{name}: {getattr(of, name).strip()} → {value.strip()}" for name, value in changed.items()
        )
        with transaction.atomic():
            # Only these columns: a sync may write the others at the same time.
            type(of)._base_manager.filter(pk=of.pk).update(**changed)
            if isinstance(of, VirtualMachine):
                inventory.settle({of.pk})
                live.publish(f"vm.{of.uuid}", hosts=[of.host_id])
            else:
                live.publish("hosts", hosts=[of.pk])
                live.publish(f"host.{of.pk}", hosts=[of.pk])
    for name, value in changed.items():
        setattr(of, name, value)


def tags_of(text: str) -> str:
    """`text` as tags are kept: folded, sorted, each once, a space before and after each. Raises InvalidInput."""
    words = sorted({word.casefold() for word in re.split(r"[\s,]+", text) if word})
    if wrong := next((word for word in words if not TAG.fullmatch(word)), ""):
        message = f"{wrong[:60]!r} can't be a tag: 1 to 40 letters, digits, dots, dashes, colons and slashes."
        raise InvalidInput(message, field="tags")
    if len(words) > MOST_TAGS:
        raise InvalidInput(f"{len(words)} tags are too many: {MOST_TAGS} at most.", field="tags")
    return f" {' '.join(words)} " if words else ""


def _note(text: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if len(text) > LONGEST_NOTE or "\0" in text:
        raise InvalidInput(f"A note is plain text of at most {LONGEST_NOTE} characters.", field="note")
    return text
