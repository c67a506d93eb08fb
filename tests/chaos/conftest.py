"""Whatever was done to it: at the end of every chaos test every event that was recorded is accounted for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from capi import accounting
from crm.models import Company
from crm.tenancy import company_scope


@pytest.fixture(autouse=True)
def accounts_add_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """In the database of the test run; tests with an installation of their own ask its `capi/health/`."""
    marker = request.node.get_closest_marker("django_db")
    if marker:
        request.getfixturevalue("transactional_db" if marker.kwargs.get("transaction") else "db")
    yield
    if marker:
        for company in Company.objects.all():
            with company_scope(company):
                found = accounting.account(company)
            assert found.adds_up, found
