"""An agent sees their own leads and deals only, by whatever door. Alice's records carry a word that Bob never reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from capi.models import ConversionEvent
from crm.actions import attachments, tasks
from crm.actions.deals import win_deal
from crm.actions.timeline import add_note
from crm.models import Company, Deal, Lead, User
from tests.factories import SHELL, DealFactory, LeadFactory, RuleFactory, connect
from tests.test_walls import ID, WITHOUT_ID, routes

SECRET = "QUARTZ"
AMOUNT = "987654.00"


@pytest.fixture
def theirs(company: Company, owner: User, sandbox: object) -> dict[str, Any]:
    """Alice's lead and deals, told to LinkedIn; one deal is with a lead of Bob's."""
    connect(company)
    RuleFactory(company=company, event="lead_created", conversion_id="23948811", name="New leads")
    RuleFactory(company=company, event="deal_won", conversion_id="23948817", name="Sales")
    lead = LeadFactory(
        company=company,
        owner=owner,
        first_name=SECRET,
        email=f"john@{SECRET.lower()}.test",
        organization=f"{SECRET} Ltd",
        source=f"{SECRET} fair",
        phones=[],
    )
    add_note(lead, f"{SECRET} said no", SHELL)
    deal = DealFactory(company=company, owner=owner, lead=lead, title=f"{SECRET} docks", amount=AMOUNT)
    task = tasks.create_task(
        company, {"title": f"Ask {SECRET}", "lead": lead, "subtasks": [tasks.Step(f"Ring {SECRET}")]}, SHELL
    )
    return {
        "lead": lead,
        "deal": deal,
        "event": ConversionEvent.objects.get(lead=lead),
        "task": task,
        "step": task.subtasks.get(),
        "file": attachments.add_file(lead, f"{SECRET}.txt", BytesIO(SECRET.encode()), SHELL),
    }


@pytest.fixture
def shared(company: Company, owner: User, agent: User, theirs: dict[str, Any]) -> Lead:
    """Bob's lead, with whom Alice has won a deal."""
    lead = LeadFactory(company=company, owner=agent, first_name="Shared")
    deal = DealFactory(company=company, owner=owner, lead=lead, title=f"{SECRET} silo", amount=AMOUNT)
    add_note(deal, f"{SECRET} signed", SHELL)
    win_deal(deal, SHELL)
    return lead


