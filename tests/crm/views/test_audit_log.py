"""The audit log's page: who may read it, what it can be searched by, and taking it along."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm import audit, audit_log
from crm.actor import SYSTEM, Actor
from crm.models import AuditEntry, Company, Lead, Membership, User
from crm.spreadsheets import harmless
from crm.tenancy import company_scope
from tests.factories import LeadFactory, UserFactory

PAGE = "/settings/audit/"
ClientOf = Callable[[User], Client]


@pytest.fixture
def lead(company: Company) -> Lead:
    return LeadFactory(company=company, first_name="Annika")


@pytest.fixture
def alice(owner: User, client_of: ClientOf) -> Client:
    return client_of(owner)


def listed(client: Client, query: str = "") -> list[audit_log.Line]:
    answer = client.get(PAGE + query)
    assert answer.status_code == 200
    return list(answer.context["lines"])


def sentences(client: Client, query: str = "") -> list[str]:
    return [line.sentence for line in listed(client, query)]


@pytest.mark.parametrize(
    ("role", "status"), [("agent", 403), ("manager", 403), ("admin", 200), ("owner", 200)]
)
def test_those_who_manage_the_company_read_it(
    company: Company, client_of: ClientOf, role: str, status: int
) -> None:
    client = client_of(UserFactory(company=company, role=role))
    assert client.get(PAGE).status_code == status
    assert client.post(f"{PAGE}export/").status_code == status


def test_a_line_says_who_what_and_from_where(
    company: Company, owner: User, lead: Lead, alice: Client
) -> None:
    actor = Actor("web", user=owner, address="203.0.113.7")
    audit.record(actor, "consent_changed", lead, company=company, changes={"consent": ("unknown", "denied")})
    line = listed(alice)[0]
    assert (line.who, line.sentence, line.subject) == (str(owner), "Changed a lead's consent", str(lead))
    assert line.changes == ("consent: unknown → denied",)
    assert b"203.0.113.7" in alice.get(PAGE).content


def test_another_company_s_entries_are_not_there(
    company: Company, other_company: Company, alice: Client
) -> None:
    with company_scope(other_company):
        audit.record(SYSTEM, "backup_made", company=other_company)
    assert "Made a backup" not in sentences(alice)
    assert "backup_made" not in alice.post(f"{PAGE}export/").content.decode()


def test_who_left_keeps_their_lines_under_their_id(company: Company, owner: User, alice: Client) -> None:
    gone = UserFactory(company=company, first_name="Gone")
    audit.record(Actor("web", user=gone), "lead_archived", company=company)
    Membership.objects.filter(user=gone).delete()
    key = gone.pk
    gone.delete()
    entry = AuditEntry.objects.get(action="lead_archived")
    assert entry.actor_id == key
    assert listed(alice, "?action=lead_archived")[0].who == f"Somebody who left ({key.hex[-8:]})"


@pytest.fixture
def several(company: Company, owner: User, agent: User, lead: Lead) -> Lead:
    audit.record(Actor("web", user=agent), "lead_archived", lead, company=company)
    audit.record(Actor("api", label="API key Zapier"), "consent_changed", lead, company=company)
    audit.record(Actor("web", user=owner), "settings_changed", company, company=company)
    old = timezone.now() - timedelta(days=10)
    AuditEntry.objects.create(company=company, action="backup_made", channel="shell", at=old)
    return lead


def test_it_is_searched_by_person_action_record_and_day(several: Lead, agent: User, alice: Client) -> None:
    today = timezone.localdate()
    assert sentences(alice, f"?actor={agent.pk}") == ["Archived a lead"]
    assert "Changed a lead's consent" in sentences(alice, "?actor=none")
    assert "Archived a lead" not in sentences(alice, "?actor=none")
    assert sentences(alice, "?action=settings_changed") == ["Changed the company's settings"]
    assert sentences(alice, f"?subject={several.pk}") == ["Changed a lead's consent", "Archived a lead"]
    week_ago = today - timedelta(days=7)
    assert sentences(alice, f"?until={week_ago}") == ["Made a backup"]
    assert "Made a backup" not in sentences(alice, f"?since={week_ago}")
    assert sentences(alice, f"?subject={uuid4()}") == []


@pytest.mark.parametrize(
    "query",
    ["?actor=x", "?action=x", "?subject='--", "?since=9999-12-31", "?until=0001-01-01", "?since=%00", "?cursor=o1-x",
     "?cursor=n99999999999999999999-0", "?cursor=o%C2%B2-00000000000000000000000000000000"],
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_left_out(several: Lead, alice: Client, query: str) -> None:
    assert len(listed(alice, query)) == len(listed(alice))


def test_pages_go_there_and_back_without_a_gap(company: Company, alice: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(audit_log, "PAGE", 3)
    at = timezone.now()
    AuditEntry.objects.bulk_create(
        # Two at a time have the same moment.
        AuditEntry(company=company, action="backup_made", channel="shell", at=at - timedelta(seconds=n // 2))
        for n in range(8)
    )
    every = list(AuditEntry.objects.values_list("pk", flat=True))
    seen, cursor, backwards = [], "", []
    while True:
        page = audit_log.page(AuditEntry.objects.all(), cursor)
        seen += [line.entry.pk for line in page.lines]
        backwards.append(page.previous)
        if not page.next:
            break
        cursor = page.next
    assert seen == every
    assert backwards[0] == ""
    back = audit_log.page(AuditEntry.objects.all(), backwards[1])
    assert [line.entry.pk for line in back.lines] == every[:3]
    assert back.previous == ""


def test_more_lines_cost_no_more_queries(company: Company, owner: User, alice: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            listed(alice)
        return len(queries)

    audit.record(Actor("web", user=owner), "lead_archived", LeadFactory(company=company), company=company)
    listed(alice)
    few = cost()
    for _ in range(20):
        user = UserFactory(company=company)
        audit.record(Actor("web", user=user), "lead_archived", LeadFactory(company=company), company=company)
    assert cost() == few <= 20


def exported(client: Client, **filters: str) -> list[list[str]]:
    answer = client.post(f"{PAGE}export/", filters)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.reader(StringIO(answer.content.decode())))


def test_an_export_has_what_the_filters_find_and_is_an_entry_itself(
    several: Lead, agent: User, alice: Client
) -> None:
    head, *rows = exported(alice, actor=str(agent.pk))
    assert [row[head.index("action")] for row in rows] == ["lead_archived"]
    assert rows[0][head.index("user id")] == str(agent.pk)
    entry = AuditEntry.objects.get(action="audit_exported")
    assert entry.changes == {"count": [None, 1]}
    assert len(exported(alice)) - 1 == AuditEntry.objects.count() - 1


def test_reading_exports_nothing(alice: Client) -> None:
    assert alice.get(f"{PAGE}export/").status_code == 405
    assert not AuditEntry.objects.filter(action="audit_exported").exists()


def test_no_cell_of_an_export_is_a_formula(company: Company, alice: Client) -> None:
    user = UserFactory(company=company, role="admin", first_name="=HYPERLINK(1)", last_name="")
    audit.record(Actor("web", user=user), "lead_archived", company=company)
    assert "'=HYPERLINK(1)" in exported(alice, action="lead_archived")[1]


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@a", "\t=1", " =1", "\r=1", "＝1"])
def test_formulas_get_an_apostrophe(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "Acme", "203.0.113.7", "a=1"])
def test_other_cells_stay(cell: str) -> None:
    assert harmless(cell) == cell


def test_the_menu_of_the_settings_leads_here(alice: Client) -> None:
    assert reverse("settings_audit") == PAGE
    assert f'href="{PAGE}" aria-current="page"' in alice.get(PAGE).content.decode()
