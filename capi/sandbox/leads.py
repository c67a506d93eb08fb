"""Lead Gen Forms of the sandbox: responses to read, notices to subscribe to, and people who send forms on demand.

Only a token with `lead_sync` opens them, as LinkedIn gives it to approved apps alone. Notices go to this machine only.
"""

import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

from capi.sandbox.wire import Reply, Request, json_reply, refuse
from capi.sandbox.world import LEAD_SECRET, Grant, World

URN: Final = "urn:li:leadGenFormResponse:"
_OWNER = re.compile(r"\(sponsoredAccount:urn%3Ali%3AsponsoredAccount%3A([0-9]{1,19})\)", re.IGNORECASE)
_RANGE = re.compile(r"\(start:([0-9]{1,16}),end:([0-9]{1,16})\)")
_ACCOUNT = "urn:li:sponsoredAccount:"
_LOOPBACK: Final = ("127.0.0.1", "localhost")
_SECONDS = 3.0  # the time LinkedIn gives an answer to its challenge

_QUESTIONS: Final = (
    ("FIRST_NAME", "First name"),
    ("LAST_NAME", "Last name"),
    ("EMAIL", "Email address"),
    ("WORK_EMAIL", "Work email"),
    ("PHONE_NUMBER", "Phone number"),
    ("COMPANY_NAME", "Company name"),
    ("JOB_TITLE", "Job title"),
)


def list_responses(world: World, grant: Grant, request: Request) -> Reply:
    query = _query(request)
    if query.get("q") != "owner":
        raise refuse(400, "A finder is needed: q=owner")
    account = _account(_OWNER.fullmatch(query.get("owner", "")), grant)
    if query.get("leadType") != "(leadType:SPONSORED)":
        raise refuse(400, "Invalid query parameter: leadType must be a record")
    between = _RANGE.fullmatch(query.get("submittedAtTimeRange", ""))
    if between is None:
        raise refuse(400, "Invalid query parameter: submittedAtTimeRange must be a record, unencoded")
    start, end = int(between[1]), int(between[2])
    found = [
        one
        for one in world.responses.values()
        if one["owner"]["sponsoredAccount"] == f"{_ACCOUNT}{account}" and start <= one["submittedAt"] <= end
    ]
    first, count = int(query.get("start", "0")), int(query.get("count", "10"))
    paging = {"start": first, "count": count, "total": len(found), "links": []}
    return json_reply(200, {"elements": found[first : first + count], "paging": paging})


def get_response(world: World, grant: Grant, request: Request, response: str) -> Reply:
    found = world.responses.get(response)
    if found is None:
        raise refuse(404, f"Lead {response} was not found", code="NOT_FOUND")
    if int(found["owner"]["sponsoredAccount"].removeprefix(_ACCOUNT)) not in grant.accounts:
        raise refuse(403, "No ad accounts found")
    return json_reply(200, found)


def subscribe(world: World, grant: Grant, request: Request) -> Reply:
    """Take a subscription, if the address answers the challenge."""
    try:
        wanted = json.loads(request.body)
        webhook, owner = str(wanted["webhook"]), str(wanted["owner"]["sponsoredAccount"])
    except (ValueError, KeyError, TypeError) as error:
        raise refuse(400, "ERROR :: /webhook, /owner :: field is required but not found") from error
    number = owner.removeprefix(_ACCOUNT)
    if not (number.isascii() and number.isdigit() and int(number) in grant.accounts):
        raise refuse(403, "No ad accounts found")
    if not _passes_challenge(webhook):
        raise refuse(400, "This URL did not pass the security challenge check")
    subscription = str(len(world.subscriptions) + 42)
    world.subscriptions[subscription] = (int(number), webhook)
    return Reply(201, b"", {"x-restli-id": subscription})


def unsubscribe(world: World, grant: Grant, request: Request, subscription: str) -> Reply:
    if world.subscriptions.pop(subscription, None) is None:
        raise refuse(404, "There is no such subscription", code="NOT_FOUND")
    return Reply(204)


