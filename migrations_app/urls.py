"""Paths below /migrations/. Each needs a sign-in (LoginRequiredMiddleware)."""

from django.http import HttpResponse
from django.urls import path

from hosts.http import HtmxHttpRequest
from migrations_app import views
from migrations_app.fixes import FIXES
from migrations_app.views.acts import ACTS


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
    path("estimates/", views.estimates, name="estimates"),
    path("running/", views.running, name="running"),
    path("export.csv", views.export, name="export"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/live.xml", views.live_xml, name="live-xml"),
    path("<int:pk>/tune/", views.tune, name="tune"),
    path("<int:pk>/resolve/<slug:choice>/", views.resolve, name="resolve"),
    *[path(f"<int:pk>/{act}/", views.confirm, {"act": act}, name=act) for act in ACTS],
]
