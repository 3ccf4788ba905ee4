"""What VMs and hosts use: kept at falling resolution by the watcher, read by pages and API."""

from hosts.metrics.reading import History, history, sparks
from hosts.metrics.recorder import Recorder, recorder
from hosts.metrics.store import prune

__all__ = ["History", "Recorder", "history", "prune", "recorder", "sparks"]
