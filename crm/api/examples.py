"""What makes the OpenAPI description easy to use: an example for every operation, and which follows which.

Examples are made from the schemas, with the words of a sales team.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Schema = dict[str, Any]

_JSON: Final = "application/json"
_ID: Final = "0195d3a5-7e33-7d5c-8f7b-2f1a60c4d9e1"
_MOMENT: Final = "2026-11-20T13:02:11Z"
_DEEPEST: Final = 8

# What a field of this name says, wherever it is.
_BY_NAME: Final[Mapping[str, Any]] = {
    "amount": "62000.00",
    "author": "alice@acme.test",
    "close_reason": "",
    "conversion_id": "104012345",
    "country_code": "GB",
    "currency": "EUR",
    "detail": "There is no field of this name.",
    "domain": "customer.example",
    "email": "john@customer.example",
    "encoding": "utf-8-sig",
    "event_id": "lm_k4q7wzv2m5e3x6r8t9y1u0i2o4p6a8s0",
    "external_id": "shop-4711",
    "field": "email",
    "file_name": "leads.csv",
    "first_name": "John",
    "fixed_amount": "250.00",
    "fixed_currency": "EUR",
    "hand_over": "fallback",
    "header": "E-mail",
    "internal_domains": ["acme.example"],
    "key": "new",
    "landing_page": "https://acme.example/demo",
    "last_name": "Doe",
    "lead_gen_response": "",
    "li_fat_id": "0f0f0f0f-1111-2222-3333-444444444444",
    "message": "Accepted by LinkedIn.",
    "name": "Customer Ltd",
    "next": None,
    "number": "+44 20 7946 0000",
    "organization": "Customer Ltd",
    "owner": "alice@acme.test",
    "phones": [{"number": "+44 20 7946 0000", "label": "office"}],
    "pipeline": "sales",
    "position": 1,
    "previous": None,
    "query": "status=new&col=owner&sort=-touch",
    "reason": "Too expensive",
    "referrer": "https://www.linkedin.com/",
    "source": "Web form",
    "stage": "qualification",
    "status": "new",
    "subject": "Docks",
    "tags": ["VIP"],
    "text": "Call back in May.",
    "time_zone": "Europe/Berlin",
    "title": "Head of Logistics",
    "token": "AQX…",
    "type": "demo-request",
    "utm_source": "linkedin",
    "utm_medium": "cpc",
    "utm_campaign": "spring",
    "utm_term": "crm",
    "utm_content": "ad-1",
}
_BY_FORMAT: Final[Mapping[str, Any]] = {
    "uuid": _ID,
    "date-time": _MOMENT,
    "date": "2026-12-18",
    "email": "alice@acme.test",
    "uri": "https://crm.example.com/invitations/…/",
    "binary": "First name,E-mail\nJohn,john@customer.example\n",
}
_BY_TYPE: Final[Mapping[str, Any]] = {"string": "", "integer": 1, "number": 1, "boolean": False}

# What fits together and no schema can say.
_WHOLE: Final[Mapping[str, Mapping[str, Any]]] = {
    "BulkRequest": {
        "mode": "upsert",
        "rows": [
            {"external_id": "shop-4711", "first_name": "John", "email": "john@customer.example"},
            {"external_id": "shop-4712", "email": "no address"},
        ],
    },
    "BulkResult": {
        "created": 1,
        "updated": 0,
        "failed": 1,
        "results": [
            {"row": 0, "status": 201, "id": _ID, "errors": []},
            {
                "row": 1,
                "status": 400,
                "id": None,
                "errors": [{"code": "invalid", "detail": "Enter a valid e-mail address.", "attr": "email"}],
            },
        ],
    },
    "CheckRequest": {"mapping": ["first_name", "email", ""], "on_match": "fill", "source": "Fair"},
    "CompanyRequest": {"settle_minutes": 5, "currency": "EUR"},
    "PatchedCompanyRequest": {"settle_minutes": 5, "currency": "EUR"},
    "CustomFieldRequest": {"entity": "lead", "name": "Fleet size", "kind": "number"},
    "DealRequest": {"title": "Dock scheduling", "lead": _ID, "amount": "62000.00", "currency": "EUR"},
    "ExportRequest": {"kind": "leads", "format": "csv", "filters": {"status": "qualified"}},
    "InvitationRequest": {"email": "lena@acme.test", "first_name": "Lena", "role": "manager"},
    "LeadRequest": {
        "first_name": "John",
        "last_name": "Doe",
        "email": "john@customer.example",
        "organization": "Customer Ltd",
        "country_code": "GB",
        "source": "Web form",
        "external_id": "shop-4711",
        "attribution": {
            "li_fat_id": "0f0f0f0f-1111-2222-3333-444444444444",
            "utm_source": "linkedin",
        },
    },
    "NoteRequest": {"lead": _ID, "kind": "call", "text": "Call back in May."},
    "OrganizationRequest": {"name": "Customer Ltd", "domain": "customer.example"},
    "PatchedDealRequest": {"stage": "proposal", "amount": "58000.00"},
    "PatchedLeadRequest": {"status": "qualified", "title": "Head of Logistics"},
    "PatchedNoteRequest": {"text": "Call back in June."},
    "ReadRequest": {"encoding": "cp1252", "delimiter": ";"},
    "ResendRequest": {"status": "rejected", "since": "2026-11-01T00:00:00Z"},
    "RuleRequest": {"name": "Sales", "event": "deal_won", "conversion_id": "104012345"},
    "PatchedRuleRequest": {"is_active": False},
    "StageRequest": {"name": "Trial", "pipeline": "sales", "probability": 60},
    "PlacedStageRequest": {"name": "Trial", "pipeline": "sales", "probability": 60},
    "TaskRequest": {"title": "Call back", "due_on": "2026-12-18", "due_time": "15:30", "lead": _ID},
    "PatchedTaskRequest": {"done": True},
    "ViewRequest": {"entity": "lead", "name": "New ones", "query": "status=new&sort=-touch"},
    "PatchedViewRequest": {"is_pinned": True},
}
_REFUSAL: Final[Schema] = {
    "type": "validation_error",
    "errors": [{"code": "unknown_field", "detail": "There is no field of this name.", "attr": "frist_name"}],
}


def add_examples(result: Schema, generator: Any, request: Any, public: bool) -> Schema:
    """Hook of drf-spectacular: give every body an example. All refusals look the same, so theirs is on their schema."""
    components = result.get("components", {}).get("schemas", {})
    if "Errors" in components:
        components["Errors"]["examples"] = [_REFUSAL]
    for path in result.get("paths", {}).values():
        for operation in path.values():
            if isinstance(operation, dict):
                _add(operation, components)
    return result


def add_links(result: Schema, generator: Any, request: Any, public: bool) -> Schema:
    """Hook of drf-spectacular: say of every record that is made which operations take its id."""
    for path, operations in result.get("paths", {}).items():
        made = operations.get("post", {}).get("responses", {}).get("201")
        if made is not None:
            made["links"] = {
                operation["operationId"]: {
                    "operationId": operation["operationId"],
                    "parameters": {"id": "$response.body#/id"},
                }
                for under, others in result["paths"].items()
                if under.startswith(f"{path}{{id}}/")
                for operation in others.values()
            }
    return result


def _add(operation: Schema, components: Schema) -> None:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["example"] = _example(content.get("schema", {}), components)
    for status, response in operation.get("responses", {}).items():
        content = response.get("content", {}).get(_JSON)
        if content and status < "400":
            content["example"] = _example(content.get("schema", {}), components)


def _example(schema: Schema, components: Schema, name: str = "", depth: int = 0) -> Any:
    if "$ref" in schema:
        component = schema["$ref"].rpartition("/")[2]
        if component in _WHOLE:
            return dict(_WHOLE[component])
        return _example(components[component], components, name, depth)
    for word in ("oneOf", "anyOf", "allOf"):
        if word in schema:
            return _example(schema[word][0], components, name, depth)
    if "enum" in schema:
        return _choice(schema["enum"], name)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next(word for word in kind if word != "null")
    if kind == "array":
        return _array(schema, components, name, depth)
    if kind == "object" or "properties" in schema:
        return _object(schema, components, depth)
    return _plain(schema, kind, name)


def _choice(values: list[Any], name: str) -> Any:
    return _BY_NAME[name] if name in _BY_NAME and _BY_NAME[name] in values else values[0]


def _array(schema: Schema, components: Schema, name: str, depth: int) -> list[Any]:
    if isinstance(_BY_NAME.get(name), list):
        return list(_BY_NAME[name])
    return [] if depth > _DEEPEST else [_example(schema.get("items", {}), components, "", depth + 1)]


def _object(schema: Schema, components: Schema, depth: int) -> Schema:
    properties = schema.get("properties", {})
    if depth > _DEEPEST:
        return {}
    return {name: _example(one, components, name, depth + 1) for name, one in properties.items()}


def _plain(schema: Schema, kind: Any, name: str) -> Any:
    if schema.get("examples"):
        return schema["examples"][0]
    if name in _BY_NAME and _BY_NAME[name] is None:
        return None
    if schema.get("format") in _BY_FORMAT and not isinstance(_BY_NAME.get(name), str):
        return _BY_FORMAT[schema["format"]]
    value = _BY_NAME.get(name)
    if isinstance(value, str) and kind == "string":
        return value[: schema.get("maxLength", len(value))]
    if isinstance(value, int) and kind == "integer":
        return value
    if "default" in schema:
        return schema["default"]
    if kind == "integer":
        return max(schema.get("minimum", 1), min(1, schema.get("maximum", 1)))
    if kind == "string" and schema.get("minLength"):
        return "…"
    return _BY_TYPE.get(str(kind))
