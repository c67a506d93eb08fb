"""The public door for web sites: what it takes, what it refuses, and that nobody learns from it who is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from capi.models import ConversionEvent, Rule
from crm.actions import leads, people
from crm.actor import SYSTEM
from crm.models import (
    Activity,
    ApiKey,
    AuditEntry,
    Company,
    CustomField,
    Lead,
    LeadType,
    Submission,
    User,
    WebForm,
)
from crm.tenancy import company_scope
from tests.factories import SHELL, CompanyFactory, LeadFactory, RuleFactory

SITE = "https://www.acme.test"
JANE = {"first_name": "Jane", "last_name": "Roe", "email": "jane@customer.test"}


class Site:
    """A web site that posts with a key."""

    def __init__(self, key: people.NewKey) -> None:
        self.key = key
        self.url = f"/capture/{key.secret}/"
        self.client = Client()

    def post(self, body: object = None, **said: Any) -> Any:
        """JSON, as a script of the allowed site."""
        text = json.dumps({**JANE, **said} if body is None else body)
        return self.client.post(self.url, text, "application/json", headers={"Origin": SITE})

    def send(self, **said: Any) -> Any:
        """As a browser sends a form."""
        return self.client.post(self.url, {**JANE, **said}, headers={"Origin": SITE})


@pytest.fixture
def form(company: Company) -> WebForm:
    key = people.create_api_key(company, "Contact", ["capture"])
    form = WebForm.objects.create(company=company, key=key.row, name="Contact", allowed_origins=[SITE])
    form.secret = key  # type: ignore[attr-defined]
    return form


@pytest.fixture
def site(form: WebForm) -> Site:
    return Site(form.secret)  # type: ignore[attr-defined]


def codes(answer: Any, status: int = 400) -> dict[str | None, str]:
    """The codes of a refusal by field."""
    assert answer.status_code == status, answer.content
    assert set(answer.json()) == {"type", "errors"}
    return {error["attr"]: error["code"] for error in answer.json()["errors"]}


def outcomes() -> list[tuple[str, str]]:
    return list(Submission.objects.order_by("pk").values_list("outcome", "reason"))


# --- A new lead


def test_a_form_makes_a_lead_with_its_event(site: Site, owner: User, rules: dict[str, Rule]) -> None:
    answer = site.post(
        organization="Roe Ltd", phone="+49 30 1", country="Germany", message="Call me", event_id="web-1"
    )
    assert answer.status_code == 200
    assert answer.json() == {"received": True}
    lead = Lead.objects.get()
    assert (lead.full_name, lead.email, lead.country_code) == ("Jane Roe", "jane@customer.test", "DE")
    assert (lead.origin, lead.source, lead.owner) == ("capture", "Web form", owner)
    assert str(lead.organization) == "Roe Ltd"
    assert lead.phones.get().number == "+49 30 1"
    assert Activity.objects.get(lead=lead, kind="note").text == "Call me"
    event = ConversionEvent.objects.get(event="lead_created")
    assert event.event_id == "web-1"
    assert outcomes() == [("created", "")]


def test_a_browser_s_form_makes_the_same_lead(site: Site) -> None:
    site.send(company="Roe Ltd", utm_source="linkedin")
    lead = Lead.objects.get()
    assert (lead.email, lead.utm_source) == ("jane@customer.test", "linkedin")


def test_names_of_fields_are_understood_as_form_builders_write_them(site: Site) -> None:
    body = {
        "Full Name": "Jane van Roe",
        "your-email": "jane@customer.test",
        "Phone": 301234,
        "Company": "Roe",
    }
    assert site.post(body).status_code == 200
    lead = Lead.objects.get()
    assert (lead.first_name, lead.last_name, str(lead.organization)) == ("Jane", "van Roe", "Roe")


def test_the_form_says_what_its_leads_are(site: Site, form: WebForm) -> None:
    form.source, form.lead_type = "Fair", LeadType.objects.get(key="demo-request")
    form.save()
    site.post()
    lead = Lead.objects.get()
    assert (lead.source, lead.lead_type) == ("Fair", form.lead_type)


def test_custom_fields_go_by_their_key(site: Site, company: Company) -> None:
    for key in ("budget", "plan"):
        CustomField.objects.create(company=company, entity="lead", name=key, key=key, kind="text")
    site.post(budget="100", custom={"plan": "Large"})
    assert Lead.objects.get().custom == {"budget": "100", "plan": "Large"}


def test_consent_is_kept_with_its_text_and_door(site: Site) -> None:
    site.send(consent="on", consent_text_version="3")
    lead = Lead.objects.get()
    assert (lead.consent, lead.consent_text_version, lead.consent_source) == (
        "granted",
        "3",
        "web form Contact",
    )
    assert lead.consent_at is not None


def test_a_form_that_asks_for_consent_takes_nobody_without(site: Site, form: WebForm) -> None:
    form.asks_consent = True
    form.save()
    assert codes(site.post()) == {"consent": "required"}
    assert codes(site.post(consent="no")) == {"consent": "required"}
    assert not Lead.objects.exists()
    assert site.post(consent=True).status_code == 200


def test_the_visitor_s_address_is_kept_nowhere(site: Site, company: Company) -> None:
    LeadFactory(company=company, email="jane@customer.test")
    site.client.post(
        site.url, json.dumps({**JANE, "consent": "granted"}), "application/json", REMOTE_ADDR="203.0.113.9"
    )
    assert AuditEntry.objects.get(action="consent_changed").address == ""


# --- Where they came from


def touch(days: int, **said: str) -> dict[str, str]:
    return {"at": (timezone.now() - timedelta(days=days)).isoformat(), **said}


def test_first_and_last_touch_are_both_kept(site: Site) -> None:
    first = touch(40, li_fat_id="click-1", utm_campaign="spring", landing_page=f"{SITE}/a?token=x")
    last = touch(3, utm_campaign="summer", referrer="https://search.test/")
    site.post(first_touch=first, last_touch=last)
    lead = Lead.objects.get()
    assert lead.first_touch["utm_campaign"] == "spring"
    assert lead.first_touch["landing_page"] == f"{SITE}/a"
    assert (lead.utm_campaign, lead.referrer) == ("summer", "https://search.test/")
    assert lead.li_fat_id == "click-1"
    assert lead.li_fat_id_captured_at is not None
    assert (timezone.now() - lead.li_fat_id_captured_at).days == 40


def test_hidden_fields_may_hold_touches_as_text(site: Site) -> None:
    site.send(first_touch=json.dumps(touch(9, utm_source="linkedin")), li_fat_id="click-2")
    lead = Lead.objects.get()
    assert (lead.first_touch["utm_source"], lead.li_fat_id) == ("linkedin", "click-2")


def test_a_later_touch_of_somebody_known_is_the_last_one(site: Site, company: Company) -> None:
    known = LeadFactory(
        company=company, email="jane@customer.test", attribution={"li_fat_id": "old", "utm_source": "a"}
    )
    site.post(attribution={"li_fat_id": "new", "utm_source": "b"})
    known.refresh_from_db()
    assert (known.li_fat_id, known.utm_source) == ("new", "b")
    assert known.first_touch["li_fat_id"] == "old"


def test_a_visit_that_nothing_led_to_is_no_touch(site: Site, company: Company) -> None:
    known = LeadFactory(company=company, email="jane@customer.test", attribution={"utm_source": "a"})
    site.post(landing_page=f"{SITE}/", last_touch=touch(0, landing_page=f"{SITE}/"))
    known.refresh_from_db()
    assert (known.utm_source, known.landing_page) == ("a", "")


def test_what_a_browser_says_of_itself_never_costs_a_lead(site: Site) -> None:
    answer = site.post(
        li_fat_id="x" * 301,
        utm_source="y" * 500,
        referrer="https://[broken",
        landing_page=7,
        first_touch="{not json",
        last_touch=[1],
        li_fat_id_captured_at="9999-99-99",
        event_id="!" * 90,
    )
    assert answer.status_code == 200
    lead = Lead.objects.get()
    assert (lead.li_fat_id, lead.referrer, lead.browser_event_id) == ("", "", "")
    assert lead.utm_source == "y" * 200


# --- Somebody who is known


def test_of_somebody_known_only_blanks_are_filled(
    site: Site, company: Company, rules: dict[str, Rule]
) -> None:
    known = LeadFactory(
        company=company, first_name="J.", last_name="Roe", email="Jane@Customer.test", title="CEO"
    )
    answer = site.post(title="Intern", phone="0301", organization="Roe Ltd", message="Hello again")
    assert answer.content == site.post(email="new@customer.test").content
    known = Lead.objects.get(pk=known.pk)
    assert (known.first_name, known.title) == ("J.", "CEO")
    assert known.phones.get().number == "0301"
    assert str(known.organization) == "Roe Ltd"
    text = Activity.objects.get(lead=known, kind="note").text
    assert "Hello again" in text
    assert "Title: Intern" in text
    assert "Name: Jane Roe" in text
    assert ConversionEvent.objects.filter(lead=known, event="lead_created").count() == 1
    assert outcomes() == [("updated", ""), ("created", "")]


def test_a_form_touches_who_is_known(site: Site, company: Company) -> None:
    month_ago = timezone.now() - timedelta(days=30)
    known = LeadFactory(company=company, email="jane@customer.test", occurred_at=month_ago)
    site.post()
    known.refresh_from_db()
    assert (timezone.now() - known.last_touch_at).days == 0
    assert Activity.objects.filter(lead=known, kind="note").count() == 1


@pytest.mark.parametrize(
    ("known", "said", "after"),
    [
        ("unknown", "granted", "granted"),
        ("unknown", "denied", "denied"),
        ("granted", "denied", "denied"),
        ("denied", "granted", "denied"),  # anybody may type the address in
    ],
)
def test_a_form_cannot_turn_a_no_into_a_yes(
    site: Site, company: Company, known: str, said: str, after: str
) -> None:
    lead = LeadFactory(company=company, email="jane@customer.test", consent=known)
    site.post(consent=said)
    lead.refresh_from_db()
    assert lead.consent == after


def test_an_archived_person_comes_as_somebody_new(site: Site, company: Company) -> None:
    leads.archive_lead(LeadFactory(company=company, email="jane@customer.test"), SYSTEM)
    site.post()
    assert Lead.objects.current().count() == 1


def test_the_same_address_in_another_company_is_another_person(site: Site, other_company: Company) -> None:
    with company_scope(other_company):
        theirs = LeadFactory(company=other_company, email="jane@customer.test", first_name="")
    site.post()
    with company_scope(other_company):
        theirs.refresh_from_db()
        assert theirs.first_name == ""
    assert Lead.objects.count() == 1


# --- The same twice


def test_the_same_sent_twice_is_nothing_new(site: Site, company: Company) -> None:
    first, second = site.post(message="Hi", event_id="a"), site.post(message="Hi", event_id="b")
    assert first.content == second.content
    assert Lead.objects.count() == Activity.objects.filter(kind="note").count() == 1
    assert outcomes() == [("created", ""), ("collapsed", "")]


def test_without_an_address_the_same_is_known_again_too(site: Site) -> None:
    for _ in range(2):
        site.post({"name": "Jane Roe", "phone": "0301"})
    assert Lead.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("varies", [False, True], ids=["the same", "other words"])
def test_a_form_posted_fifty_times_at_once_is_one_lead_and_one_event(settings: Any, varies: bool) -> None:
    settings.CAPTURE_RATE = settings.CAPTURE_IP_RATE = 0
    company = CompanyFactory(name="Acme")
    with company_scope(company):
        RuleFactory(company=company, event="lead_created")
        secret = people.create_api_key(company, "Contact", ["capture"]).secret

    def send(number: int) -> int:
        body = {**JANE, "event_id": f"web-{number}", **({"message": str(number)} if varies else {})}
        try:
            return Client().post(f"/capture/{secret}/", json.dumps(body), "application/json").status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(25) as pool:
        assert list(pool.map(send, range(50))) == [200] * 50
    with company_scope(company):
        assert Lead.objects.count() == 1
        assert ConversionEvent.objects.filter(event="lead_created").count() == 1
        assert Submission.objects.filter(outcome="created").count() == 1


# --- Machines


@pytest.mark.parametrize("trap", [{"_gotcha": "x"}, {"honeypot": "x"}, {"_elapsed": "1500"}, {"_elapsed": 0}])
def test_a_machine_is_told_what_everybody_is_told(site: Site, trap: dict[str, Any]) -> None:
    answer = site.post(**trap)
    assert answer.json() == {"received": True}
    assert not Lead.objects.exists()
    assert outcomes()[0][0] == "spam"


def test_a_person_falls_into_no_trap(site: Site) -> None:
    site.send(_gotcha="", _elapsed="2500", submit="Send")
    assert Lead.objects.count() == 1


def test_one_place_is_slowed_down_before_the_key_is(site: Site, settings: Any) -> None:
    settings.CAPTURE_RATE, settings.CAPTURE_IP_RATE = 100, 3
    answers = [site.post(email=f"jane{n}@customer.test").status_code for n in range(4)]
    assert answers == [200, 200, 200, 429]
    other = site.client.post(site.url, JANE, REMOTE_ADDR="203.0.113.7")
    assert other.status_code == 200


def test_a_network_is_one_place_and_the_key_has_its_own_limit(site: Site, settings: Any) -> None:
    settings.CAPTURE_RATE, settings.CAPTURE_IP_RATE = 3, 2
    places = ("2001:db8::1", "2001:db8::2", "2001:db8::3", "203.0.113.1", "203.0.113.2")
    answers = [site.client.post(site.url, JANE, REMOTE_ADDR=place) for place in places]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert codes(answers[-1], 429) == {None: "throttled"}


# --- Where it comes from


def test_a_site_that_is_not_allowed_is_refused(site: Site) -> None:
    for origin in ("https://evil.test", "null", f"{SITE}.evil.test", "http://www.acme.test"):
        answer = site.client.post(site.url, JANE, headers={"Origin": origin})
        assert codes(answer, 403) == {None: "origin_not_allowed"}
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert not Lead.objects.exists()
    assert outcomes()[0] == ("refused", "origin")


def test_a_site_that_is_not_allowed_is_slowed_down_too(site: Site, settings: Any) -> None:
    settings.CAPTURE_IP_RATE = 2
    headers = {"Origin": "https://evil.test"}
    answers = [site.client.post(site.url, JANE, headers=headers).status_code for _ in range(4)]
    assert answers == [403, 403, 429, 429]
    assert len(outcomes()) == 2
    assert site.post().status_code == 200  # what it takes in has a limit of its own


def test_an_allowed_site_may_read_the_answer_even_of_a_refusal(site: Site) -> None:
    for answer in (site.post(), site.post(email="no")):
        assert answer.headers["Access-Control-Allow-Origin"] == SITE
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Origin" in answer.headers["Vary"]


def test_a_preflight_is_answered(site: Site) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = site.client.options(site.url, headers={"Origin": SITE, **asked})
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type"
    stranger = site.client.options(site.url, headers={"Origin": "https://evil.test", **asked})
    assert "Access-Control-Allow-Origin" not in stranger.headers


def test_a_server_names_no_site(site: Site) -> None:
    assert site.client.post(site.url, JANE).status_code == 200


def test_a_key_without_a_form_takes_leads_from_servers(company: Company) -> None:
    url = f"/capture/{people.create_api_key(company, 'Zap', ['capture']).secret}/"
    assert Client().post(url, JANE).status_code == 200
    assert codes(Client().post(url, JANE, headers={"Origin": SITE}), 403) == {None: "origin_not_allowed"}


# --- Keys


@pytest.mark.parametrize("scopes", [["read"], ["write"], ["admin"], ["read", "write", "admin"]])
def test_a_key_that_does_not_capture_is_no_address(company: Company, scopes: list[str]) -> None:
    secret = people.create_api_key(company, "Other", scopes).secret
    assert codes(Client().post(f"/capture/{secret}/", JANE), 404) == {None: "not_found"}


@pytest.mark.parametrize("change", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now()}])
def test_a_key_that_has_ended_is_no_address(site: Site, change: dict[str, Any]) -> None:
    ApiKey.objects.update(**change)
    assert codes(site.post(), 404) == {None: "not_found"}


@pytest.mark.parametrize("key", ["x", "lm_", "lm_" + "a" * 36, "%00", "..%2f", "é" * 30, "a" * 3000])
def test_what_is_no_key_is_no_address(db: None, key: str) -> None:
    assert Client().post(f"/capture/{key}/", JANE).status_code == 404


def test_a_capture_key_opens_nothing_else(site: Site) -> None:
    bearer = {"Authorization": f"Bearer {site.key.secret}"}
    assert Client().get("/api/v1/leads/", headers=bearer).status_code == 403
    assert Client().post("/api/v1/leads/", b"{}", "application/json", headers=bearer).status_code == 403


def test_a_session_counts_for_nothing_here(
    site: Site, stranger: User, other_company: Company, client_of: Callable[[User], Client]
) -> None:
    client_of(stranger).post(site.url, JANE)
    assert Lead.objects.count() == 1


# --- Bad input

BAD: list[tuple[dict[str, Any], dict[str | None, str]]] = [
    ({"email": "no"}, {"email": "invalid"}),
    ({"email": "a@b.test\r\nBcc: c@d.test"}, {"email": "invalid"}),
    ({"email": f"{'a' * 250}@b.test"}, {"email": "max_length"}),
    ({"email": ["a@b.test"]}, {"email": "invalid"}),
    ({"first_name": "x" * 81}, {"first_name": "max_length"}),
    ({"first_name": {"a": 1}}, {"first_name": "invalid"}),
    ({"first_name": True}, {"first_name": "invalid"}),
    ({"first_name": "a\x00b"}, {"first_name": "invalid"}),
    ({"last_name": "\ud800"}, {"last_name": "invalid"}),
    ({"phone": "1" * 41}, {"phone": "max_length"}),
    ({"message": "x" * 10_001}, {"message": "max_length"}),
    ({"country": "Atlantis"}, {"country": "invalid"}),
    ({"consent": "perhaps"}, {"consent": "invalid"}),
    ({"consent": []}, {"consent": "invalid"}),
    ({"type": "none-such"}, {"type": "does_not_exist"}),
    ({"custom": 7}, {"custom": "invalid"}),
    ({"custom": {"none": "x"}}, {"custom.none": "unknown_field"}),
    ({"status": "won"}, {"status": "unknown_field"}),
    ({"owner": "alice@acme.test"}, {"owner": "unknown_field"}),
    ({"external_id": "1"}, {"external_id": "unknown_field"}),
    ({"x" * 900: "1"}, {"x" * 60 + "…": "unknown_field"}),
    ({"email": "", "first_name": "", "last_name": ""}, {"email": "required"}),
]


@pytest.mark.parametrize(("said", "wrong"), BAD, ids=[str(said)[:40] for said, _ in BAD])
@pytest.mark.parametrize("is_known", [False, True])
def test_what_is_wrong_is_named_whoever_it_is(
    site: Site, company: Company, said: dict[str, Any], wrong: dict[str | None, str], is_known: bool
) -> None:
    if is_known:
        LeadFactory(company=company, email="jane@customer.test")
    before = Lead.objects.count()
    assert codes(site.post(**said)) == wrong
    assert Lead.objects.count() == before


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 415),  # no body, no kind of it
        (b"[]", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b'{"a": 1, "a": 2}', "application/json", 400),
        (b"\xef\xbb\xbf{}", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 30_000, "application/json", 400),
        (b'{"a": ' * 10_000, "application/json", 400),
        (b"a" * (64 * 1024 + 1), "application/json", 413),
        (b"<a/>", "application/xml", 415),
        (b"x", "", 415),
        (b"a=1&" * 10_000, "application/x-www-form-urlencoded", 400),
        (b"nothing", "multipart/form-data; boundary=x", 400),
        (b"nothing", "multipart/form-data", 400),
        (b"a=%ff", "application/x-www-form-urlencoded; charset=utf-16", 400),
        (b"a=1", "application/x-www-form-urlencoded; charset=nonsense", 400),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(site: Site, body: bytes, kind: str, status: int) -> None:
    answer = site.client.generic("POST", site.url, body, kind)
    assert answer.status_code == status, answer.content
    assert answer.json()["errors"]
    assert not Lead.objects.exists()


def test_a_packed_body_and_a_file_are_refused(site: Site) -> None:
    packed = site.client.post(site.url, b"{}", "application/json", headers={"Content-Encoding": "gzip"})
    assert codes(packed, 415) == {None: "unsupported_media_type"}
    from django.core.files.uploadedfile import SimpleUploadedFile

    answer = site.client.post(site.url, {**JANE, "cv": SimpleUploadedFile("cv.html", b"<script>")})
    assert codes(answer) == {"cv": "invalid"}


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head"])
def test_there_is_nothing_to_read_or_change(site: Site, method: str) -> None:
    assert getattr(site.client, method)(site.url).status_code == 405


# --- Where it leads on to


def test_a_browser_goes_on_to_an_address_of_the_list(site: Site, form: WebForm) -> None:
    form.redirects = [f"{SITE}/thanks", f"{SITE}/merci"]
    form.save()
    assert site.send().headers["Location"] == f"{SITE}/thanks"
    assert site.send(redirect=f"{SITE}/merci").headers["Location"] == f"{SITE}/merci"
    assert site.send(redirect="https://evil.test/").headers["Location"] == f"{SITE}/thanks"
    assert site.send(_gotcha="x").status_code == 303
    assert site.post().json() == {"received": True, "redirect": f"{SITE}/thanks"}


def test_what_became_of_it_is_forgotten_in_time(site: Site, company: Company) -> None:
    from crm.actions import retention

    site.post()
    retention.apply_retention(company, now=timezone.now() + timedelta(days=2))
    assert Submission.objects.get().fingerprint == ""
    retention.apply_retention(company, now=timezone.now() + timedelta(days=31))
    assert not Submission.objects.exists()


def test_the_lead_page_and_merge_keep_the_first_touch(site: Site, company: Company) -> None:
    from crm.actions import merge

    site.post(first_touch=touch(9, utm_campaign="spring"))
    survivor = LeadFactory(company=company)
    merge.merge_leads(survivor, Lead.objects.exclude(pk=survivor.pk).get(), SHELL)
    survivor.refresh_from_db()
    assert survivor.first_touch["utm_campaign"] == "spring"
