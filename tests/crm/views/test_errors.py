"""Pages that stand alone: for a broken server, and for none."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.test import Client

from crm.models import User
from crm.views.errors import alone

PAGES = ("500", "503", "offline")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, owner: User, client_of: Callable[[User], Client]) -> Client:
    """A client to whom every page that needs a static file fails, as without the manifest of their names."""

    def missing(name: str) -> str:
        raise ValueError(f"Missing staticfiles manifest entry for '{name}'")

    client = client_of(owner)
    client.raise_request_exception = False
    monkeypatch.setattr(staticfiles_storage, "url", missing)
    return client


def test_without_the_static_manifest_a_failure_is_one_whole_page(broken: Client, caplog: Any) -> None:
    answer = broken.get("/leads/")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.content.decode()
    assert len([record for record in caplog.records if record.exc_info]) == 1


@pytest.mark.parametrize("page", PAGES)
def test_it_asks_for_no_file_and_no_row(
    page: str, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any, db: None
) -> None:
    with django_assert_num_queries(0):
        shown = alone(f"errors/{page}.html", 500).content.decode()
    assert "<h1>" in shown
    assert not re.search(r"\ssrc=|<link|@import|url\(", shown)


@pytest.mark.parametrize("page", PAGES)
def test_its_policy_allows_its_style_and_nothing_else(page: str) -> None:
    answer = alone(f"errors/{page}.html", 500)
    style = re.findall(r"<style>(.*?)</style>", answer.content.decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    assert len(style) == 1
    assert f"style-src 'sha256-{digest}'" in answer["Content-Security-Policy"]
    assert "default-src 'self'" in answer["Content-Security-Policy"]
