"""Starts PostgreSQL and the broker for a test run, before settings are read; `-p` in pyproject.toml loads it.

`--db=sqlite` uses SQLite instead. Under xdist the controller starts both, and the workers find
them in the environment.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from leadmachine import broker, env

from . import postgres

# Set by whoever runs the tests, these would leak into them.
FOREIGN = (
    "ALLOWED_HOSTS",
    "PUBLIC_URL",
    "EMAIL_URL",
    "DEBUG",
    "LINKEDIN_API_URL",
    "LINKEDIN_VERSION",
    "LINKEDIN_CLIENT_ID",
    "LINKEDIN_CLIENT_SECRET",
    "GOOGLE_CLIENT_ID",
    "GOOGLE_CLIENT_SECRET",
    "API_RATE",
    "METRICS_TOKEN",
    "FAILPOINT",
    "DELIVERY_POLL_SECONDS",
    "HOST",
    "PORT",
    "SANDBOX_URL",
    "SANDBOX_CONTROL_KEY",
    "SETUP_CODE",
    "SECRET_KEY_FILE",
    "FIELD_KEYS_FILE",
    "DATABASE_URL_FILE",
    "REDIS_URL_FILE",
)

_stops: list[Callable[[], object]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("leadmachine").addoption(
        "--db", choices=["postgresql", "sqlite"], default="postgresql", help="the database to test on"
    )


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    """A wrapper runs before every plain implementation, pytest-django's among them, which reads settings."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _start(early_config.known_args_namespace.db)
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.option.db == "sqlite":
        # A file, as in real use: a database in memory has neither WAL nor waiting writers.
        from django.db import connections

        test_database = connections.settings["default"].setdefault("TEST", {})
        test_database["NAME"] = str(env.data_dir() / "test.sqlite3")


def pytest_report_header(config: pytest.Config) -> str:
    return f"database: {config.option.db}"


def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    if config.option.db == "postgresql":
        return
    for item in items:
        if item.get_closest_marker("postgresql"):
            item.add_marker(pytest.mark.skip(reason="needs PostgreSQL"))


def pytest_unconfigure() -> None:
    _stop()


def _start(database: str) -> None:
    # Short, for the sockets' sake; at the end of the run it goes last.
    folder = Path(tempfile.mkdtemp(prefix="lmt-", dir="/tmp"))
    atexit.register(_stop)  # for a run that ends before pytest is configured
    _stops.append(lambda: shutil.rmtree(folder, ignore_errors=True))
    for name in FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(
        DATA_DIR=str(folder / "data"),
        DATABASE_URL=_start_database(database, folder),
        REDIS_URL=_start_broker(folder),
        SECRET_KEY=env.new_secret_key(),
        FIELD_KEYS=env.new_field_key(),
        # Playwright keeps an event loop running in the thread that tests use the ORM in.
        DJANGO_ALLOW_ASYNC_UNSAFE="true",
    )


def _start_database(database: str, folder: Path) -> str:
    if database == "sqlite":
        return f"sqlite:///{folder}/db.sqlite3"
    home = folder / "pg"
    home.mkdir()
    folder.chmod(0o755)
    server = postgres.start(home)
    _stops.append(server.stop)
    return server.url


def _start_broker(folder: Path) -> str:
    home = folder / "broker"
    home.mkdir()
    started = broker.start(home)
    _stops.append(started.stop)
    return started.url


def _stop() -> None:
    while _stops:
        _stops.pop()()
