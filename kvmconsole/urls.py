"""All routes. Each needs a sign-in unless it says otherwise (LoginRequiredMiddleware)."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST
from django.views.i18n import JavaScriptCatalog, set_language
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView
from rest_framework.permissions import IsAuthenticated

from kvmconsole import activity, health, palette

schema = SpectacularJSONAPIView.as_view(permission_classes=[IsAuthenticated])
swagger = SpectacularSwaggerView.as_view(
    url_name="openapi", permission_classes=[IsAuthenticated], template_name="api_docs.html"
)
# What static/*.js says, in the reader's language; base.html asks for it with the language in its address.
words_of_scripts = login_not_required(cache_control(max_age=3600, private=True)(JavaScriptCatalog.as_view()))

urlpatterns = [
    path("", include("hosts.urls")),
    path("migrations/", include("migrations_app.urls")),
    path("activity/", activity.activity, name="activity"),
    path("find/", palette.find, name="find"),
    path("accounts/login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("language/", login_not_required(require_POST(set_language)), name="language"),
    path("language/scripts.js", words_of_scripts, name="words-of-scripts"),
    path("api/v1/openapi.json", schema, name="openapi"),
    path("api/docs/", swagger, name="api-docs"),
    path("api/v1/", include("hosts.api.urls")),
    path("api/v1/", include("migrations_app.api_urls")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]
