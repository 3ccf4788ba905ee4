"""The pages of hosts, VMs, storage, people and the audit list. All need a sign-in (LoginRequiredMiddleware)."""

from django.urls import path

from hosts.pools import POOL_ACTS
from hosts.views import (
    account,
    audit,
    bulk,
    connect,
    console,
    definition,
    describe,
    fleet,
    hosts,
    image_moves,
    mounts,
    overview,
    people,
    pools,
    storage,
    vm_list,
    vms,
)

app_name = "hosts"
urlpatterns = [
    path("", overview.overview, name="overview"),
    path("map/", fleet.fleet, name="map"),
    path("hosts/", hosts.listing, name="list"),
    path("hosts/add/", connect.add, name="add"),
    path("hosts/<str:name>/", hosts.detail, name="detail"),
    path("hosts/<str:name>/edit/", connect.edit, name="edit"),
    path("hosts/<str:name>/describe/", describe.host, name="describe-host"),
    path("hosts/<str:name>/test/", connect.test, name="test"),
    path("hosts/<str:name>/remove/", hosts.remove, name="remove"),
    path("hosts/<str:name>/refresh/", hosts.refresh, name="refresh"),
    path("hosts/<str:name>/maintenance/", hosts.maintenance, name="maintenance"),
    path("hosts/<str:name>/mounts/", mounts.of_host, name="mounts"),
    path("hosts/<str:name>/mounts/<int:pk>/unmount/", mounts.unmount, name="unmount"),
    path("hosts/<str:name>/mounts/<int:pk>/forget/", mounts.forget, name="forget-mount"),
    path("hosts/<str:name>/image-moves/", image_moves.plan, name="plan-image-move"),
    path("image-moves/", image_moves.listing, name="image-moves"),
    path("image-moves/<int:pk>/", image_moves.detail, name="image-move"),
    *[
        path(f"image-moves/<int:pk>/{act}/", image_moves.act, {"act": act}, name=f"image-move-{act}")
        for act in image_moves.ACTS
    ],
    path("hosts/<str:name>/pools/", pools.of_host, name="pools"),
    path("hosts/<str:name>/pools/<str:pool>/", pools.detail, name="pool"),
    path("hosts/<str:name>/pools/<str:pool>/create/", pools.create, name="create-volume"),
    path("hosts/<str:name>/pools/<str:pool>/upload/", pools.upload, name="upload-volume"),
    *[
        path(f"hosts/<str:name>/pools/<str:pool>/{act}/", pools.act, {"act": act}, name=f"pool-{act}")
        for act in POOL_ACTS
    ],
    path("hosts/<str:name>/pools/<str:pool>/volumes/<str:volume>/", pools.volume, name="volume"),
    path("hosts/<str:name>/pools/<str:pool>/volumes/<str:volume>/clone/", pools.clone, name="clone-volume"),
    path("hosts/<str:name>/pools/<str:pool>/volumes/<str:volume>/resize/", pools.resize, name="resize-volume"),
    path("hosts/<str:name>/pools/<str:pool>/volumes/<str:volume>/delete/", pools.delete, name="delete-volume"),
    path("exports/", mounts.exports, name="exports"),
    path("vms/", vm_list.listing, name="vms"),
    path("vms/rows/", vm_list.rows, name="vm-rows"),
    path("vms/views/", vm_list.save_view, name="save-view"),
    path("vms/views/<int:pk>/remove/", vm_list.remove_view, name="remove-view"),
    *[path(f"vms/bulk/{act}/", bulk.bulk, {"act": act}, name=f"bulk-{act}") for act in bulk.WORDS],
    path("vms/<uuid:uuid>/describe/", describe.vm, name="describe-vm"),
    path("vms/<uuid:uuid>/", vms.detail, name="vm"),
    path("vms/<uuid:uuid>/definition/", definition.page, name="definition"),
    path("vms/<uuid:uuid>/console/", console.page, name="console"),
    path("vms/<uuid:uuid>/<str:act>/", vms.act, name="vm-act"),
    path("storage/", storage.storage, name="storage"),
    path("audit/", audit.listing, name="audit"),
    path("people/", people.listing, name="people"),
    path("people/add/", people.add_user, name="add-user"),
    path("people/<int:pk>/", people.user, name="user"),
    path("people/<int:pk>/active/", people.set_active, name="set-active"),
    path("people/<int:pk>/password/", people.new_password, name="new-password"),
    path("people/roles/<int:pk>/take/", people.take_role, name="take-role"),
    path("people/groups/add/", people.add_group, name="add-group"),
    path("people/groups/<int:pk>/", people.group, name="group"),
    path("people/groups/<int:pk>/remove/", people.remove_group, name="remove-group"),
    path("account/tokens/", account.tokens, name="tokens"),
    path("account/tokens/<int:pk>/revoke/", account.revoke_token, name="revoke-token"),
    path("account/password/", account.Password.as_view(), name="password"),
]
