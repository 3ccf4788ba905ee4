"""Searching lists."""

from urllib.parse import urlencode

import pytest
from django.http import QueryDict

from hosts.filters import AuditFilter, HostFilter, VmFilter
from hosts.models import AuditEvent, Host, VirtualMachine
from tests import build

pytestmark = pytest.mark.django_db


def names(query: str) -> list[str]:
    found = VmFilter(QueryDict(query), VirtualMachine.objects.all())
    assert found.is_valid(), found.errors
    return [vm.name for vm in found.qs]


@pytest.fixture
def two_vms() -> tuple[VirtualMachine, VirtualMachine]:
    h1, h2 = build.host("kvm-1"), build.host("kvm-2")
    web = build.vm("web", on=h1, mac="52:54:00:aa:bb:01", address="198.51.100.10", also_defined_on=(h2,))
    return web, build.vm("db", on=h2, state="shut off", mac="52:54:00:aa:bb:02")


def test_a_guest_is_found_by_name_uuid_mac_address_and_host(two_vms: tuple[VirtualMachine, VirtualMachine]) -> None:
    web, _ = two_vms
    macs = ("52:54:00:AA:BB:01", "bb:01", "52-54-00-aa-bb-01")
    for text in ("we", str(web.uuid), web.uuid.hex, str(web.uuid)[:8], *macs, "100.10", "vm-1", "WEB kvm-1"):
        assert names(urlencode({"q": text})) == ["web"], text
    assert names("q=52:54:00") == ["db", "web"]
    assert names("q=<script>") == []
    assert names("q=web+kvm-2") == []
    assert names("q=%25") == []


def test_guests_are_filtered_by_host_state_and_leftovers(two_vms: tuple[VirtualMachine, VirtualMachine]) -> None:
    assert names("host=kvm-2") == ["db"]
    assert names("state=running") == ["web"]
    assert names("stale=true") == ["web"]
    assert names("sort=-name") == ["web", "db"]
    assert not VmFilter(QueryDict("state=flying"), VirtualMachine.objects.all()).is_valid()


def test_a_host_in_two_groups_is_listed_once() -> None:
    build.host("kvm-1", groups=(build.group("site-a"), build.group("site-b")))
    assert HostFilter(QueryDict("q=kvm"), Host.objects.all()).qs.count() == 1
    assert HostFilter(QueryDict("group=site-b"), Host.objects.all()).qs.count() == 1
    assert HostFilter(QueryDict("state=unreachable"), Host.objects.all()).qs.count() == 0


def test_the_audit_list_is_searched_by_what_was_done() -> None:
    AuditEvent.objects.create(username="alice", source="web", action="mount", target="nas:/a at /mnt on kvm-1")
    assert AuditFilter(QueryDict("q=kvm-1"), AuditEvent.objects.all()).qs.count() == 1
    assert AuditFilter(QueryDict("action=unmount"), AuditEvent.objects.all()).qs.count() == 0
