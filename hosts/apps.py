from django.apps import AppConfig


class HostsConfig(AppConfig):
    name = "hosts"
    verbose_name = "Hosts"

    def ready(self) -> None:
        from hosts import (
            holds,
            tasks,  # noqa: F401 (registers them)
        )
        from hosts.making import running
        from hosts.moving_images.runner import why_held

        holds.HOLDS += [why_held, running.why_held]
