"""Settings, every deployment-specific one from an environment variable (docs/settings.md)."""

import hashlib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from redis.backoff import NoBackoff
from redis.retry import Retry

from exchange_poc.env import (
    LONGEST_DAYS,
    database_from_url,
    default_order_rate,
    flag,
    networks,
    number,
    rate,
    secret_key,
    webhook_url,
    words,
)
from exchange_poc.logs import configure_structlog, logging_config
from exchange_poc.postgresql.watched import WatchedConnection
from exchange_poc.variables import text
from exchange_poc.version import VERSION

BASE_DIR = Path(__file__).resolve().parent.parent
LOCAL_DIR = Path(text("LOCAL_DIR") or BASE_DIR / ".local")

DEBUG = flag("DJANGO_DEBUG", default=False)
SECRET_KEY = secret_key(local_dir=LOCAL_DIR)
ALLOWED_HOSTS = words("DJANGO_ALLOWED_HOSTS", default="127.0.0.1,localhost,[::1],testserver")

INSTALLED_APPS = [
    "market",
    "accounts",
    "risk",
    "trading",
    "kpi",
    "unfold.apps.BasicAppConfig",  # its templates; the site is ours
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "unfold.contrib.simple_history",
    "exchange_poc.console.ConsoleConfig",  # django.contrib.admin, its pages found by the URLs
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "simple_history",
    "import_export",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_prometheus",
]

MIDDLEWARE = [
    "kpi.requests.observer.RequestObserverMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "market.kernel.api.requests.ReadableRequestMiddleware",
    "django.middleware.common.CommonMiddleware",
    "exchange_poc.middleware.Pages",
    "accounts.middleware.RateLimitHeadersMiddleware",
]

# Login, messages, sessions and CSRF protection stand within Pages, where these do not look.
SILENCED_SYSTEM_CHECKS = ["admin.E408", "admin.E409", "admin.E410", "security.W003"]

ROOT_URLCONF = "exchange_poc.urls"
WSGI_APPLICATION = "exchange_poc.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
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

# Processes of the web server, and the threads of each.
WEB_WORKERS = number("WEB_WORKERS", 2, low=1)
WEB_THREADS = number("WEB_THREADS", 16, low=1)

# The stream server's port, and its address in public, where it is not this host at that port.
STREAM_PORT = number(
    "STREAM_PORT", min(number("PORT", 8000, low=1, high=65_535) + 1, 65_535), low=1, high=65_535
)
STREAM_URL = text("STREAM_URL")
STREAM_RETENTION_SECONDS = number("STREAM_RETENTION_SECONDS", 3_600, low=60)

DATABASE = database_from_url(text("DATABASE_URL"))
# Of one process: the order desk keeps one, the other threads share the rest. A thread that waits
# for the desk holds none, so that there are fewer of them than threads.
DATABASE_CONNECTIONS = number("DATABASE_CONNECTIONS", 9, low=2)
# One pool per process, opened after the fork; the engine hands out connections that live.
DATABASES = {
    "default": {
        **DATABASE,
        "OPTIONS": {
            "pool": {
                "connection_class": WatchedConnection,
                "min_size": 1,
                "max_size": DATABASE_CONNECTIONS,
                "timeout": 2,
                # The pool doubles its pauses between attempts; a short timeout makes the next
                # request try at once, so that service is back as soon as the server is.
                "reconnect_timeout": 1,
            },
            "connect_timeout": 3,
            # Plan a statement once per connection: the order path is few and large statements.
            "server_side_binding": True,
            "prepare_threshold": 3,
            **DATABASE["OPTIONS"],
        },
    }
}

REDIS_URL = text("REDIS_URL", default="redis://127.0.0.1:6379/0")
# No retry and no ignored error: the one user of the cache, the rate limit, lets a request pass
# after a single failure. A hanging server costs it SOCKET_TIMEOUT, a busy one answers far earlier.
CACHES = {
    "default": {
        "BACKEND": "accounts.counting.CountingCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {
            "SOCKET_CONNECT_TIMEOUT": 0.07,
            "SOCKET_TIMEOUT": 0.07,
            "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
        },
    }
}

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LOGIN_REDIRECT_URL = "admin:index"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "exchange_poc.formats"
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True

# Behind a proxy that ends TLS and sets X-Forwarded-Proto itself.
HTTPS = flag("DJANGO_HTTPS", default=False)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS] if HTTPS else []
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.ApiKeyTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "accounts.permissions.RegulatorsRead",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.throttling.ApiKeyThrottle"],
    "DEFAULT_PARSER_CLASSES": ["market.kernel.api.parsers.ExactJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "market.kernel.api.negotiation.AcceptNegotiation",
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_PAGINATION_CLASS": "market.kernel.api.pagination.NewestFirstPagination",
    "DEFAULT_SCHEMA_CLASS": "market.kernel.api.schema.CallSchema",
    "EXCEPTION_HANDLER": "market.kernel.api.exceptions.answer_exception",
    "PAGE_SIZE": 50,
}

