"""Threads of one process that write to SQLite queue up, and none keeps its turn."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import close_old_connections, connection, connections, transaction
from django.db.models import F

from hosts.models import Host
from kvmconsole.sqlite.base import _turns
from tests import build

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL locks rows"),
]


def turn() -> threading.Lock:
    return _turns[str(connection.settings_dict["NAME"])]


def test_a_turn_lasts_as_long_as_the_transaction_however_that_ends() -> None:
    with transaction.atomic():
        assert turn().locked()
        with transaction.atomic():
            build.host("h1")
        assert turn().locked()
    assert not turn().locked()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        build.host(f"h{1 / 0}")
    assert not turn().locked()

    def break_off() -> None:
        transaction.set_autocommit(False)
        connection._start_transaction_under_autocommit()  # type: ignore[attr-defined]
        assert turn().locked()
        connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(break_off).result(timeout=10)
    assert not turn().locked()


def test_many_threads_write_at_once_and_each_has_its_turn() -> None:
    host = build.host("h1", cpus=0)

    def work(_number: int) -> None:
        for _ in range(5):
            with transaction.atomic():
                Host.objects.filter(pk=host.pk).update(cpus=F("cpus") + 1)
        connections.close_all()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    close_old_connections()
    host.refresh_from_db()
    assert host.cpus == 80
