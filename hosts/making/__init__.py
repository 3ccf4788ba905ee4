"""Making VMs in the background: clones of others, and new ones from an image or an installation medium."""

from hosts.making.beginning import clone, create
from hosts.making.systems import System, systems

__all__ = ["System", "clone", "create", "systems"]
