"""Counts of long lists: exact while small, a minute old at most once large."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest
from django.core.cache import cache
from pytest_django import DjangoAssertNumQueries

from crm import counting
from crm.counting import LongPaginator, count_of, kept_if_many, pinned_if_few
from crm.models import Company, Deal, Lead
from crm.reports import stage_totals
from tests.factories import DealFactory, LeadFactory


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "EXACT", 3)


def _leads(company: Company, count: int) -> None:
    for _ in range(count):
        LeadFactory(company=company, reported=False)


def test_a_small_count_follows_every_change(company: Company) -> None:
    for expected in range(4):
        assert count_of(Lead.objects.all()) == expected
        _leads(company, 1)


def test_a_large_count_is_kept(company: Company, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    _leads(company, 4)
    assert count_of(Lead.objects.all()) == 4
    _leads(company, 1)
    with django_assert_num_queries(0):
        assert count_of(Lead.objects.all()) == 4


def test_other_filters_and_companies_have_counts_of_their_own(company: Company) -> None:
    _leads(company, 5)
    assert count_of(Lead.objects.all()) == 5
    assert count_of(Lead.objects.filter(source="nowhere")) == 0
    assert count_of(Lead.objects.filter(company_id=uuid4())) == 0


def test_what_cannot_match_is_counted_without_asking(company: Company) -> None:
    assert count_of(Lead.objects.none()) == 0


def test_pages_of_a_long_list_know_their_number(company: Company) -> None:
    _leads(company, 5)
    assert LongPaginator(Lead.objects.order_by("pk"), 2).num_pages == 3


def test_the_pages_of_a_long_list_are_those_of_a_short_one(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    _leads(company, 7)
    leads = Lead.objects.for_list().order_by("-last_name", "pk")
    long = [list(page) for page in LongPaginator(leads, 3)]
    monkeypatch.setattr(counting, "EXACT", 99)
    assert long == [list(page) for page in LongPaginator(leads, 3)]
    assert [len(page) for page in long] == [3, 3, 1]


def test_a_fact_about_many_rows_is_kept_and_about_few_is_not(company: Company) -> None:
    answers = iter(range(9))

    def work_out() -> int:
        return next(answers)

    few = [kept_if_many("test", Lead.objects.all(), work_out) for _ in range(2)]
    _leads(company, 4)
    cache.clear()
    many = [kept_if_many("test", Lead.objects.all(), work_out) for _ in range(2)]
    assert (few, many) == ([0, 1], [2, 2])


@pytest.mark.parametrize(("few", "is_pinned"), [(3, True), (2, False)])
def test_few_rows_are_pinned_by_their_ids(
    company: Company, monkeypatch: pytest.MonkeyPatch, few: int, is_pinned: bool
) -> None:
    monkeypatch.setattr(counting, "FEW", few)
    _leads(company, 3)
    rows = Lead.objects.order_by("-pk")
    found = pinned_if_few(rows)
    assert list(found) == list(rows)
    assert (" IN (" in str(found.query)) is is_pinned


def test_no_rows_stay_none(company: Company) -> None:
    assert list(pinned_if_few(Lead.objects.all())) == []


def test_sums_of_many_deals_are_kept_where_they_may_be(
    company: Company, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(4):
        DealFactory(company=company, amount=Decimal("10.50"), currency="EUR")
    kept = stage_totals(Deal.objects.all(), "EUR", may_be_old=True)
    assert [total.count for total in kept.values()] == [4]
    assert kept == stage_totals(Deal.objects.all(), "EUR")
    DealFactory(company=company)
    with django_assert_num_queries(0):
        assert stage_totals(Deal.objects.all(), "EUR", may_be_old=True) == kept
    assert [total.count for total in stage_totals(Deal.objects.all(), "EUR").values()] == [5]


def test_sums_of_few_deals_follow_every_change(company: Company) -> None:
    for expected in range(4):
        kept = stage_totals(Deal.objects.all(), "EUR", may_be_old=True)
        assert sum(total.count for total in kept.values()) == expected
        DealFactory(company=company)
