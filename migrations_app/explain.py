"""Why a migration failed: libvirt's and QEMU's own words → cause, fix, and the words that it was read from.

Pure. The rules are failures.RULES; the first that fits wins. What none knows stays unknown, with the raw text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from migrations_app.failures import RULES, Rule

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which rule fits, what it means for this migration, and the line that said so."""

    name: str
    cause: str
    fix: str
    because: str = ""


_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"""(pass(?:word|wd|phrase)?\\?["']?\s*[=:]\s*\\?["']?)[^\s,"'\\}]+""", re.IGNORECASE), r"\1…"),
    # -object {"qom-type":"secret",…,"data":"…"} and -object secret,…,data=…
    (re.compile(r"""("data\\?"\s*:\s*\\?")[^"\\]+|(\bdata=)[^\s,]+"""), r"\1\2…"),
    (re.compile(r"(\b[a-z][a-z+]{1,20}://[^\s:@/]{1,64}:)[^\s@/]+@"), r"\1…@"),
    (re.compile(r"(Bearer\s+)\S+", re.IGNORECASE), r"\1…"),
)


def explain(
    said: str, evidence: Sequence[str] = (), *, vm: str = "", source: str = "", destination: str = ""
) -> Explanation:
    """The first rule that fits libvirt's own answer `said`, or else a line of the logs; else UNKNOWN.

    A rule that only says that a connection broke gives way to what a log line says better.
    """
    names = {"vm": vm, "source": source or "the source", "destination": destination or "the destination"}
    found: list[tuple[int, str]] = []
    for line in (said, *evidence):
        number = next((i for i, rule in enumerate(RULES) if rule.pattern.search(line)), None)
        if number is not None:
            found.append((number, line))
            if line is said and RULES[number].name not in _VAGUE:
                break
    if not found:
        return Explanation(
            UNKNOWN, "This console does not know these words.", "Read them, and the lines of both hosts."
        )
    number, line = min(found, key=lambda each: each[0])
    return _filled(RULES[number], line, names)


_VAGUE = ("stream_broken", "timed_out", "reason_lost", "destination_lost", "port_refused")


def _filled(rule: Rule, line: str, names: dict[str, str]) -> Explanation:
    match = rule.pattern.search(line)
    groups = [value for value in (match.groupdict().values() if match else ()) if value]
    words = {**names, "detail": groups[0].strip() if groups else "see the words below"}
    return Explanation(rule.name, rule.cause.format(**words), rule.fix.format(**words), line)


def was_cancelled(source: Iterable[str], destination: Iterable[str]) -> bool:
    """Whether the logs prove that somebody cancelled the job: libvirt says so, or the stream ended in good order.

    M, libvirt 9.0: `virsh domjobabort` leaves either "canceled by client" at the source, or, where QEMU has closed the stream
    before libvirt looks, "Broken pipe" there and "migration successfully aborted" at the destination, whose QEMU then has
    nothing to complain of. A stream that breaks on its way leaves QEMU's words at the destination.
    """
    here, there = list(source), list(destination)
    if any(re.search(r"cancell?ed by client", line) for line in here):
        return True
    in_order = any("migration successfully aborted" in line for line in there)
    complaints = [line for line in there if re.search(r"qemu-\S+: (?!terminating on signal 15)|reason=crashed", line)]
    complaints += [line for line in here if re.search(r"Connection (?:reset|timed out)|Lost connection", line)]
    return in_order and not complaints


def scrubbed(text: str) -> str:
    """`text` without passwords and other secrets."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text
