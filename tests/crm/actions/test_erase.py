"""Whoever asks to be forgotten is: in every table, in every answer, and after a restore."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client

from capi.models import ConversionEvent, Rule
from crm import tombstones
from crm.actions import deals, erase, leads, timeline
from crm.models import (
    Activity,
    AuditEntry,
    Company,
    Deal,
    Erasure,
    IdempotencyRecord,
    Lead,
    Organization,
    Tombstone,
    User,
)
from crm.tenancy import company_scope
from tests.factories import SHELL, DealFactory, LeadFactory

CANARY = "Quetzalcanary"
EMAIL = f"{CANARY.lower()}.secret@customer.test"
CLICK_ID = f"{CANARY}-click-0123456789"


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def lead(company: Company, owner: User) -> Lead:
    """A person whose every word is the canary."""
    return LeadFactory(
        company=company,
        first_name="Zoe",
        last_name=CANARY,
        email=EMAIL,
        title=f"{CANARY} of sales",
        organization=f"{CANARY} & Sons",
        external_id=f"crm-{CANARY}",
        phones=[leads.PhoneEntry("+49 151 7777123")],
        source=f"{CANARY} fair",
        consent="granted",
        consent_source=f"{CANARY} form",
        owner=owner,
        attribution={
            "li_fat_id": CLICK_ID,
            "utm_campaign": CANARY,
            "referrer": f"https://x.test/?q={CANARY}",
            "event_id": f"{CANARY}.browser",
            "lead_gen_response": f"urn:li:leadGen:{CANARY}",
        },
    )


def everything() -> str:
    """Every column of every table, as text."""
    with connection.cursor() as cursor:
        rows: list[Any] = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            rows += cursor.fetchall()
    return "\n".join(str(row) for row in rows)


def test_nothing_of_the_person_is_left_in_any_table(
    company: Company, lead: Lead, rules: dict[str, Rule], owner: User, deliver: Callable[[], int]
) -> None:
    late = LeadFactory(company=company, first_name="Other", email="other@elsewhere.test")
    deal = DealFactory(company=company, lead=lead, title=f"Renewal of {CANARY}")
    deals.win_deal(deal, SHELL)
    deliver()
    timeline.add_note(lead, f"Met {CANARY}.", SHELL)
    timeline.add_note(deal, f"{CANARY} wants it cheaper.", SHELL)
    timeline.add_note(late, f"Knows Zoe {CANARY} ({EMAIL.upper()}).", SHELL)
    leads.update_lead(lead, {"title": f"Head of {CANARY}"}, SHELL)
    LogEntry.objects.create(
        user=owner,
        object_id=str(lead.pk),
        object_repr=str(lead),
        action_flag=CHANGE,
        content_type=ContentType.objects.get_for_model(Lead),
        change_message=CANARY,
    )
    assert CANARY.lower() in everything().lower()

    erase.erase_lead(lead, SHELL)

    assert CANARY.lower() not in everything().lower()
    assert "7777123" not in everything()
    assert Deal.objects.get().title == "Renewal of [erased]"
    assert "Knows [erased] ([erased])." in Activity.objects.filter(lead=late).values_list("text", flat=True)


def test_what_is_the_company_s_own_stays(company: Company, lead: Lead, rules: dict[str, Rule]) -> None:
    deal = DealFactory(company=company, lead=lead, amount="500.00")
    deals.win_deal(deal, SHELL)
    lines = Activity.objects.filter(deal=deal).count()
    events = ConversionEvent.objects.count()
    erase.erase_lead(lead, SHELL)
    deal.refresh_from_db()
    assert (deal.lead, deal.status, deal.amount) == (None, "won", 500)
    assert Activity.objects.filter(deal=deal).count() == lines
    assert ConversionEvent.objects.count() == events


def test_a_firm_stays_if_somebody_else_works_there(company: Company, lead: Lead) -> None:
    LeadFactory(company=company, organization=f"{CANARY} & Sons")
    erase.erase_lead(lead, SHELL)
    assert Organization.objects.get().name == f"{CANARY} & Sons"


def test_a_short_name_is_blanked_in_their_own_deals_alone(company: Company) -> None:
    lead = LeadFactory(company=company, first_name="An", last_name="Li", email="")
    theirs = DealFactory(company=company, lead=lead, title="LinkedIn ads for Li")
    other = DealFactory(company=company, title="An ad for Li")
    erase.erase_lead(lead, SHELL)
    theirs.refresh_from_db()
    other.refresh_from_db()
    assert theirs.title == "LinkedIn ads for [erased]"
    assert other.title == "An ad for Li"


def test_only_one_audit_row_and_no_personal_value_in_it(company: Company, lead: Lead, owner: User) -> None:
    erase.erase_lead(lead, SHELL)
    entry = AuditEntry.objects.get(action="lead_erased")
    assert entry.subject_id == lead.pk
    assert entry.changes == {}


def test_a_repeat_of_the_request_that_made_them_finds_nobody(
    company: Company, api_of: Callable[..., Client]
) -> None:
    api = api_of(company)

    def post() -> Any:
        body = {"first_name": "Zoe", "last_name": CANARY, "email": EMAIL}
        return api.post(
            "/api/v1/leads/", body, content_type="application/json", headers={"Idempotency-Key": "once"}
        )

    assert post().status_code == 201
    erase.erase_lead(Lead.objects.get(), SHELL)
    assert CANARY not in IdempotencyRecord.objects.get().body
    again = post()
    assert again.status_code == 404
    assert again.json()["errors"][0]["code"] == "not_found"


# --- tombstones


def test_tombstones_say_nothing_without_the_key(company: Company, lead: Lead, settings: Any) -> None:
    marks = tombstones.digests_of(lead)
    erase.erase_lead(lead, SHELL)
    assert set(Tombstone.objects.values_list("digest", flat=True)) == marks
    assert len(marks) == 4
    assert tombstones.is_erased(company.pk, emails=[EMAIL])
    settings.ERASURE_KEY = "another-key"
    assert not tombstones.is_erased(company.pk, emails=[EMAIL])


@pytest.mark.parametrize(
    "address", [EMAIL.upper(), f" {EMAIL} ", EMAIL.replace("@", " @")], ids=["case", "outer", "inner"]
)
def test_an_address_is_known_again_however_it_is_written(company: Company, lead: Lead, address: str) -> None:
    erase.erase_lead(lead, SHELL)
    assert tombstones.is_erased(company.pk, emails=["new@customer.test", address])
    assert tombstones.is_erased(company.pk, external_id=f"crm-{CANARY}")
    assert not tombstones.is_erased(company.pk, emails=["new@customer.test", ""])


def test_another_company_has_tombstones_of_its_own(
    company: Company, lead: Lead, other_company: Company
) -> None:
    erase.erase_lead(lead, SHELL)
    assert tombstones.digest(company.pk, "email", EMAIL) != tombstones.digest(
        other_company.pk, "email", EMAIL
    )


# --- the file outside backups, and what a restore does with it


def test_the_file_has_a_line_for_each_erasure_and_no_person(company: Company, lead: Lead) -> None:
    erase.erase_lead(lead, SHELL)
    file = tombstones.path()
    assert file.stat().st_mode & 0o777 == 0o600
    assert CANARY.lower() not in file.read_text().lower()
    [record] = tombstones.read(file)
    assert (record.company, record.lead) == (str(company.pk), str(lead.pk))
    assert set(record.tombstones) == set(Tombstone.objects.values_list("digest", flat=True))


def test_a_line_that_is_no_erasure_is_named(tmp_path: Path) -> None:
    file = tmp_path / "erasures"
    file.write_text('{"company": "no"}\n')
    with pytest.raises(ValueError, match="Line 1"):
        list(tombstones.read(file))


def test_many_addresses_are_looked_up_at_once(
    company: Company, lead: Lead, django_assert_num_queries: Any
) -> None:
    erase.erase_lead(lead, SHELL)
    theirs, others = f" {EMAIL.upper()}", [f"person{n}@customer.test" for n in range(1000)]
    with django_assert_num_queries(1):
        assert tombstones.erased_among(company.pk, [theirs, "", *others]) == {theirs}
    with django_assert_num_queries(0):
        assert tombstones.erased_among(company.pk, ["", ""]) == set()


def test_many_addresses_are_looked_up_in_one_company(
    company: Company, lead: Lead, other_company: Company
) -> None:
    erase.erase_lead(lead, SHELL)
    with company_scope(other_company):
        assert tombstones.erased_among(other_company.pk, [EMAIL]) == set()


def test_a_person_who_came_back_with_a_backup_is_erased_again(company: Company, lead: Lead) -> None:
    marks = tombstones.digests_of(lead)
    record = tombstones.Record(
        str(company.pk), str(lead.pk), "2026-01-02T03:04:05+00:00", tuple(sorted(marks))
    )
    assert erase.erase_again(record)
    assert not Lead.objects.exists()
    assert CANARY.lower() not in everything().lower()
    assert Erasure.objects.get().requested_at.isoformat() == "2026-01-02T03:04:05+00:00"
    assert not erase.erase_again(record), "the second time there is nobody to erase"
    assert set(Tombstone.objects.values_list("digest", flat=True)) == marks
    assert Erasure.objects.count() == 1


def test_a_restore_brings_tombstones_of_another_key_along(company: Company) -> None:
    record = tombstones.Record(
        str(company.pk), "01900000-0000-7000-8000-000000000001", "2026-01-02T03:04:05+00:00", ("ab" * 32,)
    )
    assert not erase.erase_again(record)
    assert Tombstone.objects.get().digest == "ab" * 32


# --- completion


def test_an_erasure_is_completed_when_nothing_is_on_its_way(
    company: Company, lead: Lead, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        erasure = erase.erase_lead(lead, SHELL)
    erasure.refresh_from_db()
    assert erasure.state == "completed"


def test_namesakes_are_found_by_address(company: Company, lead: Lead) -> None:
    twin = LeadFactory(company=company, email=EMAIL.upper())
    LeadFactory(company=company)
    assert list(erase.namesakes(lead)) == [twin]
