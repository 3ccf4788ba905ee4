"""The three roles, as Django groups with the permissions that they carry."""

from typing import Any

from django.db import migrations

ROLES = {"viewer": ["see"], "operator": ["see", "operate"], "admin": ["see", "operate", "manage"]}
NAMES = {
    "see": "See hosts, VMs, storage and migrations",
    "operate": "Migrate, mount, start and stop",
    "manage": "Manage hosts and people",
}


def add_roles(apps: Any, schema_editor: Any) -> None:
    """Make groups and permissions; Django itself makes permissions only after all migrations have run."""
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="hosts", model="host"
    )
    for role, codenames in ROLES.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        for codename in codenames:
            permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
                content_type=content_type, codename=codename, defaults={"name": NAMES[codename]}
            )
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("hosts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(add_roles, migrations.RunPython.noop)]
