"""What every template must keep to: the icons exist, the content policy holds, a file stays small."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import get_template

from hosts.models import AuditEvent, HostState, ImageMove, MountState, VmState
from hosts.templatetags import look, strip
from migrations_app.models import Evacuation, Move
from migrations_app.states import State, StepState

FOLDER = settings.BASE_DIR / "templates"
TEMPLATES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.html"))
SPRITE = (settings.BASE_DIR / "static" / "vendor" / "icons.svg").read_text()
ICONS = set(re.findall(r'<symbol id="([a-z0-9-]+)"', SPRITE))
ICON_USES = re.compile(r'{%\s*icon "([^"]+)"|\bicon="([^"]+)"')


def text_of(name: str) -> str:
    return Path(FOLDER / name).read_text()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_can_be_read_and_stays_below_80_lines(name: str) -> None:
    assert get_template(name)
    assert text_of(name).count("\n") <= 80


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_uses_only_icons_of_the_sprite(name: str) -> None:
    used = {one or other for one, other in ICON_USES.findall(text_of(name))}
    assert used <= ICONS


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_holds_nothing_that_the_content_policy_blocks(name: str) -> None:
    text = text_of(name)
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|hx-on|javascript:|\bjs:", text)
    for script in re.findall(r"<script[^>]*>", text):
        assert "src=" in script or 'type="application/json"' in script
    assert not re.search(r'(src|href)="(https?:)?//', text)


def test_every_look_has_an_icon_of_the_sprite() -> None:
    assert {one.icon for looks in look.LOOKS.values() for one in looks.values()} <= ICONS


@pytest.mark.parametrize(
    ("kind", "states"),
    [
        ("vm", VmState.values),
        ("host", HostState.values),
        ("mount", MountState.values),
        ("migration", list(State)),
        ("step", list(StepState)),
        ("plan", Evacuation.State.values),
        ("move", Move.State.values),
        ("image move", ImageMove.State.values),
        ("outcome", AuditEvent.Outcome.values),
    ],
)
def test_every_state_has_a_look_of_its_own(kind: str, states: list[str]) -> None:
    assert {str(state) for state in states} <= set(look.LOOKS[kind])


def test_a_state_nobody_listed_does_not_look_fine() -> None:
    assert look.look_of("half_gone", "vm") == look.Look("half gone", "help-circle", "unknown")


def test_a_badge_says_its_state_in_words_and_escapes_them() -> None:
    html = get_template("components/_badge.html").render({"word": "<b>", "icon": "x", "tone": "ok"})
    assert "&lt;b&gt;" in html
    assert 'aria-hidden="true"' in html


def test_a_lost_answer_shows_even_where_many_share_a_bar() -> None:
    answers = [1] * 1000
    answers[517], answers[518], answers[900] = 0, 2, 2
    drawn = strip.bars(answers, limit=100)
    assert (drawn.count(0), drawn.count(2), len(drawn)) == (1, 1, 100)


def test_the_strip_tells_its_figures_in_words() -> None:
    ping = {"sent": 216, "lost": 3, "refused": 2, "longest_gap_ms": 240, "switch_over": [1, 2]}
    html = get_template("components/_strip.html").render(strip.ping_strip([1, 0, 2], ping))
    assert "211 answered, 3 lost, 2 refused, longest gap 240\N{NO-BREAK SPACE}ms" in html
    assert '<rect class="strip-mark" x="3" y="0" width="3"' in html and 'class="strip-refused" d="M7 28v-18"' in html
    assert 'class="strip-lost" d="M4 28v-28"' in html


def test_the_error_page_renders_without_a_request() -> None:
    html = get_template("500.html").render({})
    assert "The console failed to answer" in html
