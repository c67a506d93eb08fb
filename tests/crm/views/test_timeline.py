"""What people write into a timeline, how it is read a part at a time, and who is told that they are named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm import signals
from crm.actions import timeline as actions
from crm.actor import Actor
from crm.models import Activity, Company, Deal, Lead, Mention, User
from crm.signals import MentionFact
from crm.views.timeline import LINES
from tests.crm.views.conftest import Browser
from tests.factories import SHELL, LeadFactory, UserFactory


@pytest.fixture
def told() -> Iterator[list[MentionFact]]:
    """Everybody who was told that they are named."""
    heard: list[MentionFact] = []

    def listen(sender: type, fact: MentionFact, **kwargs: Any) -> None:
        heard.append(fact)

    signals.member_mentioned.connect(listen)
    yield heard
    signals.member_mentioned.disconnect(listen)


@pytest.fixture
def note(lead: Lead, owner: User) -> Activity:
    """Alice's own words about Annika."""
    return actions.add_note(lead, "Likes short mails.", Actor("web", user=owner))


# --- when it was


def test_a_call_of_yesterday_is_logged_as_of_yesterday(alice: Browser, lead: Lead) -> None:
    when = timezone.localtime() - timedelta(days=1)
    alice.post("lead_note", lead.pk, text="Called back.", kind="call", at=f"{when:%Y-%m-%dT%H:%M}")
    call = Activity.objects.get(kind="call")
    assert timedelta(hours=20) < timezone.now() - call.at < timedelta(hours=28)


@pytest.mark.parametrize("at", ["nonsense", "2999-01-01T10:00", "0001-01-01T00:00", "1989-01-01T00:00"])
def test_a_wrong_time_is_refused_and_the_words_stay(alice: Browser, lead: Lead, at: str) -> None:
    answer = alice.post("lead_note", lead.pk, text="Called back.", kind="call", at=at)
    assert answer.status_code == 422
    assert "Called back." in answer.content.decode()
    assert not Activity.objects.filter(kind="call").exists()


# --- who is named


@pytest.mark.parametrize("name", ["@Bob Builder", "@bob builder", "@bob@acme.test", "@Bob"])
def test_a_member_who_is_named_is_told(
    company: Company, agent: User, alice: Browser, lead: Lead, told: list[MentionFact], name: str
) -> None:
    User.objects.filter(pk=agent.pk).update(last_name="Builder")
    alice.post("lead_note", lead.pk, text=f"Ask {name}, please.")
    assert [fact.user for fact in told] == [agent]
    assert f'<b class="mention">{name}</b>, please.' in alice.seen("lead", lead.pk)


def test_a_first_name_of_two_people_names_nobody(
    company: Company, agent: User, alice: Browser, lead: Lead, told: list[MentionFact]
) -> None:
    UserFactory(company=company, first_name="Bob")
    alice.post("lead_note", lead.pk, text="Ask @Bob.")
    assert told == []


def test_an_address_names_nobody(agent: User, alice: Browser, lead: Lead, told: list[MentionFact]) -> None:
    alice.post("lead_note", lead.pk, text="Write to info@bob and x@bobby.")
    assert told == []
    assert not Mention.objects.exists()


def test_nobody_is_told_of_their_own_words_nor_twice(
    owner: User, agent: User, alice: Browser, lead: Lead, told: list[MentionFact]
) -> None:
    alice.post("lead_note", lead.pk, text="@Alice asks @Bob and @Bob.")
    assert [fact.user for fact in told] == [agent]
    note = Activity.objects.get(kind="note")
    alice.post("note", note.pk, text="@Bob, again.")
    assert len(told) == 1
    assert [mention.user for mention in note.mentions.all()] == [agent]


def test_members_of_other_companies_are_not_named(
    stranger: User, alice: Browser, lead: Lead, told: list[MentionFact]
) -> None:
    alice.post("lead_note", lead.pk, text="Ask @Charlie or @charlie@umbrella.test.")
    assert told == []


def test_words_are_never_markup(agent: User, alice: Browser, lead: Lead) -> None:
    alice.post("lead_note", lead.pk, text="<script>x</script> @Bob <img src=x>\n\nSecond")
    alice.post("lead_note", lead.pk, text="<b>nobody</b>")
    page = alice.seen("lead", lead.pk)
    assert "<script>x" not in page
    assert "<img src=x" not in page
    assert "<b>nobody" not in page
    assert '&lt;script&gt;x&lt;/script&gt; <b class="mention">@Bob</b>' in page


# --- one's own words