def send_form(world: World, account: int, answers: Mapping[str, str], *, is_test: bool, at_ms: int) -> str:
    """Somebody sends a form: `answers` by LinkedIn's name of a question, others as questions of one's own."""
    response = f"{uuid.uuid4()}-6"
    questions = [
        {"questionId": number, "name": name, "predefinedField": field}
        for number, (field, name) in enumerate(_QUESTIONS, 1)
    ]
    known = {field: number for number, (field, _name) in enumerate(_QUESTIONS, 1)}
    for name in answers:
        if name not in known:
            known[name] = len(questions) + 1
            questions.append({"questionId": known[name], "name": name})
    world.responses[response] = {
        "id": response,
        "submittedAt": at_ms,
        "testLead": is_test,
        "owner": {"sponsoredAccount": f"{_ACCOUNT}{account}"},
        "leadType": "SPONSORED",
        "leadMetadata": {"sponsoredLeadMetadata": {"campaign": "urn:li:sponsoredCampaign:412208101"}},
        "versionedLeadGenFormUrn": "urn:li:versionedLeadGenForm:(urn:li:leadGenForm:3162,1)",
        "formResponse": {
            "consentResponses": [],
            # In any order but that of the form.
            "answers": [
                {"questionId": known[name], "answerDetails": {"textQuestionAnswer": {"answer": text}}}
                for name, text in reversed(list(answers.items()))
            ],
        },
        "form": {
            "id": 3162,
            "name": "Cold chain brochure",
            "hiddenFields": [{"name": "brochure", "value": "cold-chain"}],
            "content": {"questions": questions},
        },
    }
    return response


def notify(world: World, account: int, response: str, action: str) -> int:
    """Tell every subscriber; returns how many took it."""
    notice = {
        "type": "LEAD_ACTION",
        "leadGenFormResponse": f"{URN}{response}",
        "leadGenForm": "urn:li:versionedLeadGenForm:(urn:li:leadGenForm:3162,1)",
        "owner": {"sponsoredAccount": f"{_ACCOUNT}{account}"},
        "associatedEntity": {"associatedCreative": "urn:li:sponsoredCreative:241257736"},
        "leadType": "SPONSORED",
        "leadAction": action,
        "occurredAt": world.now_ms(),
    }
    body = json.dumps(notice).encode()
    headers = {"Content-Type": "application/json", "X-LI-Signature": _signature(b"hmacsha256=" + body)}
    hooks = [webhook for owner, webhook in world.subscriptions.values() if owner == account]
    return sum(200 <= _call("POST", webhook, body, headers)[0] < 300 for webhook in hooks)


def _passes_challenge(webhook: str) -> bool:
    code = str(uuid.uuid4())
    sign = "&" if "?" in webhook else "?"
    status, answer = _call("GET", f"{webhook}{sign}challengeCode={code}", b"", {})
    try:
        said = json.loads(answer)["challengeResponse"]
    except (ValueError, KeyError, TypeError):
        return False
    return status == 200 and hmac.compare_digest(str(said).encode(), _signature(code.encode()).encode())


def _signature(text: bytes) -> str:
    return hmac.new(LEAD_SECRET.encode(), text, hashlib.sha256).hexdigest()


def _call(method: str, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Call a webhook on this machine; 0 where it does not answer, or is elsewhere."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        return 0, b""
    connection = HTTPConnection(str(parts.hostname), parts.port or 80, timeout=_SECONDS)
    try:
        connection.request(method, f"{parts.path}?{parts.query}".rstrip("?"), body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(65_536)
    except (OSError, HTTPException):
        return 0, b""
    finally:
        connection.close()


def _query(request: Request) -> dict[str, str]:
    pairs = (part.partition("=") for part in request.query.split("&") if part)
    return {name: value for name, _, value in pairs}


def _account(match: re.Match[str] | None, grant: Grant) -> int:
    if match is None:
        raise refuse(400, "Invalid query parameter: owner must be a record, the colons of its URN encoded")
    account = int(match[1])
    if account not in grant.accounts:
        raise refuse(403, "No ad accounts found")
    return account


def expect_lead_sync(grant: Grant, method: str, resource: str) -> None:
    """Refuse a token that was not given to an app with Lead Sync."""
    if not grant.lead_sync:
        message = f"Not enough permissions to access: {resource}.{method}"
        raise refuse(403, message, serviceErrorCode=100, code="ACCESS_DENIED")
