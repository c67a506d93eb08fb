"""A deal's page, its forms, and the moves that win, lose and reopen it."""

from __future__ import annotations

import datetime as dt
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm import panels
from crm.actions import deals as actions
from crm.actions.timeline import add_note
from crm.models import Activity, Company, Deal, Lead, Stage, User
from crm.panels import Note
from tests.crm.views.conftest import Browser
from tests.factories import SHELL, DealFactory, LeadFactory

POSTS = ("deal_move", "deal_win", "deal_reopen", "deal_note")
FORMS = ("deal_edit", "deal_lose", "deal_person_add")


def _filled(stages: dict[str, Stage], **changes: object) -> dict[str, object]:
    return {
        "title": "Pick-to-light trial",
        "amount": "24000.50",
        "currency": "USD",
        "stage": stages["discovery"].pk,
        "expected_close": "2027-01-29",
        "next_step": "Send scope",
        "next_step_on": "2026-12-01",
        **changes,
    }


def test_the_page_shows_what_it_is(alice: Browser, deal: Deal) -> None:
    page = alice.seen("deal", deal.pk)
    assert "Twelve docks" in page
    assert "€1,000.00" in page
    assert "Annika Sorensen" in page
    assert "created the deal" in page


@pytest.mark.parametrize("name", ["deal", *FORMS])
def test_pages_of_another_company_are_not_found(charlie: Browser, deal: Deal, name: str) -> None:
    assert charlie.get(name, deal.pk).status_code == 404


@pytest.mark.parametrize("name", [*POSTS, *FORMS])
@pytest.mark.parametrize("who", ["bob", "charlie"])
def test_nobody_changes_what_they_do_not_see(
    request: pytest.FixtureRequest, deal: Deal, stages: dict[str, Stage], who: str, name: str
) -> None:
    browser: Browser = request.getfixturevalue(who)
    before = Activity.objects.count()
    answer = browser.post(name, deal.pk, stage=stages["closed-won"].pk, reason="Price", text="x", title="x")
    assert answer.status_code == 404
    assert Activity.objects.count() == before


@pytest.mark.parametrize("name", POSTS)
def test_what_changes_something_is_a_post(alice: Browser, deal: Deal, name: str) -> None:
    assert alice.get(name, deal.pk).status_code == 405


def test_a_deal_that_does_not_exist_is_not_found(alice: Browser) -> None:
    assert alice.get("deal", uuid4()).status_code == 404


# --- Adding and editing -------------------------------------------------------------------------------------


def test_a_deal_is_created(alice: Browser, owner: User, lead: Lead, stages: dict[str, Stage]) -> None:
    answer = alice.post("deal_new", **_filled(stages, lead=lead.pk, owner=owner.pk))
    deal = Deal.objects.get()
    assert answer["Location"] == f"/deals/{deal.pk}/"
    assert (deal.lead, deal.owner, deal.stage.key) == (lead, owner, "discovery")
    assert (str(deal.amount), deal.currency) == ("24000.5000", "USD")
    assert deal.expected_close == dt.date(2027, 1, 29)
    assert str(deal.organization) == "Fjordline"


def test_from_a_lead_the_form_knows_whom_it_is_for(alice: Browser, lead: Lead) -> None:
    page = alice.seen("deal_new", query=f"?lead={lead.pk}")
    assert "For Annika Sorensen, Fjordline" in page
    assert f'<option value="{lead.pk}" selected>' in page


def test_a_lead_of_others_cannot_be_asked_for(charlie: Browser, bob: Browser, lead: Lead) -> None:
    for browser in (charlie, bob):
        assert browser.get("deal_new", query=f"?lead={lead.pk}").status_code == 404
        assert "Annika" not in browser.seen("deal_new")


