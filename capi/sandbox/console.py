"""The control API, /_control/…: order faults, change the world, see what was received. JSON in and out.

A key (``SANDBOX_CONTROL_KEY``) is asked for if one is set. Foreign pages in a browser are kept out in any
case: only loopback names are served, and orders must be of type application/json.
"""

import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from capi.sandbox import leads
from capi.sandbox.faults import BadFault, fault_from
from capi.sandbox.wire import Reply, Request, json_reply
from capi.sandbox.world import Account, Poison, Rule

if TYPE_CHECKING:
    from capi.sandbox.app import Sandbox

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]", ""})
_RULE_FIELDS: Final = {
    "name": str,
    "account": int,
    "type": str,
    "method": str,
    "enabled": bool,
    "campaigns": list,
}


class _BadOrder(ValueError):
    """What is wrong with an order, in a sentence."""


def answer(sandbox: "Sandbox", request: Request) -> Reply:
    if not _is_loopback(request.headers.get("host", "")):
        return _refused(403, "The control API is served to this machine only.")
    if sandbox.control_key and not _has_key(sandbox.control_key, request):
        return _refused(403, "The control API asks for its key in the header X-Sandbox-Key.")
    try:
        return json_reply(200, _result(sandbox, request))
    except (_BadOrder, BadFault) as error:
        return _refused(400, str(error))


def _result(sandbox: "Sandbox", request: Request) -> Any:
    """Route to a look (GET) or an order (POST, DELETE); all under the sandbox's lock."""
    name = request.path.removeprefix("/_control").strip("/")
    if request.method == "GET" and name in _LOOKS:
        with sandbox.lock:
            return _LOOKS[name](sandbox, _parameters(request))
    if request.method == "POST" and name in _ORDERS:
        order = _order(request)
        with sandbox.lock:
            return _ORDERS[name](sandbox, order)
    raise _BadOrder(
        f"There is no {request.method} /_control/{name}."
        f" GET: {', '.join(_LOOKS)}. POST: {', '.join(_ORDERS)}."
    )


def _stats(sandbox: "Sandbox", parameters: dict[str, str]) -> dict[str, Any]:
    return sandbox.ledger.stats()


def _received(sandbox: "Sandbox", parameters: dict[str, str]) -> dict[str, Any]:
    """The newest requests first; ``limit`` (100), ``path`` (a part of it), ``after`` (an id already seen)."""
    limit = _number(parameters, "limit", 100)
    after = _number(parameters, "after", 0)
    part = parameters.get("path", "")
    shown: list[dict[str, Any]] = []
    for received in sandbox.ledger.newest():
        if len(shown) >= limit or received.id <= after:
            break
        if part in received.path:
            shown.append(sandbox.ledger.shown(received))
    return {"requests": shown}


def _accepted(sandbox: "Sandbox", parameters: dict[str, str]) -> dict[str, Any]:
    return {"accepted": sandbox.ledger.accepted_ids()}


def _world(sandbox: "Sandbox", parameters: dict[str, str]) -> dict[str, Any]:
    world = sandbox.world
    return {
        "accounts": [
            {"id": one.id, "name": one.name, "currency": one.currency} for one in world.accounts.values()
        ],
        "rules": [
            {
                "id": rule.id,
                "name": rule.name,
                "account": rule.account,
                "type": rule.type,
                "method": rule.method,
                "enabled": rule.enabled,
                "campaigns": list(rule.campaigns),
            }
            for rule in world.rules.values()
        ],
        "tokens": [
            {"accounts": sorted(grant.accounts), "revoked": grant.revoked, "can_read": grant.can_read}
            for grant in world.grants.values()
        ],
        "versions": {version: ends.isoformat() for version, ends in world.version_ends.items()},
        "clock_offset": world.clock_offset,
        "now_ms": world.now_ms(),
        "poison": sorted(world.poison.event_ids),
    }


def _faults(sandbox: "Sandbox", parameters: dict[str, str]) -> dict[str, Any]:
    return {"faults": sandbox.faults.listed()}


