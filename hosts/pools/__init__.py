"""libvirt's storage pools over folders and shares, and their volumes: made, changed, and deleted where nobody uses them."""

from hosts.pools.acts import POOL_ACTS, define, define_on
from hosts.pools.volumes import clone, create, delete, resize, upload

__all__ = ["POOL_ACTS", "clone", "create", "define", "define_on", "delete", "resize", "upload"]
