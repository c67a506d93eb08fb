"""`deals/`: one road into won and lost, exact amounts, and clear refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm.models import Company, Deal, Lead
from tests.crm.api.caller import Api, attrs, code
from tests.factories import DealFactory, LeadFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(company: Company) -> Lead:
    return LeadFactory(company=company)


def created(api: Api, **body: Any) -> Any:
    response = api.post("deals/", {"title": "Licences"} | body)
    assert response.status_code == 201, response.content
    return response.json()


def amount_of(api: Api, amount: object, currency: str = "EUR") -> Any:
    return api.post("deals/", {"title": "Licences", "amount": amount, "currency": currency})


# ── Create, read, change ───────────────────────────────────────────────────────────────────────────────


def test_everything_said_of_a_deal_comes_back(api: Api, lead: Lead) -> None:
    said = {
        "title": "Licences",
        "lead": str(lead.pk),
        "amount": "1234.50",
        "currency": "EUR",
        "pipeline": "upsell",
        "stage": "offer",
        "owner": "alice@acme.test",
        "expected_close": "2026-12-24",
        "external_id": "erp-1",
    }
    shown = created(api, **said)
    assert {name: shown[name] for name in said} == said
    rest = {"status": "open", "won_at": None, "lost_at": None, "close_reason": ""}
    assert {name: shown[name] for name in rest} == rest
    assert set(shown) - set(said) - set(rest) == {"id", "custom", "created_at", "updated_at"}
    assert api.get(f"deals/{shown['id']}/").json() == shown


def test_a_deal_starts_in_the_first_open_stage_of_sales(api: Api) -> None:
    shown = created(api)
    assert (shown["pipeline"], shown["stage"], shown["lead"]) == ("sales", "qualification", None)
    assert (shown["amount"], shown["currency"]) == (None, "")


@pytest.mark.parametrize(
    ("given", "currency", "shown"),
    [
        ("1234.5", "EUR", "1234.50"),
        ("0", "EUR", "0.00"),
        ("1234", "JPY", "1234"),
        ("1234.500", "KWD", "1234.500"),
        ("9999999999999", "EUR", "9999999999999.00"),
        (None, "EUR", None),
    ],
)
def test_an_amount_is_shown_with_the_digits_of_its_currency(
    api: Api, given: object, currency: str, shown: object
) -> None:
    response = amount_of(api, given, currency)
    assert response.status_code == 201, response.content
    assert response.json()["amount"] == shown


@pytest.mark.parametrize(
    "amount",
    ["1e30", "1E3", "NaN", "Infinity", "1,000", "1,000.50", " 5", "5 ", "+5", "-1", "-0", ".5", "5.", "", "0x10", "٣",
     "10000000000000", "9" * 5000, "1.005", "1.23456789012345678901", 5, 5.5, 1e30, True, [], {}],
)  # fmt: skip
def test_an_amount_that_is_not_exact_text_is_refused(api: Api, amount: object) -> None:
    assert attrs(amount_of(api, amount)) == ["amount"]
    assert not Deal.objects.exists()


@pytest.mark.parametrize(
    "currency", ["usd", "usd ", "USD ", "ZZZ", "XCG", "€", "EURO", 978, None, True, "EU\x00"]
)
def test_a_currency_that_is_none_is_refused(api: Api, currency: object) -> None:
    assert attrs(api.post("deals/", {"title": "Licences", "amount": "5", "currency": currency})) == [
        "currency"
    ]
    assert not Deal.objects.exists()


def test_an_amount_needs_a_currency(api: Api) -> None:
    assert attrs(api.post("deals/", {"title": "Licences", "amount": "5"})) == ["currency"]


def test_an_amount_can_not_keep_more_digits_than_a_new_currency_has(api: Api) -> None:
    deal = created(api, amount="10.50", currency="EUR")["id"]
    assert attrs(api.patch(f"deals/{deal}/", {"currency": "JPY"})) == ["amount"]


@pytest.mark.parametrize(
    ("attr", "value"),
    [
        ("title", ""),
        ("title", None),
        ("title", "x" * 161),
        ("title", "nul \x00"),
        ("lead", "not-an-id"),
        ("lead", "0195d3a5-7e33-7d5c-8f7b-000000000000"),
        ("lead", 5),
        ("pipeline", "nothing-like-it"),
        ("stage", "nothing-like-it"),
        ("stage", "offer"),
        ("stage", 5),
        ("owner", "charlie@umbrella.test"),
        ("expected_close", "24.12.2026"),
        ("expected_close", "20261224"),
        ("expected_close", "2026-02-30"),
        ("expected_close", 1789000000),
        ("external_id", "x" * 191),
        ("status", "won"),
        ("won_at", "2026-01-01T00:00:00Z"),
        ("probability", 50),
    ],
)
def test_a_wrong_value_is_refused_by_name(api: Api, attr: str, value: object) -> None:
    assert attrs(api.post("deals/", {"title": "Licences", attr: value})) == [attr]
    assert not Deal.objects.exists()
    deal = created(api)
    assert attrs(api.patch(f"deals/{deal['id']}/", {"external_id": "changed", attr: value})) == [attr]
    assert api.get(f"deals/{deal['id']}/").json() == deal


def test_another_companys_lead_is_no_lead(
    api: Api, other_company: Company, caller_of: Callable[..., Api]
) -> None:
    theirs = caller_of(other_company).post("leads/", {"last_name": "Umbrella"}).json()["id"]
    refused = api.post("deals/", {"title": "Licences", "lead": theirs})
    missing = api.post("deals/", {"title": "Licences", "lead": "0195d3a5-7e33-7d5c-8f7b-000000000000"})
    assert attrs(refused) == ["lead"]
    assert refused.content == missing.content


def test_a_put_needs_the_title_and_leaves_what_it_does_not_name(api: Api) -> None:
    deal = created(api, amount="5", currency="EUR")["id"]
    assert attrs(api.put(f"deals/{deal}/", {"amount": "6"})) == ["title"]
    changed = api.put(f"deals/{deal}/", {"title": "More"}).json()
    assert (changed["title"], changed["amount"]) == ("More", "5.00")


def test_two_deals_can_not_have_one_external_id(api: Api) -> None:
    created(api, external_id="erp-1")
    assert attrs(api.post("deals/", {"title": "Again", "external_id": "erp-1"})) == ["external_id"]


def test_a_deleted_deal_is_archived(api: Api) -> None:
    deal = created(api)["id"]
    assert api.delete(f"deals/{deal}/").status_code == 204
    assert code(api.get(f"deals/{deal}/"), 404) == "not_found"
    assert Deal.objects.get().archived_at


# ── Won, lost, reopened ────────────────────────────────────────────────────────────────────────────────


def test_win_and_reopen(api: Api) -> None:
    deal = created(api, stage="proposal")["id"]
    won = api.post(f"deals/{deal}/win/").json()
    assert (won["status"], won["stage"]) == ("won", "closed-won")
    assert won["won_at"]
    open_again = api.post(f"deals/{deal}/reopen/", {}).json()
    assert (open_again["status"], open_again["stage"], open_again["won_at"]) == ("open", "proposal", None)


def test_lose_needs_a_reason(api: Api) -> None:
    deal = created(api)["id"]
    assert attrs(api.post(f"deals/{deal}/lose/", {})) == ["reason"]
    assert attrs(api.post(f"deals/{deal}/lose/", {"reason": " "})) == ["reason"]
    assert attrs(api.post(f"deals/{deal}/lose/", {"reason": "x" * 301})) == ["reason"]
    lost = api.post(f"deals/{deal}/lose/", {"reason": "Too dear"}).json()
    assert (lost["status"], lost["stage"], lost["close_reason"]) == ("lost", "closed-lost", "Too dear")


def test_the_same_outcome_again_changes_nothing(api: Api) -> None:
    deal = created(api)["id"]
    won = api.post(f"deals/{deal}/win/")
    again = api.post(f"deals/{deal}/win/")
    assert (again.status_code, again.json()) == (200, won.json())


def test_the_other_outcome_is_a_conflict_until_reopened(api: Api) -> None:
    deal = created(api)["id"]
    api.post(f"deals/{deal}/win/")
    assert code(api.post(f"deals/{deal}/lose/", {"reason": "Too dear"}), 409) == "closed"
    assert code(api.patch(f"deals/{deal}/", {"stage": "closed-lost", "close_reason": "No"}), 409) == "closed"
    api.post(f"deals/{deal}/reopen/")
    assert api.post(f"deals/{deal}/lose/", {"reason": "Too dear"}).status_code == 200


def test_a_stage_is_the_same_road(api: Api) -> None:
    deal = created(api)["id"]
    assert attrs(api.patch(f"deals/{deal}/", {"stage": "closed-lost"})) == ["close_reason"]
    lost = api.patch(f"deals/{deal}/", {"stage": "closed-lost", "close_reason": "Too dear"}).json()
    assert (lost["status"], lost["close_reason"]) == ("lost", "Too dear")
    assert api.patch(f"deals/{deal}/", {"stage": "discovery"}).json()["status"] == "open"
    assert api.patch(f"deals/{deal}/", {"stage": "closed-won"}).json()["status"] == "won"


def test_a_deal_may_be_created_won(api: Api) -> None:
    assert created(api, stage="closed-won")["status"] == "won"
    assert attrs(api.post("deals/", {"title": "Gone", "stage": "closed-lost"})) == ["close_reason"]
    assert Deal.objects.count() == 1


def test_a_reason_goes_with_an_end(api: Api) -> None:
    assert attrs(api.post("deals/", {"title": "Open", "close_reason": "Why?"})) == ["close_reason"]
    deal = created(api)["id"]
    assert attrs(api.patch(f"deals/{deal}/", {"close_reason": "Why?"})) == ["close_reason"]


def test_another_pipeline_is_entered_at_its_first_open_stage(api: Api) -> None:
    deal = created(api)["id"]
    moved = api.patch(f"deals/{deal}/", {"pipeline": "upsell"}).json()
    assert (moved["pipeline"], moved["stage"]) == ("upsell", "idea")
    api.post(f"deals/{deal}/win/")
    assert attrs(api.patch(f"deals/{deal}/", {"pipeline": "sales"})) == ["stage"]


@pytest.mark.parametrize("end", ["win", "lose", "reopen"])
def test_an_end_knows_its_fields_only(api: Api, end: str) -> None:
    deal = created(api)["id"]
    assert attrs(api.post(f"deals/{deal}/{end}/", {"colour": "red"})) == ["colour"]
    assert code(api.get(f"deals/{deal}/{end}/"), 405) == "method_not_allowed"


# ── Lists ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "query",
    ["status=open", "pipeline=upsell", "stage=idea", "owner=alice@acme.test", "lead={lead}", "currency=CHF",
     "external_id=erp-1", "search=licen", "created_since=2026-01-01&pipeline=upsell"],
)  # fmt: skip
def test_filters_find(api: Api, company: Company, lead: Lead, query: str) -> None:
    other = DealFactory(company=company, owner=None)
    api.post(f"deals/{other.pk}/win/")
    mine = created(api, pipeline="upsell", lead=str(lead.pk), currency="CHF", external_id="erp-1")
    response = api.get(f"deals/?{query.format(lead=lead.pk)}").json()
    assert [deal["id"] for deal in response["results"]] == [mine["id"]]


@pytest.mark.parametrize(
    "query", ["status=gone", "stage=nothing", "lead=1", "amount__gt=5", "won_since=soon"]
)
def test_a_query_that_makes_no_sense_is_refused_by_name(api: Api, query: str) -> None:
    assert attrs(api.get(f"deals/?{query}")) == [query.partition("=")[0]]


@pytest.mark.parametrize("rows", [1, 50])
def test_a_page_costs_the_same_queries_however_long(
    api: Api, company: Company, rows: int, django_assert_num_queries: Callable[[int], Any]
) -> None:
    for _ in range(rows):
        DealFactory(company=company, lead=LeadFactory(company=company))
    api.get("tags/")  # the first use of a key in a day is noted
    with django_assert_num_queries(2):  # the key and the deals
        assert len(api.get("deals/").json()["results"]) == rows