def test_an_agent_cannot_put_the_lead_of_others_on_a_deal(
    bob: Browser, lead: Lead, stages: dict[str, Stage]
) -> None:
    answer = bob.post("deal_new", **_filled(stages, lead=lead.pk))
    assert answer.context["form"].errors["lead"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", " "),
        ("title", "t" * 161),
        ("title", "a\x00b"),
        ("amount", "1e30"),
        ("amount", "NaN"),
        ("amount", "1,000"),
        ("amount", "-5"),
        ("amount", "1.001"),
        ("currency", "usd "),
        ("currency", "ZZZ"),
        ("stage", "nonsense"),
        ("stage", str(UUID(int=0))),
        ("lead", "nonsense"),
        ("expected_close", "tomorrow"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_typed_is_lost(
    alice: Browser, stages: dict[str, Stage], field: str, value: str
) -> None:
    answer = alice.post("deal_new", **_filled(stages, **{field: value}))
    assert answer.status_code == 422
    assert answer.context["form"].errors[field]
    assert 'value="Send scope"' in answer.content.decode()
    assert not Deal.objects.exists()


def test_a_deal_does_not_start_closed(alice: Browser, stages: dict[str, Stage]) -> None:
    answer = alice.post("deal_new", **_filled(stages, stage=stages["closed-won"].pk))
    assert answer.context["form"].errors["stage"]


def test_an_edit_writes_down_what_changed(alice: Browser, deal: Deal, owner: User) -> None:
    fields = {"title": deal.title, "lead": deal.lead_id, "currency": "EUR", "owner": owner.pk}
    alice.post("deal_edit", deal.pk, **fields, amount="1200", next_step="Call")
    deal.refresh_from_db()
    assert str(deal.amount) == "1200.0000"
    changed = Activity.objects.filter(kind="field").values_list("field", "old", "new")
    assert sorted(changed) == [("amount", "1000 EUR", "1200 EUR"), ("next step", "", "Call")]


def test_an_edit_that_changes_nothing_says_so(alice: Browser, deal: Deal, owner: User) -> None:
    fields = {
        "title": deal.title,
        "lead": deal.lead_id,
        "currency": "EUR",
        "owner": owner.pk,
        "amount": "1000",
    }
    alice.post("deal_edit", deal.pk, **fields)
    assert "Nothing was changed." in alice.said()


def test_a_note_is_written(alice: Browser, deal: Deal) -> None:
    assert alice.post("deal_note", deal.pk, text="Fits under 3.2 m").status_code == 302
    assert "Fits under 3.2 m" in alice.seen("deal", deal.pk)
    assert alice.post("deal_note", deal.pk, text="").status_code == 422


def test_a_person_is_added(alice: Browser, company: Company, deal: Deal) -> None:
    mette = LeadFactory(company=company, first_name="Mette", last_name="Lund")
    assert "Mette Lund" in alice.seen("deal_person_add", deal.pk, "?search=mette")
    assert "Mette Lund" not in alice.seen("deal_person_add", deal.pk, "?search=zebra")
    alice.post("deal_person_add", deal.pk, lead=mette.pk, role="Decides")
    assert deal.people.get().lead == mette
    assert "Decides" in alice.seen("deal", deal.pk)


@pytest.mark.parametrize("chosen", ["", "nonsense", str(UUID(int=0))])
def test_a_person_has_to_be_chosen(alice: Browser, deal: Deal, chosen: str) -> None:
    assert alice.post("deal_person_add", deal.pk, lead=chosen).status_code == 422


def test_nobody_is_on_a_deal_twice(alice: Browser, deal: Deal, lead: Lead) -> None:
    answer = alice.post("deal_person_add", deal.pk, lead=lead.pk)
    assert answer.status_code == 422
    assert "on the deal already" in answer.content.decode()


def test_a_lead_one_may_not_see_is_named_but_not_linked(
    bob: Browser, agent: User, company: Company, lead: Lead
) -> None:
    deal = DealFactory(company=company, lead=lead, owner=agent)
    page = bob.seen("deal", deal.pk)
    assert "Annika Sorensen" in page
    assert f"/leads/{lead.pk}/" not in page


# --- Moves --------------------------------------------------------------------------------------------------


def test_a_move_changes_the_stage(alice: Browser, deal: Deal, stages: dict[str, Stage]) -> None:
    answer = alice.post("deal_move", deal.pk, stage=stages["proposal"].pk, next="/deals/?step=none")
    deal.refresh_from_db()
    assert deal.stage.key == "proposal"
    assert answer["Location"] == "/deals/?step=none"
    assert "Twelve docks is in Proposal now." in alice.said()


def test_a_move_between_open_stages_can_be_undone(
    alice: Browser, deal: Deal, stages: dict[str, Stage]
) -> None:
    was = deal.stage
    part = alice.htmx("deal_move", deal.pk, stage=stages["proposal"].pk).content.decode()
    back = f"/deals/{deal.pk}/move/?stage={was.pk}"
    assert f'action="{back}"' in part
    assert alice.client.post(back).status_code == 302
    deal.refresh_from_db()
    assert deal.stage == was


def test_htmx_gets_the_board_with_its_filters_and_what_happened(
    alice: Browser, deal: Deal, company: Company, stages: dict[str, Stage]
) -> None:
    DealFactory(company=company, title="Filtered out", next_step="Call")
    answer = alice.htmx("deal_move", deal.pk, stage=stages["proposal"].pk, next="/deals/?step=none")
    part = answer.content.decode()
    assert part.strip().startswith('<div id="deals"')
    assert "Filtered out" not in part
    assert 'hx-swap-oob="beforeend"' in part
    assert "is in Proposal now" in part


def test_dropping_on_won_says_what_linkedin_will_be_told_and_offers_undo(
    alice: Browser, deal: Deal, stages: dict[str, Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    note = Note("LinkedIn will be told in 2 min.", "/send/", "Send now")
    monkeypatch.setattr(panels, "move_notes", [lambda deal: note])
    part = alice.htmx("deal_move", deal.pk, stage=stages["closed-won"].pk).content.decode()
    assert "<b>Won.</b> LinkedIn will be told in 2 min." in part
    assert f'action="/deals/{deal.pk}/reopen/"' in part
    assert 'action="/send/"' in part
    assert "Undo" in part


def test_a_lost_stage_asks_for_a_reason_first(alice: Browser, deal: Deal, stages: dict[str, Stage]) -> None:
    lost = stages["closed-lost"].pk
    answer = alice.post("deal_move", deal.pk, stage=lost)
    assert answer["Location"].startswith(f"/deals/{deal.pk}/lose/")
    dialog = alice.htmx("deal_move", deal.pk, stage=lost, next="/deals/?step=none")
    assert dialog["HX-Retarget"] == "#dialog"
    assert "Why was Twelve docks lost?" in dialog.content.decode()
    assert 'value="/deals/?step=none"' in dialog.content.decode()
    deal.refresh_from_db()
    assert deal.status == "open"


def test_with_a_reason_it_is_lost_at_once(alice: Browser, deal: Deal, stages: dict[str, Stage]) -> None:
    alice.post("deal_move", deal.pk, stage=stages["closed-lost"].pk, reason="Price")
    deal.refresh_from_db()
    assert (deal.status, deal.close_reason) == ("lost", "Price")


def test_a_refused_move_draws_the_board_as_it_is_and_says_why(
    alice: Browser, deal: Deal, stages: dict[str, Stage]
) -> None:
    actions.win_deal(deal, SHELL)
    answer = alice.htmx("deal_move", deal.pk, stage=stages["closed-lost"].pk, reason="Price")
    assert answer.status_code == 409
    assert "This deal is won. Reopen it first." in answer.content.decode()
    assert '<div id="deals"' in answer.content.decode()
    assert alice.post("deal_move", deal.pk, stage=stages["closed-lost"].pk, reason="Price").status_code == 302
    assert "Reopen it first" in alice.said()


def test_a_move_to_where_it_is_says_so(alice: Browser, deal: Deal, stages: dict[str, Stage]) -> None:
    alice.post("deal_move", deal.pk, stage=stages["qualification"].pk)
    assert "was in Qualification already" in alice.said()
    assert deal.stage_changes.count() == 1


@pytest.mark.parametrize("stage", ["", "nonsense", str(UUID(int=0))])
def test_an_unknown_stage_is_not_found(alice: Browser, deal: Deal, stage: str) -> None:
    assert alice.post("deal_move", deal.pk, stage=stage).status_code == 404


def test_a_stage_of_another_company_is_not_found(charlie: Browser, alice: Browser, deal: Deal) -> None:
    from crm.tenancy import every_company

    with every_company():
        foreign = Stage.objects.exclude(company=deal.company).filter(kind="open").first()
    assert foreign is not None
    assert alice.post("deal_move", deal.pk, stage=foreign.pk).status_code == 404


def test_winning_and_winning_again(alice: Browser, deal: Deal) -> None:
    alice.post("deal_win", deal.pk)
    deal.refresh_from_db()
    assert deal.status == "won"
    assert "<b>Won.</b>" in alice.said()
    alice.post("deal_win", deal.pk)
    assert "was in Closed Won already" in alice.said()


def test_losing_wants_a_reason_and_keeps_the_words(alice: Browser, deal: Deal) -> None:
    assert "Why was Twelve docks lost?" in alice.seen("deal_lose", deal.pk)
    refused = alice.post("deal_lose", deal.pk, detail="They took Kardex")
    assert refused.status_code == 422
    assert "Say why the deal was lost." in refused.content.decode()
    assert "They took Kardex" in refused.content.decode()
    alice.post("deal_lose", deal.pk, reason="Price", detail="They took\nKardex")
    deal.refresh_from_db()
    assert (deal.status, deal.close_reason) == ("lost", "Price: They took Kardex")


def test_losing_from_the_board_leads_back_to_it(alice: Browser, deal: Deal) -> None:
    answer = alice.post("deal_lose", deal.pk, reason="Price", next="/deals/?owner=nobody")
    assert answer["Location"] == "/deals/?owner=nobody"


def test_a_won_deal_is_not_lost(alice: Browser, deal: Deal) -> None:
    actions.win_deal(deal, SHELL)
    alice.post("deal_lose", deal.pk, reason="Price")
    deal.refresh_from_db()
    assert deal.status == "won"
    assert "Reopen it first" in alice.said()


def test_undo_puts_it_back(alice: Browser, deal: Deal, stages: dict[str, Stage]) -> None:
    actions.move_deal(deal, stages["proposal"], SHELL)
    alice.post("deal_win", deal.pk)
    alice.post("deal_reopen", deal.pk)
    deal.refresh_from_db()
    assert (deal.status, deal.stage.key) == ("open", "proposal")
    alice.post("deal_reopen", deal.pk)
    assert "is open already" in alice.said()


def test_the_number_of_queries_does_not_grow(alice: Browser, company: Company, deal: Deal) -> None:
    actions.add_person(deal, LeadFactory(company=company), "Decides", SHELL)
    few = _queries(alice, deal)
    for number in range(10):
        add_note(deal, f"Note {number}", SHELL)
        actions.add_person(deal, LeadFactory(company=company), "Uses it", SHELL)
    assert _queries(alice, deal) <= few


def _queries(browser: Browser, deal: Deal) -> int:
    browser.seen("deal", deal.pk)
    with CaptureQueriesContext(connection) as queries:
        browser.seen("deal", deal.pk)
    return len(queries)
