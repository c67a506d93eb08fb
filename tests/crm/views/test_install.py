"""What makes the product an app of the device."""

from __future__ import annotations

import json

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

PUBLIC = ("/manifest.webmanifest", "/offline/", "/service-worker.js")


@pytest.mark.parametrize("path", PUBLIC)
def test_a_stranger_gets_it_without_a_cookie(db: None, path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code == 200
    assert not answer.cookies
    assert Client().post(path).status_code in (403, 405)


def test_the_manifest_names_icons_that_are_there(db: None) -> None:
    answer = Client().get("/manifest.webmanifest")
    assert answer["Content-Type"] == "application/manifest+json"
    described = json.loads(answer.content)
    assert described["start_url"] == described["scope"] == "/"
    assert {icon["purpose"] for icon in described["icons"]} == {"any", "maskable"}
    for icon in described["icons"]:
        assert finders.find(icon["src"].removeprefix("/static/")), icon


def test_the_service_worker_is_a_script(db: None) -> None:
    answer = Client().get("/service-worker.js")
    assert answer["Content-Type"].startswith("text/javascript")
    assert b"/offline/" in answer.content


def test_pages_tell_of_the_manifest_and_their_colour(db: None) -> None:
    page = Client().get("/accounts/login/", follow=True).content.decode()
    assert 'rel="manifest" href="/manifest.webmanifest"' in page
    assert page.count('name="theme-color"') == 2


@pytest.mark.parametrize(("theme", "colour"), [("light", "#f3f4f7"), ("dark", "#0d0d11")])
def test_a_chosen_theme_has_one_colour(db: None, theme: str, colour: str) -> None:
    client = Client()
    client.cookies["theme"] = theme
    page = client.get("/accounts/login/", follow=True).content.decode()
    assert page.count('name="theme-color"') == 1
    assert f'content="{colour}">' in page
