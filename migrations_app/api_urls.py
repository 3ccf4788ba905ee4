"""Paths of migrations below /api/v1/."""

from django.urls import path

from migrations_app import api

app_name = "migrations-api"
urlpatterns = [
    path("migrations", api.MigrationList.as_view(), name="migrations"),
    path("migrations/preflight", api.MigrationPreflight.as_view(), name="preflight"),
    path("migrations/fix", api.MigrationFix.as_view(), name="fix"),
    path("migrations/<int:pk>", api.MigrationDetail.as_view(), name="migration"),
    path("migrations/<int:pk>/resolve", api.MigrationResolve.as_view(), name="migration-resolve"),
    *[
        path(f"migrations/<int:pk>/{act}", api.MigrationAct.as_view(act=act), name=f"migration-{act}")
        for act in api.ACTS
    ],
]
