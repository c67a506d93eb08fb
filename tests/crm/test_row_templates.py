"""Rows in Jinja2 say the same as Django's templates would, and escape as they do."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.template import Context, Template, engines
from django.urls import reverse
from jinja2 import UndefinedError

from crm.models import Company
from crm.row_templates import record_url
from crm.views.columns import LEAD_COLUMNS
from crm.views.leads import LeadRow
from tests.factories import LeadFactory

PAGE = "{% load pages %}{% rows 'leads' %}"


def test_an_address_is_the_one_that_django_gives() -> None:
    pk = uuid4()
    assert record_url("lead_status", pk) == reverse("lead_status", args=[pk])


def test_markup_in_a_name_stays_text(company: Company) -> None:
    lead = LeadFactory(company=company, first_name="", last_name="<b>Bold</b>", title="<i>")
    context = {
        "rows": [LeadRow(lead, None)],
        "shown": frozenset(column.key for column in LEAD_COLUMNS),
        "own": (),
        "has_badges": True,
        "statuses": (),
        "list_url": '/leads/?search="><script>',
        "walk": "",
        "csrf_token": "token",
    }
    html = Template(PAGE).render(Context(context))
    assert "&lt;b&gt;Bold" in html
    assert "<b>Bold" not in html
    assert "<script>" not in html


def test_a_value_that_the_page_forgot_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        engines["rows"].get_template("rows/leads.jinja").render({})
