from django.apps import AppConfig


class MigrationsConfig(AppConfig):
    name = "migrations_app"
    verbose_name = "Migrations"

    def ready(self) -> None:
        from hosts import holds
        from migrations_app import tasks  # noqa: F401 (registers them)
        from migrations_app.actions import held_vms, why_held

        holds.HOLDS.append(why_held)
        holds.HELD.append(held_vms)
