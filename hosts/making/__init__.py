"""Making VMs in the background: clones of others, and new ones from an image or an installation medium."""

from hosts.making.beginning import MEDIA, clone, create
from hosts.making.cancelling import cancel
from hosts.making.systems import System, systems

__all__ = ["MEDIA", "System", "cancel", "clone", "create", "systems"]
