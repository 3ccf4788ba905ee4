"""A connection to SQLite that a thread gave back serves the next one, as if it were new."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from kvmconsole.sqlite.base import KEPT, DatabaseWrapper, _idle

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has its own ways"),
]
Make = Callable[[], DatabaseWrapper]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes wrappers of one file, as each thread has its own."""
    file = tmp_path / "a.sqlite3"
    with sqlite3.connect(file) as raw:
        raw.execute("create table t (n integer)")
        raw.executemany("insert into t values (?)", [(number,) for number in range(500)])
    raw.close()
    return lambda: DatabaseWrapper({**connection.settings_dict, "NAME": str(file)}, alias="kept")


def ask(wrapper: DatabaseWrapper, sql: str = "select count(*) from t") -> Any:
    with wrapper.cursor() as cursor:
        return cursor.execute(sql).fetchone()[0]


def test_it_is_used_again_and_is_as_new(make: Make) -> None:
    first, second = make(), make()
    assert ask(first) == 500
    raw = first.connection
    raw.execute("PRAGMA foreign_keys = OFF")
    first.close()
    assert first.connection is None
    assert ask(second, "PRAGMA foreign_keys") == 1
    assert second.connection is raw
    assert second.get_autocommit()
    second.close()


def test_an_answer_that_nobody_read_to_its_end_does_not_hold_it_in_the_past(make: Make) -> None:
    first, second, writer = make(), make(), make()
    first.ensure_connection()
    unread = first.create_cursor()
    unread.execute("select n from t")
    assert unread.fetchone() == (0,)
    first.close()
    with writer.cursor() as cursor:
        cursor.execute("delete from t where n > 9")
    writer.close()
    assert ask(second) == 10
    with pytest.raises(sqlite3.ProgrammingError, match="closed cursor"):
        unread.fetchone()
    second.close()


def test_one_in_a_transaction_is_closed_and_what_it_wrote_is_gone(make: Make) -> None:
    first, second = make(), make()
    first.ensure_connection()
    raw = first.connection
    raw.isolation_level = ""
    raw.execute("delete from t")
    assert raw.in_transaction
    first.close()
    assert ask(second) == 500
    assert second.connection is not raw
    second.close()


def test_none_of_a_file_that_was_replaced_is_used(make: Make, tmp_path: Path) -> None:
    first, second = make(), make()
    ask(first)
    first.close()
    with sqlite3.connect(tmp_path / "b.sqlite3") as raw:
        raw.execute("create table t (n integer)")
    raw.close()
    (tmp_path / "b.sqlite3").replace(tmp_path / "a.sqlite3")
    assert ask(second) == 0
    second.close()


def test_only_some_are_kept(make: Make) -> None:
    wrappers = [make() for _ in range(KEPT + 3)]
    for wrapper in wrappers:
        ask(wrapper)
    for wrapper in wrappers:
        wrapper.close()
    assert len(_idle[str(wrappers[0].settings_dict["NAME"])]) == KEPT


def test_threads_share_what_they_gave_back(make: Make) -> None:
    def work(_number: int) -> int:
        wrapper = make()
        found: int = ask(wrapper)
        wrapper.close()
        return found

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(64))) == {500}
