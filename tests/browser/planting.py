"""Puts 60 pieces of hostile markup into every text of an installation; `python -m tests.browser.planting` prints where.

Runs beside the installation, in its environment, and goes through the same actions as pages and API. Each payload
calls `xss()`, so that whoever runs one of them is caught.
"""

from __future__ import annotations

import json
from typing import Any

PAYLOADS = [
    "<script>xss(1)</script>",
    "<ScRiPt>xss(2)</sCrIpT>",
    "<script/x>xss(3)</script>",
    "<script>xss(4)//",
    "<scr<script>ipt>xss(5)</scr</script>ipt>",
    "</script><script>xss(6)</script>",
    "</title><script>xss(7)</script>",
    "</textarea><script>xss(8)</script>",
    "</style><script>xss(9)</script>",
    "</template><script>xss(10)</script>",
    "--><script>xss(11)</script><!--",
    "]]><script>xss(12)</script>",
    "</option></select><script>xss(13)</script>",
    "</noscript><img src=x onerror=xss(14)>",
    "<img src=x onerror=xss(15)>",
    "<img src=x onerror='xss(16)'>",
    '<img src="x" onerror="xss(17)">',
    "<img/src=x/onerror=xss(18)>",
    "<img src=x onerror\n=\nxss(19)>",
    "<IMG SRC=x OnErRoR=xss(20)>",
    "<svg onload=xss(21)>",
    "<svg/onload=xss(22)>",
    "<svg><script>xss(23)</script></svg>",
    "<svg><animate onbegin=xss(24) attributeName=x dur=1s>",
    "<svg><a xlink:href=javascript:xss(25)><text>x</text></a>",
    "<math><mi xlink:href=javascript:xss(26)>x</mi></math>",
    "<body onload=xss(27)>",
    "<body onpageshow=xss(28)>",
    "<iframe src=javascript:xss(29)></iframe>",
    "<iframe srcdoc='<script>parent.xss(30)</script>'>",
    "<object data=javascript:xss(31)></object>",
    "<embed src=javascript:xss(32)>",
    "<video><source onerror=xss(33)></video>",
    "<audio src=x onerror=xss(34)>",
    "<input autofocus onfocus=xss(35)>",
    "<select autofocus onfocus=xss(36)>",
    "<textarea autofocus onfocus=xss(37)>",
    "<details open ontoggle=xss(38)>",
    "<marquee onstart=xss(39)>x</marquee>",
    "<a href=javascript:xss(40)>x</a>",
    "<a href='java\tscript:xss(41)'>x</a>",
    "<form action=javascript:xss(42)><button>x</button></form>",
    "<button formaction=javascript:xss(43)>x</button>",
    "<base href=javascript:xss(44)//>",
    "<meta http-equiv=refresh content='0;url=javascript:xss(45)'>",
    "<link rel=stylesheet href=javascript:xss(46)>",
    "<style>*{background:url(javascript:xss(47))}</style>",
    '" onmouseover="xss(48)" x="',
    "' onmouseover='xss(49)' x='",
    '" autofocus onfocus="xss(50)" x="',
    "x onfocus=xss(51) autofocus",
    '"><img src=x onerror=xss(52)>',
    "'><img src=x onerror=xss(53)>",
    '\\"-xss(54)-\\"',
    "javascript:xss(55)",
    "data:text/html,<script>xss(56)</script>",
    "{{ 7|xss }}{% xss %}${xss(57)}#{xss(57)}",
    "<div hx-get=/ hx-trigger=load hx-on::load=xss(58)>",
    "<div hx-on:load=xss(59) data-hx-on:load=xss(59) hx-vals='js:{a:xss(59)}' hx-trigger=load hx-get=/>",
    "\u003cimg src=x onerror=xss(60)\u003e\u0000".replace("\u0000", ""),
]


def main() -> None:
    """Fill the installation and print ids and sessions as JSON."""
    import django

    django.setup()
    from django.conf import settings

    # Nobody signs in with these passwords: the sessions are made here, and Argon2 is slow on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    from capi import operations
    from crm.actions import companies, people
    from crm.tenancy import company_scope
    from tests.factories import PASSWORD, SHELL

    company = companies.create_company(PAYLOADS[20])
    owner = people.create_owner(company, "owner@acme.test", PASSWORD, first_name=PAYLOADS[14], last_name="Z")
    with company_scope(company):
        _words(company)
        members = _members(company)
        operations.save_token(company, "AQX" + "x" * 60, SHELL)
        leads, deals = _records(company, owner, members)
        rules = [
            operations.create_rule(
                company,
                {"name": payload[:80], "event": "lead_created", "conversion_id": str(23948000 + n),
                 "conditions": {"sources": [payload[:60]]}},
                SHELL,
            )
            for n, payload in enumerate(PAYLOADS)
        ]  # fmt: skip
        events = _events(company)
    print(
        json.dumps(
            {
                "owner": _session(owner),
                "named": _namesakes(),
                "lead": [str(each.pk) for each in leads],
                "deal": [str(each.pk) for each in deals],
                "rule": [str(each.pk) for each in rules],
                "conversionevent": events,
            }
        )
    )


def _cut(model: Any, field: str, payload: str) -> str:
    return payload[: model._meta.get_field(field).max_length]


