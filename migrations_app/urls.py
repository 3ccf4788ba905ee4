"""Paths below /migrations/. Each needs a sign-in (LoginRequiredMiddleware)."""

from django.http import HttpResponse
from django.urls import path

from hosts.http import HtmxHttpRequest
from migrations_app import views
from migrations_app.fixes import FIXES
from migrations_app.views.acts import ACTS
from migrations_app.views.plan_acts import MOVE_ACTS, PLAN_ACTS


def history_or_create(request: HtmxHttpRequest) -> HttpResponse:
    """One address: GET reads the history, POST starts a migration."""
    return views.create(request) if request.method == "POST" else views.history(request)


app_name = "migrations"
urlpatterns = [
    path("", history_or_create, name="list"),
    path("", history_or_create, name="create"),
    path("new/", views.new, name="new"),
    path("preflight/", views.check, name="preflight"),
    path("destinations/", views.destinations, name="destinations"),
    *[path(f"fix/{act}/", views.fix, {"act": act}, name=f"fix-{act.replace('_', '-')}") for act in FIXES],
    path("queue/", views.queue, name="queue"),
    path("queue/limits/", views.queue_limits, name="queue-limits"),
    path("<int:pk>/requeue/", views.requeue, name="requeue"),
    path("estimates/", views.estimates, name="estimates"),
    path("running/", views.running, name="running"),
    path("map/", views.map_moves, name="map-moves"),
    path("export.csv", views.export, name="export"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/live.xml", views.live_xml, name="live-xml"),
    path("<int:pk>/report.zip", views.bug_report, name="report"),
    path("<int:pk>/tune/", views.tune, name="tune"),
    path("<int:pk>/resolve/<slug:choice>/", views.resolve, name="resolve"),
    *[path(f"<int:pk>/{act}/", views.confirm, {"act": act}, name=act) for act in ACTS],
    path("plans/", views.plans, name="evacuations"),
    path("plans/new/", views.new_plan, name="evacuation-new"),
    path("plans/<int:pk>/", views.plan, name="evacuation"),
    path("plans/<int:pk>/edit/", views.change_plan, name="evacuation-edit"),
    *[path(f"plans/<int:pk>/{act}/", views.plan_act, {"act": act}, name=f"evacuation-{act}") for act in PLAN_ACTS],
    path("plans/<int:pk>/moves/<int:move>/destination/", views.move_destination, name="move-destination"),
    *[
        path(f"plans/<int:pk>/moves/<int:move>/{act}/", views.move_act, {"act": act}, name=f"move-{act}")
        for act in MOVE_ACTS
    ],
    path("rules/", views.rule_list, name="rules"),
    path("rules/<int:pk>/", views.rule, name="rule"),
    path("rules/<int:pk>/remove/", views.remove_rule, name="rule-remove"),
    path("evacuability/", views.evacuabilities, name="evacuabilities"),
    path("evacuability/<str:name>/", views.evacuability, name="evacuability"),
    path("schedules/", views.schedule_list, name="schedules"),
    path("schedules/new/", views.new_schedule, name="schedule-new"),
    path("schedules/preview/", views.schedule_preview, name="schedule-preview"),
    path("schedules/<int:pk>/", views.schedule, name="schedule"),
    path("schedules/<int:pk>/edit/", views.change_schedule, name="schedule-edit"),
    path("schedules/<int:pk>/switch/", views.schedule_switch, name="schedule-switch"),
    path("schedules/<int:pk>/run/", views.schedule_run, name="schedule-run"),
    path("schedules/<int:pk>/seen/", views.schedule_seen, name="schedule-seen"),
    path("schedules/<int:pk>/delete/", views.schedule_delete, name="schedule-delete"),
]
