"""How is the platform configured? Everything comes from the environment; a secret may also stand in NAME_FILE."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from bpp.sidebar import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent
VB_HOME = Path(os.environ.get("VB_HOME", BASE_DIR / ".vb"))


def env(name: str, default: str = "") -> str:
    """The setting's text; where NAME_FILE is set, the contents of that file."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        return Path(path).read_text(encoding="utf-8").strip()
    return os.environ.get(name, default)


def env_bool(name: str, *, default: bool) -> bool:
    """True for 1, true, yes, on; False for 0, false, no, off and the empty text."""
    text = env(name, "1" if default else "0").strip().lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off", ""}:
        return False
    raise ImproperlyConfigured(f"{name} is {text!r}; write 1 or 0")


def env_int(name: str, default: int) -> int:
    """The setting as a whole number."""
    text = env(name, str(default))
    try:
        return int(text)
    except ValueError as err:
        raise ImproperlyConfigured(f"{name} is {text!r}; write a whole number") from err


def env_list(name: str, default: str = "") -> list[str]:
    """The setting's comma-separated parts."""
    return [part.strip() for part in env(name, default).split(",") if part.strip()]


DB_POOL_SIZE = env_int("DB_POOL_SIZE", 20)


def database(url: str) -> dict[str, Any]:
    """Django's database settings from `postgresql://user:password@host:port/name?host=/socket/dir`."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured("DATABASE_URL must start with postgresql://; no other database is supported")
    query = parse_qs(parts.query)
    pooled = env_bool("DB_POOL", default=False)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "voltbazaar",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.get("host", [parts.hostname or ""])[0],
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 0 if pooled else 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 3,
            "tcp_user_timeout": 5000,
            "keepalives_idle": 3,
            "keepalives_interval": 1,
            "keepalives_count": 3,
            "options": "-c statement_timeout=15000 -c lock_timeout=3000 -c idle_in_transaction_session_timeout=10000",
            **({"pool": {"min_size": 1, "max_size": DB_POOL_SIZE, "timeout": 3.0}} if pooled else {}),
        },
        "TEST": {"NAME": env("VB_TEST_DB") or None},
    }


DEBUG = env_bool("DEBUG", default=False)
SECRET_KEY = env("SECRET_KEY")
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set; give a long random text in SECRET_KEY or SECRET_KEY_FILE")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "127.0.0.1,localhost" if DEBUG else "")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")

DATABASE_URL = env("DATABASE_URL", "postgresql:///voltbazaar")
REDIS_URL = env("REDIS_URL", "redis://127.0.0.1:6379/0")
DATABASES = {"default": database(DATABASE_URL)}

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.postgres",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "catalog",
    "orders",
    "fulfillment",
    "support",
    "bpp",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "bpp.urls"
WSGI_APPLICATION = "bpp.wsgi.application"
ASGI_APPLICATION = "bpp.asgi.application"
AUTHENTICATION_BACKENDS = ["bpp.entrance.ThrottledBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
TIME_ZONE = "Asia/Kolkata"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = VB_HOME / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEBUG

# Security: strict unless DEBUG is on; what presumes HTTPS follows the address we are registered under
SERVED_BY_HTTPS = env("BECKN_SUBSCRIBER_URL").startswith("https://") and not DEBUG
BEHIND_PROXY = env_bool("BEHIND_PROXY", default=False)
SECURE_SSL_REDIRECT = env_bool("SECURE_SSL_REDIRECT", default=SERVED_BY_HTTPS)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SECURE_HSTS_SECONDS = 31_536_000 if SERVED_BY_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SERVED_BY_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$", r"^beckn/", r"^events$"]
# With no-referrer browsers send `Origin: null`, and every form of the admin would be refused as forged.
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SERVED_BY_HTTPS
SESSION_COOKIE_AGE = 8 * 3600
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        # django-unfold's Alpine needs eval and inline handlers; the driver's page sets a stricter policy of its own.
        "script-src": ["'self'", "'unsafe-inline'", "'unsafe-eval'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "frame-ancestors": ["'none'"],
    }
}

# Raster tiles under the live map, `https://tile.example.org/{z}/{x}/{y}.png`; empty: the shipped drawing alone
MAP_TILES_URL = env("MAP_TILES_URL")
MAP_TILES_CREDIT = env("MAP_TILES_CREDIT")

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Voltbazaar",
    "DESCRIPTION": "Stations, orders and sessions for operators; events from stations. The Beckn endpoints are signed "
    "and described in docs/protocol.md.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "EvseStatus": "catalog.models.Evse.Status",
        "PaymentStatus": "orders.models.Payment.Status",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# Who we are on the network
BECKN_SUBSCRIBER_ID = env("BECKN_SUBSCRIBER_ID", "bpp.voltbazaar.localhost")
BECKN_SUBSCRIBER_URL = env("BECKN_SUBSCRIBER_URL", "http://127.0.0.1:8000/beckn").rstrip("/")
BECKN_KEY_ID = env("BECKN_KEY_ID", "k1")
BECKN_SIGNING_PRIVATE_KEY = env("BECKN_SIGNING_PRIVATE_KEY")
BECKN_ENCRYPTION_PRIVATE_KEY = env("BECKN_ENCRYPTION_PRIVATE_KEY")
BECKN_MASTER_KEY = env("BECKN_MASTER_KEY")
BECKN_REGISTRY_URL = env("BECKN_REGISTRY_URL").rstrip("/")
BECKN_REGISTRY_ENCRYPTION_KEYS = env_list("BECKN_REGISTRY_ENCRYPTION_KEYS")
BECKN_DOMAINS = env_list("BECKN_DOMAINS", "ev-charging:uei")
BECKN_COUNTRY = env("BECKN_COUNTRY", "IND")
BECKN_CITY = env("BECKN_CITY", "std:080")
BECKN_ALLOW_PRIVATE_CALLBACKS = env_bool("BECKN_ALLOW_PRIVATE_CALLBACKS", default=False)
BECKN_REQUIRE_GATEWAY = env_bool("BECKN_REQUIRE_GATEWAY", default=False)
BECKN_ACCEPT_HS2019 = env_bool("BECKN_ACCEPT_HS2019", default=False)
BECKN_ACCEPT_SUBSCRIBER_PATHS = env_bool("BECKN_ACCEPT_SUBSCRIBER_PATHS", default=False)
BECKN_CLOCK_SKEW_S = env_int("BECKN_CLOCK_SKEW_S", 10)
BECKN_MAX_WINDOW_S = env_int("BECKN_MAX_WINDOW_S", 3600)
BECKN_SIGNATURE_WINDOW_S = env_int("BECKN_SIGNATURE_WINDOW_S", 300)
BECKN_DEFAULT_TTL_S = env_int("BECKN_DEFAULT_TTL_S", 600)
BECKN_BODY_LIMIT_BYTES = env_int("BECKN_BODY_LIMIT_BYTES", 262_144)
BECKN_BODY_DEADLINE_S = env_int("BECKN_BODY_DEADLINE_S", 8)
BECKN_IP_RATE_PER_S = env_int("BECKN_IP_RATE_PER_S", 1000)
BECKN_IP_BURST = env_int("BECKN_IP_BURST", 2000)
BECKN_SUBSCRIBER_RATE_PER_S = env_int("BECKN_SUBSCRIBER_RATE_PER_S", 0)
BECKN_NETWORK_NAME = env("BECKN_NETWORK_NAME", "Voltbazaar")
BECKN_EMPTY_SEARCH_ANSWER = env_bool("BECKN_EMPTY_SEARCH_ANSWER", default=False)
BECKN_SEARCH_LIMIT = env_int("BECKN_SEARCH_LIMIT", 50)
BECKN_ANSWER_LIMIT_BYTES = env_int("BECKN_ANSWER_LIMIT_BYTES", 200_000)
BECKN_STATE_DEADLINE_S = env_int("BECKN_STATE_DEADLINE_S", 86_400)
BECKN_PROGRESS_EVERY_S = env_int("BECKN_PROGRESS_EVERY_S", 30)
BECKN_STATION_ANSWER_WAIT_S = env_int("BECKN_STATION_ANSWER_WAIT_S", 8)
BECKN_SYNC_NACK_STATUS = env_int("BECKN_SYNC_NACK_STATUS", 200)

# Money and promises
QUOTE_TTL_S = env_int("QUOTE_TTL_S", 900)
MAX_FINDER_FEE_PERCENT = env_int("MAX_FINDER_FEE_PERCENT", 10)
DEFAULT_ENERGY_WH = env_int("DEFAULT_ENERGY_WH", 10_000)
MAX_SESSION_S = env_int("MAX_SESSION_S", 86_400)
BOOK_AHEAD_DAYS = env_int("BOOK_AHEAD_DAYS", 30)
CANCELLATION_REASONS_STRICT = env_bool("CANCELLATION_REASONS_STRICT", default=False)
TRACK_LINK_DAYS = env_int("TRACK_LINK_DAYS", 30)
# Open pages that a web process keeps up to date at a time, and those from one address: many phones may share one.
LIVE_STREAMS_MAX = env_int("LIVE_STREAMS_MAX", 5000)
LIVE_STREAMS_PER_ADDRESS = env_int("LIVE_STREAMS_PER_ADDRESS", 200)
# Whether the link that on_track names may stop the session; each operator has a switch of its own
TRACK_LINK_MAY_STOP = env_bool("TRACK_LINK_MAY_STOP", default=True)
# Whether the network lets a buyer app declare that its customer agreed to the terms, without our form
TERMS_DECLARED_CONSENT = env_bool("TERMS_DECLARED_CONSENT", default=False)

# Money on its way back: promised within, given back where nobody confirmed or charged in time, books checked every.
REFUND_WITHIN_S = env_int("REFUND_WITHIN_S", 5 * 86_400)
REFUND_UNCONFIRMED_S = env_int("REFUND_UNCONFIRMED_S", 900)
ENERGY_WITHIN_S = env_int("ENERGY_WITHIN_S", 3_600)
BOOKS_CHECK_S = env_int("BOOKS_CHECK_S", 600)

# Collecting for ourselves; without a provider the payer's transaction id is the proof
PAYMENT_PROVIDER = env("PAYMENT_PROVIDER")
PAYMENT_RAZORPAY_URL = env("PAYMENT_RAZORPAY_URL", "https://api.razorpay.com/v1").rstrip("/")
PAYMENT_RAZORPAY_KEY_ID = env("PAYMENT_RAZORPAY_KEY_ID")
PAYMENT_RAZORPAY_KEY_SECRET = env("PAYMENT_RAZORPAY_KEY_SECRET")
PAYMENT_RAZORPAY_ACCOUNT = env("PAYMENT_RAZORPAY_ACCOUNT")
PAYMENT_RAZORPAY_WEBHOOK_SECRETS = env_list("PAYMENT_RAZORPAY_WEBHOOK_SECRETS")
PAYMENT_RAZORPAY_PARTIAL_CAPTURE = env_bool("PAYMENT_RAZORPAY_PARTIAL_CAPTURE", default=False)
PAYMENT_UPI_ADDRESS = env("PAYMENT_UPI_ADDRESS")
PAYMENT_UPI_PAYEE = env("PAYMENT_UPI_PAYEE", "Voltbazaar")
PAYMENT_BUFFER_PERCENT = env_int("PAYMENT_BUFFER_PERCENT", 10)
PAYMENT_HOLD_S = env_int("PAYMENT_HOLD_S", 172_800)
PAYMENT_TIMEOUT_S = env_int("PAYMENT_TIMEOUT_S", 6)
PAYMENT_ALLOW_PRIVATE = env_bool("PAYMENT_ALLOW_PRIVATE", default=False)
PAYMENT_WEBHOOK_TOLERANCE_S = env_int("PAYMENT_WEBHOOK_TOLERANCE_S", 300)
PAYMENT_WEBHOOK_AGE_S = env_int("PAYMENT_WEBHOOK_AGE_S", 86_400)
PAYMENT_NEWS_DAYS = env_int("PAYMENT_NEWS_DAYS", 30)
_NEEDED = {
    "": (),
    "razorpay": ("PAYMENT_RAZORPAY_KEY_ID", "PAYMENT_RAZORPAY_KEY_SECRET", "PAYMENT_RAZORPAY_WEBHOOK_SECRETS"),
    "upi": ("PAYMENT_UPI_ADDRESS",),
}
if PAYMENT_PROVIDER not in _NEEDED:
    raise ImproperlyConfigured(f"PAYMENT_PROVIDER is {PAYMENT_PROVIDER!r}; write razorpay, upi or nothing")
for _name in _NEEDED[PAYMENT_PROVIDER]:
    if not env(_name):
        raise ImproperlyConfigured(f"PAYMENT_PROVIDER is {PAYMENT_PROVIDER}, but {_name} is not set")

# Support of the platform itself, given where a question names nothing we know
SUPPORT_PHONE = env("SUPPORT_PHONE")
SUPPORT_EMAIL = env("SUPPORT_EMAIL", f"support@{BECKN_SUBSCRIBER_ID}")
SUPPORT_URL = env("SUPPORT_URL")
SUPPORT_REPLY_S = env_int("SUPPORT_REPLY_S", 14_400)

# Telling drivers: a mail server, else a file that takes every e-mail, else none; off until an operator switches it on
EMAIL_HOST = env("EMAIL_HOST")
EMAIL_PORT = env_int("EMAIL_PORT", 587)
EMAIL_HOST_USER = env("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env("EMAIL_HOST_PASSWORD")
EMAIL_USE_SSL = env_bool("EMAIL_USE_SSL", default=False)
EMAIL_USE_TLS = env_bool("EMAIL_USE_TLS", default=not EMAIL_USE_SSL)
EMAIL_TIMEOUT = env_int("EMAIL_TIMEOUT", 10)
EMAIL_FILE = env("EMAIL_FILE")
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", f"notices@{BECKN_SUBSCRIBER_ID}")
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if EMAIL_HOST
    else "fulfillment.notices.mail_file.EmailBackend"
    if EMAIL_FILE
    else "django.core.mail.backends.dummy.EmailBackend"
)
NOTICES_DEFAULT_ON = env_bool("NOTICES_DEFAULT_ON", default=False)
NOTICES_QUIET_HOURS = env("NOTICES_QUIET_HOURS", "22:00-07:00")
NOTICES_ALLOW_PRIVATE = env_bool("NOTICES_ALLOW_PRIVATE", default=False)
NOTICES_KEPT_DAYS = env_int("NOTICES_KEPT_DAYS", 90)
if not re.fullmatch(r"(([01]\d|2[0-3]):[0-5]\d)-(([01]\d|2[0-3]):[0-5]\d)", NOTICES_QUIET_HOURS, re.ASCII):
    raise ImproperlyConfigured(f"NOTICES_QUIET_HOURS is {NOTICES_QUIET_HOURS!r}; write 22:00-07:00, or 00:00-00:00")

# Stations
EV_POWER_SUPPLIER_URL = env("EV_POWER_SUPPLIER_URL").rstrip("/")
EV_POWER_SUPPLIER_TOKEN = env("EV_POWER_SUPPLIER_TOKEN")
EVENTS_TOKEN = env("EVENTS_TOKEN")
EVENTS_SINK_URL = env("EVENTS_SINK_URL")
WORKFLOW_LIFECYCLE_EVENTS = env_bool("WORKFLOW_LIFECYCLE_EVENTS", default=True)
# Meter values wait in Redis: of a longer backlog the least telling are shed; a fuller stream is not filled any further.
METER_STREAM_LONG = env_int("METER_STREAM_LONG", 5_000)
METER_STREAM_MOST = env_int("METER_STREAM_MOST", 100_000)
# Readings of closed sessions are rolled up after this, when no link to their live page is left.
READINGS_KEPT_DAYS = env_int("READINGS_KEPT_DAYS", 90)
if READINGS_KEPT_DAYS < TRACK_LINK_DAYS:
    raise ImproperlyConfigured(
        f"READINGS_KEPT_DAYS is {READINGS_KEPT_DAYS}; write at least TRACK_LINK_DAYS, {TRACK_LINK_DAYS}"
    )
# Steps of workflows that ended well are kept so long; the figures of steps look back 30 days.
JOURNAL_KEPT_DAYS = env_int("JOURNAL_KEPT_DAYS", 90)
if JOURNAL_KEPT_DAYS < 31:
    raise ImproperlyConfigured(f"JOURNAL_KEPT_DAYS is {JOURNAL_KEPT_DAYS}; write at least 31")
# Simulated stations charge this much faster than real ones; what a meter can believably show follows it.
TIME_SCALE = float(env("TIME_SCALE", "1"))

# The clock and the hands: carries nudges only, so that a lost broker loses nothing
CELERY = {
    "broker_url": REDIS_URL,
    "task_ignore_result": True,
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    "task_serializer": "json",
    "accept_content": ["json"],
    "task_publish_retry": False,
    "broker_connection_retry_on_startup": True,
    "worker_soft_shutdown_timeout": 20,
    "worker_hijack_root_logger": False,
    "broker_transport_options": {
        "visibility_timeout": 120,
        "socket_timeout": 5,
        "socket_connect_timeout": 1,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": "%(levelname)s %(name)s %(message)s",
            "timestamp": True,
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env("LOG_LEVEL", "INFO")},
    "loggers": {
        "django.server": {"level": "WARNING"},
        "uvicorn.access": {"level": "WARNING"},
        "celery": {"level": "WARNING"},
    },
}

HANDS_PER_QUEUE = env_int("HANDS_PER_QUEUE", 2)
CELERY["beat_schedule"] = {
    name: {"task": name, "schedule": seconds, "options": {"expires": seconds}}
    for name, seconds in {
        "process": 1.0,
        "deliver": 1.0,
        "advance": 1.0,
        "expire": 5.0,
        "notice": 3.0,
        "collect": 5.0,
        "refund": 15.0,
    }.items()
}
