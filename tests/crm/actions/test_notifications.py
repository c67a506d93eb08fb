"""Who is told what, and that nobody is told twice, of what they did themselves, or of what they may not see."""

from __future__ import annotations

import datetime as dt
from smtplib import SMTPException
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core import mail

from crm.actions import deals, leads, reminders, tasks, timeline
from crm.actions.notifications import notify
from crm.actor import Actor
from crm.models import Company, DigestMailed, Membership, Notification, Task, User
from crm.models.notification import NotificationKind
from tests.factories import SHELL, LeadFactory, UserFactory

BERLIN = ZoneInfo("Europe/Berlin")
DAY = dt.date(2026, 11, 20)


def at(hour: int, minute: int = 0, day: dt.date = DAY) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour, minute), BERLIN)


def told(user: User) -> list[str]:
    return list(Notification.objects.of(user).order_by("pk").values_list("text", flat=True))


@pytest.fixture
def posted(settings: Any) -> list[Any]:
    """The mails that left, with a mail server set up."""
    settings.MAILS = True
    return mail.outbox


def due(company: Company, *people: User, **changes: Any) -> Task:
    return tasks.create_task(company, {"title": "Call", "assignees": people, "due_on": DAY, **changes}, SHELL)


# ── Notifications ──────────────────────────────────────────────────────────────────────────────────────


def test_who_gets_a_task_is_told_and_who_takes_one_is_not(company: Company, owner: User, agent: User) -> None:
    alice = Actor("web", user=owner)
    task = tasks.create_task(company, {"title": "Call", "assignees": [owner, agent]}, alice)
    tasks.update_task(task, {"assignees": [owner, agent]}, alice)
    assert told(agent) == [f"{owner} gave you the task “Call”."]
    assert told(owner) == []


def test_who_gets_a_lead_is_told(company: Company, owner: User, agent: User) -> None:
    alice = Actor("web", user=owner)
    lead = leads.create_lead(company, {"first_name": "Annika", "owner": agent}, alice)
    leads.update_lead(lead, {"owner": owner}, alice)
    leads.update_lead(lead, {"owner": agent, "title": "CEO"}, alice)
    leads.update_lead(lead, {"title": "CFO"}, alice)
    assert told(agent) == ["Annika is your lead now."] * 2
    assert told(owner) == []


def test_an_import_tells_nobody_of_each_lead(company: Company, agent: User) -> None:
    LeadFactory(company=company, owner=agent, actor=Actor("import"))
    assert told(agent) == []


@pytest.mark.parametrize("name", ["@Bob Berg", "@bob@acme.test", "Hello @BOB BERG, look"])
def test_who_is_mentioned_in_a_note_is_told(company: Company, owner: User, name: str) -> None:
    bob = UserFactory(
        email="bob@acme.test", first_name="Bob", last_name="Berg", company=company, role="manager"
    )
    lead = LeadFactory(company=company, first_name="Annika", last_name="S")
    timeline.add_note(lead, f"Ask {name}", Actor("web", user=owner))
    assert told(bob) == [f"{owner} mentioned you on Annika S."]


@pytest.mark.parametrize("text", ["Ask Bob Berg", "Ask Bob@Berg", "bob@acme.test"])
def test_a_name_alone_is_no_mention(company: Company, owner: User, text: str) -> None:
    bob = UserFactory(
        email="bob@acme.test", first_name="Bob", last_name="Berg", company=company, role="manager"
    )
    timeline.add_note(LeadFactory(company=company), text, Actor("web", user=owner))
    assert told(bob) == []


def test_an_agent_is_not_told_of_records_of_others(company: Company, owner: User, agent: User) -> None:
    lead = LeadFactory(company=company, owner=owner)
    timeline.add_note(lead, f"@{agent.email}", Actor("web", user=owner))
    assert told(agent) == []


def test_strangers_are_told_nothing(company: Company, stranger: User) -> None:
    assert notify(stranger, company, NotificationKind.FINISHED, "Done") is None
    assert not Notification.objects.exists()


