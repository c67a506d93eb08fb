"""The company's own fields of organizations: form, page, list, file and API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.actions import customfields
from crm.actions import organizations as actions
from crm.models import AuditEntry, Company, CustomField, Organization, User
from tests.crm.api.caller import Api, attrs
from tests.crm.test_exporting import records_of
from tests.crm.views.conftest import Browser
from tests.factories import SHELL, LeadFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def size(company: Company) -> CustomField:
    """How many people a firm has."""
    return make(company, "Size", "number")


@pytest.fixture
def firms(company: Company, size: CustomField) -> dict[str, Organization]:
    return {
        name: actions.create_organization(company, {"name": name, "custom": custom})
        for name, custom in (("Little", {"size": 10}), ("Much", {"size": 90210}), ("None", {}))
    }


@pytest.fixture
def api(company: Company, owner: User, api_of: Callable[..., Any]) -> Api:
    return Api(api_of(company))


def make(company: Company, name: str, kind: str, *options: str) -> CustomField:
    wanted: Any = {"entity": "organization", "name": name, "kind": kind, "options": list(options)}
    return customfields.add_field(company, wanted, SHELL)


def test_the_settings_list_the_fields_of_all_three(alice: Browser, company: Company) -> None:
    alice.post("settings_fields", query="?of=organization", name="Size", kind="number")
    assert CustomField.objects.get().entity == "organization"
    page = alice.seen("settings_fields", query="?of=organization")
    for word in ("Leads", "Deals", "Organizations", "Size"):
        assert word in page


def test_the_form_asks_and_the_page_shows(alice: Browser, firms: dict[str, Organization]) -> None:
    firm = firms["None"]
    assert 'name="custom_size"' in alice.seen("organization_edit", firm.pk)
    answer = alice.post("organization_edit", firm.pk, name="None", domain="", custom_size="17.5")
    assert answer.status_code == 302
    firm.refresh_from_db()
    assert firm.custom == {"size": 17.5}
    assert "<dt>Size</dt><dd>17.5</dd>" in alice.seen("organization", firm.pk)


def test_a_wrong_value_keeps_what_was_typed(alice: Browser, firms: dict[str, Organization]) -> None:
    firm = firms["Little"]
    answer = alice.post("organization_edit", firm.pk, name="Other", domain="", custom_size="lots")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Enter a number such as 1234.5." in page
    assert 'value="lots"' in page
    firm.refresh_from_db()
    assert (firm.name, firm.custom) == ("Little", {"size": 10})


def test_the_list_shows_and_filters_by_them(alice: Browser, firms: dict[str, Organization]) -> None:
    page = alice.seen("organizations", query="?col=people&col=cf_size&cf_size-from=50")
    assert '<span class="clip" title="90210">90210</span>' in page
    assert "Open deals" not in page.split("<thead>")[1].split("</thead>")[0]
    assert "Size from <b>50</b>" in page
    assert "<b>Little</b>" not in page
    assert "No match" in alice.seen("organizations", query="?cf_size-from=50&search=little")


def test_the_search_keeps_filters_and_columns(alice: Browser, firms: dict[str, Organization]) -> None:
    page = alice.seen("organizations", query="?col=cf_size&cf_size-from=5&search=l")
    search = page.split('role="search" action="/organizations/"')[1].split("</form>")[0]
    assert 'name="cf_size-from" value="5"' in search
    assert 'name="col" value="cf_size"' in search
    panel = page.split('class="menu filters"')[1].split("</form>")[0]
    assert 'name="search" value="l"' in panel


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("cf_size=lots", "Size: Enter a number such as 1234.5."),
        ("cf_gone=1", "A filter is about a custom field that is no longer there."),
        ("col=cf_gone", "A column is of a custom field that is no longer there."),
    ],
)
def test_what_cannot_be_applied_is_told(
    alice: Browser, firms: dict[str, Organization], asked: str, said: str
) -> None:
    page = alice.seen("organizations", query=f"?{asked}&cf_size-to=50")
    assert said in page
    assert "<b>Little</b>" in page
    assert "<b>Much</b>" not in page


def test_pages_go_on_with_the_filter(alice: Browser, company: Company, size: CustomField) -> None:
    Organization.objects.bulk_create(
        Organization(company=company, name=f"Firm {n:03}", name_key=f"firm {n:03}", custom={"size": n % 2})
        for n in range(140)
    )
    first = alice.get("organizations", query="?cf_size=1").context
    second = alice.get("organizations", query=first["next_url"]).context
    assert [len(page["rows"]) for page in (first, second)] == [50, 20]
    assert all(row.organization.custom == {"size": 1} for row in second["rows"])


def test_the_number_of_queries_does_not_grow(alice: Browser, company: Company, size: CustomField) -> None:
    counts = []
    for rows in (3, 40):
        for n in range(rows):
            LeadFactory(company=company, organization=f"Firm {rows} {n}")
        Organization.objects.update(custom={"size": 5})
        alice.seen("organizations", query="?col=cf_size&cf_size=5")
        with CaptureQueriesContext(connection) as queries:
            alice.seen("organizations", query="?col=cf_size&cf_size=5")
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_has_what_was_filtered(
    alice: Browser, company: Company, firms: dict[str, Organization], kind: str
) -> None:
    answer = alice.post("organizations_export", format=kind, **{"cf_size-from": "50"})
    assert answer["X-Row-Count"] == "1"
    (row,) = records_of(answer)
    assert (row["Organization"], row["Size"]) == ("Much", "90210")
    assert AuditEntry.objects.get(action="organizations_exported").changes["count"] == [None, 1]
    wrong = alice.post("organizations_export", cf_size="lots")
    assert wrong.status_code == 302
    assert "Nothing was done, since a filter does not apply." in alice.said()


def test_an_agent_takes_along_the_firms_of_own_records_only(
    bob: Browser, company: Company, agent: User, firms: dict[str, Organization]
) -> None:
    LeadFactory(company=company, organization="Little", owner=agent)
    assert [row["Organization"] for row in records_of(bob.post("organizations_export"))] == ["Little"]


def test_another_company_takes_nothing_along(charlie: Browser, firms: dict[str, Organization]) -> None:
    assert charlie.post("organizations_export")["X-Row-Count"] == "0"


def test_the_api_writes_and_filters_them(api: Api, size: CustomField) -> None:
    made = api.post("organizations/", {"name": "Fjordline", "custom": {"size": 5}})
    assert made.status_code == 201, made.content
    assert made.json()["custom"] == {"size": 5}
    place = f"organizations/{made.json()['id']}/"
    assert api.patch(place, {"custom": {"size": 6}}).json()["custom"] == {"size": 6}
    assert api.patch(place, {"name": "Fjord"}).json()["custom"] == {"size": 6}
    assert attrs(api.patch(place, {"custom": {"size": "x"}})) == ["custom.size"]
    assert attrs(api.patch(place, {"custom": {"nope": 1}})) == ["custom.nope"]
    assert len(api.get("organizations/?cf_size-from=6").json()["results"]) == 1
    assert api.get("organizations/?cf_size-from=7").json()["results"] == []
    assert attrs(api.get("organizations/?cf_size=x")) == ["cf_size"]
    answer = api.post("exports/", {"kind": "organizations", "filters": {"cf_size": "6"}})
    assert answer["X-Row-Count"] == "1"


def test_deleting_the_field_leaves_the_organizations(
    company: Company, firms: dict[str, Organization], size: CustomField
) -> None:
    assert customfields.delete_field(size, SHELL) == 2
    assert Organization.objects.filter(custom={}).count() == 3
