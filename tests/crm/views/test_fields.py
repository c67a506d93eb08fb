"""The settings of custom fields, and the fields in forms and on pages."""

from __future__ import annotations

from typing import Any

import pytest

from crm.actions import customfields
from crm.models import Company, CustomField, Deal, Lead, LeadStatus
from tests.crm.views.conftest import Browser
from tests.factories import SHELL, DealFactory, LeadFactory

pytestmark = pytest.mark.django_db


def make(company: Company, name: str = "Plan", kind: str = "choice", **more: Any) -> CustomField:
    options = ["Basic", "Pro"] if kind.startswith("choice") else []
    wanted: Any = {"entity": "lead", "name": name, "kind": kind, "options": options, **more}
    return customfields.add_field(company, wanted, SHELL)


def filled(**more: str) -> dict[str, str]:
    """A lead's form as somebody fills it in."""
    status = str(LeadStatus.objects.get(key="new").pk)
    return {
        "first_name": "Ada",
        "last_name": "Quist",
        "email": "ada@customer.test",
        "status": status,
        "source": "Fair",
        "consent": "unknown",
        **more,
    }


def test_those_who_do_not_manage_are_refused(bob: Browser) -> None:
    assert bob.get("settings_fields").status_code == 403


def test_a_field_is_added_changed_and_deleted(alice: Browser, company: Company) -> None:
    answer = alice.post("settings_fields", query="?of=deal", name="Term", kind="choice", options="One\nTwo")
    field = CustomField.objects.get()
    assert answer["Location"].endswith(f"?of=deal#word-{field.pk}")
    assert (field.entity, field.key, field.options) == ("deal", "term", ["One", "Two"])
    DealFactory(company=company, custom={"term": "One"})
    alice.post("settings_field", field.pk, name="Length", options="One\nThree")
    field.refresh_from_db()
    assert (field.name, field.key, field.options) == ("Length", "term", ["One", "Three"])
    page = alice.seen("settings_field_delete", field.pk)
    assert "1 record has a value in it." in page
    alice.post("settings_field_delete", field.pk)
    assert "Length is gone." in alice.said()
    assert Deal.objects.get().custom == {}


@pytest.mark.parametrize(
    ("field", "value"), [("name", ""), ("kind", "blob"), ("options", "a,b"), ("options", " ")]
)
def test_a_field_that_will_not_do_keeps_what_was_typed(alice: Browser, field: str, value: str) -> None:
    sent = {"name": "Plan", "kind": "choice", "options": "Basic", field: value}
    answer = alice.post("settings_fields", **sent)
    assert answer.status_code == 422
    assert b'aria-invalid="true"' in answer.content
    assert not CustomField.objects.exists()


def test_fields_are_put_in_order(alice: Browser, company: Company) -> None:
    first, second = make(company, "First"), make(company, "Second")
    alice.post("settings_fields_order", word=str(first.pk), way="down")
    assert list(CustomField.objects.all()) == [second, first]
    alice.post("settings_fields_order", order=f"{first.pk},x,{second.pk}")
    assert list(CustomField.objects.all()) == [first, second]


def test_a_lead_s_form_asks_and_its_page_shows(alice: Browser, company: Company) -> None:
    make(company)
    make(company, "Site", "url")
    make(company, "Wants", "choices")
    make(company, "Known", "yes_no")
    page = alice.seen("lead_new")
    for label in ("Plan", "Site", "Wants", "Known"):
        assert f">{label}" in page
    answer = alice.post("lead_new", **filled(custom_plan="Pro", custom_site="acme.test", custom_known="no"))
    assert answer.status_code == 302, answer.content
    lead = Lead.objects.get()
    assert lead.custom == {"plan": "Pro", "site": "https://acme.test", "known": False}
    page = alice.seen("lead", lead.pk)
    assert 'href="https://acme.test"' in page
    assert "<dt>Plan</dt><dd>Pro" in page
    edit = alice.seen("lead_edit", lead.pk)
    assert '<option value="Pro" selected>' in edit
    assert '<option value="no" selected>' in edit


def test_a_wrong_value_is_said_beside_its_field(alice: Browser, company: Company) -> None:
    make(company, "Budget", "number")
    answer = alice.post("lead_new", **filled(custom_budget="a lot"))
    page = answer.content.decode()
    assert answer.status_code in (200, 422)
    assert "Enter a number such as 1234.5." in page
    assert 'value="a lot"' in page
    assert not Lead.objects.exists()


def test_saving_something_else_keeps_a_value_whose_option_is_gone(alice: Browser, company: Company) -> None:
    field = make(company)
    lead = LeadFactory(company=company, custom={"plan": "Pro"})
    customfields.change_field(field, {"options": ["Basic"]}, SHELL)
    assert '<option value="Pro" selected>' in alice.seen("lead_edit", lead.pk)
    alice.post("lead_edit", lead.pk, **filled(custom_plan="Pro"))
    lead.refresh_from_db()
    assert (lead.first_name, lead.custom) == ("Ada", {"plan": "Pro"})


def test_a_deal_s_form_asks_and_its_page_shows(alice: Browser, company: Company, deal: Deal) -> None:
    make(company, "Term", "text", entity="deal")
    alice.post("deal_edit", deal.pk, title="Twelve docks", amount="5", currency="EUR", custom_term="<b>9</b>")
    deal.refresh_from_db()
    assert deal.custom == {"term": "<b>9</b>"}
    assert "<dd>&lt;b&gt;9&lt;/b&gt;" in alice.seen("deal", deal.pk)
