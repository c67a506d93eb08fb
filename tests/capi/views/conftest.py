"""What the tests of the LinkedIn pages share: members by role, and events in any state without sending any."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from capi.models import ConversionEvent, Holder, Rule, Status
from capi.wording import SENTENCES
from crm.models import Company, Lead, User
from tests.factories import LeadFactory, RuleFactory, UserFactory, connect

TOKEN = "a-very-secret-token-that-nobody-may-see-again"

MakeEvent = Callable[..., ConversionEvent]


@pytest.fixture
def manager(company: Company) -> User:
    """May look at the LinkedIn side, but changes nothing there."""
    return UserFactory(email="mona@acme.test", first_name="Mona", company=company, role="manager")


@pytest.fixture
def alice(owner: User, client_of: Callable[[User], Client]) -> Client:
    """The owner's browser."""
    return client_of(owner)


@pytest.fixture
def token(company: Company) -> str:
    """Acme has saved a token."""
    connect(company, TOKEN)
    return TOKEN


@pytest.fixture
def rule(company: Company) -> Rule:
    return RuleFactory(company=company, event="lead_created", conversion_id="23948811", name="Lead")


@pytest.fixture
def lead(company: Company) -> Lead:
    """Somebody that no rule was told of."""
    return LeadFactory(company=company, first_name="Annika", last_name="Berg", reported=False)


@pytest.fixture
def make_event(company: Company, rule: Rule, lead: Lead) -> MakeEvent:
    """An event as delivery would leave it; `reason` brings its sentence along."""
    made = 0

    def make(status: str = Status.PENDING, reason: str = "", **fields: Any) -> ConversionEvent:
        nonlocal made
        made += 1
        now = timezone.now()
        usual: dict[str, Any] = {
            "company": company,
            "rule": rule,
            "event": "lead_created",
            "conversion_id": "23948811",
            "event_id": f"lm_test{made}",
            "lead": lead,
            "happened_at": now - timedelta(minutes=5),
            "next_attempt_at": now + timedelta(minutes=5),
            "expires_at": now + timedelta(days=80),
            "status": status,
            "reason": reason,
            "message": SENTENCES.get(reason, ""),
            "held_by": Holder.RULE if status == Status.HELD else "",
            "accepted_at": now if status == Status.ACCEPTED else None,
        }
        return ConversionEvent.objects.create(**{**usual, **fields})

    return make
