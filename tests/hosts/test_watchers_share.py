"""Several watcher processes: fair shares, what happens when one dies or ends, and what all that costs the database."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hosts.models import Host, HostState, WatcherProcess
from hosts.watcher import sharing
from tests import build
from tests.console import BASE, Console, eventually
from tests.hosts.nodes import RUNNING, SHUT_OFF, write_node

pytestmark = pytest.mark.django_db


def owners() -> dict[str, int]:
    found: dict[str, int] = {}
    for name in Host.objects.values_list("watcher", flat=True):
        found[name] = found.get(name, 0) + 1
    return found


def tick(*names: str) -> None:
    for name in names:
        sharing.renew(name)
        sharing.balance(name)


def lapse(name: str) -> None:
    WatcherProcess.objects.filter(name=name).update(heartbeat=timezone.now() - sharing.LEASE - timedelta(seconds=1))


def make_hosts(count: int) -> None:
    Host.objects.bulk_create(Host(name=f"h{number}", uri=f"qemu+ssh://h{number}/system") for number in range(count))


def test_one_process_takes_all_and_a_second_gets_half() -> None:
    make_hosts(9)
    tick("a")
    assert owners() == {"a": 9}
    tick("a", "b", "a", "b")
    assert owners() == {"a": 5, "b": 4}


def test_shares_do_not_change_once_they_are_fair() -> None:
    make_hosts(7)
    tick("a", "b", "c", "a", "b", "c", "a", "b", "c")
    before = list(Host.objects.values_list("pk", "watcher"))
    assert sorted(owners().values()) in ([2, 2, 3], [1, 3, 3])
    tick("a", "b", "c")
    assert list(Host.objects.values_list("pk", "watcher")) == before


def test_the_hosts_of_a_silent_process_go_to_the_others_and_it_begins_anew_when_it_speaks() -> None:
    make_hosts(4)
    tick("a", "b", "a", "b")
    lapse("a")
    tick("b")
    assert owners() == {"b": 4}
    tick("a", "b", "a")
    assert owners() == {"a": 2, "b": 2}


def test_who_leaves_gives_its_hosts_back_at_once() -> None:
    make_hosts(4)
    tick("a", "b", "a", "b")
    sharing.leave("a")
    assert owners() == {"": 2, "b": 2}
    tick("b")
    assert owners() == {"b": 4}


def test_a_host_is_not_taken_from_a_process_that_was_quicker() -> None:
    make_hosts(1)
    tick("a")
    sharing._take("b", 1, gone=[""])
    assert owners() == {"a": 1}


def test_a_tick_takes_as_many_statements_for_500_hosts_as_for_5() -> None:
    def statements() -> int:
        tick("a")
        with CaptureQueriesContext(database) as seen:
            tick("a")
        return len(seen)

    make_hosts(5)
    few = statements()
    Host.objects.bulk_create(Host(name=f"more{number}", uri="test:///default") for number in range(495))
    assert statements() == few <= 4


class Watch:
    """`manage.py watch` as a process of its own."""

    def __init__(self, console: Console) -> None:
        command = [sys.executable, str(BASE / "manage.py"), "watch"]
        with console.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=console.environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout
        self.name = self.process.stdout.readline().split("Watching as ")[1].split(";")[0]

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=20)


@pytest.fixture
def processes(tmp_path: Path, transactional_db: None) -> Iterator[Callable[[], Watch]]:
    """Starts watchers on the test's own database."""
    console = Console(tmp_path)
    settings: Any = database.settings_dict
    if database.vendor == "sqlite":
        console.environment["DATABASE_URL"] = f"sqlite:///{settings['NAME']}"
    else:
        where = f"{settings['HOST']}:{settings['PORT']}" if settings["PORT"] else settings["HOST"]
        login = f"{settings['USER']}:{settings['PASSWORD']}"
        console.environment["DATABASE_URL"] = f"postgres://{login}@{where}/{settings['NAME']}"
    started: list[Watch] = []

    def start() -> Watch:
        started.append(Watch(console))
        return started[-1]

    yield start
    for watch in started:
        watch.end()
    print(console.log.read_text()[-3000:])


@pytest.mark.timeout(300)
def test_killing_one_of_two_processes_loses_no_change_on_the_test_driver(
    processes: Callable[[], Watch], tmp_path: Path
) -> None:
    """A host of the test driver starts from its file at each connection: what changes there is seen by the next process."""
    hosts = [build.host(f"h{number}", uri=node(tmp_path, number, RUNNING), state=HostState.NEW) for number in range(6)]
    first, second = processes(), processes()

    def shared() -> bool:
        online = Host.objects.filter(state=HostState.ONLINE).count() == 6
        return online and owners() == {first.name: 3, second.name: 3}

    eventually(shared, timeout_s=120, what="both to have three hosts each", every_s=0.05)
    orphans = list(Host.objects.filter(watcher=first.name).values_list("name", flat=True))
    first.end()
    began = time.monotonic()
    for name in orphans:
        node(tmp_path, int(name[1:]), SHUT_OFF)
    off = {f"vm{name[1:]}" for name in orphans}

    def seen() -> bool:
        found = build.VirtualMachine.objects.filter(state="shut off", host__isnull=False)
        return set(found.values_list("name", flat=True)) == off

    eventually(seen, timeout_s=15, what="the other to show what changed", every_s=0.05)
    print(f"shown {time.monotonic() - began:.1f} s after the kill")
    assert owners() == {second.name: 6} and len(hosts) == 6
    third = processes()
    eventually(lambda: owners() == {second.name: 3, third.name: 3}, timeout_s=15, what="a new one to get its share")
    second.end(signal.SIGTERM)
    assert owners().get(second.name) is None
    eventually(lambda: owners() == {third.name: 6}, timeout_s=5, what="what was given back to be taken")


def node(folder: Path, number: int, state: str) -> str:
    return write_node(folder / f"h{number}.xml", {f"vm{number}": UUID(int=number + 1)}, state=state)
