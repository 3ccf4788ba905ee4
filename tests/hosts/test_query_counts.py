"""What a page asks the database does not grow with what it shows: counted at two sizes."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from hosts.models import Host, VirtualMachine
from migrations_app.states import State
from tests import build

pytestmark = pytest.mark.django_db
SMALL, LARGE = 2, 7
PAGES = {
    "overview": "/",
    "map of hosts": "/map/",
    "moves on the map": "/migrations/map/",
    "VM list": "/vms/",
    "VM search": "/vms/?q=app",
    "VM page": "/vms/{uuid}/",
    "host list": "/hosts/",
    "host page": "/hosts/kvm-00/",
    "migrations": "/migrations/",
    "mounts": "/storage/",
    "pools": "/storage/?tab=pools",
    "shares by host": "/storage/matrix/",
    "a share on a host": "/storage/matrix/?source=198.51.100.2:/home/image&on=kvm-00",
}


def grow(first: int, last: int) -> None:
    """Hosts, each with a mount, a pool and guests of all kinds; one migration under way and one that is over for each."""
    hosts = [build.host(f"kvm-{number:02d}", groups=(build.group(),)) for number in range(first, last)]
    start = Host.objects.get(name="kvm-00")
    for number, host in enumerate(hosts, start=first):
        build.mount(on=host, state="missing")
        build.pool(on=host)
        build.vm(f"app-{number}", on=start, also_defined_on=(host,) if host != start else ())
        build.vm(f"batch-{number}", on=host, persistent=False)
        build.migration(build.vm(f"gone-{number}", on=start), to=host, state=State.COMPLETED)
        if number:
            build.migration(build.vm(f"moving-{number}", on=start), to=host, state=State.COPYING)


def statements(client: Client) -> dict[str, int]:
    uuid = VirtualMachine.objects.get(name="app-1").uuid
    counts = {}
    for name, path in PAGES.items():
        with CaptureQueriesContext(connection) as asked:
            assert client.get(path.format(uuid=uuid)).status_code == 200
        counts[name] = len(asked)
    return counts


@pytest.mark.parametrize("scoped", [False, True])
def test_a_page_takes_the_same_statements_for_any_number_of_rows(client: Client, *, scoped: bool) -> None:
    grow(0, SMALL)
    client.force_login(build.user("olga", role="operator", scope=build.group() if scoped else None))
    small = statements(client)
    grow(SMALL, LARGE)
    assert statements(client) == small
    assert max(small.values()) <= 36, small  # the overview asks for the steps of the guide as well
