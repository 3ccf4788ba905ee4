"""libvirt's own event loop, one per process: it carries events, keepalive and the notice that a connection broke."""

from __future__ import annotations

import logging
import threading

import libvirt

log = logging.getLogger(__name__)

_lock = threading.Lock()
_thread: threading.Thread | None = None


def start_event_loop() -> None:
    """Start the loop if it does not run yet. Must come before the first connection is opened."""
    global _thread
    with _lock:
        if _thread is None:
            # Every error is raised as an exception besides; libvirt would print it to stderr as well.
            libvirt.registerErrorHandler(lambda _context, _error: None, None)
            libvirt.virEventRegisterDefaultImpl()
            _thread = threading.Thread(target=_run, name="libvirt events", daemon=True)
            _thread.start()


def _run() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError:
            # poll(2) failed once; without the loop no connection would be noticed to break.
            log.exception("libvirt's event loop")
