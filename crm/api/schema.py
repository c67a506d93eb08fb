"""How each operation is described in OpenAPI: its refusals, its headers, its ways to sign in."""

from __future__ import annotations

from typing import Any

from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema as SpectacularSchema
from drf_spectacular.utils import Direction
from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS


class ErrorSerializer(serializers.Serializer[Any]):
    """One thing that is wrong; `attr` names the field or parameter, if it is one."""

    code = serializers.CharField()
    detail = serializers.CharField()
    attr = serializers.CharField(allow_null=True)


class ErrorsSerializer(serializers.Serializer[Any]):
    """What every refusal and every failure looks like."""

    type = serializers.ChoiceField(choices=["validation_error", "client_error", "server_error"])
    errors = ErrorSerializer(many=True)  # type: ignore[assignment]  # DRF takes it off the class


_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    "description": "For a day, the same key and request give the first answer again.",
}


_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 1000},
    "description": "The ETag of the record as you know it: if it has changed since, nothing is done (412).",
}
_ETAG = {"ETag": {"schema": {"type": "string"}, "description": "The version of the record, for If-Match."}}


class AutoSchema(SpectacularSchema):
    """Says of every operation which refusals it can answer, and that they all look the same."""

    def _get_parameters(self) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = super()._get_parameters()
        if self.method == "POST":
            parameters = [*parameters, _IDEMPOTENCY_KEY]
        return [*parameters, _IF_MATCH] if self._is_conditional else parameters

    @property
    def _is_conditional(self) -> bool:
        """Whether the operation is about one record that has an ETag, and changes it."""
        is_one = "{" in self.path or self.path.endswith("/company/")
        is_change = self.method not in SAFE_METHODS
        return bool(is_one and is_change and getattr(self.view, "has_etags", False))

    @property
    def _shows_version(self) -> bool:
        """Whether the answer has an ETag."""
        name = getattr(self.view, "action", None)
        is_record = name in (None, "retrieve", "create", "update", "partial_update")
        return bool(is_record and getattr(self.view, "has_etags", False))

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        responses: dict[str, Any] = super()._get_response_bodies(direction)
        if direction != "response":
            return responses
        for status in ("200", "201"):
            if status in responses and self._shows_version:
                responses[status]["headers"] = _ETAG
        for status, words in self._refusals().items():
            response = self._get_response_for_code(ErrorsSerializer, status)  # type: ignore[no-untyped-call]
            response["description"] = words
            if status in ("429", "503"):
                response["headers"] = _RETRY_AFTER
            responses.setdefault(status, response)
        return dict(sorted(responses.items()))

    def _refusals(self) -> dict[str, str]:
        refusals = {
            "400": "Something in the request is wrong; `attr` names it.",
            "401": "There is no key, or it is not live.",
            "403": "The key lacks the scope, or the role the right.",
            "406": "Only JSON is spoken here.",
            "429": "Too many requests.",
            "503": "The database is busy or away; nothing was written.",
        }
        if "{" in self.path:
            refusals["404"] = "There is no such record."
        if self.method not in SAFE_METHODS:
            refusals |= {
                "409": "It contradicts the state of the record, or the Idempotency-Key was used for another request.",
                "408": "The body did not arrive in time.",
                "411": "The Content-Length is missing.",
                "413": "The body is larger than 1 MiB.",
                "415": "The body is not application/json.",
            }
        if self._is_conditional:
            refusals["412"] = "The record is not the version that If-Match names."
        return dict(sorted(refusals.items()))


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The company's API key."""

    target_class = "crm.api.authentication.KeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "lm_…"}


class WebSessionScheme(SessionScheme):  # type: ignore[no-untyped-call]
    """The session of the web pages; writes need its CSRF token too."""

    target_class = "crm.api.authentication.WebSessionAuthentication"
    name = "webSession"