@pytest.fixture
def bob(agent: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(agent)


def text_of(answer: Any) -> str:
    content = b"".join(answer) if answer.streaming else answer.content
    return str(content.decode())


def assert_silent(answer: Any) -> None:
    text = text_of(answer)
    assert SECRET.lower() not in text.lower()
    for amount in ("987,654", "987654", "988k"):
        assert amount not in text


@pytest.mark.parametrize("name", sorted(WITHOUT_ID - {"account_logout"}))
def test_no_list_page_figure_or_file_tells_of_others(
    bob: Client, shared: Lead, theirs: dict[str, Any], name: str
) -> None:
    route = next(route for route, known in routes() if known == name)
    answer = bob.get("/" + route.replace(".*", "nowhere"))
    assert answer.status_code < 500
    assert_silent(answer)


@pytest.mark.parametrize(
    "url",
    [
        *(f"/leads/?view={view}" for view in ("open", "mine", "untouched", "all")),
        f"/leads/?search={SECRET}x&view=all",
        "/leads/?owner=nobody",
        "/deals/?view=list",
        "/deals/?pipeline=all&view=list&status=won",
        "/api/v1/leads/?limit=100",
        "/api/v1/leads/?search=quartz&limit=1",
        "/api/v1/leads/?organization=quartz%20ltd",
        "/api/v1/deals/?search=quartz",
        "/api/v1/deals/?status=won",
        "/tasks/?view=all",
        "/tasks/calendar/?view=all",
        "/leads/?view=all&reached=won",
        "/deals/?view=list&status=won&counts=sales",
        "/tasks/?view=done&done_from=2020-01-01",
    ],
)
def test_no_view_filter_or_search_finds_others(
    bob: Client, shared: Lead, theirs: dict[str, Any], url: str
) -> None:
    answer = bob.get(url)
    assert answer.status_code == 200
    if "search" in url or "organization" in url:  # what was asked for stands on the page again
        answer.content = answer.content.replace(b"quartz", b"").replace(b"QUARTZx", b"")
    assert_silent(answer)
    if url.startswith("/api/"):
        listed = json.loads(answer.content)["results"]
        assert {row["owner"] for row in listed} <= {"bob@acme.test"}


def test_boards_home_and_side_bar_count_own_records(
    bob: Client, shared: Lead, theirs: dict[str, Any]
) -> None:
    home = bob.get("/")
    assert home.status_code == 200
    assert_silent(home)
    if "open" in home.context:
        assert (home.context["open"].count, home.context["won"].count) == (0, 0)
        assert home.context["counts"].everyone == 1
    counts = {item.label: item.count for item in home.context["frame"].nav}
    assert (counts["Leads"], counts["Deals"]) == (1, 0)


def test_the_lead_one_shares_says_nothing_of_the_others_deal(
    bob: Client, shared: Lead, theirs: dict[str, Any], deliver: Callable[[], int]
) -> None:
    deliver()
    for url in (f"/leads/{shared.pk}/?timeline=all", f"/api/v1/leads/{shared.pk}/conversions/"):
        answer = bob.get(url)
        assert answer.status_code == 200
        assert_silent(answer)
        assert "Accepted as Sales" not in text_of(answer)
        assert "LinkedIn accepted Sales" not in text_of(answer)
    results = bob.get(f"/api/v1/leads/{shared.pk}/conversions/").json()["results"]
    assert [row["event"] for row in results if row["rule_event"] == "deal_won"] == [None]


def test_who_sees_all_reads_of_that_deal(
    owner: User, client_of: Callable[[User], Client], shared: Lead, deliver: Callable[[], int]
) -> None:
    deal = Deal.objects.get(lead=shared)
    ConversionEvent.objects.filter(deal=deal).update(settles_at=None)
    page = text_of(client_of(owner).get(f"/leads/{shared.pk}/?timeline=all"))
    assert f"{SECRET} silo" in page
    assert f"{SECRET} signed" in page


ABOUT_RECORDS = ("lead", "deal", "task", "file_", "linkedin_preview", "linkedin_send_now", "linkedin_event")


@pytest.mark.parametrize(
    ("route", "name"),
    sorted(
        (route, name)
        for route, name in routes()
        if ID.search(route)
        and name.startswith((*ABOUT_RECORDS, "api-lead", "api-deal", "api-task", "api-capi-event"))
    ),
    ids=lambda value: value,
)
def test_no_address_of_others_opens(bob: Client, theirs: dict[str, Any], route: str, name: str) -> None:
    noun = "deal" if "deal" in name else "event" if "event" in name or "send" in name else "lead"
    if name.startswith("file_"):
        noun = "file"
    if "task" in name:
        noun = "step" if name == "task_step" else "task"
    pk = theirs[noun].pk
    if name == "linkedin_preview":
        pk = theirs["event"].rule_id
    path = "/" + ID.sub(str(pk), route) + (f"?lead={theirs['lead'].pk}" if "preview" in name else "")
    for method in ("get", "post", "put", "patch", "delete"):
        sent = {} if method == "get" else {"data": b"{}", "content_type": "application/json"}
        answer = getattr(bob, method)(path, **sent)
        assert answer.status_code in (403, 404, 405), (method, answer.status_code)
        assert_silent(answer)


def test_others_are_offered_in_no_form(
    bob: Client, shared: Lead, theirs: dict[str, Any], agent: User
) -> None:
    mine = DealFactory(company=agent.memberships.get().company, owner=agent, lead=shared)
    for url in (
        reverse("deal_new"),
        reverse("lead_new"),
        reverse("deal_edit", args=[mine.pk]),
        reverse("deal_person_add", args=[mine.pk]),
        reverse("deal", args=[mine.pk]),
        reverse("deal_person_add", args=[mine.pk]) + "?search=customer",
    ):
        answer = bob.get(url)
        assert answer.status_code == 200, url
        assert_silent(answer)
    for name, value in {"lead": theirs["lead"].pk, "role": "x"}.items():
        bob.post(reverse("deal_person_add", args=[mine.pk]), {name: value})
    assert not mine.people.exists()
    sent = {"title": "x", "lead": str(theirs["lead"].pk)}
    assert bob.post("/api/v1/deals/", sent, content_type="application/json").status_code == 400
