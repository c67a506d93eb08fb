"""POST /rest/conversionEvents: the checks in LinkedIn's order, and the answer when all of them are passed.

Structure (422, every error of every element) → rule not found (403) → meaning (400, one complaint at a time).
A batch is all or nothing.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

from capi.sandbox.schema import RULE_PREFIX, errors_of, message_of
from capi.sandbox.wire import Reply, Request, json_reply, refuse
from capi.sandbox.world import CAPI_METHOD, Grant, Rule, World

MAX_ELEMENTS: Final = 5_000
MAX_AGE_MS: Final = 90 * 24 * 60 * 60 * 1000

Element = dict[str, Any]
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Batch:
    """The events of one request. A bare object is a batch of one that is answered without `elements`."""

    elements: list[Element]
    is_batch: bool


def read(request: Request, version: str) -> Batch:
    """Return the structurally sound events of a request; refuse what is not JSON or not of the schema."""
    batch = _parse(request)
    errors = [
        (n, lines) for n, element in enumerate(batch.elements) if (lines := errors_of(element, version))
    ]
    if errors:
        raise refuse(422, message_of(errors, batch=batch.is_batch))
    return batch


def check(batch: Batch, world: World, grant: Grant) -> None:
    """Refuse events that are sound but cannot be stored: their rule, identity, value or time."""
    rules = _rules_of(batch, world, grant)
    _refuse_unusable_rules(rules)
    _refuse_without_identity(batch)
    _refuse_empty_currency(batch)
    _refuse_outside_time(batch, world.now_ms())
    _refuse_poison(batch, world)


def accepted(batch: Batch, internal_id: str) -> Reply:
    """Return LinkedIn's answer to a request of which every event was stored."""
    if batch.is_batch:
        return json_reply(200, {"elements": [{"status": 201}] * len(batch.elements)})
    return Reply(201, b"", {"Location": f"/conversionEvents/{internal_id}"})


def elements_of(body: bytes) -> list[Any]:
    """Return the elements of a body that may be anything, for showing: an empty list if it holds none."""
    try:
        payload = _load(body)
    except (ValueError, RecursionError):
        return []
    if not isinstance(payload, dict):
        return []
    elements = payload.get("elements", [payload])
    return elements if isinstance(elements, list) else []


def _parse(request: Request) -> Batch:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise refuse(415, f"Unsupported Content-Type: {content_type or 'none'}. Use application/json.")
    try:
        payload = _load(request.body)
    except (ValueError, RecursionError) as error:
        raise refuse(400, "Cannot parse request entity as JSON") from error
    if not isinstance(payload, dict):
        raise refuse(400, "Cannot parse request entity: a JSON object is expected")
    method = request.headers.get("x-restli-method", "").strip().upper()
    if method == "BATCH_CREATE":
        return Batch(_elements_of_batch(payload), is_batch=True)
    if method not in ("", "CREATE"):
        raise refuse(400, f"Method {method} is not supported by resource conversionEvents")
    # {"elements": …} without the header is read as one event, and so is refused field by field.
    return Batch([payload], is_batch=False)


def _elements_of_batch(payload: dict[str, Any]) -> list[Any]:
    elements = payload.get("elements")
    if not isinstance(elements, list) or payload.keys() != {"elements"}:
        raise refuse(400, 'A BATCH_CREATE request must be of the form {"elements": [...]}')
    if not elements:
        raise refuse(400, "A BATCH_CREATE request must hold at least one element")
    if len(elements) > MAX_ELEMENTS:
        raise refuse(400, f"Batch size {len(elements)} exceeds the maximum of {MAX_ELEMENTS}")
    return elements


def _load(body: bytes) -> Any:
    return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _rules_of(batch: Batch, world: World, grant: Grant) -> list[Rule]:
    cut = len(RULE_PREFIX)
    rules = [world.rules.get(int(element["conversion"][cut:][:19])) for element in batch.elements]
    visible = [rule for rule in rules if rule is not None and rule.account in grant.accounts]
    if len(visible) != len(rules):
        raise refuse(403, "No ad accounts found")
    return visible


def _refuse_unusable_rules(rules: Sequence[Rule]) -> None:
    wrong = _indices(rules, lambda rule: rule.method != CAPI_METHOD)
    if wrong:
        text = "Incorrect conversions information provided. Conversion's method should be CONVERSIONS_API"
        raise refuse(400, f"{text}, indices {wrong} (0-indexed)")
    if _indices(rules, lambda rule: not rule.enabled):
        raise refuse(
            400,
            "Invalid Conversion information provided, this event(s) is associated to a conversion that's"
            " marked as deleted. Conversion enabled should be true",
        )


def _refuse_without_identity(batch: Batch) -> None:
    nameless = _indices(batch.elements, lambda element: not _has_identity(element["user"]))
    if nameless:
        message = (
            "The request must contain one of these fields: SHA256_EMAIL,"
            " LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID, ACXIOM_ID, PLAINTEXT_IP_ADDRESS, GOOGLE_AID,"
            " userInfo, externalIds, lead."
        )
        raise _validation_failed(
            nameless, "Invalid user identification", "INVALID_USER_IDENTIFICATION_FIELD_VALUE", message
        )


def _refuse_empty_currency(batch: Batch) -> None:
    empty = _indices(
        batch.elements, lambda element: element.get("conversionValue", {}).get("currencyCode") == ""
    )
    if empty:
        raise _validation_failed(
            empty,
            "Invalid conversion value",
            "INVALID_CONVERSION_VALUE_FIELD_VALUE",
            "Currency code should not be empty.",
        )


def _refuse_outside_time(batch: Batch, now_ms: int) -> None:
    oldest = now_ms - MAX_AGE_MS
    outside = _indices(
        batch.elements, lambda element: not oldest <= element["conversionHappenedAt"] <= now_ms
    )
    if outside:
        text = "Conversion time should be within 90 days and not exceed current time"
        raise refuse(400, f"{text}, indices {outside} (0-indexed).")


def _refuse_poison(batch: Batch, world: World) -> None:
    poison = world.poison
    if not poison.event_ids:
        return
    bad = _indices(batch.elements, lambda element: element.get("eventId") in poison.event_ids)
    if not bad:
        return
    if not poison.indices:
        raise refuse(poison.status, "Invalid conversion information provided.")
    if poison.status == 422:
        raise refuse(
            422, message_of([(n, ["ERROR :: /eventId :: refused"]) for n in bad], batch=batch.is_batch)
        )
    raise refuse(poison.status, f"Invalid conversion information provided, indices {bad} (0-indexed).")


def _has_identity(user: Element) -> bool:
    """Whether LinkedIn could look for a person: an empty value spoils the event, as it does there."""
    values = [user_id["idValue"] for user_id in user["userIds"]]
    values += user.get("externalIds", [])[:1]
    if values:
        return all(values)
    return "lead" in user or _has_names(user.get("userInfo", {}))


def _has_names(user_info: Element) -> bool:
    first = user_info.get("firstName") or user_info.get("hashedFirstName")
    last = user_info.get("lastName") or user_info.get("hashedLastName")
    return bool(first and last)


def _validation_failed(indices: list[int], field: str, kind: str, message: str) -> Exception:
    """The form that LinkedIn documents, with ``batchIndex``, where its real text was never measured."""
    complaints = ", ".join(
        f"{{field={field}, batchIndex={index}, type={kind}, message={message}}}" for index in indices
    )
    return refuse(400, f"Validation failed because [{complaints}]")


def _indices(items: Sequence[_Item], is_bad: Callable[[_Item], bool]) -> list[int]:
    return [index for index, item in enumerate(items) if is_bad(item)]
