"""The settings of web forms, and the form that LeadMachine hosts: as a page, and in a frame."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.core.signing import TimestampSigner
from django.test import Client

from crm.actions import capture, people, web_forms
from crm.models import ApiKey, AuditEntry, Company, ConsentText, Lead, Submission, User, WebForm, WebsiteTest
from crm.tenancy import company_scope
from tests.crm.views.conftest import Browser
from tests.factories import SHELL

SITE = "https://www.acme.test"
SAID = {"first_name": "Jane", "last_name": "Roe", "email": "jane@customer.test", "message": "Hello"}


@pytest.fixture
def form(company: Company, owner: User) -> WebForm:
    made = web_forms.make_form(company, "Contact", SHELL)
    return web_forms.update_form(made, {"allowed_origins": [SITE]}, SHELL)


def base(form: WebForm) -> str:
    return f"/capture/{web_forms.secret_of(form)}"


def opened(seconds: float = 10) -> str:
    """What a page that was opened so long ago says of it."""
    import time

    return TimestampSigner(salt="crm.capture").sign(str(int((time.time() - seconds) * 1000)))


def send(form: WebForm, place: str = "form", seconds: float = 10, **said: str) -> Any:
    body = {**SAID, "_opened": opened(seconds), **said}
    return Client().post(f"{base(form)}/{place}/", body, headers={"Origin": "http://testserver"})


def settings_of(form: WebForm, **said: Any) -> dict[str, Any]:
    """What the settings page sends."""
    return {"name": form.name, "accent": form.accent, "fields_asked": ["first_name", "message"], **said}


# --- Settings


def test_a_form_is_made_set_up_used_and_ended(alice: Browser, company: Company) -> None:
    alice.post("settings_forms_add", name="Contact")
    form = WebForm.objects.get()
    assert form.key.scopes == ["capture"]
    alice.post("settings_form", form.pk, **settings_of(form, allowed_origins=f"{SITE}/contact\n{SITE}"))
    form.refresh_from_db()
    assert form.allowed_origins == [SITE]
    page = alice.seen("settings_form", form.pk)
    assert f"/capture/{web_forms.secret_of(form)}.js" in page
    assert Client().post(f"{base(form)}/", SAID, headers={"Origin": SITE}).status_code == 200
    assert "New lead" in alice.seen("settings_form", form.pk)
    alice.post("settings_form_end", form.pk)
    assert Client().post(f"{base(form)}/", SAID).status_code == 404
    assert "Ended" in alice.seen("settings_form", form.pk)
    assert Lead.objects.count() == 1


def test_the_key_is_stored_nowhere_and_shown_whenever_it_is_needed(alice: Browser, form: WebForm) -> None:
    secret = web_forms.secret_of(form)
    assert people.looks_like_key(secret)
    assert people.digest(secret) == form.key.digest
    assert secret not in str(list(ApiKey.objects.values()) + list(WebForm.objects.values()))
    assert alice.seen("settings_form", form.pk).count(secret) >= 4


def test_a_key_made_elsewhere_gets_settings(alice: Browser, company: Company) -> None:
    key = people.create_api_key(company, "Command line", ["capture"])
    people.create_api_key(company, "Reader", ["read"])
    page = alice.seen("settings_forms")
    assert "Command line" in page
    assert "Reader" not in page
    alice.post("settings_forms_add", key=str(key.row.pk))
    form = WebForm.objects.get()
    assert form.key == key.row
    assert "YOUR-KEY" in alice.seen("settings_form", form.pk)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("allowed_origins", "www.acme.test"),
        ("allowed_origins", "javascript:alert(1)"),
        ("allowed_origins", "https://*"),
        ("redirects", "http://www.acme.test/"),
        ("redirects", "https://a@b.test/"),
        ("redirects", "javascript:alert(1)"),
        ("conversion_id", "urn:lla:llaPartnerConversion:1"),
        ("conversion_id", "0"),
        ("accent", "red"),
        ("accent", "#12345;"),
        ("name", ""),
        ("asks_consent", "on"),  # to nothing
        ("consent_text", "x" * 1001),
    ],
)
def test_a_setting_that_cannot_be_is_refused_beside_its_field(
    alice: Browser, form: WebForm, field: str, value: str
) -> None:
    answer = alice.post("settings_form", form.pk, **settings_of(form, **{field: value}))
    assert answer.status_code == 422
    assert 'class="error"' in answer.content.decode()
    assert not AuditEntry.objects.filter(action="web_form_changed").exclude(channel="shell").exists()


def test_another_consent_text_is_another_version(alice: Browser, form: WebForm) -> None:
    for text in ("I agree.", "I agree.", "I agree to everything.", ""):
        alice.post("settings_form", form.pk, **settings_of(form, consent_text=text))
    rows = ConsentText.objects.order_by("version").values_list("version", "text")
    assert list(rows) == [(1, "I agree."), (2, "I agree to everything."), (3, "")]
    assert capture.consent_text_of(form) is None


def test_what_was_sent_shows_nothing_of_who_sent_it(alice: Browser, form: WebForm) -> None:
    send(form, seconds=1)
    send(form)
    page = alice.seen("settings_form", form.pk)
    assert "sent within two seconds" in page
    assert "jane@customer.test" not in page
    assert "Jane" not in page


def test_agents_and_other_companies_have_no_part_in_it(bob: Browser, charlie: Browser, form: WebForm) -> None:
    assert bob.get("settings_forms").status_code == 403
    assert bob.post("settings_form_end", form.pk).status_code == 403
    assert charlie.get("settings_form", form.pk).status_code == 404
    assert charlie.post("settings_form_end", form.pk).status_code == 404
    form.key.refresh_from_db()
    assert form.key.revoked_at is None


def test_the_pages_ask_the_database_a_fixed_number_of_times(
    alice: Browser, company: Company, form: WebForm, django_assert_max_num_queries: Any
) -> None:
    for number in range(60):
        web_forms.make_form(company, f"Form {number}", SHELL)
        capture.note(form, "spam")  # type: ignore[arg-type]
    with django_assert_max_num_queries(30):
        alice.seen("settings_forms")
    with django_assert_max_num_queries(30):
        alice.seen("settings_form", form.pk)


# --- Trying a site


def click_of(trial: WebsiteTest) -> str:
    return re.findall(r"li_fat_id=([\w-]+)", web_forms.link_of(trial))[0]


def test_a_trial_that_arrives_is_seen_and_makes_no_lead(alice: Browser, form: WebForm) -> None:
    alice.post("settings_form_try", form.pk, url=f"{SITE}/contact?a=1&li_fat_id=x#form")
    trial = WebsiteTest.objects.get()
    assert web_forms.link_of(trial) == f"{SITE}/contact?a=1&li_fat_id={trial.click_id}#form"
    assert "as a visitor would" in alice.seen("settings_form", form.pk)
    answer = Client().post(f"{base(form)}/", {**SAID, "li_fat_id": click_of(trial)}, headers={"Origin": SITE})
    assert answer.json() == {"received": True}
    assert not Lead.objects.exists()
    assert "Yes: it arrived" in alice.seen("settings_form", form.pk)
    assert Submission.objects.get().outcome == "tested"


def test_a_site_that_loses_the_click_id_is_told_so(alice: Browser, form: WebForm) -> None:
    alice.post("settings_form_try", form.pk, url=f"{SITE}/contact")
    Client().post(f"{base(form)}/", SAID, headers={"Origin": SITE})
    assert "A form arrived without it" in alice.seen("settings_form", form.pk)


def test_a_trial_is_over_once_it_has_arrived(form: WebForm) -> None:
    click = click_of(web_forms.try_site(form, SITE))
    for _ in range(2):
        Client().post(f"{base(form)}/", {**SAID, "li_fat_id": click}, headers={"Origin": SITE})
    assert Lead.objects.get().li_fat_id == ""


@pytest.mark.parametrize(
    "url", ["", "x", "https://other.test/", "javascript:alert(1)", "http://169.254.169.254/"]
)
def test_only_pages_of_one_s_own_sites_are_tried(alice: Browser, form: WebForm, url: str) -> None:
    assert alice.post("settings_form_try", form.pk, url=url).status_code == 422
    assert not WebsiteTest.objects.exists()


# --- The hosted form


def page_of(form: WebForm, place: str = "form", query: str = "", **headers: str) -> Any:
    answer = Client().get(f"{base(form)}/{place}/{query}", headers=headers)
    assert answer.status_code == 200
    return answer


def test_the_form_makes_a_lead_and_says_thanks(form: WebForm) -> None:
    answer = send(form)
    assert answer.status_code == 303
    assert "Thank you" in Client().get(f"{base(form)}/form/{answer.headers['Location']}").content.decode()
    lead = Lead.objects.get()
    assert (lead.full_name, lead.origin) == ("Jane Roe", "capture")


def test_the_form_leads_on_to_an_allowed_page_of_the_site(form: WebForm) -> None:
    web_forms.update_form(form, {"redirects": [f"{SITE}/thanks", "https://acme.test/merci"]}, SHELL)
    answer = send(form, redirect="https://acme.test/merci")
    assert answer.headers["Location"] == "https://acme.test/merci"
    policy = page_of(form).headers["Content-Security-Policy"]
    assert f"form-action 'self' https://acme.test {SITE}" in policy
    assert send(form, redirect="https://evil.test/").headers["Location"] == f"{SITE}/thanks"


def test_what_is_missing_is_marked_and_nothing_typed_is_lost(form: WebForm) -> None:
    answer = send(form, email="no", first_name="")
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Please fill this in." in page
    assert "Hello" in page
    answer = send(form, email="no")
    assert 'aria-describedby="e-email"' in answer.content.decode()
    assert not Lead.objects.exists()


def test_a_form_that_machines_fill_in_makes_no_lead(form: WebForm) -> None:
    assert send(form, seconds=1).status_code == 303
    assert send(form, _gotcha="x").status_code == 303
    assert not Lead.objects.exists()


@pytest.mark.parametrize("told", ["", "x", "1:2:3"])
def test_a_form_that_was_never_opened_is_shown_again(form: WebForm, told: str) -> None:
    answer = send(form, _opened=told)
    assert answer.status_code == 422
    assert "open for long" in answer.content.decode()
    assert "jane@customer.test" in answer.content.decode()


def test_consent_is_asked_with_its_version(form: WebForm) -> None:
    web_forms.update_form(form, {}, SHELL, consent_text="I agree to be measured.")
    assert "I agree to be measured." in page_of(form).content.decode()
    send(form, consent="granted", consent_text_version="1")
    send(form, email="joe@customer.test", consent_text_version="1")
    found = {lead.email: (lead.consent, lead.consent_text_version) for lead in Lead.objects.all()}
    assert found == {"jane@customer.test": ("granted", "1"), "joe@customer.test": ("denied", "1")}


def test_without_the_consent_it_asks_for_there_is_no_lead(form: WebForm) -> None:
    web_forms.update_form(form, {"asks_consent": True}, SHELL, consent_text="I agree.")
    answer = send(form)
    assert answer.status_code == 422
    assert "Please agree first." in answer.content.decode()
    assert not Lead.objects.exists()


def test_the_form_speaks_three_languages(form: WebForm) -> None:
    assert "Vorname" in page_of(form, query="?lang=de").content.decode()
    assert "Prénom" in page_of(form, **{"Accept-Language": "fr-CH,de;q=0.8"}).content.decode()
    assert "First name" in page_of(form, **{"Accept-Language": "ja"}).content.decode()
    web_forms.update_form(form, {"language": "de"}, SHELL)
    assert 'lang="de"' in page_of(form, query="?lang=fr").content.decode()


def test_how_they_came_goes_along(form: WebForm) -> None:
    page = page_of(
        form, query="?li_fat_id=click&utm_source=linkedin", Referer="https://www.linkedin.com/"
    ).content.decode()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    assert (hidden["li_fat_id"], hidden["referrer"]) == ("click", "https://www.linkedin.com/")
    send(form, **{name: hidden[name] for name in ("li_fat_id", "utm_source", "referrer", "event_id")})
    lead = Lead.objects.get()
    assert (lead.li_fat_id, lead.utm_source) == ("click", "linkedin")
    assert lead.browser_event_id == hidden["event_id"]


def test_the_theme_is_a_stylesheet_with_readable_ink(form: WebForm) -> None:
    for accent, ink in (("#4338ca", "#fff"), ("#ffe000", "#111")):
        web_forms.update_form(form, {"accent": accent}, SHELL)
        css = Client().get(f"{base(form)}/theme.css").content.decode()
        assert f"--accent: {accent}" in css
        assert f"--on-accent: {ink}" in css


def test_the_form_can_be_framed_by_allowed_sites_alone(form: WebForm) -> None:
    page, frame = page_of(form), page_of(form, "embed")
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Frame-Options"] == "DENY"
    assert f"frame-ancestors {SITE};" in frame.headers["Content-Security-Policy"] + ";"
    assert "X-Frame-Options" not in frame.headers
    web_forms.update_form(form, {"allowed_origins": []}, SHELL)
    assert "frame-ancestors 'none'" in page_of(form, "embed").headers["Content-Security-Policy"]
    assert send(form, "embed").status_code == 303


def test_the_form_s_pages_keep_the_strict_policy(form: WebForm) -> None:
    for place in ("form", "embed"):
        answer = page_of(form, place)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "<script" not in answer.content.decode()
        assert "style=" not in answer.content.decode()


def test_what_a_stranger_writes_into_the_address_is_text(form: WebForm) -> None:
    page = page_of(form, query='?utm_source="><script>alert(1)</script>&lang="><b>').content.decode()
    assert "<script>" not in page
    assert "<b>" not in page


def test_a_form_that_has_ended_says_so_to_people(form: WebForm) -> None:
    url = f"{base(form)}/form/"
    web_forms.end_form(form, SHELL)
    answer = Client().get(url, headers={"Accept-Language": "de"})
    assert answer.status_code == 404
    assert "Dieses Formular ist nicht verfügbar" in answer.content.decode()


def test_a_visitor_who_is_too_many_is_told_how_long_to_wait(form: WebForm, settings: Any) -> None:
    settings.CAPTURE_IP_RATE = 1
    answers = [send(form, email=f"{number}@customer.test") for number in range(2)]
    assert [answer.status_code for answer in answers] == [303, 429]
    assert int(answers[1].headers["Retry-After"]) >= 1
    assert "<h1>" in answers[1].content.decode()


def test_the_code_to_embed_is_right_whatever_the_form_is_called(alice: Browser, form: WebForm) -> None:
    web_forms.update_form(form, {"name": 'A "form" <b>'}, SHELL)
    page = unescape(alice.seen("settings_form", form.pk))
    assert 'title="A &quot;form&quot; &lt;b&gt;"' in page


def test_another_company_s_form_takes_leads_for_that_company(
    form: WebForm, stranger: User, other_company: Company
) -> None:
    client = Client()
    client.force_login(stranger)
    client.post(f"{base(form)}/form/", {**SAID, "_opened": opened()})
    assert Lead.objects.count() == 1
    with company_scope(other_company):
        assert not Lead.objects.exists()