ACCESS_TOKEN_LIFETIME = timedelta(hours=1)
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": ACCESS_TOKEN_LIFETIME,
    "ALGORITHM": "HS256",
    "AUTH_HEADER_TYPES": ("Bearer",),
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Exchange POC",
    "DESCRIPTION": (BASE_DIR / "market/kernel/api/description.md").read_text(),
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "TAGS": [
        {"name": "auth", "description": "An API key for a token."},
        {"name": "orders", "description": "Place, cancel and list them."},
        *({"name": name} for name in ("positions", "account", "trades", "liquidations", "market")),
        *({"name": name} for name in ("kpi", "lab", "audit", "operations")),
    ],
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "accounts.schema.tell_key_refusals",
    ],
    "SCHEMA_PATH_PREFIX": "/",
    "ENUM_NAME_OVERRIDES": {
        "OrderStatusEnum": "trading.models.OrderStatus",
        "PositionStatusEnum": "risk.models.PositionStatus",
        "PartStatusEnum": "kpi.health.parts.PartStatus",
        "HealthStatusEnum": "kpi.health.parts.HealthStatus",
        "LabStateEnum": "kpi.lab.models.CellState",
    },
}

# Exports of the console: whoever sees a list may take it along.
IMPORT_EXPORT_EXPORT_PERMISSION_CODE = "view"

# Governance. A rate is count/unit as django-ratelimit reads it; None lifts the limit.
API_RATE_LIMIT = rate("API_RATE_LIMIT", default="100/m")
ORDER_RATE_LIMIT = rate("ORDER_RATE_LIMIT", default=default_order_rate(API_RATE_LIMIT))
TOKEN_RATE_LIMIT = rate("TOKEN_RATE_LIMIT", default="10/m")
RATELIMIT_FAIL_OPEN = True
# As django-ratelimit would have them: what is not set is looked for at each request.
RATELIMIT_ENABLE = True
RATELIMIT_USE_CACHE = "default"
RATELIMIT_CACHE_PREFIX = "rl:"
RATELIMIT_HASH_ALGORITHM = hashlib.sha256
# Whose X-Forwarded-For is believed.
TRUSTED_PROXIES = networks("TRUSTED_PROXIES")

# The market.
PRICE_SOURCES = words("PRICE_SOURCES", default="binance_testnet,simulation")
SIMULATION_SEED = text("SIMULATION_SEED")
SIMULATION_VOLATILITY = number("SIMULATION_VOLATILITY", Decimal("0.0005"), low=0, high=1)
TICK_INTERVAL_SECONDS = number("TICK_INTERVAL_SECONDS", 1.0, low=0)
#: Tasks that share one sweep, for several Celery workers.
SWEEP_SHARDS = number("SWEEP_SHARDS", 1, low=1)
SWEEP_INTERVAL_SECONDS = number("SWEEP_INTERVAL_SECONDS", 5.0, low=0)
# Two heartbeats are sent for each one that is due, so that a late one leaves no gap.
HEARTBEAT_INTERVAL_SECONDS = 2.5
TICK_MIN_INTERVAL_SECONDS = 0.5
# Every how many seconds the KPIs are stored; 0 means never.
KPI_SNAPSHOT_INTERVAL_SECONDS = number("KPI_SNAPSHOT_INTERVAL_SECONDS", 15, low=0)
# Web servers whose counters they hold where the worker has a metrics directory of its own.
KPI_METRICS_URLS = words("KPI_METRICS_URLS", default="")
LEDGER_CHECK_INTERVAL_SECONDS = number("LEDGER_CHECK_INTERVAL_SECONDS", 900, low=0)
AUDIT_CHECK_INTERVAL_SECONDS = number("AUDIT_CHECK_INTERVAL_SECONDS", 900, low=0)

# For how many days what grows without end is kept; 0 means for good (kpi/retention.py).
TICK_RETENTION_DAYS = number("TICK_RETENTION_DAYS", 30.0, low=0, high=LONGEST_DAYS)
KPI_RETENTION_DAYS = number("KPI_RETENTION_DAYS", 30.0, low=0, high=LONGEST_DAYS)
HEARTBEAT_RETENTION_DAYS = number("HEARTBEAT_RETENTION_DAYS", 7.0, low=0, high=LONGEST_DAYS)
CHECK_RETENTION_DAYS = number("CHECK_RETENTION_DAYS", 365.0, low=0, high=LONGEST_DAYS)
DELIVERY_RETENTION_DAYS = number("DELIVERY_RETENTION_DAYS", 90.0, low=0, high=LONGEST_DAYS)

# Who is told about alerts, and the key that signs what is sent.
ALERT_WEBHOOK_SECRET = text("ALERT_WEBHOOK_SECRET")
ALERT_WEBHOOK_URL = webhook_url(text("ALERT_WEBHOOK_URL"), secret=ALERT_WEBHOOK_SECRET)

# The venue.
EXCHANGE_VENUE = text("EXCHANGE_VENUE", default="simulated")
BINANCE_BASE_URL = text("BINANCE_BASE_URL", default="https://testnet.binance.vision")
BINANCE_API_KEY = text("BINANCE_API_KEY")
BINANCE_API_SECRET = text("BINANCE_API_SECRET")

# Celery. A task is acknowledged when it is done, so that a killed worker's task runs again.
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
# What may take minutes has a worker of its own, so that no market step waits for it, and so has
# the policy lab, which takes whatever processor it is given.
CELERY_TASK_ROUTES = {
    f"kpi.tasks.{task}": {"queue": "slow"}
    for task in (
        *("check_ledger", "check_audit", "forget_old"),
        *("deliver_alert", "deliver_due_alerts", "forget_events", "count_tiers"),
    )
} | {"kpi.tasks.compute_lab_cell": {"queue": "lab"}}
# A new connection costs more than a market step: the tasks of a process share its pool.
CELERY_DB_REUSE_MAX = 1_000_000
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 60, "socket_timeout": 5}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"

configure_structlog()
LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logging_config()

# Unfold's look of the console lives beside the other admin code.
from exchange_poc.navigation import UNFOLD  # noqa: E402, F401