def _words(company: Any) -> None:
    """Statuses, types, tags, a pipeline of 60 stages; those that are there get hostile names."""
    from django.core.exceptions import ValidationError

    from crm.actions import vocabulary
    from crm.models import LeadStatus, LeadType, Pipeline, Stage, Tag
    from tests.factories import SHELL

    kept = [*LeadStatus.objects.all(), *LeadType.objects.all(), *Pipeline.objects.all(), *Stage.objects.all()]
    for n, word in enumerate(kept):
        _change(word, {"name": f"{_cut(type(word), 'name', PAYLOADS[(n * 7) % 60])[:55]}{n}"})
    for n, payload in enumerate(PAYLOADS):
        for model in (LeadStatus, LeadType, Tag):
            try:
                vocabulary.add_word(company, model(), {"name": _cut(model, "name", f"{n}{payload}")}, SHELL)
            except ValidationError as error:
                raise SystemExit(f"{model.__name__} {payload}: {error}") from error


def _change(word: Any, changes: dict[str, Any]) -> None:
    from crm.actions import vocabulary
    from tests.factories import SHELL

    vocabulary.change_word(word, changes, SHELL)


def _members(company: Any) -> list[Any]:
    """60 people with hostile names."""
    from crm.actions import people
    from tests.factories import PASSWORD

    members = []
    for n, payload in enumerate(PAYLOADS):
        user = people.create_user(
            f"m{n}@acme.test", PASSWORD, first_name=payload[:80], last_name=payload[:80]
        )
        people.add_member(company, user, "agent")
        members.append(user)
    return members


def _records(company: Any, owner: Any, members: list[Any]) -> tuple[list[Any], list[Any]]:
    from crm.actions import deals, leads, timeline
    from crm.actor import Actor
    from crm.models import Deal, Lead, LeadStatus, Pipeline, Stage

    statuses, stages = list(LeadStatus.objects.all()), list(Stage.objects.filter(pipeline__key="sales"))
    sales = Pipeline.objects.get(key="sales")
    made_leads, made_deals = [], []
    for n, payload in enumerate(PAYLOADS):
        actor = Actor(channel="web", user=members[n], label=payload[:80])
        plain = ("first_name", "last_name", "title", "source", "external_id", "consent_source")
        fields: dict[str, Any] = {name: _cut(Lead, name, payload) for name in plain}
        clicks = ("li_fat_id", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "referrer",
                  "landing_page", "lead_gen_response")  # fmt: skip
        fields |= {
            "external_id": f"{n}{payload}"[:190],
            "email": f"lead{n}@customer.test",
            "organization": f"{payload[:100]}{n}",
            "phones": [leads.PhoneEntry("+49301234567", payload[:40])],
            "tags": [f"{n}{payload}"[:40]],
            "consent": "granted",
            "consent_text_version": payload[:40],
            "status": statuses[n % len(statuses)],
            "owner": members[n],
            "attribution": {name: _cut(Lead, name, payload) for name in clicks},
        }
        lead = leads.create_lead(company, fields, actor)  # type: ignore[arg-type]
        timeline.add_note(lead, payload, actor)
        leads.update_lead(lead, {"title": f"{payload[:100]} again"}, actor)
        deal_fields: dict[str, Any] = {
            "title": _cut(Deal, "title", payload),
            "next_step": _cut(Deal, "next_step", payload),
            "external_id": f"{n}{payload}"[:190],
            "lead": lead,
            "owner": members[n],
            "pipeline": sales,
            "stage": stages[n % 4],
            "amount": "1000.00",
            "currency": "EUR",
        }
        deal = deals.create_deal(company, deal_fields, actor)  # type: ignore[arg-type]
        timeline.add_note(deal, payload, actor)
        if n % 4 == 3:
            deals.lose_deal(deal, payload[:300], actor)
        if n:
            deals.add_person(deal, made_leads[-1], payload[:60], actor)
        made_leads.append(lead)
        made_deals.append(deal)
    return made_leads, made_deals


def _events(company: Any) -> list[str]:
    """Some events of a hostile rule, and what is kept of LinkedIn's answers."""
    from capi.models import ConversionEvent
    from tests.factories import LeadFactory, RuleFactory

    RuleFactory(company=company, name=PAYLOADS[0], conversion_id="23949999")
    for n, payload in enumerate(PAYLOADS[:12]):
        LeadFactory(
            company=company, first_name=payload[:80], last_name=payload[:80], email=f"e{n}@customer.test"
        )
    return [str(pk) for pk in ConversionEvent.objects.values_list("pk", flat=True)[:12]]


def _namesakes() -> list[str]:
    """Sessions of 60 people whose names, and whose companies' names, are hostile."""
    from crm.actions import companies, people
    from tests.factories import PASSWORD

    sessions = []
    for n, payload in enumerate(PAYLOADS):
        company = companies.create_company(payload[:120])
        user = people.create_owner(
            company, f"n{n}@other.test", PASSWORD, first_name=payload[:80], last_name=payload[:80]
        )
        sessions.append(_session(user))
    return sessions


def _session(user: Any) -> str:
    from django.conf import settings
    from django.test import Client

    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


if __name__ == "__main__":
    main()
