"""Settings of the console, from eight environment variables and nothing else; docs/settings.md explains each.

KVMCONSOLE_SECRET_KEY, KVMCONSOLE_ALLOWED_HOSTS, KVMCONSOLE_DATA_DIR, KVMCONSOLE_DEBUG, KVMCONSOLE_METRICS_DAYS, KVMCONSOLE_HISTORY_DAYS, DATABASE_URL, REDIS_URL.
"""

import os
import secrets
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from huey import RedisHuey, SqliteHuey

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()


def envbool(name: str, *, default: bool) -> bool:
    """Read a yes/no variable; raises ImproperlyConfigured on anything but 1, 0, true, false, yes, no."""
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    text = os.environ.get(name, "").strip().lower()
    if not text:
        return default
    if text not in words:
        raise ImproperlyConfigured(f"{name}={text!r} is neither yes nor no; write 1 or 0.")
    return words[text]


def envint(name: str, *, default: int, most: int) -> int:
    """Read a whole number from 0 to `most`; raises ImproperlyConfigured on anything else."""
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or int(text) > most:
        raise ImproperlyConfigured(f"{name}={text!r} is no number from 0 to {most}.")
    return int(text)


def data_folder() -> Path:
    """The folder for the database, the secret key and the console's ssh keys; made with mode 0700."""
    folder = Path(os.environ.get("KVMCONSOLE_DATA_DIR") or BASE_DIR / "data").resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def secret_key(folder: Path) -> str:
    """KVMCONSOLE_SECRET_KEY, or a key made once and kept in the data folder with mode 0600."""
    key = os.environ.get("KVMCONSOLE_SECRET_KEY", "")
    if key:
        if len(key) < 32:
            raise ImproperlyConfigured(
                "KVMCONSOLE_SECRET_KEY is shorter than 32 characters; make a longer one or unset it."
            )
        return key
    kept = folder / "secret_key"
    try:
        with open(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
    except FileExistsError:
        pass
    return kept.read_text().strip()


DEBUG = envbool("KVMCONSOLE_DEBUG", default=False)
DATA_DIR = data_folder()
SECRET_KEY = secret_key(DATA_DIR)
ALLOWED_HOSTS = [name.strip() for name in os.environ.get("KVMCONSOLE_ALLOWED_HOSTS", "").split(",") if name.strip()]
if "*" in ALLOWED_HOSTS and not DEBUG:
    raise ImproperlyConfigured("KVMCONSOLE_ALLOWED_HOSTS=* believes any Host header; name the console's own addresses.")
ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]
# A proxy that ends TLS in front of Daphne makes the browser's Origin https while Daphne itself sees http.
CSRF_TRUSTED_ORIGINS = [f"https://{name}" for name in ALLOWED_HOSTS if name != "*"]

HAS_LAB = (BASE_DIR / "tests" / "lab").is_dir()
INSTALLED_APPS = [
    "daphne",
    "kvmconsole",
    "hosts",
    "migrations_app",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "django_filters",
    "django_htmx",
    "huey.contrib.djhuey",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    *(["tests.lab"] if HAS_LAB else []),
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "kvmconsole.middleware.PageLanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "kvmconsole.middleware.HostErrorMiddleware",
]
ROOT_URLCONF = "kvmconsole.urls"
ASGI_APPLICATION = "kvmconsole.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "builtins": ["django.templatetags.i18n", "kvmconsole.templatetags.translated"],
            "loaders": [
                (
                    "kvmconsole.languages.TranslatedLoader",
                    ["django.template.loaders.filesystem.Loader", "django.template.loaders.app_directories.Loader"],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "kvmconsole.context.navigation",
            ],
        },
    }
]

DATABASES: dict[str, Any] = {"default": env.db("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'db.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["ENGINE"] = "kvmconsole.sqlite"
    # WAL with IMMEDIATE is what keeps several writers from failing with "database is locked".
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA foreign_keys=ON;",
    }
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # A connection serves one request or task after the other, since to open one takes the server a new process. As many as
    # threads use at once, as without a pool; PostgreSQL allows 100 unless told otherwise.
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 0, "max_size": 90, "timeout": 20}}
    # One that a restart of PostgreSQL has ended is found when it is taken, not by the request that got it.
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = os.environ.get("REDIS_URL", "")
EMBEDDED = not REDIS_URL
"""One process does everything: in-memory channel layer, huey on SQLite."""
LIVE_CAPACITY = 2000
"""Events that wait for one socket. A host that goes away tells of up to 50 guests at once: the usual 100 lost some."""
if EMBEDDED:
    CHANNEL_LAYERS: dict[str, Any] = {"default": {"BACKEND": "kvmconsole.channel_layer.ThreadSafeInMemoryLayer"}}
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    HUEY = SqliteHuey("kvmconsole", filename=str(DATA_DIR / "huey.sqlite3"), results=False)
else:
    # socket_timeout and max_connections said outright: redis-py 8 changed their defaults (django/channels_redis issue 422).
    layer_host: dict[str, Any] = {"address": REDIS_URL, "socket_timeout": None, "max_connections": 5000}
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [layer_host], "capacity": LIVE_CAPACITY},
        }
    }
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
    HUEY = RedisHuey("kvmconsole", url=REDIS_URL, results=False)

METRICS_DAYS = envint("KVMCONSOLE_METRICS_DAYS", default=366, most=366)
"""How long the figures of VMs and hosts are kept; 0: none are read."""
HISTORY_DAYS = envint("KVMCONSOLE_HISTORY_DAYS", default=1096, most=36_525)
"""How long what is over is kept: migrations, plans, audit; 0: for good."""

AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "hosts.access.ScopedBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "hosts:overview"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF, "ws:", "wss:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 366 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["kvmconsole.api.BearerAuthentication", "kvmconsole.api.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["kvmconsole.api.Deny"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "kvmconsole.api.ItemPagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "kvmconsole.api.problem_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "kvmconsole API",
    "DESCRIPTION": "Inventory, NFS mounts and live migration of KVM guests. Send `Authorization: Bearer TOKEN`.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    # Where several fields share a name but not their values, the document would call these by a hash.
    "ENUM_NAME_OVERRIDES": {
        "VmState": "hosts.models.VmState",
        "MigrationKind": "migrations_app.models.Kind",
        "RuleKind": "migrations_app.models.PlacementRule.Kind",
        "MoveState": "migrations_app.models.Move.State",
        "ScheduleWhat": "migrations_app.models.Schedule.What",
        "PlanState": "migrations_app.models.Evacuation.State",
        "NicKind": "hosts.editing.nics.KINDS",
        "BuildKind": "hosts.models.VmBuild.Kind",
        "BuildState": "hosts.models.VmBuild.State",
        "SnapshotKind": "hosts.actions.snapshots.KINDS",
        "ImageState": "migrations_app.serializers_of_probes.IMAGE_STATES",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname:7} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "daphne": {"level": "WARNING"},
        "huey": {"level": "WARNING"},
        "django.channels.server": {"level": "WARNING"},
    },
}