def test_one_s_own_note_is_written_anew(alice: Browser, lead: Lead, note: Activity) -> None:
    assert f"/notes/{note.pk}/" in alice.seen("lead", lead.pk)
    assert "Likes short mails." in alice.seen("note", note.pk)
    answer = alice.post("note", note.pk, text="Likes calls.")
    assert answer.headers["Location"] == f"/leads/{lead.pk}/#timeline"
    page = alice.seen("lead", lead.pk)
    assert "Likes calls." in page
    assert "wrote a note, edited" in page
    assert "Likes short mails." not in page


def test_an_empty_note_is_refused(alice: Browser, note: Activity) -> None:
    assert alice.post("note", note.pk, text=" ").status_code == 422
    assert alice.post("note", note.pk, text="a\x00b").status_code == 422
    note.refresh_from_db()
    assert note.text == "Likes short mails."


def test_one_s_own_note_is_taken_back(alice: Browser, note: Activity) -> None:
    alice.post("note_delete", note.pk)
    assert not Activity.objects.filter(pk=note.pk).exists()


def test_nobody_changes_the_words_of_others(
    company: Company, agent: User, bob: Browser, alice: Browser, note: Activity, lead: Lead
) -> None:
    assert bob.post("note", note.pk, text="x").status_code == 404, "he does not see the lead"
    mine = LeadFactory(company=company, owner=agent)
    his = actions.add_note(mine, "Bob's words", Actor("web", user=agent))
    assert alice.get("note", his.pk).status_code == 403
    assert alice.post("note_delete", his.pk).status_code == 403
    line = Activity.objects.filter(lead=lead, kind="created").get()
    assert alice.post("note_delete", line.pk).status_code == 403, "what the product noted is nobody's"
    assert Activity.objects.filter(pk=his.pk).exists()


# --- a part at a time


def test_a_kind_is_shown_alone(alice: Browser, lead: Lead, note: Activity) -> None:
    actions.add_note(lead, "Rang twice.", SHELL, "call")
    page = alice.seen("lead", lead.pk, "?kind=calls")
    assert "Rang twice." in page
    assert "Likes short mails." not in page
    assert "added the lead" not in page
    assert "Nothing of this kind." in alice.seen("lead", lead.pk, "?kind=meetings")
    assert "added the lead" in alice.seen("lead", lead.pk, "?kind=changes")


def test_a_long_timeline_is_read_page_by_page_without_a_gap(
    company: Company, alice: Browser, lead: Lead
) -> None:
    at = timezone.now() - timedelta(hours=1)
    Activity.objects.bulk_create(
        Activity(
            company=company, lead=lead, kind="note", text=f"Line {n:03}.", at=at - timedelta(minutes=n // 7)
        )
        for n in range(2 * LINES + 10)
    )
    seen, query = [], ""
    for _ in range(5):
        answer = alice.get("lead", lead.pk, query)
        timeline = answer.context["timeline"]
        seen += [str(line.note) for day in timeline.days for line in day.lines if "Line" in str(line.note)]
        if not timeline.older_url:
            break
        query = timeline.older_url.partition("#")[0]
    assert len(seen) == len(set(seen)) == 2 * LINES + 10
    assert "Back to the newest" in answer.content.decode()


@pytest.mark.parametrize(
    "before",
    [
        *("x", "~", "2026-01-01~x", "2026-01-01T00:00:00~" + "0" * 32, "%00"),
        "9999-12-31T23:59:59-14:00~" + "0" * 32,  # of the year 10000 in UTC
        "0001-01-01T00:00:00%2B14:00~" + "0" * 32,
    ],
)
def test_a_place_that_nobody_has_given_is_the_top(alice: Browser, lead: Lead, before: str) -> None:
    assert "added the lead" in alice.seen("lead", lead.pk, f"?before={before}&kind=nonsense")


def test_a_deal_has_the_same_composer(alice: Browser, deal: Deal, agent: User) -> None:
    alice.post("deal_note", deal.pk, text="Ask @Bob.", kind="meeting")
    assert '<b class="mention">@Bob</b>' in alice.seen("deal", deal.pk, "?kind=meetings")
    meeting = Activity.objects.get(kind="meeting")
    answer = alice.post("note", meeting.pk, text="Asked.")
    assert answer.headers["Location"] == f"/deals/{deal.pk}/#timeline"


def test_a_timeline_costs_the_same_however_long(
    company: Company, alice: Browser, lead: Lead, agent: User
) -> None:
    counts = []
    for many in (3, 60):
        for _ in range(many):
            actions.add_note(lead, "Ask @Bob.", SHELL)
        alice.seen("lead", lead.pk)
        with CaptureQueriesContext(connection) as queries:
            alice.seen("lead", lead.pk)
        counts.append(len(queries))
    assert counts[0] == counts[1]
