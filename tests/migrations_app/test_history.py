"""The history of migrations: filter, order, cost, export."""

import csv
import io
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from migrations_app.states import State
from migrations_app.views.history import CSV_COLUMNS, harmless
from tests import build

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer() -> Client:
    client = Client()
    client.force_login(build.user("vera", role="viewer"))
    return client


def test_the_history_filters_sorts_and_searches(viewer: Client) -> None:
    h1, h2, h3 = build.host("h1"), build.host("h2"), build.host("h3")
    build.migration(build.vm("web", on=h1), to=h2, state=State.COMPLETED, downtime_ms=80, reason="OPS-1")
    build.migration(build.vm("db", on=h2), to=h3, state=State.FAILED, downtime_ms=20)

    def found(**query: str) -> list[str]:
        page = viewer.get(reverse("migrations:list"), query).context["page"]
        return [migration.vm_name for migration in page]

    assert sorted(found()) == ["db", "web"]
    assert found(state="failed") == ["db"]
    assert found(host="h1") == ["web"]
    assert sorted(found(host="h2")) == ["db", "web"]
    assert found(vm="WEB") == ["web"]
    assert found(q="ops-1") == ["web"]
    assert found(sort="downtime") == ["db", "web"]
    assert found(sort="-downtime") == ["web", "db"]
    assert sorted(found(sort="gap")) == sorted(found(sort="duration")) == ["db", "web"]
    assert found(since="2999-01-01") == []
    assert "No migration fits" in viewer.get(reverse("migrations:list"), {"q": "nowhere"}).content.decode()
    assert viewer.get(reverse("migrations:list"), {"since": "yesterday", "page": "x"}).status_code == 200


def test_an_empty_history_says_what_to_do_next(viewer: Client) -> None:
    assert "Nothing was migrated yet" in viewer.get(reverse("migrations:list")).content.decode()


@pytest.mark.parametrize("count", [2, 30])
def test_the_history_takes_as_many_statements_for_30_as_for_2(
    count: int, viewer: Client, django_assert_max_num_queries: Any
) -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    for i in range(count):
        build.migration(build.vm(f"vm-{i}", on=h1), to=h2, state=State.COMPLETED if i % 2 else State.COPYING)
    with django_assert_max_num_queries(24):
        viewer.get(reverse("migrations:list"))


def test_the_csv_has_the_filter_of_the_page_and_no_formulas(viewer: Client) -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    ping = {"sent": 9, "lost": 1, "longest_gap_ms": 240}
    reason = '=HYPERLINK("http://203.0.113.1")'
    build.migration(build.vm("web", on=h1), to=h2, state=State.COMPLETED, reason=reason, ping=ping)
    build.migration(build.vm("db", on=h1), to=h2, state=State.FAILED, error="-1 is no answer")
    answer = viewer.get(reverse("migrations:export"), {"state": "completed"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["vm_name"] for row in rows] == ["web"]
    assert tuple(rows[0]) == CSV_COLUMNS
    assert rows[0]["reason"] == f"'{reason}"
    assert (rows[0]["ping_lost"], rows[0]["ping_longest_gap_ms"]) == ("1", "240")
    assert "attachment" in answer["Content-Disposition"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1"])
def test_what_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    assert harmless(text) == f"'{text}"
    assert harmless("web-1") == "web-1"
