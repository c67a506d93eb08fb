"""Pages by key: every row once, forwards and backwards, in any order, while rows come and go."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from crm.actions.leads import archive_lead
from crm.models import Company, Deal, Lead
from tests.crm.api.caller import Api, attrs
from tests.factories import SHELL, DealFactory, LeadFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def leads(company: Company) -> list[Lead]:
    """Seven people, three of them with the same first name."""
    names = ["Ada", "Ada", "Ada", "Bea", "Cleo", "Dora", "Ella"]
    return [LeadFactory(company=company, first_name=name) for name in names]


def walk(api: Api, url: str, way: str = "next") -> list[list[dict[str, Any]]]:
    pages = []
    while url:
        page = api.get(url).json()
        pages.append(page["results"])
        url = page[way]
    return pages


@pytest.mark.parametrize(
    "ordering", ["created_at", "-created_at", "first_name", "-first_name", "-updated_at"]
)
def test_every_row_is_on_one_page(api: Api, leads: list[Lead], ordering: str) -> None:
    pages = walk(api, f"leads/?limit=2&ordering={ordering}")
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    ids = [row["id"] for page in pages for row in page]
    whole = [row["id"] for row in api.get(f"leads/?ordering={ordering}").json()["results"]]
    assert ids == whole
    assert sorted(ids) == sorted(str(lead.pk) for lead in leads)


def test_newest_first_unless_said_otherwise(api: Api, leads: list[Lead]) -> None:
    shown = [row["id"] for row in api.get("leads/").json()["results"]]
    assert shown == [str(lead.pk) for lead in reversed(leads)]


def test_the_way_back_shows_the_same_pages(api: Api, leads: list[Lead]) -> None:
    pages = walk(api, "leads/?limit=3&ordering=first_name")
    second = api.get("leads/?limit=3&ordering=first_name").json()["next"]
    third = api.get(second).json()["next"]
    back = walk(api, third, "previous")
    assert list(reversed(back)) == pages


def test_links_are_absolute_and_keep_the_query(api: Api, leads: list[Lead]) -> None:
    page = api.get("leads/?limit=2&is_test=false").json()
    assert page["previous"] is None
    assert page["next"].startswith("http://testserver/api/v1/leads/?")
    assert "limit=2" in page["next"]
    assert "is_test=false" in page["next"]


def test_a_row_that_comes_or_goes_moves_no_other(api: Api, leads: list[Lead], company: Company) -> None:
    first = api.get("leads/?limit=3").json()
    LeadFactory(company=company)
    archive_lead(leads[-1], SHELL)
    rest = [row["id"] for page in walk(api, first["next"]) for row in page]
    assert rest == [str(lead.pk) for lead in reversed(leads[:-3])]


def test_a_page_that_has_become_empty_ends_the_walk(api: Api, leads: list[Lead]) -> None:
    second = api.get("leads/?limit=6").json()["next"]
    archive_lead(leads[0], SHELL)
    page = api.get(second).json()
    assert page == {"next": None, "previous": page["previous"], "results": []}


def test_a_cursor_belongs_to_its_order(api: Api, leads: list[Lead]) -> None:
    cursor = api.get("leads/?limit=2").json()["next"].partition("cursor=")[2].partition("&")[0]
    assert attrs(api.get(f"leads/?limit=2&ordering=first_name&cursor={cursor}")) == ["cursor"]
    assert attrs(api.get(f"leads/?limit=2&cursor={cursor}x")) == ["cursor"]
    assert api.get(f"deals/?cursor={cursor}").status_code == 200


def test_deals_without_an_amount_have_their_place(api: Api, company: Company) -> None:
    amounts = ["3.50", None, "20.00", None, "3.50"]
    deals: list[Deal] = [DealFactory(company=company, amount=amount) for amount in amounts]
    pages = walk(api, "deals/?limit=2&ordering=-amount")
    assert [row["amount"] for page in pages for row in page] == ["20.00", "3.50", "3.50", None, None]
    pages = walk(api, "deals/?limit=2&ordering=expected_close")
    assert sorted(row["id"] for page in pages for row in page) == sorted(str(deal.pk) for deal in deals)


@pytest.mark.parametrize("noun", ["leads", "deals", "tasks", "organizations", "notes"])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_there_all_the_time_is_walked_once_while_others_write(
    api: Api, company: Company, noun: str, seed: int
) -> None:
    chance = random.Random(f"{noun} {seed}")
    lead = str(LeadFactory(company=company).pk)
    bodies: dict[str, Callable[[int], dict[str, Any]]] = {
        "leads": lambda number: {"first_name": f"Lead {number}"},
        "deals": lambda number: {"title": f"Deal {number}"},
        "tasks": lambda number: {"title": f"Task {number}"},
        "organizations": lambda number: {"name": f"Firm {number}"},
        "notes": lambda number: {"text": f"Note {number}", "lead": lead},
    }
    numbers = count()

    def add() -> str:
        made = api.post(f"{noun}/", bodies[noun](next(numbers)))
        assert made.status_code == 201, made.content
        return str(made.json()["id"])

    alive = {add() for _ in range(20)}
    stayed, seen, url = set(alive), [], f"{noun}/?limit={chance.randint(2, 4)}"
    while url:
        page = api.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
        for _ in range(chance.randint(0, 3)):
            if noun != "organizations" and chance.random() < 0.5:
                gone = chance.choice(sorted(alive))
                assert api.delete(f"{noun}/{gone}/").status_code == 204
                alive.remove(gone)
                stayed.discard(gone)
            else:
                alive.add(add())
    assert len(seen) == len(set(seen))
    assert stayed - set(seen) == set()
