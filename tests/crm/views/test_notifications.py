"""The bell, the page behind it, the mail's switch, and the calendar's secret address."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.test import Client
from django.urls import reverse

from crm.actions import calendar_feeds, tasks
from crm.actions.leads import archive_lead
from crm.actions.notifications import notify
from crm.models import AuditEntry, CalendarFeed, Company, Lead, Membership, Notification, User
from crm.models.notification import NotificationKind
from tests.crm.views.conftest import Browser
from tests.factories import SHELL


def told(company: Company, user: User, text: str = "Look", **options: object) -> Notification:
    row = notify(user, company, NotificationKind.LEAD, text, **options)  # type: ignore[arg-type]
    assert row is not None
    return row


def test_the_bell_counts_what_is_not_read(alice: Browser, company: Company, owner: User) -> None:
    assert ">Notifications</span>" in alice.seen("home")
    told(company, owner)
    assert ">Notifications, 1 new</span>" in alice.seen("home")


def test_opening_one_marks_it_as_read_and_goes_there(
    alice: Browser, company: Company, owner: User, lead: Lead
) -> None:
    Notification.objects.all().delete()
    row = told(company, owner, about=lead)
    assert "New: " in alice.seen("notifications")
    assert alice.post("notification_open", row.pk).headers["Location"] == f"/leads/{lead.pk}/"
    assert "New: " not in alice.seen("notifications")


def test_all_are_marked_as_read(alice: Browser, company: Company, owner: User) -> None:
    told(company, owner)
    alice.post("notifications_read")
    assert not Notification.objects.unread().exists()


def test_nobody_reads_those_of_others(bob: Browser, company: Company, owner: User) -> None:
    row = told(company, owner, "Alice's own")
    assert "Alice&#x27;s own" not in bob.seen("notifications")
    assert bob.post("notification_open", row.pk).status_code == 404


def test_an_address_elsewhere_is_not_followed(alice: Browser, company: Company, owner: User) -> None:
    row = told(company, owner, url="https://evil.test/")
    assert alice.post("notification_open", row.pk).headers["Location"] == "/notifications/"


def test_those_about_archived_records_rest(alice: Browser, company: Company, owner: User, lead: Lead) -> None:
    told(company, owner, "About Annika", about=lead)
    archive_lead(lead, SHELL)
    assert "About Annika" not in alice.seen("notifications")


def test_the_mail_at_eight_is_switched_off_and_on(alice: Browser, owner: User) -> None:
    alice.post("settings_digest", wanted="no")
    assert not Membership.objects.get(user=owner).wants_digest
    alice.post("settings_digest", wanted="yes")
    assert Membership.objects.get(user=owner).wants_digest


# ── Calendar ───────────────────────────────────────────────────────────────────────────────────────────


def address_of(browser: Browser) -> str:
    page = browser.post("settings_feed").content.decode()
    found = re.search(r"/calendar/[\w-]{40,}\.ics", page)
    assert found
    return found[0]


def test_the_calendar_has_an_address_that_needs_no_sign_in(
    alice: Browser, company: Company, owner: User, agent: User
) -> None:
    mine = {"assignees": [owner], "due_on": dt.date(2026, 7, 1)}
    tasks.create_task(company, {"title": "Call; now", "due_time": dt.time(9, 30), **mine}, SHELL)  # type: ignore[typeddict-item]
    tasks.create_task(company, {"title": "Bob's", "assignees": [agent], "due_on": dt.date(2026, 7, 1)}, SHELL)
    tasks.finish_task(tasks.create_task(company, {"title": "Did", **mine}, SHELL), SHELL)  # type: ignore[typeddict-item]
    answer = Client().get(address_of(alice))
    text = answer.content.decode()
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert "DTSTART:20260701T073000Z" in text  # Berlin in summer
    assert "SUMMARY:Call\\; now" in text
    assert "Bob" not in text
    assert "Did" not in text


def test_only_a_hash_of_the_address_is_kept(alice: Browser) -> None:
    token = address_of(alice).removeprefix("/calendar/").removesuffix(".ics")
    assert token not in str(CalendarFeed.objects.values())
    assert token not in alice.seen("settings_you")


def test_a_new_address_ends_the_old_one(alice: Browser) -> None:
    old, new = address_of(alice), address_of(alice)
    assert (Client().get(old).status_code, Client().get(new).status_code) == (404, 200)
    alice.post("settings_feed_end")
    assert Client().get(new).status_code == 404
    made = list(AuditEntry.objects.filter(action__startswith="feed_").values_list("action", flat=True))
    assert sorted(made) == ["feed_ended", "feed_made", "feed_made"]


def test_who_has_left_has_no_calendar(alice: Browser, owner: User) -> None:
    address = address_of(alice)
    Membership.objects.filter(user=owner).update(is_active=False)
    assert Client().get(address).status_code == 404


@pytest.mark.parametrize("token", ["x", "a" * 500, "ü", "%00", "..", "%F0%9F%92%A9"])
def test_a_wrong_address_is_a_404(db: None, token: str) -> None:
    assert Client().get(f"/calendar/{token}.ics").status_code == 404


def test_a_calendar_is_of_one_company(
    alice: Browser, owner: User, other_company: Company, client_of: object
) -> None:
    address = address_of(alice)
    principal = calendar_feeds.find(address.removeprefix("/calendar/").removesuffix(".ics"))
    assert principal is not None
    assert principal.company.name == "Acme"
    assert reverse("calendar_feed", args=["x"]) == "/calendar/x.ics"
