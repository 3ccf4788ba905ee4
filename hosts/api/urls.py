"""Paths below /api/v1/; kvmconsole.api includes them."""

from django.urls import path

from hosts import actions
from hosts.api import (
    audit,
    consoles,
    definitions,
    hardware,
    hosts,
    image_moves,
    making,
    metrics,
    nfs_servers,
    pools,
    shares,
    snapshots,
    storage,
    vms,
)
from hosts.pools import POOL_ACTS

app_name = "hosts-api"
urlpatterns = [
    path("hosts", hosts.HostList.as_view(), name="hosts"),
    path("hosts/<str:name>", hosts.HostDetail.as_view(), name="host"),
    path("hosts/<str:name>/refresh", hosts.HostRefresh.as_view(), name="host-refresh"),
    path("hosts/<str:name>/pools", storage.PoolList.as_view(), name="pools"),
    path("hosts/<str:name>/pools/<str:pool>/volumes", storage.VolumeList.as_view(), name="volumes"),
    path("hosts/<str:name>/pools/<str:pool>", pools.PoolDetail.as_view(), name="pool"),
    *[
        path(f"hosts/<str:name>/pools/<str:pool>/{act}", pools.PoolAct.as_view(act=act), name=f"pool-{act}")
        for act in POOL_ACTS
        if act != "undefine"
    ],
    path("hosts/<str:name>/pools/<str:pool>/upload", pools.VolumeUpload.as_view(), name="upload-volume"),
    path("hosts/<str:name>/pools/<str:pool>/volumes/<str:volume>", pools.VolumeDetail.as_view(), name="volume"),
    path(
        "hosts/<str:name>/pools/<str:pool>/volumes/<str:volume>/clone", pools.VolumeClone.as_view(), name="clone-volume"
    ),
    path(
        "hosts/<str:name>/pools/<str:pool>/volumes/<str:volume>/resize",
        pools.VolumeResize.as_view(),
        name="resize-volume",
    ),
    path("hosts/<str:name>/mounts", storage.MountList.as_view(), name="mounts"),
    path("hosts/<str:name>/mounts/<int:pk>", storage.MountDetail.as_view(), name="mount"),
    path("hosts/<str:name>/mounts/<int:pk>/remount", shares.MountRemount.as_view(), name="mount-remount"),
    path("shares", shares.ShareList.as_view(), name="shares"),
    path("sharing-proofs", shares.ProofList.as_view(), name="sharing-proofs"),
    path("group-mounts", shares.GroupMountList.as_view(), name="group-mounts"),
    path("group-mounts/<int:pk>", shares.GroupMountDetail.as_view(), name="group-mount"),
    path("hosts/<str:name>/image-moves", image_moves.ImageMoveList.as_view(), name="image-moves"),
    path("image-moves/<int:pk>", image_moves.ImageMoveDetail.as_view(), name="image-move"),
    path("image-moves/<int:pk>/start", image_moves.ImageMoveStart.as_view(), name="image-move-start"),
    *[
        path(f"image-moves/<int:pk>/{act}", image_moves.ImageMoveAct.as_view(act=act), name=f"image-move-{act}")
        for act in image_moves.ImageMoveAct.acts
    ],
    path("nfs-servers", nfs_servers.ServerList.as_view(), name="nfs-servers"),
    path("nfs-servers/<str:name>", nfs_servers.ServerDetail.as_view(), name="nfs-server"),
    path("nfs-servers/<str:name>/refresh", nfs_servers.ServerRefresh.as_view(), name="nfs-server-refresh"),
    path("nfs-servers/<str:name>/start", nfs_servers.ServerStart.as_view(), name="nfs-server-start"),
    path("nfs-servers/<str:name>/exports", nfs_servers.ServerExports.as_view(), name="nfs-server-exports"),
    path("hosts/<str:name>/metrics", metrics.HostMetrics.as_view(), name="host-metrics"),
    path("exports", storage.ExportList.as_view(), name="exports"),
    path("vms", vms.VmList.as_view(), name="vms"),
    path("vms/<uuid:uuid>", vms.VmDetail.as_view(), name="vm"),
    path("vms/<uuid:uuid>/consoles", consoles.VmConsoles.as_view(), name="consoles"),
    path("vms/<uuid:uuid>/shutdown", vms.VmShutdown.as_view(), name="vm-shutdown"),
    path("vms/<uuid:uuid>/definition", definitions.VmDefinition.as_view(), name="vm-definition"),
    *[
        path(f"vms/<uuid:uuid>/{change}", hardware.VmChange.as_view(change=change, form=form), name=f"vm-{change}")
        for change, form in hardware.INPUTS.items()
    ],
    path("vms/<uuid:uuid>/clone", making.VmClone.as_view(), name="clone-vm"),
    path("vm-builds", making.BuildList.as_view(), name="builds"),
    path("vm-builds/<int:pk>", making.BuildDetail.as_view(), name="build"),
    path("vm-builds/<int:pk>/cancel", making.BuildCancel.as_view(), name="cancel-build"),
    path("vms/<uuid:uuid>/snapshots", snapshots.SnapshotList.as_view(), name="snapshots"),
    path("vms/<uuid:uuid>/snapshots/<str:snapshot>", snapshots.SnapshotDetail.as_view(), name="snapshot"),
    path("vms/<uuid:uuid>/snapshots/<str:snapshot>/revert", snapshots.SnapshotRevert.as_view(), name="revert-snapshot"),
    *[
        path(f"vms/<uuid:uuid>/{act}", vms.VmAct.as_view(act=act), name=f"vm-{act}")
        for act in actions.VM_ACTS
        if act != "shutdown"
    ],
    path("vms/<uuid:uuid>/metrics", metrics.VmMetrics.as_view(), name="vm-metrics"),
    path("audit", audit.AuditList.as_view(), name="audit"),
]
