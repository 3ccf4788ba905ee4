"""A thread that makes one connection's calls, so that a caller can stop waiting for one that hangs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """Runs functions one after the other in a daemon thread: one that hangs for good must not keep the process alive,
    as the threads of ThreadPoolExecutor would."""

    def __init__(self, name: str) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._loop, name=name, daemon=True).start()

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Queue `function`; the future holds what it returns or raises."""
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

        self._queue.put(work)
        return future

    def stop(self) -> None:
        """End the thread once it has done what is queued."""
        self._queue.put(None)

    def _loop(self) -> None:
        while (work := self._queue.get()) is not None:
            work()
            del work  # else the last call's values live until the next call
