"""ETag and If-Match: nobody writes over what they have not seen."""

from __future__ import annotations

from typing import Any

import pytest

from crm.actions.deals import win_deal
from crm.actions.leads import update_lead
from crm.models import Company, Lead
from tests.crm.api.caller import Api, code
from tests.factories import SHELL, DealFactory, LeadFactory

pytestmark = pytest.mark.django_db

MAKES: dict[str, dict[str, Any]] = {
    "leads": {"first_name": "Ada"},
    "deals": {"title": "Docks"},
    "organizations": {"name": "Customer Ltd"},
    "tasks": {"title": "Call"},
    "statuses": {"name": "Waiting"},
    "tags": {"name": "Big"},
    "pipelines": {"name": "Partners"},
    "custom-fields": {"entity": "lead", "name": "Shoe size", "kind": "number"},
    "views": {"entity": "lead", "name": "Mine", "query": "status=new"},
    "capi/rules": {"event": "deal_won", "conversion_id": "104012345"},
}
CHANGES: dict[str, dict[str, Any]] = {
    "leads": {"title": "CEO"},
    "deals": {"title": "More docks"},
    "tasks": {"title": "Write"},
    "capi/rules": {"name": "Sales"},
}


@pytest.mark.parametrize("noun", MAKES)
def test_reading_adding_and_changing_a_record_tell_its_version(api: Api, noun: str) -> None:
    made = api.post(f"{noun}/", MAKES[noun])
    assert made.status_code == 201, made.content
    path = f"{noun}/{made.json()['id']}/"
    assert made.headers["ETag"] == api.get(path).headers["ETag"]
    assert made.headers["ETag"].startswith('"')
    changed = api.patch(path, CHANGES.get(noun, {"name": "Other"}), If_Match=made.headers["ETag"])
    assert changed.status_code == 200, changed.content
    assert changed.headers["ETag"] == api.get(path).headers["ETag"] != made.headers["ETag"]


@pytest.mark.parametrize("method", ["patch", "put", "delete"])
def test_a_change_for_an_older_version_is_refused(api: Api, company: Company, method: str) -> None:
    lead = LeadFactory(company=company, title="Buyer")
    path = f"leads/{lead.pk}/"
    tag = api.get(path).headers["ETag"]
    update_lead(lead, {"title": "Head of Buying"}, SHELL)
    body = () if method == "delete" else ({"title": "Owner"},)
    refused = getattr(api, method)(path, *body, If_Match=tag)
    assert code(refused, 412) == "changed_since"
    lead.refresh_from_db()
    assert (lead.title, lead.archived_at) == ("Head of Buying", None)
    assert getattr(api, method)(path, *body, If_Match=api.get(path).headers["ETag"]).status_code < 300


def test_an_address_or_a_tag_is_a_change_too(api: Api, company: Company) -> None:
    lead = LeadFactory(company=company)
    tag = api.get(f"leads/{lead.pk}/").headers["ETag"]
    api.patch(f"leads/{lead.pk}/", {"tags": ["VIP"]})
    assert code(api.patch(f"leads/{lead.pk}/", {"title": "CEO"}, If_Match=tag), 412)


def test_any_of_several_versions_will_do_and_a_star_always(api: Api, company: Company) -> None:
    lead = LeadFactory(company=company)
    path = f"leads/{lead.pk}/"
    tag = api.get(path).headers["ETag"]
    assert api.patch(path, {"title": "A"}, If_Match=f'"other", {tag}').status_code == 200
    assert api.patch(path, {"title": "B"}, If_Match="*").status_code == 200
    weak = f"W/{api.get(path).headers['ETag']}"  # as a proxy that compresses makes it
    assert api.patch(path, {"title": "C"}, If_Match=weak).status_code == 200
    assert code(api.patch(path, {"title": "D"}, If_Match="nonsense"), 412)
    assert Lead.objects.get().title == "C"


def test_an_action_on_a_record_looks_at_the_version_too(api: Api, company: Company) -> None:
    deal = DealFactory(company=company)
    tag = api.get(f"deals/{deal.pk}/").headers["ETag"]
    win_deal(deal, SHELL)
    assert code(api.post(f"deals/{deal.pk}/reopen/", If_Match=tag), 412) == "changed_since"
    deal.refresh_from_db()
    assert deal.status == "won"


def test_a_record_that_is_not_there_is_a_404_first(api: Api) -> None:
    missing = "0195d3a5-7e33-7d5c-8f7b-000000000000"
    assert code(api.patch(f"leads/{missing}/", {"title": "A"}, If_Match='"x"'), 404)


def test_the_company_has_a_version(api: Api) -> None:
    tag = api.get("company/").headers["ETag"]
    assert api.patch("company/", {"settle_minutes": 5}, If_Match=tag).status_code == 200
    assert code(api.patch("company/", {"settle_minutes": 6}, If_Match=tag), 412)


def test_a_repeat_tells_the_version_of_the_first_answer(api: Api) -> None:
    first = api.post("leads/", {"first_name": "Ada"}, Idempotency_Key="one")
    again = api.post("leads/", {"first_name": "Ada"}, Idempotency_Key="one")
    assert again.headers["ETag"] == first.headers["ETag"]
