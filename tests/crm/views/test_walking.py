"""From record to record, in the order and with the filters of the list one came from."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest

from crm.actions import deals as deal_actions
from crm.actions import leads as lead_actions
from crm.models import Company, Deal, Lead, LeadStatus, LeadType, Stage, User
from crm.views import deals as deal_list
from crm.views import leads as lead_list
from tests.crm.views.conftest import Browser, url
from tests.factories import SHELL, DealFactory, LeadFactory

LINK = re.compile(r'<a[^>]* rel="(prev|next)" href="([^"]+)"')


def beside(browser: Browser, address: str) -> dict[str, str]:
    """The arrows of a page: prev and next, as far as they are there."""
    return {way: unescape(href) for way, href in LINK.findall(browser.client.get(address).content.decode())}


def listed(browser: Browser, noun: str, query: str) -> list[str]:
    """The addresses of the records of a list, in order, as its links have them."""
    page = browser.client.get(f"/{noun}s/?{query}").content.decode()
    found = re.findall(rf'<th scope="row">.*?href="(/{noun}s/[^"]+)"', page)
    return [unescape(href) for href in found]


def walked(browser: Browser, start: str, way: str) -> list[str]:
    """The addresses one passes by pressing the arrow until there is none."""
    passed = [start]
    while len(passed) < 30 and (following := beside(browser, passed[-1]).get(way)):
        passed.append(following)
    return passed


def _leads(company: Company, owner: User, agent: User) -> None:
    """Twelve leads with values that are equal, differ and are missing."""
    kinds = list(LeadType.objects.all()[:2])
    for number in range(12):
        lead = LeadFactory(
            company=company,
            first_name="Ann" if number % 2 else "",
            last_name=["Berg", "berg", "Ødegaard", ""][number % 4],
            organization=["Fjordline", "", "acme"][number % 3],
            source=["Fair", ""][number % 2],
            country_code=["DE", "", "NO"][number % 3],
            consent=["granted", "unknown"][number % 2],
            owner=[owner, agent, None][number % 3],
            lead_type=[None, *kinds][number % 3],
        )
        if number % 5 == 0:
            lead_actions.change_status(lead, LeadStatus.objects.get(key="contacted"), SHELL)


def _deals(company: Company, owner: User, agent: User) -> None:
    stages = list(Stage.objects.filter(pipeline__key="sales", kind="open"))
    for number in range(12):
        deal = DealFactory(
            company=company,
            title=["Docks", "docks", "Silo"][number % 3],
            amount=[None, "1000.00", "99.50"][number % 3],
            currency=["", "EUR", "EUR"][number % 3],
            owner=[owner, None, agent][number % 3],
            expected_close=[None, "2026-12-01"][number % 2],
            next_step=["", "Call"][number % 2],
            next_step_on=[None, "2026-12-03"][number % 2],
        )
        deal_actions.move_deal(deal, stages[number % len(stages)], SHELL)


WAYS = [(noun, f"{way}{sort}") for noun, sorts in (("lead", lead_list.SORTS), ("deal", deal_list.SORTS))
        for sort in sorts for way in ("", "-")]  # fmt: skip


@pytest.mark.parametrize(("noun", "sort"), WAYS)
def test_the_arrows_pass_every_row_in_the_order_of_the_list(
    company: Company, owner: User, agent: User, alice: Browser, noun: str, sort: str
) -> None:
    {"lead": _leads, "deal": _deals}[noun](company, owner, agent)
    query = urlencode({"view": "all" if noun == "lead" else "list", "sort": sort})
    rows = listed(alice, noun, query)
    assert len(rows) == 12
    for before, row, after in zip([None, *rows], rows, [*rows[1:], None], strict=False):
        assert beside(alice, row) == {way: at for way, at in (("prev", before), ("next", after)) if at}


def test_filters_are_kept(company: Company, owner: User, agent: User, alice: Browser) -> None:
    _leads(company, owner, agent)
    rows = listed(alice, "lead", urlencode({"view": "all", "country": "DE", "search": "fjordline"}))
    assert 1 < len(rows) < 12
    assert walked(alice, rows[0], "next") == rows


def test_pages_of_the_list_are_no_bounds(company: Company, alice: Browser) -> None:
    for _ in range(lead_list.PAGE_ROWS + 2):
        LeadFactory(company=company)
    last = listed(alice, "lead", "view=all&page=1")[-1]
    assert beside(alice, last)["next"] == listed(alice, "lead", "view=all&page=2")[0]


def test_a_record_that_left_the_list_still_has_its_place(company: Company, alice: Browser) -> None:
    for name in ("A", "B", "C"):
        LeadFactory(company=company, last_name=name)
    first, second, third = listed(alice, "lead", "view=open&sort=name")
    lead = Lead.objects.get(last_name="B")
    Lead.objects.filter(pk=lead.pk).update(status=LeadStatus.objects.get(key="lost"))
    assert listed(alice, "lead", "view=open&sort=name") == [first, third]
    assert beside(alice, second) == {"prev": first, "next": third}


def test_from_the_board_one_goes_down_the_column(company: Company, alice: Browser) -> None:
    stages = list(Stage.objects.filter(pipeline__key="sales", kind="open"))
    for number in range(4):
        deal_actions.move_deal(DealFactory(company=company, title=f"D{number}"), stages[number % 2], SHELL)
    page = alice.seen("deals")
    cards = [unescape(href) for href in re.findall(r'id="deal-[^"]+" href="([^"]+)"', page)]
    assert len(cards) == 4
    assert walked(alice, cards[0], "next") == cards[:2]
    assert walked(alice, cards[2], "next") == cards[2:]


def test_who_did_not_come_from_a_list_has_no_arrows(alice: Browser, lead: Lead, deal: Deal) -> None:
    LeadFactory(company=lead.company)
    assert beside(alice, url("lead", lead.pk)) == {}
    assert beside(alice, url("deal", deal.pk)) == {}


def test_there_is_a_way_back_to_the_list(alice: Browser, lead: Lead) -> None:
    page = alice.seen("lead", lead.pk, "?in=view%3Dall%26sort%3Dname")
    assert 'href="/leads/?view=all&amp;sort=name"' in page


def test_a_note_does_not_end_the_walk(alice: Browser, lead: Lead, deal: Deal) -> None:
    for noun, record in (("lead", lead), ("deal", deal)):
        here = f"{url(noun, record.pk)}?in=view%3Dall"
        answer = alice.client.post(
            url(f"{noun}_note", record.pk), {"text": "Rang"}, headers={"Referer": f"http://testserver{here}"}
        )
        assert answer["Location"] == f"{here}#timeline"


def test_the_timeline_keeps_the_list(alice: Browser, lead: Lead) -> None:
    assert 'href="?in=view%3Dall&amp;kind=notes#timeline"' in alice.seen("lead", lead.pk, "?in=view%3Dall")


def test_an_agent_passes_their_own_records(company: Company, bob: Browser, agent: User, owner: User) -> None:
    for number, who in enumerate((agent, owner, agent)):
        LeadFactory(company=company, last_name=f"L{number}", owner=who)
    rows = listed(bob, "lead", "view=all&sort=name")
    assert len(rows) == 2
    assert walked(bob, rows[0], "next") == rows


@pytest.mark.parametrize(
    "query", ["", "x" * 3000, "\x00", "sort=nonsense", "view=all&search=%00", "owner=nobody&status=a&page=9"]
)
def test_nonsense_is_the_usual_list(alice: Browser, lead: Lead, deal: Deal, query: str) -> None:
    for name, record in (("lead", lead), ("deal", deal)):
        assert alice.get(name, record.pk, f"?{urlencode({'in': query})}").status_code == 200


@pytest.mark.parametrize("count", [3, 60])
def test_the_walk_asks_a_fixed_number_of_times(
    company: Company, alice: Browser, count: int, django_assert_max_num_queries: Any
) -> None:
    for _ in range(count):
        LeadFactory(company=company)
    here = listed(alice, "lead", "view=all")[1]
    alice.client.get(here)
    with django_assert_max_num_queries(52):
        alice.client.get(here)
