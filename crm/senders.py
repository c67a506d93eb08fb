"""Reads what other systems send of an event: server-side Tag Manager, Segment, Webflow, HubSpot; pure.

They send much that is none of our business. What is known here is taken by our names, and the rest is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from crm import attribution, capture

# Events that visitors make by looking round; nobody becomes a lead by them.
IDLE_EVENTS: Final = frozenset(
    {"page_view", "pageview", "page", "first_visit", "session_start", "user_engagement", "scroll", "click"}
)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_CAMPAIGN: Final = {
    "name": "utm_campaign",
    "source": "utm_source",
    "medium": "utm_medium",
    "term": "utm_term",
    "content": "utm_content",
}


@dataclass(frozen=True)
class Told:
    """An event as one of them tells it. `hashed` is the SHA-256 of an address, where the address itself is not sent."""

    event: str
    body: dict[str, Any] = field(default_factory=dict)
    hashed: str = ""

    @property
    def is_idle(self) -> bool:
        return self.event.lower().replace(" ", "_") in IDLE_EVENTS


def told_by(sent: Mapping[str, Any]) -> Told:
    """What was sent, by our names."""
    form = _mapping(_mapping(sent.get("payload")).get("data"))
    if form:
        return Told("form_submission", _known(form))
    if any("value" in _mapping(one) for one in _mapping(sent.get("properties")).values()):
        return Told("contact", _known(_values(sent["properties"])))
    return _track(sent)


def _track(sent: Mapping[str, Any]) -> Told:
    context = _mapping(sent.get("context"))
    person = _mapping(sent.get("user_data"))
    address = _first(person.get("address"))
    page = _mapping(context.get("page"))
    url = str(sent.get("page_location") or page.get("url") or "")
    event = str(sent.get("event_name") or sent.get("event") or sent.get("type") or "")
    body = {
        **_from_url(url),
        **_campaign(_mapping(context.get("campaign"))),
        **_plain(referrer=sent.get("page_referrer") or page.get("referrer")),
        **_known(_mapping(context.get("traits"))),
        **_known(_mapping(sent.get("traits"))),
        **_known(_mapping(sent.get("properties"))),
        **_known(_flat(sent)),
        **_plain(li_fat_id=_mapping(sent.get("common_cookie")).get("li_fat_id")),
        **_plain(
            email=_first_text(person.get("email_address") or person.get("email")),
            phone=_first_text(person.get("phone_number")),
            first_name=address.get("first_name"),
            last_name=address.get("last_name"),
            country=address.get("country"),
            event_id=sent.get("event_id") or sent.get("messageId"),
        ),
        **_plain(consent=_consent(sent)),
    }
    if worth := _worth(sent):
        body["message"] = "\n".join(
            part for part in (str(body.get("message") or ""), f"{event}: {worth}") if part
        )
    hashed = _first_text(person.get("sha256_email_address") or sent.get("sha256_email_address")).lower()
    return Told(event, body, hashed if _SHA256.fullmatch(hashed) else "")


def _flat(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The event's own words, without those that mean something else there: an event has a name and a type, too."""
    return {name: value for name, value in sent.items() if name not in ("name", "type", "source", "title")}


def _known(sent: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sent.items() if value is not None and capture.is_known(name)}


def _values(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _mapping(one).get("value") for name, one in properties.items()}


def _from_url(url: str) -> dict[str, str]:
    try:
        parts = urlsplit(url)
        said = dict(parse_qsl(parts.query, max_num_fields=100))
    except ValueError:
        return {}
    wanted = (attribution.CLICK, *attribution.CAMPAIGN)
    return {**{name: said[name] for name in wanted if name in said}, **_plain(landing_page=url)}


def _campaign(sent: Mapping[str, Any]) -> dict[str, str]:
    return {ours: sent[theirs] for theirs, ours in _CAMPAIGN.items() if isinstance(sent.get(theirs), str)}


def _consent(sent: Mapping[str, Any]) -> str:
    """What was agreed to for ads, as Tag Manager passes it on."""
    answer = _mapping(sent.get("consent_state")).get("ad_storage")
    return {True: "granted", False: "denied"}.get(answer, "") if isinstance(answer, bool) else ""


def _worth(sent: Mapping[str, Any]) -> str:
    source = sent if "value" in sent else _mapping(sent.get("properties"))
    value, currency = source.get("value"), source.get("currency")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return ""
    return " ".join(
        str(part)[:30] for part in (value, currency) if isinstance(part, int | float | str) and part != ""
    )


def _plain(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value not in (None, "")}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _first(value: Any) -> Mapping[str, Any]:
    """Tag Manager sends one of something, or a list of them."""
    return _mapping(value[0] if isinstance(value, list) and value else value)


def _first_text(value: Any) -> str:
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, str) else ""
