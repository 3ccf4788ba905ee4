"""The pages of migrations: the history, a new one, one of them, and what can be done to it."""

from migrations_app.views.acts import confirm, resolve, tune
from migrations_app.views.detail import detail, live_xml
from migrations_app.views.estimates import estimates
from migrations_app.views.fix import fix
from migrations_app.views.history import export, history, running
from migrations_app.views.new import check, create, destinations, new

__all__ = [
    "check",
    "confirm",
    "create",
    "destinations",
    "detail",
    "estimates",
    "export",
    "fix",
    "history",
    "live_xml",
    "new",
    "resolve",
    "running",
    "tune",
]
