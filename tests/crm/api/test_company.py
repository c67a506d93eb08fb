"""`company/` with its settings, and the lists of what it is made of."""

from __future__ import annotations

import pytest

from crm.models import Company, Tag, User
from tests.crm.api.caller import Api, attrs

pytestmark = pytest.mark.django_db

SETTINGS = {
    "name": "Acme Ltd",
    "currency": "CHF",
    "time_zone": "Europe/Zurich",
    "default_status": "contacted",
    "default_source": "Fair",
    "fallback_owner": "bob@acme.test",
    "consent_policy": "hold_eea",
    "settle_minutes": 0,
    "enhanced_matching": True,
    "internal_domains": ["acme.test"],
}


def test_settings_said_come_back_and_work(api: Api, agent: User) -> None:
    changed = api.patch("company/", SETTINGS)
    assert changed.status_code == 200, changed.content
    assert {name: changed.json()[name] for name in SETTINGS} == SETTINGS
    assert api.get("company/").json() == changed.json()
    lead = api.post("leads/", {"last_name": "Moritz"}).json()
    assert (lead["status"], lead["source"], lead["owner"]) == ("contacted", "Fair", "bob@acme.test")


@pytest.mark.parametrize(
    ("attr", "value"),
    [
        ("name", ""),
        ("name", "x" * 121),
        ("currency", "usd"),
        ("currency", ""),
        ("time_zone", "Mars/Olympus"),
        ("default_status", "nothing-like-it"),
        ("fallback_owner", "charlie@umbrella.test"),
        ("consent_policy", "maybe"),
        ("settle_minutes", 16),
        ("settle_minutes", -1),
        ("settle_minutes", "2"),
        ("settle_minutes", 2.5),
        ("settle_minutes", True),
        ("settle_minutes", 10**40),
        ("enhanced_matching", "yes"),
        ("internal_domains", "acme.test"),
        ("internal_domains", ["not a domain"]),
        ("internal_domains.0", [5]),
        ("internal_domains.0", ["acme\x00.test"]),
        ("id", "0195d3a5-7e33-7d5c-8f7b-000000000000"),
        ("is_sample", True),
    ],
)
def test_a_wrong_setting_is_refused_by_name(api: Api, stranger: User, attr: str, value: object) -> None:
    before = api.get("company/").json()
    body = {"default_source": "Never saved", attr.partition(".")[0]: value}
    assert attr in attrs(api.patch("company/", body))
    assert api.get("company/").json() == before


def test_statuses_come_in_their_order(api: Api) -> None:
    keys = [status["key"] for status in api.get("statuses/").json()["results"]]
    assert keys == ["new", "contacted", "qualified", "proposal", "won", "lost"]
    assert api.get("statuses/").json()["results"][3]["category"] == "open"


def test_pipelines_show_their_stages(api: Api) -> None:
    sales = api.get("pipelines/").json()["results"][0]
    assert (sales["key"], sales["counts_as_sales"]) == ("sales", True)
    assert [(stage["key"], stage["kind"]) for stage in sales["stages"]][-2:] == [
        ("closed-won", "won"),
        ("closed-lost", "lost"),
    ]
    assert api.get(f"pipelines/{sales['id']}/").json() == sales


def test_tags_and_members_are_listed(api: Api, agent: User, stranger: User) -> None:
    assert [tag["name"] for tag in api.get("tags/?limit=2").json()["results"]] == ["Cold", "Customer"]
    members = api.get("members/").json()["results"]
    assert [(member["email"], member["role"]) for member in members] == [
        ("alice@acme.test", "owner"),
        ("bob@acme.test", "agent"),
    ]


def test_nothing_of_another_company_is_listed(api: Api, other_company: Company, company: Company) -> None:
    from crm.tenancy import company_scope

    with company_scope(other_company):
        foreign = Tag.objects.first()
    assert foreign is not None
    assert api.get(f"tags/{foreign.pk}/").status_code == 404
    assert len(api.get("tags/").json()["results"]) == 7
