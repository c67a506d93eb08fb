"""`notes/`: written down on a lead or a deal, and changed by who wrote it alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from crm.actions.timeline import add_note
from crm.models import Activity, Company, User
from tests.crm.api.caller import Api, attrs, code
from tests.factories import SHELL, DealFactory, LeadFactory

pytestmark = pytest.mark.django_db


def test_a_note_on_a_lead_comes_back(api: Api, company: Company) -> None:
    lead = LeadFactory(company=company)
    made = api.post("notes/", {"lead": str(lead.pk), "text": "  Call back in May ", "kind": "call"})
    assert made.status_code == 201, made.content
    shown = made.json()
    assert (shown["lead"], shown["deal"], shown["kind"]) == (str(lead.pk), None, "call")
    assert (shown["text"], shown["author"], shown["edited_at"]) == (
        "Call back in May",
        "API key Tests",
        None,
    )
    assert api.get(f"notes/{shown['id']}/").json() == shown
    lead.refresh_from_db()
    assert lead.last_touch_at == Activity.objects.get(pk=shown["id"]).at


def test_a_note_on_a_deal_is_about_its_lead_too(api: Api, company: Company) -> None:
    deal = DealFactory(company=company, lead=LeadFactory(company=company))
    shown = api.post("notes/", {"deal": str(deal.pk), "text": "Wants a discount"}).json()
    assert (shown["deal"], shown["lead"], shown["kind"]) == (str(deal.pk), str(deal.lead_id), "note")
    listed = api.get(f"notes/?deal={deal.pk}").json()["results"]
    assert [note["id"] for note in listed] == [shown["id"]]


def test_a_note_is_about_one_thing(api: Api, company: Company) -> None:
    lead, deal = LeadFactory(company=company), DealFactory(company=company)
    assert attrs(api.post("notes/", {"text": "About nobody"})) == ["lead"]
    both = {"lead": str(lead.pk), "deal": str(deal.pk), "text": "About both"}
    assert attrs(api.post("notes/", both)) == ["lead"]


@pytest.mark.parametrize(
    ("wrong", "attr"),
    [
        ({"text": " "}, "text"),
        ({"text": "Nine\x00"}, "text"),
        ({"text": 9}, "text"),
        ({"kind": "created"}, "kind"),
        ({"at": "2999-01-01T00:00:00Z"}, "at"),
        ({"author": "me"}, "author"),
    ],
)
def test_what_is_wrong_is_refused_by_name(
    api: Api, company: Company, wrong: dict[str, object], attr: str
) -> None:
    lead = LeadFactory(company=company)
    assert attrs(api.post("notes/", {"lead": str(lead.pk), "text": "Hello", **wrong})) == [attr]
    assert not Activity.objects.filter(kind="note").exists()


def test_who_wrote_it_changes_and_deletes_it(api: Api, company: Company) -> None:
    lead = LeadFactory(company=company)
    note = api.post("notes/", {"lead": str(lead.pk), "text": "Wrong"}).json()
    changed = api.patch(f"notes/{note['id']}/", {"text": "Right"})
    assert changed.status_code == 200, changed.content
    assert changed.json()["text"] == "Right"
    assert changed.json()["edited_at"]
    assert api.delete(f"notes/{note['id']}/").status_code == 204
    assert api.get(f"notes/{note['id']}/").status_code == 404


def test_nobody_else_does(api: Api, company: Company, owner: User) -> None:
    lead = LeadFactory(company=company)
    note = add_note(lead, "Alice's", SHELL)
    assert code(api.patch(f"notes/{note.pk}/", {"text": "Mine"}), 403) == "permission_denied"
    assert code(api.delete(f"notes/{note.pk}/"), 403) == "permission_denied"
    note.refresh_from_db()
    assert note.text == "Alice's"


def test_a_note_stays_with_what_it_is_about(api: Api, company: Company) -> None:
    first, second = LeadFactory(company=company), LeadFactory(company=company)
    note = api.post("notes/", {"lead": str(first.pk), "text": "Hello"}).json()
    assert attrs(api.patch(f"notes/{note['id']}/", {"lead": str(second.pk)})) == ["lead"]
    assert attrs(api.patch(f"notes/{note['id']}/", {"kind": "call"})) == ["kind"]


def test_what_the_product_writes_is_no_note(api: Api, company: Company) -> None:
    lead = LeadFactory(company=company)
    created = Activity.objects.get(lead=lead, kind="created")
    assert api.get(f"notes/{created.pk}/").status_code == 404
    assert api.get("notes/").json()["results"] == []


def test_notes_are_found_by_their_words_kind_author_and_time(api: Api, company: Company, owner: User) -> None:
    lead = LeadFactory(company=company)
    one = api.post("notes/", {"lead": str(lead.pk), "text": "Likes blue boxes"}).json()["id"]
    two = api.post("notes/", {"lead": str(lead.pk), "text": "Boxes: none", "kind": "meeting"}).json()["id"]

    def found(query: str) -> set[str]:
        answer = api.get(f"notes/?{query}")
        assert answer.status_code == 200, answer.content
        return {note["id"] for note in answer.json()["results"]}

    assert found("search=boxes%20blue") == {one}
    assert found("kind=meeting") == {two}
    assert found("author=alice@acme.test") == set()
    assert found(f"until={timezone.now():%Y-%m-%d}") == set()
    assert found(f"lead={lead.pk}&ordering=at") == {one, two}


def test_an_agent_writes_on_their_own_records_only(
    company: Company, agent: User, session_of: Callable[[User], Api]
) -> None:
    mine, theirs = LeadFactory(company=company, owner=agent), LeadFactory(company=company, owner=None)
    bob = session_of(agent)
    assert bob.post("notes/", {"lead": str(mine.pk), "text": "Mine"}).json()["author"] == "bob@acme.test"
    assert attrs(bob.post("notes/", {"lead": str(theirs.pk), "text": "Not mine"})) == ["lead"]
    add_note(theirs, "Secret", SHELL)
    assert [note["text"] for note in bob.get("notes/").json()["results"]] == ["Mine"]
