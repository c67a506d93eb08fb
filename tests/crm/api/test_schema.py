"""The OpenAPI description is complete and true, and the page that shows it needs no exception from the CSP."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from jsonschema import Draft202012Validator

from crm.api.urls import urlpatterns
from tests.crm.api.caller import Api

pytestmark = pytest.mark.django_db

METHODS = ("get", "put", "post", "patch", "delete")


@pytest.fixture
def schema(db: None) -> dict[str, Any]:
    response = Client().get("/api/v1/schema/?format=json")
    assert response.status_code == 200
    described: dict[str, Any] = response.json()
    return described


def operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


def test_it_is_valid_openapi_3_1_without_warnings(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=StringIO())


def test_it_is_yaml_unless_json_is_asked_for(db: None) -> None:
    assert Client().get("/api/v1/schema/").content.startswith(b"openapi: 3.1")


def test_every_route_is_described(schema: dict[str, Any]) -> None:
    undescribed = {"api-schema", "api-docs", "api-unknown"}
    routes = {str(route.pattern) for route in urlpatterns if getattr(route, "name", "") not in undescribed}
    assert len(schema["paths"]) == len(routes)


def test_every_operation_says_how_it_refuses(schema: dict[str, Any]) -> None:
    for path, method, operation in operations(schema):
        described = set(operation["responses"])
        wanted = {"400", "401", "403", "406", "429", "503"}
        wanted |= {"404"} if "{" in path else set()
        wanted |= {"408", "409", "411", "413", "415"} if method != "get" else set()
        assert wanted <= described, f"{method} {path}"
        assert "Retry-After" in operation["responses"]["429"]["headers"]
        names = {parameter["name"] for parameter in operation.get("parameters", [])}
        assert ("Idempotency-Key" in names) == (method == "post"), f"{method} {path}"
        assert ("If-Match" in names) == ("412" in described), f"{method} {path}"


def test_refusals_have_one_shape(schema: dict[str, Any]) -> None:
    shapes = {
        response["content"]["application/json"]["schema"]["$ref"]
        for _, _, operation in operations(schema)
        for status, response in operation["responses"].items()
        if status >= "400"
    }
    assert shapes == {"#/components/schemas/Errors"}


def test_the_page_has_no_inline_script_or_style(db: None) -> None:
    page = Client().get("/api/v1/docs/")
    html = page.content.decode()
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "<style" not in html
    assert not re.search(r"<script(?![^>]* src=)", html)
    assert not re.search(r"""\s(style|on\w+)=["']""", html)
    assert all(url.startswith("/") for url in re.findall(r'(?:src|href)="([^"]+)"', html))
    script = Client().get(re.findall(r'src="(/api/v1/docs/[^"]+)"', html)[0].replace("&amp;", "&"))
    assert script.headers["Content-Type"].startswith("application/javascript")
    assert b"/api/v1/schema/" in script.content


def test_every_operation_has_examples_that_fit(schema: dict[str, Any]) -> None:
    for path, method, operation in operations(schema):
        bodies = [body for status, body in operation["responses"].items() if status < "400"]
        bodies += [operation["requestBody"]] if "requestBody" in operation else []
        for body in bodies:
            for media_type, content in body.get("content", {}).items():
                if media_type not in ("application/json", "multipart/form-data"):
                    continue
                assert "example" in content, f"{method} {path}"
                wanted = {**content["schema"], "components": schema["components"]}
                wrong = [
                    f"{method} {path} {error.json_path}: {error.message}"
                    for error in Draft202012Validator(wanted).iter_errors(content["example"])
                ]
                assert wrong == []


@pytest.mark.parametrize(
    "path",
    [
        "/leads/",
        "/leads/bulk/",
        "/organizations/",
        "/invitations/",
        "/views/",
        "/custom-fields/",
        "/capi/rules/",
    ],
)
def test_an_example_can_be_sent(schema: dict[str, Any], api: Api, path: str) -> None:
    operation = schema["paths"][f"/api/v1{path}"]["post"]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    answer = api.post(path.removeprefix("/"), example)
    assert answer.status_code in (200, 201), answer.content