def _add_faults(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    faults = [fault_from(one) for one in (order if isinstance(order, list) else [order])]
    return {"ids": [sandbox.faults.add(fault) for fault in faults]}


def _remove_fault(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    return {"removed": sandbox.faults.remove(_field(order, "id", int))}


def _add_token(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    """A token given out before is valid again."""
    token = _field(order, "token", str)
    accounts = _field(order, "accounts", list)
    unknown = [account for account in accounts if account not in sandbox.world.accounts]
    if not token or unknown:
        raise _BadOrder(f"A token is a text, its accounts are known ones. Unknown: {unknown}.")
    sandbox.world.add_token(token, accounts, can_read=order.get("can_read", True) is True)
    return {"added": True}


def _revoke_token(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    token = _field(order, "token", str)
    if token not in sandbox.world.grants:
        raise _BadOrder("This token was never given out.")
    sandbox.world.revoke_token(token)
    return {"revoked": True}


def _forget_token(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    return {"forgotten": sandbox.world.grants.pop(_field(order, "token", str), None) is not None}


def _add_account(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    account = Account(_field(order, "id", int), _field(order, "name", str))
    sandbox.world.accounts[account.id] = account
    return {"added": True}


def _set_rule(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    """Change a rule, or add one: a new one needs name, account and type."""
    rule_id = _field(order, "id", int)
    changes = {name: _field(order, name, kind) for name, kind in _RULE_FIELDS.items() if name in order}
    if "campaigns" in changes:
        changes["campaigns"] = tuple(changes["campaigns"])
    known = sandbox.world.rules.get(rule_id)
    if known is None and not {"name", "account", "type"} <= changes.keys():
        raise _BadOrder(f"There is no rule {rule_id}; a new one needs name, account and type.")
    rule = replace(known, **changes) if known else Rule(id=rule_id, **changes)
    sandbox.world.add_rule(rule)
    return {"id": rule.id}


def _remove_rule(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    return {"removed": sandbox.world.rules.pop(_field(order, "id", int), None) is not None}


def _set_clock(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    offset = order.get("offset_seconds") if isinstance(order, dict) else None
    if not isinstance(offset, int | float) or isinstance(offset, bool):
        raise _BadOrder("offset_seconds is a number.")
    sandbox.world.clock_offset = float(offset)
    return {"now_ms": sandbox.world.now_ms()}


def _set_version(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    """Set the last day of a version, which makes it exist; null makes it unknown."""
    version = _field(order, "version", str)
    ends = order.get("ends")
    if ends is None:
        return {"removed": sandbox.world.version_ends.pop(version, None) is not None}
    try:
        sandbox.world.version_ends[version] = date.fromisoformat(ends)
    except (TypeError, ValueError) as error:
        raise _BadOrder("ends is a date such as 2027-09-15, or null.") from error
    return {"set": True}


def _set_poison(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    event_ids = frozenset(str(event_id) for event_id in _field(order, "event_ids", list))
    status = order.get("status", 400)
    if status not in (400, 422):
        raise _BadOrder("The status of poison is 400 or 422.")
    sandbox.world.poison = Poison(event_ids, order.get("indices") is True, status)
    return {"poisoned": len(event_ids)}


def _send_form(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    """Somebody sends a Lead Gen Form; subscribers are notified, unless `quiet`."""
    account, answers = _field(order, "account", int), _field(order, "answers", dict)
    at_ms = order.get("at_ms")
    response = leads.send_form(
        sandbox.world,
        account,
        {str(name): str(text) for name, text in answers.items()},
        is_test=order.get("is_test") is True,
        at_ms=at_ms if isinstance(at_ms, int) else sandbox.world.now_ms(),
    )
    quiet = order.get("quiet") is True
    taken = 0 if quiet else leads.notify(sandbox.world, account, response, "CREATED")
    return {"id": response, "notified": taken}


def _take_back_form(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    """They take it back: it cannot be read any more, and subscribers are notified."""
    response = _field(order, "id", str)
    if sandbox.world.responses.pop(response, None) is None:
        raise _BadOrder("This form was never sent.")
    account = _field(order, "account", int)
    return {"notified": leads.notify(sandbox.world, account, response, "DELETED")}


def _clear_faults(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    """Only what goes wrong: faults, poison and the clock. What was received stays."""
    sandbox.faults.clear()
    sandbox.world.poison = Poison()
    sandbox.world.clock_offset = 0.0
    return {"cleared": True}


def _clear_received(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    sandbox.ledger.clear()
    return {"cleared": True}


def _reset(sandbox: "Sandbox", order: Any) -> dict[str, Any]:
    sandbox.reset()
    return {"reset": True}


_LOOKS: Final[dict[str, Callable[["Sandbox", dict[str, str]], Any]]] = {
    "stats": _stats,
    "received": _received,
    "accepted": _accepted,
    "world": _world,
    "faults": _faults,
}
_ORDERS: Final[dict[str, Callable[["Sandbox", Any], Any]]] = {
    "faults": _add_faults,
    "faults/remove": _remove_fault,
    "faults/clear": _clear_faults,
    "tokens": _add_token,
    "tokens/revoke": _revoke_token,
    "tokens/forget": _forget_token,
    "accounts": _add_account,
    "rules": _set_rule,
    "rules/remove": _remove_rule,
    "clock": _set_clock,
    "versions": _set_version,
    "poison": _set_poison,
    "forms": _send_form,
    "forms/take-back": _take_back_form,
    "received/clear": _clear_received,
    "reset": _reset,
}


def _is_loopback(host: str) -> bool:
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name in _LOOPBACK


def _has_key(key: str, request: Request) -> bool:
    given = request.headers.get("x-sandbox-key", "")
    return hmac.compare_digest(given.encode("latin-1", "replace"), key.encode("latin-1", "replace"))


def _order(request: Request) -> Any:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise _BadOrder("An order is sent as application/json.")
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise _BadOrder("The order is not JSON.") from error


def _parameters(request: Request) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(request.query).items()}


def _number(parameters: dict[str, str], name: str, default: int) -> int:
    value = parameters.get(name, str(default))
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise _BadOrder(f"{name} is a number.")
    return int(value)


def _field(order: Any, name: str, kind: type) -> Any:
    if not isinstance(order, dict) or type(order.get(name)) is not kind:
        raise _BadOrder(f"{name} is needed, a {kind.__name__}.")
    return order[name]


def _refused(status: int, sentence: str) -> Reply:
    return json_reply(status, {"status": status, "message": sentence})
