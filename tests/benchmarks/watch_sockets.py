"""`manage.py watch` for hosts of the test driver that live in a libvirtd of their own, so that each call is a real RPC:

    python -m tests.benchmarks.watch_sockets SOCKET

A host's test:///PATH becomes test+unix:///PATH?socket=SOCKET. The test driver has no figures of what guests use; they are made
up, so that the watcher keeps as many of them as it would.
"""

import os
import sys
import time
import zlib
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kvmconsole.settings")
django.setup()

from django.core.management import call_command  # noqa: E402 - Django has to be set up

from hosts.libvirt_client import stats  # noqa: E402
from hosts.libvirt_client.connection import Target  # noqa: E402
from hosts.rates import Counters  # noqa: E402
from tests.daemon import uri_of  # noqa: E402


def made_up(_stats: object, *, at: float, run: str) -> Counters:
    share = zlib.crc32(run.encode()) % 100 / 100
    used = time.time() * share
    return Counters(at, run, used, share * 2**31, used * 2**20, used * 2**18, used * 1e5, used * 1e6)


def main() -> None:
    socket = Path(sys.argv[1])
    setattr(Target, "full_uri", lambda target: uri_of(target.uri.removeprefix("test://"), socket))  # noqa: B010 - a method
    setattr(stats, "guest_counters", made_up)  # noqa: B010
    call_command("watch")


if __name__ == "__main__":
    main()
