"""A lead's page, its form, and what is done to it with one click."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm import panels
from crm.actions import leads as actions
from crm.actions.timeline import add_note
from crm.actor import Actor
from crm.models import Activity, Company, Lead, LeadStatus, LeadStatusChange, User
from crm.panels import Panel, TimelineEntry
from tests.crm.views.conftest import Browser
from tests.factories import DealFactory, LeadFactory

POSTS = ("lead_status", "lead_owner", "lead_note", "lead_consent")
FILLED = {
    "first_name": "Mei-Ling",
    "last_name": "Zhao",
    "email": "mei@pacific.test",
    "source": "Referral",
    "consent": "granted",
    "title": "COO",
    "organization": "Pacific Crate",
    "phone": "+1 555 0100",
    "country_code": "US",
    "tags": "VIP, Met in Oslo",
    "li_fat_id": "3f1c9a52-77de-4b0e-9c41-5e2b8d60a7f4",
}


def _filled(**changes: object) -> dict[str, object]:
    return {**FILLED, "status": LeadStatus.objects.get(key="new").pk, **changes}


def test_the_page_shows_who_it_is(alice: Browser, lead: Lead) -> None:
    page = alice.seen("lead", lead.pk)
    assert "Annika Sorensen" in page
    assert "Fjordline" in page
    assert lead.email in page
    assert "added the lead" in page


@pytest.mark.parametrize("name", ["lead", "lead_edit", "lead_archive"])
def test_pages_of_another_company_are_not_found(charlie: Browser, lead: Lead, name: str) -> None:
    assert charlie.get(name, lead.pk).status_code == 404


@pytest.mark.parametrize("name", [*POSTS, "lead_edit", "lead_archive"])
def test_nothing_of_another_company_can_be_changed(charlie: Browser, lead: Lead, name: str) -> None:
    before = Activity.objects.count()
    assert charlie.post(name, lead.pk, status="won", text="x", consent="denied").status_code == 404
    assert Activity.objects.count() == before


@pytest.mark.parametrize("name", [*POSTS, "lead_edit"])
def test_an_agent_cannot_touch_what_belongs_to_others(bob: Browser, lead: Lead, name: str) -> None:
    assert bob.post(name, lead.pk, status="won", text="x", consent="denied").status_code == 404


@pytest.mark.parametrize("name", POSTS)
def test_what_changes_something_is_a_post(alice: Browser, lead: Lead, name: str) -> None:
    assert alice.get(name, lead.pk).status_code == 405


def test_a_lead_that_does_not_exist_is_not_found(alice: Browser) -> None:
    assert alice.get("lead", uuid4()).status_code == 404


def test_forms_are_refused_without_their_token(alice: Browser, lead: Lead) -> None:
    alice.client.handler.enforce_csrf_checks = True
    answer = alice.post("lead_status", lead.pk, status="won")
    assert answer.status_code == 403
    assert "Nothing was" in answer.content.decode()


# --- Adding and editing -------------------------------------------------------------------------------------


def test_a_lead_is_added(alice: Browser, owner: User) -> None:
    answer = alice.post("lead_new", **_filled(owner=owner.pk))
    lead = Lead.objects.get()
    assert answer["Location"] == f"/leads/{lead.pk}/"
    assert (lead.full_name, lead.email, lead.country_code) == ("Mei-Ling Zhao", "mei@pacific.test", "US")
    assert (str(lead.organization), lead.owner, lead.consent) == ("Pacific Crate", owner, "granted")
    assert lead.li_fat_id == FILLED["li_fat_id"]
    assert sorted(lead.tags.values_list("name", flat=True)) == ["Met in Oslo", "VIP"]
    assert lead.phones.get().digits == "15550100"
    assert Activity.objects.get(kind="created").actor == owner


@pytest.mark.parametrize("field", ["first_name", "last_name", "email", "source", "status"])
def test_the_web_form_asks_for(alice: Browser, field: str) -> None:
    answer = alice.post("lead_new", **_filled(**{field: ""}))
    assert answer.status_code == 422
    assert "This field is required" not in answer.context["form"].errors[field]
    assert not Lead.objects.exists()


def test_all_that_is_wrong_is_said_at_once(alice: Browser) -> None:
    answer = alice.post("lead_new", **_filled(last_name="", email="mei@", status=""))
    errors = answer.context["form"].errors
    assert errors["last_name"] == ["Enter the last name."]
    assert errors["status"] == ["Choose the status."]
    assert "Enter a valid e-mail address." in errors["email"][0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "mei@"),
        ("email", "a" * 300 + "@x.test"),
        ("first_name", "x" * 81),
        ("first_name", "a\x00b"),
        ("country_code", "XX"),
        ("consent", "perhaps"),
        ("status", "nonsense"),
        ("owner", str(UUID(int=0))),
        ("organization", "o" * 161),
        ("tags", "t" * 61),
    ],
)
def test_a_wrong_value_is_named_and_nothing_typed_is_lost(alice: Browser, field: str, value: str) -> None:
    answer = alice.post("lead_new", **_filled(**{field: value}))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert answer.context["form"].errors[field]
    assert 'value="Zhao"' in page
    assert not Lead.objects.exists()


def test_nothing_said_about_consent_is_nothing_written_down(alice: Browser) -> None:
    alice.post("lead_new", **_filled(consent="unknown"))
    assert Lead.objects.get().consent_at is None


def test_an_edit_changes_only_what_was_changed(alice: Browser, company: Company, lead: Lead) -> None:
    before = Activity.objects.count()
    actions.update_lead(lead, {"phones": [actions.PhoneEntry("1111"), actions.PhoneEntry("2222")]}, _shell())
    form = alice.get("lead_edit", lead.pk).context["form"]
    fields = {name: _plain(form[name].value()) for name in form.fields}
    alice.post("lead_edit", lead.pk, **{**fields, "title": "Head of Logistics", "phone": ["3333", "2222"]})
    lead.refresh_from_db()
    assert lead.title == "Head of Logistics"
    assert [phone.number for phone in lead.phones.all()] == ["3333", "2222"]
    changed = Activity.objects.filter(kind="field").values_list("field", flat=True)
    assert sorted(changed) == ["phone", "phone", "title"]
    assert Activity.objects.count() == before + 3


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [row.value for row in value]
    pk = getattr(value, "pk", value)
    return "" if pk is None else pk


def _shell() -> Actor:
    return Actor("shell", label="Tests")


def test_a_wrong_edit_changes_nothing(alice: Browser, lead: Lead) -> None:
    answer = alice.post("lead_edit", lead.pk, **_filled(email="nonsense"))
    assert answer.status_code == 422
    lead.refresh_from_db()
    assert lead.first_name == "Annika"


@pytest.mark.parametrize("to", ["owner", "nobody"])
def test_an_agent_gives_no_lead_away(bob: Browser, agent: User, owner: User, to: str) -> None:
    lead = LeadFactory(company=owner.memberships.get().company, owner=agent)
    chosen = owner.pk if to == "owner" else ""
    assert bob.post("lead_owner", lead.pk, owner=chosen).status_code == 403
    assert bob.post("lead_edit", lead.pk, **_filled(owner=chosen)).status_code == 422
    assert bob.post("lead_new", **_filled(owner=chosen)).status_code == 422
    assert Lead.objects.get().owner == agent
    assert "change owner" not in bob.seen("lead", lead.pk)


# --- One click ----------------------------------------------------------------------------------------------


def test_the_status_changes(alice: Browser, lead: Lead, owner: User) -> None:
    answer = alice.post("lead_status", lead.pk, status="qualified")
    lead.refresh_from_db()
    assert answer["Location"] == f"/leads/{lead.pk}/"
    assert lead.status.key == "qualified"
    assert LeadStatusChange.objects.latest("at").actor == owner
    assert "Annika Sorensen is Qualified now." in alice.said()


def test_the_same_status_again_is_said_and_not_written(alice: Browser, lead: Lead) -> None:
    alice.post("lead_status", lead.pk, status="new")
    assert "was New already" in alice.said()
    assert LeadStatusChange.objects.count() == 1


@pytest.mark.parametrize("status", ["", "nonsense", "a\x00b"])
def test_an_unknown_status_is_not_found(alice: Browser, lead: Lead, status: str) -> None:
    assert alice.post("lead_status", lead.pk, status=status).status_code == 404


def test_htmx_gets_the_row_and_what_happened(alice: Browser, lead: Lead) -> None:
    part = alice.htmx("lead_status", lead.pk, status="contacted", next="/leads/?view=all").content.decode()
    assert f'<tr id="lead-{lead.pk}">' in part
    assert 'hx-swap-oob="beforeend"' in part
    assert "is Contacted now" in part
    assert 'value="/leads/?view=all"' in part


def test_after_a_change_one_is_back_where_one_was(alice: Browser, lead: Lead) -> None:
    answer = alice.post("lead_status", lead.pk, status="won", next="/leads/?view=mine")
    assert answer["Location"] == "/leads/?view=mine"


@pytest.mark.parametrize("url", ["https://evil.test/", "//evil.test/", "javascript:alert(1)"])
def test_nobody_is_sent_elsewhere(alice: Browser, lead: Lead, url: str) -> None:
    answer = alice.post("lead_status", lead.pk, status="won", next=url)
    assert answer["Location"] == f"/leads/{lead.pk}/"


def test_the_owner_changes(alice: Browser, lead: Lead, agent: User) -> None:
    alice.post("lead_owner", lead.pk, owner=agent.pk)
    lead.refresh_from_db()
    assert lead.owner == agent
    alice.post("lead_owner", lead.pk, owner="")
    lead.refresh_from_db()
    assert lead.owner is None


def test_somebody_from_elsewhere_cannot_own_it(alice: Browser, lead: Lead, stranger: User) -> None:
    assert alice.post("lead_owner", lead.pk, owner=stranger.pk).status_code == 404


@pytest.mark.parametrize("kind", ["note", "call", "meeting", "email", ""])
def test_a_note_is_written(alice: Browser, lead: Lead, owner: User, kind: str) -> None:
    answer = alice.post("lead_note", lead.pk, text="Twelve <docks>", kind=kind)
    assert answer["Location"] == f"/leads/{lead.pk}/#timeline"
    note = Activity.objects.get(kind=kind or "note")
    assert (note.text, note.actor) == ("Twelve <docks>", owner)
    assert "Twelve &lt;docks&gt;" in alice.seen("lead", lead.pk)


@pytest.mark.parametrize(
    "fields", [{"text": "  "}, {"text": "x" * 20_001}, {"text": "Hello", "kind": "stage"}]
)
def test_a_wrong_note_stays_in_the_form(alice: Browser, lead: Lead, fields: dict[str, str]) -> None:
    answer = alice.post("lead_note", lead.pk, **fields)
    assert answer.status_code == 422
    assert answer.context["note_form"].errors
    assert not Activity.objects.filter(kind__in=("note", "stage")).exists()


def test_consent_is_written_down(alice: Browser, lead: Lead) -> None:
    alice.post("lead_consent", lead.pk, consent="denied")
    lead.refresh_from_db()
    assert (lead.consent, lead.consent_source) == ("denied", "web")
    assert "is denied now" in alice.said()


def test_consent_has_three_answers(alice: Browser, lead: Lead) -> None:
    alice.post("lead_consent", lead.pk, consent="perhaps")
    lead.refresh_from_db()
    assert lead.consent == "unknown"
    assert "Say granted, denied or unknown." in alice.said()


def test_archiving_asks_by_name_first(alice: Browser, lead: Lead) -> None:
    assert "Archive Annika Sorensen?" in alice.seen("lead_archive", lead.pk)
    assert alice.get("lead", lead.pk).status_code == 200
    alice.post("lead_archive", lead.pk)
    assert alice.get("lead", lead.pk).status_code == 404
    assert alice.post("lead_archive", lead.pk).status_code == 404


def test_an_agent_does_not_archive(bob: Browser, agent: User, company: Company) -> None:
    lead = LeadFactory(company=company, owner=agent)
    assert bob.post("lead_archive", lead.pk).status_code == 403
    assert "Archive" not in bob.seen("lead", lead.pk)


# --- What other apps add, and what it costs -----------------------------------------------------------------


def test_other_apps_add_panels_and_lines(alice: Browser, lead: Lead, monkeypatch: pytest.MonkeyPatch) -> None:
    line = TimelineEntry(timezone.now(), "LinkedIn accepted <it>", "check", "good", "/trail/", "Trail")
    monkeypatch.setattr(panels, "lead_timelines", [lambda principal, lead: [line]])
    monkeypatch.setattr(
        panels,
        "lead_panels",
        [lambda principal, lead: Panel("components/badge.html", {"label": "Card of an app"})],
    )
    page = alice.seen("lead", lead.pk)
    assert "LinkedIn accepted &lt;it&gt;" in page
    assert '<a href="/trail/">Trail</a>' in page
    assert "Card of an app" in page


def test_an_agent_does_not_read_of_the_deals_of_others(
    bob: Browser, agent: User, owner: User, company: Company
) -> None:
    lead = LeadFactory(company=company, owner=agent)
    deal = DealFactory(company=company, title="Secret rollout", lead=lead, owner=owner)
    add_note(deal, "Do not tell Bob", _shell())
    page = bob.seen("lead", lead.pk)
    assert "Secret rollout" not in page
    assert "Do not tell Bob" not in page


@pytest.mark.usefixtures("deal")
def test_the_number_of_queries_does_not_grow(alice: Browser, lead: Lead, owner: User) -> None:
    few = _queries(alice, lead)
    for number in range(12):
        add_note(lead, f"Note {number}", Actor("web", user=owner))
        DealFactory(company=lead.company, lead=lead, owner=owner)
    assert _queries(alice, lead) <= few


def _queries(browser: Browser, lead: Lead) -> int:
    browser.seen("lead", lead.pk)
    with CaptureQueriesContext(connection) as queries:
        browser.seen("lead", lead.pk)
    return len(queries)


# --- several addresses, and one field at a time


ROWS = {
    "email": ["mei@pacific.test", "mei@home.test"],
    "email_label": ["Work", "Private"],
    "phone": ["+1 555 0100", "", "+1 555 0199"],
    "phone_label": ["", "", "Mobile"],
    "website": ["pacific.test", "https://pacific.test/mei"],
    "website_label": ["", "Profile"],
}


def test_a_lead_has_many_addresses_with_labels(alice: Browser) -> None:
    alice.post("lead_new", **_filled(**ROWS))
    lead = Lead.objects.get()
    assert [(each.address, each.label) for each in lead.emails.all()] == [
        ("mei@pacific.test", "Work"),
        ("mei@home.test", "Private"),
    ]
    assert [(each.number, each.label) for each in lead.phones.all()] == [
        ("+1 555 0100", ""),
        ("+1 555 0199", "Mobile"),
    ]
    assert [(each.url, each.label) for each in lead.websites.all()] == [
        ("https://pacific.test", ""),
        ("https://pacific.test/mei", "Profile"),
    ]


def test_another_address_is_made_the_primary_one(alice: Browser) -> None:
    alice.post("lead_new", **_filled(**ROWS, email_first="1"))
    assert Lead.objects.get().email == "mei@home.test"


def test_a_row_is_added_and_taken_away_without_script(alice: Browser) -> None:
    answer = alice.post("lead_new", **_filled(**ROWS, last_name="", change="phone:add"))
    page = answer.content.decode()
    assert answer.status_code == 200
    assert page.count('name="phone" value=') == 4
    assert "Enter the last name" not in page, "nobody has said that they are done"
    assert 'value="mei@home.test"' in page
    answer = alice.post("lead_new", **_filled(**ROWS, change="email:remove:0"))
    assert [row.value for row in answer.context["form"]["email"].value()] == ["mei@home.test"]
    assert not Lead.objects.exists()


@pytest.mark.parametrize(
    "change", ["", "x", "email:remove:9", "email:remove:-1", "email:remove:\u0661", "status:add"]
)
def test_a_row_that_is_not_there_is_left_alone(alice: Browser, change: str) -> None:
    answer = alice.post("lead_new", **_filled(**ROWS, change=change))
    assert answer.status_code == 200
    assert len(answer.context["form"]["email"].value()) == 2
    assert not Lead.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("website", "javascript://alert(1)"),
        ("website", "not a site"),
        ("website", "ftp://x.test"),
        ("website", "https://x.test/" + "x" * 500),
        ("phone", "1" * 41),
        ("email", ["mei@pacific.test"] * 2 + ["nonsense"]),
        ("phone_label", "x" * 41),
        ("phone", [str(n) for n in range(21)]),
    ],
)
def test_a_wrong_row_is_refused_beside_its_field(alice: Browser, field: str, value: object) -> None:
    answer = alice.post("lead_new", **_filled(**{field: value}))
    assert answer.status_code == 422
    assert answer.context["form"].errors[field.removesuffix("_label")]
    assert not Lead.objects.exists()


def test_one_field_is_edited_in_its_place(alice: Browser, lead: Lead) -> None:
    before = lead.emails.get().address
    field = alice.client.get(
        f"/leads/{lead.pk}/edit/?only=title", headers={"HX-Request": "true", "HX-Target": "x"}
    ).content.decode()
    assert 'name="title"' in field
    assert 'name="email"' not in field
    assert "<html" not in field
    answer = alice.client.post(
        f"/leads/{lead.pk}/edit/?only=title", {"title": "COO"}, headers={"HX-Request": "true"}
    )
    assert (answer.status_code, answer.headers["HX-Refresh"]) == (204, "true")
    lead.refresh_from_db()
    assert (lead.title, lead.email) == ("COO", before)


def test_without_script_the_field_has_a_page_of_its_own(alice: Browser, lead: Lead) -> None:
    page = alice.seen("lead_edit", lead.pk, "?only=country_code")
    assert "<html" in page
    assert 'name="title"' not in page
    answer = alice.post("lead_edit", lead.pk, "?only=country_code", country_code="NO")
    assert answer.headers["Location"] == f"/leads/{lead.pk}/"
    lead.refresh_from_db()
    assert (lead.country_code, lead.first_name) == ("NO", "Annika")


def test_a_wrong_value_of_one_field_is_refused_in_its_place(alice: Browser, lead: Lead) -> None:
    answer = alice.client.post(
        f"/leads/{lead.pk}/edit/?only=email", {"email": "nonsense"}, headers={"HX-Request": "true"}
    )
    assert answer.status_code == 422
    assert "Enter a valid e-mail address" in answer.content.decode()


def test_who_came_without_an_address_can_be_edited_without_one(
    company: Company, owner: User, alice: Browser
) -> None:
    lead = LeadFactory(company=company, email="", owner=owner)
    answer = alice.post("lead_edit", lead.pk, "?only=title&only=email", title="COO", email="")
    assert answer.status_code == 302


def test_sources_are_looked_for_where_one_is_written(alice: Browser, company: Company, lead: Lead) -> None:
    """Every lead of the company is looked at for them; not for each field that is edited in its place."""
    LeadFactory(company=company, source="Trade fair")
    for query, offers in (("", True), ("?only=source", True), ("?only=title", False)):
        assert ("Trade fair" in alice.get("lead_edit", lead.pk, query).context["sources"]) is offers
    assert "Trade fair" in alice.get("lead_new").context["sources"]