# ── Reminders ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_task_with_an_hour_is_announced_a_quarter_before(company: Company, agent: User) -> None:
    due(company, agent, due_time=dt.time(15, 30))
    Notification.objects.all().delete()
    assert [reminders.remind(company, at(*clock)) for clock in ((15, 14), (15, 15), (15, 20))] == [0, 1, 0]
    assert told(agent) == ["“Call” is due today, 15:30."]


def test_a_task_without_an_hour_is_announced_at_eight(company: Company, agent: User) -> None:
    due(company, agent)
    assert [reminders.remind(company, at(*clock)) for clock in ((7, 59), (8, 0), (9, 0))] == [0, 1, 0]


def test_a_task_that_is_put_off_is_announced_again(company: Company, agent: User) -> None:
    task = due(company, agent)
    reminders.remind(company, at(8))
    tasks.update_task(task, {"due_on": DAY + dt.timedelta(days=1)}, SHELL)
    assert reminders.remind(company, at(8, day=DAY + dt.timedelta(days=1))) == 1


def test_what_is_done_is_not_announced(company: Company, agent: User) -> None:
    tasks.finish_task(due(company, agent), SHELL)
    assert reminders.remind(company, at(9)) == 0


# ── The mail at eight ──────────────────────────────────────────────────────────────────────────────────


def test_the_digest_leaves_once_a_day_between_eight_and_noon(
    company: Company, agent: User, posted: list[Any]
) -> None:
    due(company, agent, title="Today's")
    due(company, agent, title="Late one", due_on=DAY - dt.timedelta(days=1))
    left = [reminders.mail_digests(company, at(*clock)) for clock in ((7, 59), (12, 0), (8, 0), (8, 10))]
    assert left == [0, 0, 1, 0]
    (sent,) = posted
    assert sent.to == ["bob@acme.test"]
    assert sent.subject == "Friday: your tasks at Acme"
    assert sent.body.index("Late one") < sent.body.index("Today's")
    assert reminders.mail_digests(company, at(8, day=DAY + dt.timedelta(days=1))) == 1


def test_a_day_that_holds_nothing_makes_no_mail(company: Company, agent: User, posted: list[Any]) -> None:
    assert reminders.mail_digests(company, at(8)) == 0
    due(company, agent)
    assert reminders.mail_digests(company, at(9)) == 0
    assert posted == []


def test_who_does_not_want_it_or_has_left_gets_none(
    company: Company, owner: User, agent: User, posted: list[Any]
) -> None:
    due(company, owner, agent)
    Membership.objects.filter(user=owner).update(wants_digest=False)
    Membership.objects.filter(user=agent).update(is_active=False)
    assert reminders.mail_digests(company, at(8)) == 0


def test_without_a_mail_server_nothing_happens(company: Company, agent: User) -> None:
    due(company, agent)
    assert reminders.mail_digests(company, at(8)) == 0
    assert reminders.mail_digests_everywhere() == 0
    assert not DigestMailed.objects.exists()


def test_a_mail_that_did_not_leave_is_tried_again(
    company: Company, agent: User, posted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    due(company, agent)

    def refuse(*args: Any) -> None:
        raise SMTPException

    with monkeypatch.context() as patch:
        patch.setattr("crm.mails.send_mail", refuse)
        assert reminders.mail_digests(company, at(8)) == 0
    assert reminders.mail_digests(company, at(8, 10)) == 1


def test_eight_is_that_of_the_company(company: Company, agent: User, posted: list[Any]) -> None:
    company.time_zone = "America/New_York"
    due(company, agent)
    eight_in_berlin = at(8).astimezone(ZoneInfo("America/New_York"))
    assert reminders.mail_digests(company, eight_in_berlin) == 0
    assert reminders.mail_digests(company, eight_in_berlin + dt.timedelta(hours=6)) == 1


def test_a_mention_on_a_deal_leads_there(company: Company, owner: User) -> None:
    mia = UserFactory(email="mia@acme.test", company=company, role="manager")
    deal = deals.create_deal(company, {"title": "Docks"}, SHELL)
    timeline.add_note(deal, "@mia@acme.test", Actor("web", user=owner))
    assert Notification.objects.get(user=mia).url == f"/deals/{deal.pk}/"
