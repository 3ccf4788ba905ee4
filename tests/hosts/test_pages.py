"""Pages of long lists: each row on one page, and counted only where that takes a look at all."""

import pytest
from django.test import RequestFactory
from pytest_django import DjangoAssertNumQueries

from hosts import http
from hosts.models import VirtualMachine
from tests import build

pytestmark = pytest.mark.django_db


@pytest.fixture
def _many(monkeypatch: pytest.MonkeyPatch) -> None:
    host = build.host()
    for number in range(17):
        build.vm(f"vm-{number:02}", on=host)
    monkeypatch.setattr(http, "PER_PAGE", 3)
    monkeypatch.setattr(http, "AT_ONCE", 6)


def names(query: str, **only: str) -> tuple[int, list[str]]:
    rows = VirtualMachine.objects.filter(**only)
    page = http.page_of(RequestFactory().get(f"/?{query}"), rows)  # type: ignore[arg-type]
    return page.paginator.count, [vm.name for vm in page.object_list]


@pytest.mark.usefixtures("_many")
def test_every_row_is_on_one_page() -> None:
    shown = [names(f"page={number}") for number in range(1, 7)]
    assert {count for count, _ in shown} == {17}
    assert [name for _, page in shown for name in page] == [f"vm-{number:02}" for number in range(17)]
    assert names("page=99") == names("page=6"), "too far is the last page"


@pytest.mark.usefixtures("_many")
def test_what_few_match_is_not_counted_beside(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(2):
        assert names("page=2", name__lt="vm-05") == (5, ["vm-03", "vm-04"])
    with django_assert_num_queries(3):
        assert names("page=1", name__lt="vm-06") == (6, ["vm-00", "vm-01", "vm-02"])
    assert names("", name="none") == (0, [])
