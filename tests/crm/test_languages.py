"""Who reads which language, and what stays English whoever reads it."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.core import mail
from django.test import Client
from django.utils import translation

from crm import display, mails
from crm.actions import notifications
from crm.actions.reminders import Digest
from crm.actor import SYSTEM
from crm.languages import language_of
from crm.models import Activity, Company, Membership, Notification, User
from crm.models.notification import NotificationKind
from crm.templatetags.ui import badge, event_badge
from crm.texts import told_again
from tests.factories import DealFactory, LeadFactory

GERMAN = {"Accept-Language": "de-CH, de;q=0.9, en;q=0.5"}


def german(user: User) -> User:
    user.language = "de"
    user.save()
    return user


def test_a_person_reads_what_they_chose_else_their_company_s_language(company: Company, owner: User) -> None:
    assert language_of(owner, company) == "en"
    company.language = "de"
    assert language_of(owner, company) == "de"
    owner.language = "en"
    assert language_of(owner, company) == "en"
    owner.language = "xx"  # a language that a later version no longer ships
    assert language_of(owner, company) == "de"
    assert language_of(None, None) == "en"


def test_a_page_says_which_language_it_speaks(owner: User, client_of: Callable[[User], Client]) -> None:
    client = client_of(german(owner))
    answer = client.get("/settings/you/")
    assert answer.headers["Content-Language"] == "de"
    assert '<html lang="de"' in answer.content.decode()
    assert "Sprache" in answer.content.decode()


def test_the_small_words_of_lists_are_in_it_too(
    company: Company, owner: User, client_of: Callable[[User], Client]
) -> None:
    for currency in ("EUR", "USD"):
        DealFactory(company=company, currency=currency)
    client = client_of(german(owner))
    assert "Offene Deals" in client.get("/organizations/").content.decode()
    assert " und " in client.get("/deals/?view=list").context["sums"]
    for address in ("/leads/?owner=nobody", "/deals/?view=list&owner=nobody"):
        assert [chip.value for chip in client.get(address).context["chips"]] == ["niemand"]
    [consent] = client.get("/leads/?consent=granted").context["chips"]
    assert consent.value == "Erteilt"


def test_the_browser_decides_for_those_alone_who_have_not_signed_in(
    owner: User, client_of: Callable[[User], Client]
) -> None:
    outside = Client(headers=GERMAN).get("/accounts/login/")
    assert outside.headers["Content-Language"] == "de"
    assert "Accept-Language" in outside.headers["Vary"]
    inside = client_of(owner).get("/settings/you/", headers=GERMAN)
    assert inside.headers["Content-Language"] == "en"
    assert "Accept-Language" not in inside.headers["Vary"]


def test_the_language_of_a_request_ends_with_it(owner: User, client_of: Callable[[User], Client]) -> None:
    client_of(german(owner)).get("/settings/you/")
    assert translation.get_language() == "en"


def test_the_api_speaks_english_to_everybody(
    company: Company, owner: User, client_of: Callable[[User], Client]
) -> None:
    answer = client_of(german(owner)).get("/api/v1/leads/nothing/", headers=GERMAN)
    assert answer.status_code == 404
    assert answer.headers["Content-Language"] == "en"
    assert "Accept-Language" not in answer.headers.get("Vary", "")


def test_somebody_chooses_their_language_and_takes_it_back(
    owner: User, client_of: Callable[[User], Client]
) -> None:
    client = client_of(owner)
    client.post("/settings/you/language/", {"language": "de"})
    owner.refresh_from_db()
    assert owner.language == "de"
    assert "Ab jetzt ist das Ihre Sprache." in client.get("/settings/you/").content.decode()
    client.post("/settings/you/language/", {"language": ""})
    owner.refresh_from_db()
    assert owner.language == ""


def test_a_language_that_is_not_there_is_refused(owner: User, client_of: Callable[[User], Client]) -> None:
    client = client_of(owner)
    client.post("/settings/you/language/", {"language": "tlh"})
    owner.refresh_from_db()
    assert owner.language == ""
    assert "Choose one of the languages there are." in client.get("/settings/you/").content.decode()


def test_a_part_that_is_drawn_once_is_drawn_for_each_language(company: Company) -> None:
    english = event_badge("accepted")
    with translation.override("de"):
        assert event_badge("accepted") != english
    assert event_badge("accepted") == english
    assert "Ready" in badge("Ready")


def test_somebody_is_told_in_their_own_language(company: Company, owner: User, agent: User) -> None:
    lead = LeadFactory(company=company, first_name="Ada", last_name="Byron", owner=german(agent))
    told = Notification.objects.get(user=agent, kind=NotificationKind.LEAD)
    assert told.text == "Ada Byron ist jetzt Ihr Lead."
    with translation.override("de"):  # whoever causes it reads German, the receiver does not
        lead.owner = owner
        notifications.lead_assigned(lead, SYSTEM)
    assert (
        Notification.objects.get(user=owner, kind=NotificationKind.LEAD).text == "Ada Byron is your lead now."
    )


def test_the_mail_of_the_morning_speaks_the_language_of_whoever_gets_it(
    company: Company, owner: User
) -> None:
    membership = Membership.objects.select_related("user", "company").get(user=german(owner))
    now = dt.datetime(2026, 11, 20, 8, 0, tzinfo=dt.UTC)
    mails.send_digest(membership, Digest(membership, (), (), 2), now)
    assert mail.outbox[0].subject == "Freitag: Ihre Aufgaben bei Acme"
    assert "2 ungelesene Benachrichtigungen" in mail.outbox[0].body


def test_a_link_for_a_new_password_speaks_the_language_that_its_owner_chose(owner: User) -> None:
    Client().post("/accounts/password/reset/", {"email": german(owner).email})
    assert mail.outbox[0].subject.endswith("Neues Passwort für LeadMachine")
    assert "ein neues Passwort für Ihr Konto" in mail.outbox[0].body


def test_what_allauth_says_calls_people_sie() -> None:
    with translation.override("de"):
        assert translation.gettext("Please type your current password.").startswith("Bitte geben Sie")


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ("It answered 500.", "Antwort: 500."),
        (
            "Nothing got through for three days. The last try: The answer took too long.",
            "Drei Tage lang kam nichts an. Letzter Versuch: Die Antwort hat zu lange gedauert.",
        ),
        (
            "hooks.example.com does not take connections.",
            "hooks.example.com nimmt keine Verbindungen an.",
        ),
    ],
)
def test_why_a_webhook_failed_is_told_in_the_reader_s_language(stored: str, told: str) -> None:
    with translation.override("de"):
        assert told_again(stored) == told


def test_the_title_of_a_person_and_that_of_a_deal_are_two_words(
    company: Company, owner: User, client_of: Callable[[User], Client]
) -> None:
    lead = LeadFactory(company=company, owner=owner, title="CTO")
    client = client_of(german(owner))
    assert "<dt>Position</dt>" in client.get(f"/leads/{lead.pk}/").content.decode()
    assert "Titel" in client.get("/deals/new/").content.decode()


def test_what_is_written_down_stays_english(
    company: Company, owner: User, client_of: Callable[[User], Client]
) -> None:
    lead = LeadFactory(company=company, owner=owner)
    client_of(german(owner)).post(f"/leads/{lead.pk}/consent/", {"consent": "granted"})
    row = Activity.objects.get(lead=lead, kind="consent")
    assert (row.old, row.new) == ("Unknown", "Granted")


@pytest.mark.parametrize(
    ("amount", "currency", "long", "short"),
    [
        ("1234.5", "EUR", "1.234,50\u00a0€", "1.234,50\u00a0€"),
        ("48000", "USD", "48.000,00\u00a0$", "48.000\u00a0$"),
        ("-5", "CHF", "−5,00\u00a0CHF", "−5\u00a0CHF"),
        ("7", "", "7,00", "7"),
    ],
)
def test_german_money_has_its_sign_behind_and_its_comma(
    amount: str, currency: str, long: str, short: str
) -> None:
    with translation.override("de"):
        assert display.money(Decimal(amount), currency) == long
        assert display.money(Decimal(amount), currency, short=True) == short


def test_german_days_are_said_as_germans_say_them() -> None:
    today = dt.date(2026, 11, 20)
    with translation.override("de"):
        assert display.short_date(dt.date(2026, 12, 18), today) == "18. Dez."
        assert display.short_date(dt.date(2025, 5, 1), today) == "1. Mai 2025"
        assert display.day_heading(today, today) == "Heute, 20. November"
        assert display.long_day(today) == "Freitag, 20. November"
        assert display.day_heading(dt.date(2026, 11, 18), today) == "Mittwoch, 18. November"
        assert display.relative_day(dt.date(2026, 11, 16), today) == "vor 4 Tagen"
        assert display.relative_day(dt.date(2026, 11, 23), today) == "in 3 Tagen"
        assert display.relative_day(dt.date(2026, 11, 19), today) == "Gestern"
