"""The Python client of docs/api.md works as it stands there, against a server that listens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from crm.actions import people
from crm.models import Deal, Lead
from crm.tenancy import company_scope
from tests.factories import CompanyFactory, UserFactory

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.django_db(transaction=True)
def test_every_block_runs(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    company = CompanyFactory(name="Acme")
    with company_scope(company):
        UserFactory(email="alice@acme.test", company=company, role="owner")
    key = people.create_api_key(company, "Docs", ["read", "write"]).secret
    monkeypatch.setenv("LEADMACHINE_URL", live_server.url)
    monkeypatch.setenv("LEADMACHINE_KEY", key)
    said: dict[str, object] = {}
    assert len(BLOCKS) >= 5
    for block in BLOCKS:
        exec(compile(block, str(PAGE), "exec"), said)
    with company_scope(company):
        assert set(Lead.objects.values_list("external_id", flat=True)) == {"shop-4711", "shop-4712"}
        assert Deal.objects.get().status == "won"
