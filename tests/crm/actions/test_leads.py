"""Changes to leads: what is kept, what is refused, and which facts they make."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from crm import signals
from crm.actions import leads
from crm.actions.leads import EmailEntry
from crm.models import Activity, Company, Lead, LeadStatus, LeadStatusChange, Organization, User
from tests.factories import SHELL, LeadFactory


@pytest.fixture
def facts() -> Iterator[list[tuple[str, Any]]]:
    """The facts sent during the test, as (name, fact)."""
    heard: list[tuple[str, Any]] = []
    names = ("lead_created", "lead_qualified", "consent_changed")
    listeners = []
    for name in names:

        def listen(sender: type, fact: Any, name: str = name, **kwargs: Any) -> None:
            heard.append((name, fact))

        getattr(signals, name).connect(listen)
        listeners.append((name, listen))
    yield heard
    for name, listen in listeners:
        getattr(signals, name).disconnect(listen)


def status(key: str) -> LeadStatus:
    return LeadStatus.objects.get(key=key)


def names(facts: list[tuple[str, Any]]) -> list[str]:
    return [name for name, _ in facts]


def test_a_new_lead_has_defaults_history_and_a_timeline(
    company: Company, owner: User, facts: list[tuple[str, Any]]
) -> None:
    lead = LeadFactory(company=company)
    assert lead.status.key == "new"
    assert lead.owner == owner
    assert lead.source == "Web form"
    assert LeadStatusChange.objects.get(lead=lead).to_status == lead.status
    assert Activity.objects.get(lead=lead).kind == "created"
    assert names(facts) == ["lead_created"]


def test_created_straight_into_a_qualified_status_it_is_created_first(
    company: Company, facts: list[tuple[str, Any]]
) -> None:
    LeadFactory(company=company, status=status("qualified"))
    assert names(facts) == ["lead_created", "lead_qualified"]


def test_qualified_fires_once_in_a_life(company: Company, facts: list[tuple[str, Any]]) -> None:
    lead = LeadFactory(company=company)
    for key in ("qualified", "new", "qualified"):
        leads.change_status(lead, status(key), SHELL)
    assert names(facts) == ["lead_created", "lead_qualified"]


def test_skipping_qualified_fires_nothing(company: Company, facts: list[tuple[str, Any]]) -> None:
    leads.change_status(LeadFactory(company=company), status("won"), SHELL)
    assert names(facts) == ["lead_created"]


def test_a_renamed_status_means_what_its_category_says(
    company: Company, facts: list[tuple[str, Any]]
) -> None:
    LeadStatus.objects.filter(key="proposal").update(name="Qualified", category="open")
    leads.change_status(LeadFactory(company=company), status("proposal"), SHELL)
    assert names(facts) == ["lead_created"]


def test_the_time_of_the_fact_is_when_they_became_a_lead(
    company: Company, facts: list[tuple[str, Any]]
) -> None:
    at = datetime(2026, 10, 1, 12, tzinfo=UTC)
    LeadFactory(company=company, occurred_at=at)
    assert facts[0][1].at == at


@pytest.mark.parametrize("minutes", [1, 4])
def test_a_clock_that_is_a_little_ahead_is_forgiven(company: Company, minutes: int) -> None:
    lead = LeadFactory(company=company, occurred_at=timezone.now() + timedelta(minutes=minutes))
    assert lead.occurred_at <= timezone.now()


@pytest.mark.parametrize(
    ("changes", "options", "field"),
    [
        ({"email": "no-address"}, {}, "email"),
        ({"email": "two@@ats.test"}, {}, "email"),
        ({"email": "line\r\nBcc: x@y.test"}, {}, "email"),
        ({"emails": [EmailEntry("a@b.test"), EmailEntry("broken")]}, {}, "emails"),
        ({"first_name": "N\x00L"}, {}, "first_name"),
        ({"first_name": "\ud800"}, {}, "first_name"),
        ({"last_name": "x" * 81}, {}, "last_name"),
        ({"country_code": "XX"}, {}, "country_code"),
        ({"country_code": "DEU"}, {}, "country_code"),
        ({"consent": "maybe"}, {}, "consent"),
        ({"tags": ["x" * 61]}, {}, "tags"),
        ({"organization": "x" * 161}, {}, "organization"),
        ({}, {"occurred_at": datetime(2026, 1, 1)}, "occurred_at"),  # noqa: DTZ001  naive on purpose
        ({}, {"occurred_at": datetime(2999, 1, 1, tzinfo=UTC)}, "occurred_at"),
        ({}, {"occurred_at": datetime(1970, 1, 20, tzinfo=UTC)}, "occurred_at"),
    ],
)
def test_bad_input_names_its_field_and_leaves_nothing_behind(
    company: Company, changes: dict[str, Any], options: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        LeadFactory(company=company, **changes, **options)
    assert list(refused.value.message_dict) == [field]
    assert not Lead.objects.exists()
    assert not Organization.objects.exists()


def test_the_first_of_many_addresses_is_primary_and_none_counts_twice(company: Company) -> None:
    entries = [EmailEntry("A@x.test", "work"), EmailEntry("b@x.test"), EmailEntry("a@X.test")]
    lead = leads.create_lead(company, {"emails": entries}, SHELL)
    assert [(email.address, email.is_primary) for email in lead.emails.all()] == [
        ("A@x.test", True),
        ("b@x.test", False),
    ]


def test_setting_the_address_keeps_the_others(company: Company) -> None:
    lead = leads.create_lead(company, {"emails": [EmailEntry("a@x.test"), EmailEntry("b@x.test")]}, SHELL)
    lead = leads.update_lead(lead, {"email": "b@x.test"}, SHELL)
    assert [email.address for email in lead.emails.all()] == ["b@x.test"]
    lead = leads.update_lead(lead, {"email": "c@x.test"}, SHELL)
    assert lead.email == "c@x.test"


def test_every_change_is_written_down_with_old_and_new(company: Company) -> None:
    lead = leads.update_lead(
        LeadFactory(company=company, title="CTO"), {"title": "CEO", "tags": ["VIP"]}, SHELL
    )
    changes = Activity.objects.filter(lead=lead, kind="field").order_by("field")
    assert [(change.field, change.old, change.new) for change in changes] == [
        ("tags", "", "VIP"),
        ("title", "CTO", "CEO"),
    ]


def test_an_organization_is_found_by_name_or_by_domain(company: Company) -> None:
    first = LeadFactory(company=company, organization="Fjordline  Freight", email="a@fjordline.test")
    by_name = LeadFactory(company=company, organization="fjordline freight", email="x@elsewhere.test")
    by_domain = LeadFactory(company=company, email="b@fjordline.test")
    public = LeadFactory(company=company, email="someone@gmail.com")
    assert first.organization == by_name.organization == by_domain.organization
    assert public.organization is None


def test_an_external_id_belongs_to_one_lead(company: Company) -> None:
    LeadFactory(company=company, external_id="crm-1")
    with pytest.raises(ValidationError) as refused:
        LeadFactory(company=company, external_id="crm-1")
    assert list(refused.value.message_dict) == ["external_id"]


def test_a_browser_s_event_id_is_kept_once_and_never_costs_a_lead(company: Company) -> None:
    first = LeadFactory(company=company, attribution={"event_id": "abc.1:2_3-4"})
    second = LeadFactory(company=company, attribution={"event_id": "abc.1:2_3-4"})
    bad = LeadFactory(company=company, attribution={"event_id": "not allowed!"})
    assert [first.browser_event_id, second.browser_event_id, bad.browser_event_id] == ["abc.1:2_3-4", "", ""]


def test_consent_is_recorded_with_source_and_time(company: Company, facts: list[tuple[str, Any]]) -> None:
    lead = leads.set_consent(
        LeadFactory(company=company), "granted", SHELL, source="web form", text_version="3"
    )
    assert (lead.consent, lead.consent_source, lead.consent_text_version) == ("granted", "web form", "3")
    assert lead.consent_at is not None
    assert names(facts)[-1] == "consent_changed"


def test_consent_of_before_keeps_its_time(company: Company) -> None:
    at = timezone.now() - timedelta(days=400)
    lead = LeadFactory(company=company, consent="granted", consent_source="fair", consent_at=at)
    assert (lead.consent_at, lead.consent_source) == (at, "fair")
    lead = leads.update_lead(lead, {"consent": "denied", "consent_at": at + timedelta(days=1)}, SHELL)
    assert (lead.consent_at, lead.consent_source) == (at + timedelta(days=1), "shell")


def test_the_same_consent_again_changes_nothing(company: Company, facts: list[tuple[str, Any]]) -> None:
    lead = LeadFactory(company=company, consent="granted", consent_source="fair", consent_text_version="3")
    facts.clear()
    again = leads.update_lead(lead, {"consent": "granted"}, SHELL)
    assert (again.consent_at, again.consent_source, again.consent_text_version) == (
        lead.consent_at,
        "fair",
        "3",
    )
    assert facts == []


def test_a_new_text_is_a_new_consent(company: Company, facts: list[tuple[str, Any]]) -> None:
    lead = LeadFactory(company=company, consent="granted", consent_text_version="3")
    again = leads.update_lead(lead, {"consent_text_version": "4"}, SHELL)
    assert (again.consent, again.consent_text_version) == ("granted", "4")
    assert again.consent_at > lead.consent_at
    assert names(facts)[-1] == "consent_changed"


def test_another_answer_is_not_to_the_text_of_before(company: Company) -> None:
    lead = LeadFactory(company=company, consent="granted", consent_source="fair", consent_text_version="3")
    again = leads.update_lead(lead, {"consent": "denied"}, SHELL)
    assert (again.consent_source, again.consent_text_version) == ("shell", "")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"consent_source": "fair"}, "consent"),
        ({"consent": "granted", "consent_at": timezone.now() + timedelta(days=1)}, "consent_at"),
        ({"consent": "granted", "consent_text_version": "x" * 41}, "consent_text_version"),
        ({"consent": "granted", "consent_source": "a\0b"}, "consent_source"),
    ],
)
def test_a_consent_that_can_not_be_is_refused(company: Company, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        LeadFactory(company=company, **changes)
    assert list(refused.value.message_dict) == [field]


def test_only_a_member_can_own_a_lead(company: Company, stranger: User) -> None:
    with pytest.raises(ValidationError) as refused:
        LeadFactory(company=company, owner=stranger)
    assert list(refused.value.message_dict) == ["owner"]


def test_a_receiver_that_fails_undoes_the_change(company: Company) -> None:
    def fail(sender: type, **kwargs: Any) -> None:
        raise RuntimeError("the outbox is broken")

    signals.lead_created.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            LeadFactory(company=company)
    finally:
        signals.lead_created.disconnect(fail)
    assert not Lead.objects.exists()


def test_an_archived_lead_leaves_the_lists_and_frees_its_external_id(company: Company) -> None:
    lead = LeadFactory(company=company, external_id="crm-1")
    leads.archive_lead(lead, SHELL)
    assert not Lead.objects.current().exists()
    assert LeadFactory(company=company, external_id="crm-1").external_id == "crm-1"
