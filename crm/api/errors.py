"""Every refusal and every failure in one shape: {"type", "errors": [{"code", "detail", "attr"}]}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import UnreadablePostError
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import ExceptionHandlerContext
from rest_framework.exceptions import APIException, ErrorDetail, ParseError, ValidationError
from rest_framework.response import Response
from rest_framework.settings import api_settings

from crm.errors import Conflict

RETRY_AFTER = 2
# The code of a refusal that another try may not get.
RACE = "race"


class Contradiction(APIException):
    """409: the request contradicts the state of the record."""

    status_code = 409
    default_code = "conflict"


class Busy(APIException):
    """503: the database is away or locked; nothing was written."""

    status_code = 503
    default_code = "busy"
    default_detail = "The database is busy or away, and nothing was written. Try again."
    wait = RETRY_AFTER


def exception_handler(exc: Exception, context: ExceptionHandlerContext) -> Response | None:
    """DRF's hook. No exception leaves it unhandled, and no answer shows what is inside."""
    return _Handler(exc, context).run()


class _Handler(ExceptionHandler):
    def convert_known_exceptions(self, exc: Exception) -> Exception:
        match exc:
            case DjangoValidationError():
                return as_api_error(exc, getattr(self.context.get("view"), "field_names", {}))
            case Conflict():
                return Contradiction(exc.message, code=exc.code)
            case OperationalError() | InterfaceError():
                return Busy()
            case IntegrityError():
                return Contradiction(
                    "Somebody wrote the same thing at the same moment. Try again.", code=RACE
                )
            case UnreadablePostError():
                return ParseError("The body ended before its Content-Length.")
        return super().convert_known_exceptions(exc)

    def format_exception(self, exc: APIException) -> dict[str, Any]:
        """As the library does; an error of a whole object names the object, and one of the whole body nothing."""
        body: dict[str, Any] = super().format_exception(exc)
        for error in body["errors"]:
            if error["attr"]:
                error["attr"] = error["attr"].removesuffix(_WHOLE).removesuffix(".") or None
        return body


_WHOLE = api_settings.NON_FIELD_ERRORS_KEY


def as_api_error(error: DjangoValidationError, names: Mapping[str, str]) -> ValidationError:
    """An action's refusal for the caller; `names` gives the API's name for a field that is called differently."""
    if not hasattr(error, "error_dict"):
        return ValidationError({api_settings.NON_FIELD_ERRORS_KEY: _details(error.error_list, "invalid")})
    # With a dict, Django keeps the code of the whole only here.
    code = error.args[1] if len(error.args) > 1 and error.args[1] else "invalid"
    return ValidationError(
        {
            names.get(
                field, api_settings.NON_FIELD_ERRORS_KEY if field == NON_FIELD_ERRORS else field
            ): _details(errors, code)
            for field, errors in error.error_dict.items()
        }
    )


def _details(errors: list[DjangoValidationError], code: str) -> list[ErrorDetail]:
    return [ErrorDetail(message, error.code or code) for error in errors for message in error.messages]
