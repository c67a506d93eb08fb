"""The log: one line per event, whatever it says, and nothing in it that is secret or somebody's."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from leadmachine.env import REPOSITORY
from leadmachine.one_line import OneLineFormatter, escaped, scrubbed

HOSTILE = [
    "a\r\n2026-11-21 INFO crm Signed in as owner",
    "a\nb",
    "a\rb",
    "a\x1b[2J\x1b[31mred",
    "a\x9b31mred",
    "a\x00b",
    "a\x08\x08b",
    "a\x85b",
    "a\u2028b\u2029c",
    "a\u202etxt.exe",
    "%0d%0aSet-Cookie: a=b",
    "%s %d %(asctime)s {0} {}",
]


def _line(message: str, *values: object, error: BaseException | None = None) -> str:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("crm", logging.WARNING, __file__, 1, message, values, info)
    return OneLineFormatter("%(levelname)s %(name)s %(message)s").format(record)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_an_event_is_one_line_of_printable_text(text: str) -> None:
    for line in (
        _line("Not Found: %s", text),
        _line(text.replace("%", "%%")),
        _line("x", error=ValueError(text)),
    ):
        assert len(line.splitlines()) == 1
        assert line.isprintable()


def test_a_traceback_is_on_the_line_of_its_event() -> None:
    try:
        int("first\nsecond")
    except ValueError as error:
        line = _line("It failed.", error=error)
    assert line.startswith("WARNING crm It failed.\\nTraceback")
    assert "ValueError: invalid literal" in line


def test_what_is_escaped_can_be_told_apart() -> None:
    assert escaped("a\nb\x1bc\u2028d\u202ee") == "a\\nb\\x1bc\\u2028d\\u202ee"
    assert escaped("Müller 🙂 \\n") == "Müller 🙂 \\n"


@pytest.mark.parametrize(
    ("said", "secret"),
    [
        ("Unknown user jane.doe+x@customer.example.com", "jane.doe"),
        ("GET /leads/?search=jane%40customer.test", "customer.test"),
        ("Key (address)=(jane@customer.test) already exists.", "jane@"),
        ("UNIQUE failed for 'o'hara@customer.test'", "hara@"),
        ("Authorization: Bearer lm_4kD9fj2Lq8sZ7xW1aB3c", "4kD9fj"),
        ("key lm_4kD9fj2Lq8sZ7xW1aB3c refused", "4kD9fj"),
        ("token AQX-c4n4ry_t0ken-of-acme-that-nobody", "c4n4ry"),
        ("{'token': 'hunter2hunter2', 'x': 1}", "hunter2"),
        ('{"password": "a-long-enough-password"}', "long-enough"),
        ("access_token=abcdef123456&state=1", "abcdef"),
        ("Cookie: __Host-sessionid=q1w2e3r4t5; a=b", "q1w2e3"),
        ("postgres://leads:s3cr3t@db.example.com/leads", "s3cr3t"),
        ("redis://:s3cr3t@redis:6379/0 refused", "s3cr3t"),
        ("?li_fat_id=6f1e2d3c-aaaa", "6f1e2d3c"),
    ],
)
def test_what_is_secret_or_somebody_s_is_hidden(said: str, secret: str) -> None:
    line = _line("%s", said)
    assert secret not in line
    assert "<" in line


@pytest.mark.parametrize(
    "said",
    [
        "Delivered 97 of 100 events of connection 0195d3a5-7e33-7d5c-8f7b-000000000000 in 812 ms",
        "The database did not answer: OperationalError",
        "worker: pid 4711 ended with code -9; started again",
    ],
)
def test_what_helps_is_kept(said: str) -> None:
    assert scrubbed(said) == said


def test_a_long_line_takes_no_time() -> None:
    started = time.monotonic()
    for piece in (
        "a" * 200_000,
        "a.a" * 70_000,
        "%40" * 70_000,
        "token=" * 40_000,
        "://" * 70_000,
        "@" * 200_000,
    ):
        scrubbed(piece)
    assert time.monotonic() - started < 5


def test_every_handler_of_the_settings_writes_so(settings: Settings) -> None:
    formatters = {handler["formatter"] for handler in settings.LOGGING["handlers"].values()}
    assert formatters == {"one_line"}
    assert settings.LOGGING["formatters"]["one_line"]["()"] == "leadmachine.one_line.OneLineFormatter"


def test_an_address_that_was_asked_for_stays_on_its_line(db: None, capfd: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(OneLineFormatter("%(name)s %(message)s"))
    logging.getLogger("django.request").addHandler(handler)
    try:
        for path in (
            "/api/v1/a%0d%0aINFO crm fake",
            "/api/v1/%1b[2J",
            "/api/v1/?search=jane%40customer.test",
        ):
            Client().get(path)
    finally:
        logging.getLogger("django.request").removeHandler(handler)
    written = capfd.readouterr().err
    assert "django.request" in written
    assert "\x1b" not in written
    assert "jane" not in written
    for line in written.splitlines():
        assert not line.startswith("INFO crm fake")


ASK = """
import logging, django
django.setup()
names = ("", "crm", "capi", "leadmachine", "django.request", "django.security", "gunicorn.error", "celery",
         "py.warnings")
for name in names:
    logging.getLogger(name).error("%s says jane@customer.test\\nfake", name or "root")
"""


def test_the_settings_put_it_in_place_for_every_library(tmp_path: Path) -> None:
    import os

    own = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "FIELD_KEYS")
    environment: dict[str, Any] = {name: value for name, value in os.environ.items() if name not in own}
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=REPOSITORY,
        env=environment | {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "leadmachine.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stderr.splitlines()
    assert len(lines) == 9
    assert all("<e-mail>\\nfake" in line for line in lines)
