"""Django's settings, all from the environment; safe where nothing is set. See docs/operating.md for the variables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url

from leadmachine import broker, env, mail, sign_in

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env.data_dir()
DEBUG = env.flag("DEBUG", False)
PORT = env.number("PORT", 8000)
HOST = env.text("HOST", "127.0.0.1")
PUBLIC_URL = env.text("PUBLIC_URL", f"http://127.0.0.1:{PORT}").rstrip("/")
IS_HTTPS = PUBLIC_URL.startswith("https://")
LOOPBACK_NAMES = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", [*LOOPBACK_NAMES, urlsplit(PUBLIC_URL).hostname or "localhost"])

_database_url = env.text("DATABASE_URL")
if _database_url and not DEBUG:
    SECRET_KEY = env.required("SECRET_KEY")
    FIELD_KEYS = env.required("FIELD_KEYS").split(",")
else:
    SECRET_KEY = env.made_on_first_run("SECRET_KEY", env.new_secret_key)
    FIELD_KEYS = env.made_on_first_run("FIELD_KEYS", env.new_field_key).split(",")

# Knows erased people again by keyed hashes; never rotated, see docs/privacy/erasure.md.
ERASURE_KEY = env.made_on_first_run("ERASURE_KEY", env.new_secret_key)

INSTALLED_APPS = [
    "leadmachine",
    "capi",
    "crm",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "django_filters",
    "django_htmx",
    "template_partials",
    "heroicons",
    "csp",
]

MIDDLEWARE = [
    "crm.headers.protect",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "crm.middleware.limit_body",
    "crm.bodies.take_body_in_time",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "crm.session_age.end_old_sessions",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "crm.middleware.open_company_scope",
    "crm.middleware.speak_their_language",
    "crm.second_step.ask_second_step",
    "crm.headers.DatabaseAway",
]

ROOT_URLCONF = "leadmachine.urls"
WSGI_APPLICATION = "leadmachine.wsgi.application"
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
                "crm.context_processors.frame",
            ],
            # Every text of a page is marked for translation, so no template needs to ask for the tags.
            "builtins": ["django.templatetags.i18n", "django.templatetags.l10n"],
        },
    },
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "NAME": "rows",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {"environment": "crm.row_templates.environment"},
    },
]

# --- Database -----------------------------------------------------------------------------------------------

# SQLite: writers queue instead of failing (IMMEDIATE), readers never wait (WAL), what is deleted is overwritten.
_SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA foreign_keys=ON;"
    ),
}
# PostgreSQL: no statement, lock or forgotten transaction may hold up the others for long.
_POSTGRES_OPTIONS = {
    "application_name": "leadmachine",
    "options": "-c statement_timeout=30s -c lock_timeout=3s -c idle_in_transaction_session_timeout=30s",
}
DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(
        _database_url or f"sqlite:///{DATA_DIR / 'leadmachine.sqlite3'}",
        conn_max_age=60,
        conn_health_checks=True,
    )
}
IS_SQLITE = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    DATABASES["default"]["ENGINE"] = "crm.postgresql"  # Django's, which also says whose rows may be shown
DATABASES["default"]["OPTIONS"] = {
    **(_SQLITE_OPTIONS if IS_SQLITE else _POSTGRES_OPTIONS),
    **DATABASES["default"].get("OPTIONS", {}),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Signing in ---------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "crm.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "crm.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_RATE_LIMITS = {
    # By place first; the key is an address and the place it is tried from, see crm.accounts.
    "login_failed": "20/m/ip,5/5m/key",
    # All tries for one address by browsers that never signed in there.
    "login_strangers": "100/h/key",
    # To and from services such as LinkedIn.
    "service": "30/m/ip",
}
SOCIALACCOUNT_ADAPTER = "crm.sign_in_with.ServiceAdapter"
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {"openid_connect": {"APPS": sign_in.apps()}}
SOCIALACCOUNT_REAUTHENTICATION_REQUIRED = True
MFA_ADAPTER = "leadmachine.second_step.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "crm.accounts.SecondStepForm",
    "reauthenticate": "crm.accounts.ConfirmForm",
}
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "LeadMachine"
# One step of 30 s before and after: telephones' clocks differ. A code is taken once all the same.
MFA_TOTP_TOLERANCE = 1
# Addresses are given by whoever invites; nobody needs to prove theirs to make their account safer.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not IS_HTTPS

# --- The web ------------------------------------------------------------------------------------------------

SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "crm.views.errors.csrf_failure"
if IS_HTTPS:
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = True
    # The container's own health check speaks plain http to the loopback address.
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
# Behind a proxy that ends TLS, its word is only taken if the operator says that there is one.
TRUST_PROXY = env.flag("TRUST_PROXY", False)
if TRUST_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    ALLAUTH_TRUSTED_PROXY_COUNT = 1
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "manifest-src": ["'self'"],
        "worker-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
MAX_BODY_BYTES = 1024 * 1024
MAX_CAPTURE_BYTES = 64 * 1024
BODY_SECONDS = 20
# A file to be imported; nothing else may be as large, and it is never held in memory.
MAX_IMPORT_BYTES = 100 * 1024 * 1024
IMPORT_SECONDS = 600
# A file beside a lead, deal or organization, and how many of them a record may have.
MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_FILES_PER_RECORD = 50
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 1

STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(DATA_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
IS_TEST = "pytest" in sys.modules
_hashed = "whitenoise.storage.CompressedManifestStaticFilesStorage"
_plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _plain if DEBUG or IS_TEST else _hashed},
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG or IS_TEST
MEDIA_ROOT = DATA_DIR / "uploads"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_THOUSAND_SEPARATOR = False
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- Mail: none without EMAIL_URL, links are shown instead ---------------------------------------------------

_mail = mail.mail(env.text("EMAIL_URL"))
MAILS = bool(env.text("EMAIL_URL"))
EMAIL_BACKEND = _mail.backend
EMAIL_HOST, EMAIL_PORT = _mail.host, _mail.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.user, _mail.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.starts_tls, _mail.is_tls
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = _mail.sender

# --- REST API -----------------------------------------------------------------------------------------------

API_RATE = env.number("API_RATE", 6000)
API_BURST = env.number("API_BURST", 1000)
# What web sites post: a minute's worth for each key, and for each address that posts with it.
CAPTURE_RATE = env.number("CAPTURE_RATE", 600)
CAPTURE_IP_RATE = env.number("CAPTURE_IP_RATE", 60)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "crm.api.authentication.KeyAuthentication",
        "crm.api.authentication.WebSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["crm.api.permissions.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["crm.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_THROTTLE_CLASSES": ["crm.api.throttling.KeyThrottle"],
    "DEFAULT_PAGINATION_CLASS": "crm.api.pagination.CursorPagination",
    "DEFAULT_SCHEMA_CLASS": "crm.api.schema.AutoSchema",
    "EXCEPTION_HANDLER": "crm.api.errors.exception_handler",
    "COERCE_DECIMAL_TO_STRING": True,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
DRF_STANDARDIZED_ERRORS = {"ENABLE_IN_DEBUG_FOR_UNHANDLED_EXCEPTIONS": True}
SPECTACULAR_SETTINGS = {
    "TITLE": "LeadMachine",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "DESCRIPTION": "Leads, deals and the LinkedIn conversions they become.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "crm.api.examples.add_examples",
        "crm.api.examples.add_links",
    ],
    "ENUM_NAME_OVERRIDES": {
        "ConnectionKindEnum": "capi.models.ConnectionKind",
        "CrmEventEnum": "capi.models.CrmEvent",
        "EventStatusEnum": "capi.models.Status",
        "InvitedRoleEnum": "crm.api.invitations.ROLES",
        "RoleEnum": "crm.models.Role",
        "StageKindEnum": "crm.models.StageKind",
        "WebhookEventEnum": "crm.models.WebhookEvent",
        "WebhookMessageEnum": "crm.models.webhook.MESSAGES",
        "WebhookStateEnum": "crm.models.webhook.STATES",
        "WebhookStatusEnum": "crm.models.WebhookStatus",
    },
}

# --- LinkedIn -----------------------------------------------------------------------------------------------

LINKEDIN_API_URL = env.text("LINKEDIN_API_URL", "https://api.linkedin.com/rest").rstrip("/")
LINKEDIN_VERSION = env.text("LINKEDIN_VERSION", "202609")
# Where connections of kind `sandbox` speak to; set by `manage.py up`, which runs the sandbox.
SANDBOX_URL = env.text("SANDBOX_URL", "http://127.0.0.1:8009/rest").rstrip("/")
SANDBOX_CONTROL_KEY = env.text("SANDBOX_CONTROL_KEY", "")
DELIVERY_POLL_SECONDS = env.number("DELIVERY_POLL_SECONDS", 5)
# Whether a commit nudges the workers at once; the sweep alone is enough, and tests deliver by hand.
NUDGE = not IS_TEST
# For development: webhooks may also go to http on this machine. All other inner addresses stay closed.
WEBHOOKS_TO_LOOPBACK = env.flag("WEBHOOKS_TO_LOOPBACK", default=False)
SETUP_CODE = env.text("SETUP_CODE", "")

# Whoever reads /metrics knows it; the page is not there without one.
METRICS_TOKEN = env.text("METRICS_TOKEN", "")

# --- Tasks: the broker carries nudges only; the rows are the queue ------------------------------------------

REDIS_URL = env.text("REDIS_URL")
CACHES: dict[str, Any] = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if REDIS_URL and not IS_TEST:
    CACHES["default"] = {
        "BACKEND": "leadmachine.caches.SharedCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "leadmachine",
    }
CELERY_BROKER_URL = broker.celery_url(REDIS_URL or "redis://127.0.0.1:6379/0")
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    "unacked_restore_limit": 100,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 2,
    "socket_timeout": 10,
    "socket_keepalive": True,
    "health_check_interval": 25,
    "global_keyprefix": "leadmachine:",
}
CELERY_VISIBILITY_TIMEOUT = 300
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SOFT_TIME_LIMIT = 60
CELERY_TASK_TIME_LIMIT = 75
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 300_000  # kilobytes, looked at after each task
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 35
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# A nudge done twice is harmless, the rows are leased; a POST killed on the wire is an unknown outcome.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TIMEZONE = "UTC"

# --- Logging: to standard error, never bodies, tokens or addresses ------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "one_line": {
            "()": "leadmachine.one_line.OneLineFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "one_line"}},
    "root": {"handlers": ["stderr"], "level": env.text("LOG_LEVEL", "WARNING")},
    "loggers": {
        "leadmachine": {"level": env.text("LOG_LEVEL", "INFO")},
        "crm": {"level": env.text("LOG_LEVEL", "INFO")},
        "capi": {"level": env.text("LOG_LEVEL", "INFO")},
        "django": {"handlers": [], "level": "WARNING", "propagate": True},
        # The web server brings a handler of its own, and names in it the addresses that people asked for.
        "gunicorn.error": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
    },
}
