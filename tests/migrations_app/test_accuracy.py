"""Expected beside what came: the picture holds every dot, and the median is that of the errors."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from migrations_app.accuracy import HEIGHT, MARGIN, WIDTH, Pair, median_error, picture
from migrations_app.states import State
from tests import build

FIGURES = st.floats(0.001, 1e6, allow_nan=False)


@given(st.lists(st.tuples(FIGURES, FIGURES), min_size=1, max_size=20))
def test_every_dot_lies_in_the_picture(figures: list[tuple[float, float]]) -> None:
    found = picture([Pair("web", expected, actual) for expected, actual in figures])
    assert found and len(found.dots) == len(figures)
    for dot in found.dots:
        assert MARGIN - 1 <= dot.x <= WIDTH - MARGIN + 1
        assert MARGIN - 1 <= dot.y <= HEIGHT - MARGIN + 1
    assert len(found.ticks) >= 2


def test_what_was_right_lies_on_the_diagonal() -> None:
    found = picture([Pair("web", 2, 2), Pair("db", 1, 8)])
    assert found
    dot = found.dots[0]
    across = (dot.x - MARGIN) / (WIDTH - 2 * MARGIN)
    up = (HEIGHT - MARGIN - dot.y) / (HEIGHT - 2 * MARGIN)
    assert across == pytest.approx(up, abs=0.01)


def test_the_median_counts_both_ways() -> None:
    assert median_error([Pair("a", 3, 2), Pair("b", 1, 2), Pair("c", 2, 2)]) == 50
    assert median_error([]) is None and picture([]) is None


@pytest.mark.django_db
def test_the_page_shows_expected_beside_fact_and_before_that_says_what_to_do(client: Client) -> None:
    client.force_login(build.user("vera", role="viewer"))
    empty = client.get(reverse("migrations:estimates")).content.decode()
    assert "No estimate to judge yet" in empty
    now = timezone.now()
    build.migration(
        state=State.COMPLETED,
        started=now,
        finished=now + timedelta(seconds=4),
        downtime_ms=80,
        estimate={"total_s": 3.0, "downtime_ms": 120, "verdict": "converges", "because": "it does"},
    )
    page = client.get(reverse("migrations:estimates")).content.decode()
    assert "<svg" in page and "-25 %" in page and "converges" in page
    listed = client.get(reverse("migrations:list")).content.decode()
    assert "expected 3" in listed
