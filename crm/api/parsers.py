"""Reads JSON bodies, and refuses what a lenient reader would change without a word."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from crm.api.texts import printable


class StrictJSONParser(BaseParser):
    """One JSON object in UTF-8: no BOM, no key twice, no NaN or Infinity, not nested beyond reason."""

    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        body = _read(_text(stream.read()))
        if not isinstance(body, dict):
            raise ParseError("Send a JSON object, in braces.")
        return body


def _text(raw: bytes) -> str:
    if raw.startswith(b"\xef\xbb\xbf"):
        raise ParseError("Remove the byte order mark at the start of the body.")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ParseError(f"The body is not UTF-8 text: see byte {error.start}.") from error


def _read(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once_each, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ParseError(
            f"The body is not JSON: {error.msg} in line {error.lineno}, column {error.colno}."
        ) from error
    except RecursionError as error:
        raise ParseError("The body is nested too deeply.") from error
    except ValueError as error:  # a number with thousands of digits
        raise ParseError("The body has a number that is too long.") from error


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, value in pairs:
        if key in read:
            raise ParseError(f"The key {printable(key)} is there twice.")
        read[key] = value
    return read


def _refuse_constant(name: str) -> NoReturn:
    raise ParseError(f"{name} is not a JSON value.")
