"""The median of both databases."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db.models import DurationField, ExpressionWrapper, F, Q
from django.utils import timezone

from crm.medians import Median
from crm.models import Company, Lead
from tests.factories import LeadFactory

AGE = ExpressionWrapper(F("last_touch_at") - F("occurred_at"), output_field=DurationField())


def median_of(company: Company, *hours: int, **options: object) -> dt.timedelta | None:
    now = timezone.now()
    for each in hours:
        lead = LeadFactory(company=company, occurred_at=now - dt.timedelta(hours=each))
        Lead.objects.filter(pk=lead.pk).update(last_touch_at=now)
    found = Lead.objects.aggregate(found=Median(AGE, output_field=DurationField(), **options))  # type: ignore[arg-type]
    median: dt.timedelta | None = found["found"]
    return median


@pytest.mark.parametrize(
    ("hours", "median"),
    [((), None), ((4,), 4), ((9, 1, 2), 2), ((1, 2, 4, 90), 3), ((5, 5, 5, 6), 5)],
)
def test_it_is_the_middle_or_half_way(company: Company, hours: tuple[int, ...], median: int | None) -> None:
    found = median_of(company, *hours)
    assert found == (None if median is None else dt.timedelta(hours=median))


def test_it_takes_a_filter(company: Company) -> None:
    since = timezone.now() - dt.timedelta(hours=10)
    assert median_of(company, 2, 4, 50, filter=Q(occurred_at__gte=since)) == dt.timedelta(hours=3)
