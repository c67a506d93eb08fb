"""Custom fields: made, changed and deleted, and their values on leads, deals and organizations."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from crm.actions import customfields, deals, leads
from crm.actions.erase import erase_lead
from crm.actions.merge import merge_leads, undo_merge
from crm.models import AuditEntry, Company, CustomField, Deal, Lead
from crm.personal_export import export_lead
from tests.factories import SHELL, DealFactory, LeadFactory

pytestmark = pytest.mark.django_db


def make(company: Company, name: str = "Budget", kind: str = "number", **more: Any) -> CustomField:
    wanted: Any = {"entity": "lead", "name": name, "kind": kind, **more}
    return customfields.add_field(company, wanted, SHELL)


def test_a_key_follows_from_the_name_and_stays(company: Company) -> None:
    field = make(company, "Jährliches Budget")
    assert field.key == "jahrliches_budget"
    renamed = customfields.change_field(field, {"name": "Cash"}, SHELL)
    assert (renamed.name, renamed.key) == ("Cash", "jahrliches_budget")
    assert make(company, "Jahrliches Budget").key == "jahrliches_budget_2"


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 41}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"entity": "user"}, "entity"),
        ({"kind": "blob"}, "kind"),
        ({"kind": "choice"}, "options"),
        ({"kind": "choice", "options": ["a,b"]}, "options"),
        ({"kind": "choice", "options": ["x" * 81]}, "options"),
        ({"kind": "choice", "options": [f"o{n}" for n in range(101)]}, "options"),
    ],
)
def test_a_field_that_will_not_do_is_refused(company: Company, changes: dict[str, Any], at: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        make(company, **changes)
    assert at in refusal.value.message_dict
    assert not CustomField.objects.exists()


def test_what_a_field_holds_never_changes(company: Company) -> None:
    with pytest.raises(ValidationError, match="never changes"):
        customfields.change_field(make(company), {"kind": "text"}, SHELL)


def test_two_entities_may_ask_the_same(company: Company) -> None:
    assert make(company).key == make(company, entity="deal").key
    with pytest.raises(ValidationError, match="of this name already"):
        make(company, "budget")


def test_values_are_checked_kept_and_told(company: Company) -> None:
    make(company)
    lead = LeadFactory(company=company, custom={"budget": "1200"})
    assert lead.custom == {"budget": 1200}
    leads.update_lead(lead, {"custom": {"budget": "1300.5"}}, SHELL)
    lead.refresh_from_db()
    assert lead.custom == {"budget": 1300.5}
    line = lead.activities.get(field="Budget")
    assert (line.old, line.new) == ("1200", "1300.5")
    with pytest.raises(ValidationError) as refusal:
        leads.update_lead(lead, {"custom": {"budget": "much", "nope": 1}}, SHELL)
    assert set(refusal.value.message_dict) == {"custom.budget", "custom.nope"}


def test_deals_have_fields_of_their_own(company: Company) -> None:
    make(company, "Term", "choice", entity="deal", options=["One year", "Two years"])
    deal = DealFactory(company=company, custom={"term": "one year"})
    deal = deals.update_deal(deal, {"custom": {"term": "Two years"}}, SHELL)
    assert deal.custom == {"term": "Two years"}
    assert deal.activities.get(field="Term").new == "Two years"


def test_deleting_a_field_drops_its_values_and_no_record(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customfields, "CHUNK", 2)
    field, other = make(company), make(company, "Plan", "text")
    made = [LeadFactory(company=company, custom={"budget": n, "plan": "x"}) for n in range(5)]
    assert customfields.count_values(field) == 5
    assert customfields.delete_field(field, SHELL) == 5
    assert {lead.pk for lead in Lead.objects.all()} == {lead.pk for lead in made}
    assert all(lead.custom == {"plan": "x"} for lead in Lead.objects.all())
    assert list(CustomField.objects.all()) == [other]
    assert AuditEntry.objects.get(action="field_deleted").changes == {"count": [None, 5]}


def test_a_person_s_export_has_them_and_erasure_takes_them(company: Company) -> None:
    make(company, "Hobby", "text")
    make(company, "Wish", "text", entity="deal")
    lead = LeadFactory(
        company=company, first_name="Zebulon", last_name="Quistgaard", custom={"hobby": "chess"}
    )
    DealFactory(company=company, lead=lead, custom={"wish": "For Zebulon Quistgaard"})
    other = DealFactory(company=company, custom={"wish": "As Zebulon Quistgaard has it"})
    assert "chess" in str(export_lead(lead, SHELL))
    erase_lead(lead, SHELL)
    assert "chess" not in str(list(Lead.objects.values()))
    for deal in Deal.objects.all():
        assert "Quistgaard" not in str(deal.custom)
    other.refresh_from_db()
    assert other.custom["wish"].startswith("As ")


def test_a_merge_fills_the_blanks_and_its_undo_empties_them(company: Company) -> None:
    make(company)
    make(company, "Plan", "text")
    survivor = LeadFactory(company=company, custom={"budget": 1})
    loser = LeadFactory(company=company, custom={"budget": 2, "plan": "Pro"})
    merge = merge_leads(survivor, loser, SHELL)
    survivor.refresh_from_db()
    assert survivor.custom == {"budget": 1, "plan": "Pro"}
    undo_merge(merge, SHELL)
    survivor.refresh_from_db()
    loser.refresh_from_db()
    assert (survivor.custom, loser.custom) == ({"budget": 1}, {"budget": 2, "plan": "Pro"})


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no GIN")
def test_postgresql_has_an_index_for_values() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE indexname = 'crm_lead_custom'")
        assert cursor.fetchone() == (1,)
