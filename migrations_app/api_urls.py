"""Paths of migrations below /api/v1/."""

from django.urls import path

from migrations_app import api, api_plans, api_schedules, queue_api

app_name = "migrations-api"
urlpatterns = [
    path("migrations", api.MigrationList.as_view(), name="migrations"),
    path("migrations/preflight", api.MigrationPreflight.as_view(), name="preflight"),
    path("migrations/fix", api.MigrationFix.as_view(), name="fix"),
    path("migrations/<int:pk>", api.MigrationDetail.as_view(), name="migration"),
    path("migrations/<int:pk>/report", api.MigrationReport.as_view(), name="migration-report"),
    path("migrations/<int:pk>/move", queue_api.MigrationMove.as_view(), name="migration-move"),
    path("queue", queue_api.Queue.as_view(), name="queue"),
    path("migrations/<int:pk>/resolve", api.MigrationResolve.as_view(), name="migration-resolve"),
    *[
        path(f"migrations/<int:pk>/{act}", api.MigrationAct.as_view(act=act), name=f"migration-{act}")
        for act in api.ACTS
    ],
    path("evacuations", api_plans.PlanList.as_view(), name="evacuations"),
    path("evacuations/<int:pk>", api_plans.PlanDetail.as_view(), name="evacuation"),
    *[
        path(f"evacuations/<int:pk>/{act}", api_plans.PlanAct.as_view(act=act), name=f"evacuation-{act}")
        for act in api_plans.ACTS
    ],
    path("evacuations/<int:pk>/moves/<int:move>", api_plans.MoveDetail.as_view(), name="move"),
    *[
        path(f"evacuations/<int:pk>/moves/<int:move>/{act}", api_plans.MoveAct.as_view(act=act), name=f"move-{act}")
        for act in api_plans.MOVE_ACTS
    ],
    path("hosts/<str:name>/evacuate", api_plans.Evacuate.as_view(), name="evacuate"),
    path("hosts/<str:name>/evacuability", api_plans.HostEvacuability.as_view(), name="evacuability"),
    path("placement-rules", api_plans.RuleList.as_view(), name="rules"),
    path("placement-rules/<int:pk>", api_plans.RuleDetail.as_view(), name="rule"),
    path("schedules", api_schedules.ScheduleList.as_view(), name="schedules"),
    path("schedules/<int:pk>", api_schedules.ScheduleDetail.as_view(), name="schedule"),
    path("schedules/<int:pk>/run", api_schedules.ScheduleRunNow.as_view(), name="schedule-run"),
]
