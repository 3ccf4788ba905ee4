"""Which definitions are read when, and what a look at a host keeps and costs."""

import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hosts import inventory, reach
from hosts.libvirt_client.domain_list import DomainState, read_all
from hosts.libvirt_client.host_info import read_info
from hosts.libvirt_client.states import State
from hosts.models import Host, Placement, VirtualMachine
from hosts.watcher.definitions import AT_ONCE, TURN_S, Definitions
from tests import build
from tests.hosts.nodes import write_node


def listed(count: int, *, state: State = State.RUNNING) -> list[DomainState]:
    return [DomainState(f"u{n}", f"vm{n}", state, "", True, False, False, None, None) for n in range(count)]


def all_of(definitions: Definitions) -> list[str]:
    found: list[str] = []
    while definitions:
        found += definitions.take()
    return found


def test_a_first_listing_wants_every_definition_a_few_at_a_time() -> None:
    definitions = Definitions()
    definitions.note(listed(120), elapsed_s=0)
    assert len(definitions.take()) == AT_ONCE
    assert len(all_of(definitions)) == 120 - AT_ONCE


def test_afterwards_only_what_came_to_run_or_to_rest_is_wanted() -> None:
    definitions = Definitions()
    definitions.note(listed(3), elapsed_s=0)
    all_of(definitions)
    definitions.note([*listed(3)[:2], *listed(3, state=State.SHUT_OFF)[2:]], elapsed_s=0)
    assert all_of(definitions) == ["u2"]


def test_all_are_read_again_in_turn_and_none_twice_before_the_last() -> None:
    definitions, seen = Definitions(), Counter[str]()
    definitions.note(listed(100), elapsed_s=0)
    all_of(definitions)
    for _ in range(10):
        definitions.note(listed(100), elapsed_s=TURN_S / 10)
        seen.update(all_of(definitions))
    assert set(seen) == {f"u{n}" for n in range(100)} and max(seen.values()) == 1


class Counting:
    """libvirt's connection and its guests, with their calls counted."""

    def __init__(self, thing: Any, calls: Counter[str]) -> None:
        self._thing, self._calls = thing, calls

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            if name not in ("UUIDString", "name"):  # these the client knows by itself
                self._calls[name] += 1
            answer = getattr(self._thing, name)(*args)
            if name == "listAllDomains":
                return [Counting(each, self._calls) for each in answer]
            if name == "getAllDomainStats":
                return [(Counting(domain, self._calls), stats) for domain, stats in answer]
            return answer

        return call


@pytest.mark.parametrize("count", [3, 60])
def test_a_look_without_definitions_takes_four_calls_on_the_test_driver(db: None, tmp_path: Path, count: int) -> None:
    host = build.host("t", uri=write_node(tmp_path / "node.xml", {f"vm{n}": uuid.uuid4() for n in range(count)}))
    with reach.open_own(host) as connection:
        calls: Counter[str] = Counter()
        assert len(read_all(Counting(connection.raw, calls), definitions=())) == count
        assert calls == {"getAllDomainStats": 1, "listAllDomains": 3}


def test_what_a_host_is_takes_seven_calls_at_first_sight_and_no_name_again_on_the_test_driver(db: None) -> None:
    with reach.open_own(build.host("t", uri="test:///default")) as connection:
        calls: Counter[str] = Counter()
        raw: Any = Counting(connection.raw, calls)
        info = read_info(raw)
        whole = ["getCapabilities", "getHostname", "getLibVersion", "getVersion"]
        # It has no figures of its memory: QEMU's driver needs no getInfo and no getFreeMemory.
        assert calls == Counter([*whole, "getMemoryStats", "getInfo", "getFreeMemory"])
        calls.clear()
        assert read_info(raw, known=(info.host_uuid, info.hostname)) == info
        assert calls["getHostname"] == 0 and calls.total() == 6
        assert read_info(raw, known=("another machine", "x")).hostname == info.hostname


def test_a_name_that_a_host_was_given_since_is_noted_with_its_storage_on_the_test_driver(db: None) -> None:
    host = build.host("t", uri="test:///default")
    with reach.open_own(host) as connection:
        inventory.note_look(host, inventory.look_at(connection, known=("", "old-name"), definitions=()))
        assert Host.objects.get().hostname == "old-name"
        inventory.sync_storage(host, connection)
        assert Host.objects.get().hostname == connection.info().hostname


def test_a_look_without_definitions_keeps_what_the_rows_know_on_the_test_driver(db: None, tmp_path: Path) -> None:
    uid = uuid.uuid4()
    host = build.host("t", uri=write_node(tmp_path / "node.xml", {"web": uid}))
    with reach.open_own(host) as connection:
        inventory.note_look(host, inventory.look_at(connection, definitions=()))
        assert VirtualMachine.objects.get(uuid=uid).state == "running"
        assert Placement.objects.get().facts == {"name": "web"}
        look = inventory.look_at(connection, definitions=[str(uid)], only=[str(uid)])
        inventory.note_look(host, look)
        known = Placement.objects.get()
        assert known.facts["disks"] and known.facts["vcpus"] == 2
        inventory.note_look(host, inventory.look_at(connection, info=look.info, definitions=()))
        again = Placement.objects.get()
        assert (again.facts, again.definition_digest) == (known.facts, known.definition_digest)
