"""The readable and editable resources: conversions (rules), adAccounts, adAccountUsers, adCampaigns.

Rest.li 2.0 addresses are checked as they came: a URN's colons must be percent-encoded, and the parentheses,
commas and colons of a `search` must not be.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote

from capi.sandbox.wire import Refusal, Reply, Request, json_reply, refuse
from capi.sandbox.world import Account, Grant, Rule, World

ACCOUNT_PREFIX: Final = "urn:li:sponsoredAccount:"
CAMPAIGN_PREFIX: Final = "urn:li:sponsoredCampaign:"
_ENCODED_ACCOUNT = re.compile(r"urn%3Ali%3AsponsoredAccount%3A([0-9]{1,19})", re.IGNORECASE)
_SEARCH = re.compile(r"\([^%]*\)")
_UPDATABLE = {
    "name": "name",
    "type": "type",
    "enabled": "enabled",
    "conversionMethod": "method",
    "postClickAttributionWindowSize": "click_days",
    "viewThroughAttributionWindowSize": "view_days",
    "attributionType": "attribution",
    "valueType": "value_type",
}
_TYPES: Final = {
    "enabled": bool,
    "postClickAttributionWindowSize": int,
    "viewThroughAttributionWindowSize": int,
}


def list_rules(world: World, grant: Grant, request: Request) -> Reply:
    query = _query(request)
    _expect_finder(query, "account")
    rules = world.rules_of(_account_of(query, grant))
    return _page([_shown_rule(rule) for rule in rules], query, total=-1)


def get_rule(world: World, grant: Grant, request: Request, rule_id: int) -> Reply:
    return json_reply(200, _shown_rule(_rule(world, grant, request, rule_id)))


def create_rule(world: World, grant: Grant, request: Request) -> Reply:
    fields = _body(request)
    account = fields.get("account")
    name, kind = fields.get("name"), fields.get("type")
    if not isinstance(account, str) or not isinstance(name, str) or not isinstance(kind, str):
        raise refuse(422, "ERROR :: /account, /name, /type :: field is required but not found")
    number = account.removeprefix(ACCOUNT_PREFIX)
    if not (number.isascii() and number.isdigit()) or int(number) not in grant.accounts:
        raise refuse(403, "No ad accounts found")
    rule = Rule(world.next_rule_id(), name, int(number), kind)
    world.add_rule(_changed(rule, {key: value for key, value in fields.items() if key != "account"}))
    headers = {"x-restli-id": str(rule.id), "Location": f"/conversions/{rule.id}"}
    return Reply(201, b"", headers)


def update_rule(world: World, grant: Grant, request: Request, rule_id: int) -> Reply:
    rule = _rule(world, grant, request, rule_id)
    if request.headers.get("x-restli-method", "").upper() != "PARTIAL_UPDATE":
        raise refuse(400, "Updates of resource conversions need X-RestLi-Method: PARTIAL_UPDATE")
    patch = _body(request).get("patch")
    changes = patch.get("$set") if isinstance(patch, dict) else None
    if not isinstance(changes, dict):
        raise refuse(400, 'A PARTIAL_UPDATE must be of the form {"patch": {"$set": {...}}}')
    world.add_rule(_changed(rule, changes))
    return Reply(204)


def list_accounts(world: World, grant: Grant, request: Request) -> Reply:
    query = _query(request)
    _expect_finder(query, "search")
    _check_search(query)
    accounts = [world.accounts[account] for account in sorted(grant.accounts) if account in world.accounts]
    return _page([_shown_account(account) for account in accounts], query)


def list_account_users(world: World, grant: Grant, request: Request) -> Reply:
    query = _query(request)
    _expect_finder(query, "authenticatedUser")
    users = [
        {"account": f"{ACCOUNT_PREFIX}{account}", "role": grant.role, "user": "urn:li:person:sandbox"}
        for account in sorted(grant.accounts)
    ]
    return _page(users, query)


def list_campaigns(world: World, grant: Grant, request: Request, account_id: int) -> Reply:
    query = _query(request)
    _expect_finder(query, "search")
    _check_search(query)
    if account_id not in grant.accounts or account_id not in world.accounts:
        raise refuse(403, "No ad accounts found")
    campaigns = world.accounts[account_id].campaigns
    return _page([{"id": one.id, "name": one.name, "status": one.status} for one in campaigns], query)


def _query(request: Request) -> dict[str, str]:
    """The parameters of a query as they were sent, not decoded."""
    pairs = (part.partition("=") for part in request.query.split("&") if part)
    return {name: value for name, _, value in pairs}


def _expect_finder(query: dict[str, str], finder: str) -> None:
    if query.get("q") != finder:
        raise refuse(400, f"A finder is needed: q={finder}")


def _check_search(query: dict[str, str]) -> None:
    search = query.get("search")
    if search is not None and not _SEARCH.fullmatch(search):
        raise refuse(
            400, "Invalid query parameter: search must be a record, its parentheses and commas unencoded"
        )


def _account_of(query: dict[str, str], grant: Grant) -> int:
    match = _ENCODED_ACCOUNT.fullmatch(query.get("account", ""))
    if match is None:
        raise refuse(400, "Invalid query parameter: account must be a URN with its colons percent-encoded")
    account = int(match[1])
    if account not in grant.accounts:
        raise refuse(403, "No ad accounts found")
    return account


def _rule(world: World, grant: Grant, request: Request, rule_id: int) -> Rule:
    account = _account_of(_query(request), grant)
    rule = world.rules.get(rule_id)
    if rule is None or rule.account != account:
        raise refuse(404, f"Conversion {rule_id} was not found", code="NOT_FOUND")
    return rule


def _body(request: Request) -> dict[str, Any]:
    try:
        fields = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise refuse(400, "Cannot parse request entity as JSON") from error
    if not isinstance(fields, dict):
        raise refuse(400, "Cannot parse request entity: a JSON object is expected")
    return fields


def _changed(rule: Rule, changes: dict[str, Any]) -> Rule:
    attributes: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in _UPDATABLE:
            raise _bad_field(name, "unrecognized field found but not allowed")
        expected = _TYPES.get(name, str)
        if type(value) is not expected:
            raise _bad_field(name, f"{json.dumps(value)} cannot be coerced to {expected.__name__}")
        attributes[_UPDATABLE[name]] = value
    return replace(rule, **attributes)


def _bad_field(name: str, text: str) -> Refusal:
    return refuse(422, f"ERROR :: /{name} :: {text}\n")


def _page(elements: Sequence[dict[str, Any]], query: dict[str, str], total: int | None = None) -> Reply:
    start = _number(query, "start", 0)
    count = _number(query, "count", 10)
    shown = [_projected(element, query) for element in elements[start : start + count]]
    size = len(elements) if total is None else total
    paging = {"start": start, "count": count, "total": size, "links": []}
    return json_reply(200, {"elements": shown, "paging": paging})


def _number(query: dict[str, str], name: str, default: int) -> int:
    value = query.get(name, str(default))
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise refuse(400, f"Invalid query parameter: {name} must be a number")
    return int(value)


def _projected(element: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
    fields = unquote(query.get("fields", ""))
    if not fields:
        return element
    wanted = fields.split(",")
    return {name: value for name, value in element.items() if name in wanted}


def _shown_account(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "status": "ACTIVE",
        "type": "BUSINESS",
        "test": False,
        "currency": account.currency,
    }


def _shown_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "account": f"{ACCOUNT_PREFIX}{rule.account}",
        "conversionMethod": rule.method,
        "type": rule.type,
        "enabled": rule.enabled,
        "postClickAttributionWindowSize": rule.click_days,
        "viewThroughAttributionWindowSize": rule.view_days,
        "attributionType": rule.attribution,
        "valueType": rule.value_type,
        "campaigns": [f"{CAMPAIGN_PREFIX}{campaign}" for campaign in rule.campaigns],
        "created": 1_740_000_000_000,
        "lastModified": 1_740_000_000_000,
    }
