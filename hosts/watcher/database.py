"""How a thread of the watcher uses the database."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections


@contextmanager
def own_database() -> Iterator[None]:
    """Give this thread's database connections back at the end: hundreds of threads must not each keep one."""
    try:
        yield
    finally:
        connections.close_all()
