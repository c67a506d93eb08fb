"""The pages of the company's own words, and of the company itself."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm import panels
from crm.models import Company, Deal, Lead, LeadStatus, LeadType, Pipeline, Stage, Tag, User
from tests.crm.views.conftest import Browser
from tests.factories import DealFactory, LeadFactory

pytestmark = pytest.mark.django_db
NOBODY = "0195d3a5-7e33-7d5c-8f7b-000000000000"
LISTS = ("settings_statuses", "settings_types", "settings_tags", "settings_pipelines")
NEW = {
    "settings_statuses": {"name": "Parked", "category": "open", "colour": "rose"},
    "settings_types": {"name": "Parked", "priority": "3"},
    "settings_tags": {"name": "Parked", "colour": "rose"},
    "settings_pipelines": {"name": "Parked", "template": "Upsell"},
}


def status(key: str = "contacted") -> LeadStatus:
    return LeadStatus.objects.get(key=key)


@pytest.mark.parametrize("name", [*LISTS, "settings_company"])
def test_those_who_do_not_manage_are_refused(bob: Browser, name: str) -> None:
    assert bob.get(name).status_code == 403
    assert bob.post(name).status_code == 403


@pytest.mark.parametrize("name", LISTS)
def test_a_word_is_added_last(alice: Browser, name: str) -> None:
    answer = alice.post(name, **NEW[name])
    assert answer.status_code == 302
    assert "Parked is added." in alice.said()
    assert 'value="Parked"' in alice.seen(name)


def test_a_new_pipeline_opens_with_its_stages(alice: Browser) -> None:
    answer = alice.post("settings_pipelines", name="Parked", template="Upsell")
    made = Pipeline.objects.get(key="parked")
    assert answer["Location"] == f"/settings/pipelines/{made.pk}/"
    page = alice.seen("settings_pipeline", made.pk)
    assert 'value="Idea"' in page
    assert "are not reported to LinkedIn" in page


def test_a_stage_is_added_and_changed(alice: Browser) -> None:
    sales = Pipeline.objects.get(key="sales")
    alice.post("settings_pipeline", sales.pk, name="Trial", kind="open", probability="60")
    stage = Stage.objects.get(pipeline=sales, key="trial")
    assert (stage.probability, stage.position) == (60, 6)
    alice.post("settings_stage_change", stage.pk, name="Pilot", probability="65")
    stage.refresh_from_db()
    assert (stage.name, stage.key, stage.probability) == ("Pilot", "trial", 65)


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("wrong", ["", "x" * 61])
def test_a_new_word_that_will_not_do_keeps_what_was_typed(alice: Browser, name: str, wrong: str) -> None:
    answer = alice.post(name, **{**NEW[name], "name": wrong})
    assert answer.status_code == 422
    assert b'aria-invalid="true"' in answer.content


def test_a_name_taken_already_is_said_beside_the_field(alice: Browser) -> None:
    answer = alice.post("settings_statuses", name="contacted", category="won", colour="blue")
    assert answer.status_code == 422
    assert b"There is one of this name already." in answer.content
    assert b'value="contacted"' in answer.content


def test_a_refused_rename_says_so_in_its_row_and_keeps_what_was_typed(alice: Browser) -> None:
    answer = alice.post("settings_status_change", status().pk, name="Qualified")
    page = answer.content.decode()
    assert answer.status_code == 422
    assert f'id="wrong-{status().pk}"' in page
    assert page.count('value="Qualified"') == 2
    assert status().name == "Contacted"


@pytest.mark.parametrize("probability", ["", "x", "-1", "101", "²", "9" * 40])
def test_a_nonsense_probability_is_refused(alice: Browser, probability: str) -> None:
    stage = Stage.objects.get(pipeline__key="sales", key="discovery")
    answer = alice.post("settings_stage_change", stage.pk, name="Discovery", probability=probability)
    assert answer.status_code == 422
    stage.refresh_from_db()
    assert stage.probability == 20


def test_colour_priority_and_sales_change_at_a_click(alice: Browser) -> None:
    alice.post("settings_status_change", status().pk, colour="green")
    assert status().colour == "green"
    lead_type = LeadType.objects.get(key="download")
    alice.post("settings_type_change", lead_type.pk, priority="1")
    lead_type.refresh_from_db()
    assert lead_type.priority == 1
    upsell = Pipeline.objects.get(key="upsell")
    alice.post("settings_pipeline_change", upsell.pk, counts_as_sales="yes")
    upsell.refresh_from_db()
    assert upsell.counts_as_sales


def test_the_category_of_an_unused_status_changes_at_once(alice: Browser) -> None:
    alice.post("settings_status_change", status().pk, category="spam")
    assert status().category == "spam"


def test_the_category_of_a_used_status_is_asked_about_first(alice: Browser, company: Company) -> None:
    for _ in range(2):
        LeadFactory(company=company, status=status())
    asked = alice.post("settings_status_change", status().pk, category="won")
    assert b"Make Contacted won? 2 leads are in it" in asked.content
    assert status().category == "open"
    alice.post("settings_status_change", status().pk, category="won", sure="yes")
    assert status().category == "won"


def test_the_last_open_status_says_why_it_stays_open(alice: Browser) -> None:
    LeadStatus.objects.exclude(key="new").filter(category="open").update(category="lost")
    alice.post("settings_status_change", status("new").pk, category="won")
    assert "New is the last open status." in alice.said()
    assert status("new").category == "open"


def test_deleting_asks_where_the_leads_go_and_sends_them_there(alice: Browser, company: Company) -> None:
    lead = LeadFactory(company=company, status=status())
    page = alice.seen("settings_status_delete", status().pk)
    assert "Delete Contacted: where does its 1 lead go?" in page
    assert page.index(">New</option>") < page.index(">Qualified</option>")
    alice.post("settings_status_delete", status().pk, to=str(status("proposal").pk))
    assert "1 lead moved to Proposal." in alice.said()
    lead.refresh_from_db()
    assert lead.status.key == "proposal"


def test_the_question_says_who_would_be_reported(
    alice: Browser, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    LeadFactory(company=company, status=status())
    assert "would be reported" not in alice.seen("settings_status_delete", status().pk)
    monkeypatch.setattr(panels, "told_categories", [lambda: frozenset({"qualified"})])
    assert "Qualified: 1 of 1 would be reported" in alice.seen("settings_status_delete", status().pk)
    assert "is reported to LinkedIn, once in its life" in alice.seen("settings_statuses")


@pytest.mark.parametrize("to", ["", "x", NOBODY, "\x00"])
def test_leads_without_a_place_to_go_keep_their_status(alice: Browser, company: Company, to: str) -> None:
    LeadFactory(company=company, status=status())
    answer = alice.post("settings_status_delete", status().pk, to=to)
    assert answer.status_code == 422
    assert Lead.objects.get().status == status()


def test_leads_never_go_to_another_company_s_status(
    alice: Browser, company: Company, other_company: Company
) -> None:
    from crm.tenancy import company_scope

    lead = LeadFactory(company=company, status=status())
    with company_scope(other_company):
        theirs = status("lost")
    assert alice.post("settings_status_delete", status().pk, to=str(theirs.pk)).status_code == 422
    lead.refresh_from_db()
    assert lead.status == status()


def test_the_default_status_cannot_be_deleted(alice: Browser, company: Company) -> None:
    answer = alice.post("settings_status_delete", status("new").pk)
    assert answer.status_code == 422
    assert b"New leads start as New." in answer.content
    page = alice.seen("settings_statuses")
    assert f"/settings/statuses/{status('new').pk}/delete/" not in page


def test_tags_types_stages_and_pipelines_are_deleted_too(alice: Browser, company: Company) -> None:
    lead = LeadFactory(company=company, tags=["Cold"], lead_type=LeadType.objects.get(key="trial"))
    stages = {stage.key: stage for stage in Stage.objects.filter(pipeline__key="sales")}
    DealFactory(company=company, lead=lead, stage=stages["discovery"])
    alice.post("settings_tag_delete", Tag.objects.get(name="Cold").pk, to="")
    alice.post("settings_type_delete", LeadType.objects.get(key="trial").pk, to="")
    alice.post("settings_stage_delete", stages["discovery"].pk, to=str(stages["proposal"].pk))
    upsell = Pipeline.objects.get(key="upsell")
    alice.post("settings_pipeline_delete", Pipeline.objects.get(key="sales").pk, to=str(upsell.pk))
    assert "1 deal moved to Upsell." in alice.said()
    lead.refresh_from_db()
    assert (lead.lead_type, lead.tags.count()) == (None, 0)
    assert Deal.objects.get().pipeline == upsell


def test_rows_move_by_a_button(alice: Browser) -> None:
    answer = alice.post("settings_statuses_order", word=str(status().pk), way="up")
    assert answer["Location"].endswith(f"#word-{status().pk}")
    assert LeadStatus.objects.all()[0] == status()


def test_rows_move_by_dragging(alice: Browser) -> None:
    pks = [str(each.pk) for each in LeadStatus.objects.all()][::-1]
    answer = alice.client.post(
        "/settings/statuses/order/",
        {"order": ",".join(pks)},
        headers={"HX-Request": "true", "HX-Target": "words"},
    )
    assert answer.content.decode().lstrip().startswith('<div id="words"')
    assert [str(each.pk) for each in LeadStatus.objects.all()] == pks


@pytest.mark.parametrize("order", ["", "x", ",,,", "\x00", NOBODY])
def test_a_nonsense_order_changes_nothing(alice: Browser, order: str) -> None:
    assert alice.post("settings_statuses_order", order=order, word=order).status_code == 302
    assert list(LeadStatus.objects.values_list("position", flat=True)) == [0, 1, 2, 3, 4, 5]


def test_stages_are_ordered_within_their_pipeline(alice: Browser) -> None:
    sales = Pipeline.objects.get(key="sales")
    first = sales.stages.all()[0]
    alice.post("settings_pipeline_stages_order", sales.pk, word=str(first.pk), way="down")
    assert [stage.key for stage in sales.stages.all()[:2]] == ["discovery", "qualification"]


def test_a_tag_is_found_by_a_part_of_its_name(alice: Browser) -> None:
    page = alice.seen("settings_tags", query="?search=LEA")
    assert 'value="Hot Lead"' in page
    assert 'value="VIP"' not in page
    assert "No tag has" in alice.seen("settings_tags", query="?search=%00zzz")


def test_many_tags_are_not_all_shown(alice: Browser, company: Company) -> None:
    Tag.objects.bulk_create(
        Tag(company=company, name=f"t{n:03}", name_key=f"t{n:03}", colour="slate") for n in range(210)
    )
    assert "The first 200 of 217" in alice.seen("settings_tags")


@pytest.mark.parametrize("name", [*LISTS, "settings_pipeline"])
def test_a_list_asks_a_fixed_number_of_questions(alice: Browser, company: Company, name: str) -> None:
    pk = Pipeline.objects.get(key="sales").pk if name == "settings_pipeline" else None

    def queries() -> int:
        alice.seen(name, pk)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            alice.seen(name, pk)
        return len(asked)

    before = queries()
    for number in range(60):
        word = {"company": company, "name": f"Word {number}", "key": f"word-{number}", "position": 9 + number}
        LeadStatus.objects.create(**word)
        LeadType.objects.create(**word)
        Pipeline.objects.create(**word)
        Stage.objects.create(pipeline=Pipeline.objects.get(key="sales"), **word)
        Tag.objects.create(company=company, name=f"Word {number}", name_key=f"word {number}")
        lead = LeadFactory(company=company, status=LeadStatus.objects.last(), tags=[f"Word {number}"])
        DealFactory(company=company, lead=lead)
    assert queries() == before
    assert before < 18


def test_counts_lead_to_the_rows(alice: Browser, company: Company) -> None:
    LeadFactory(company=company, status=status())
    page = alice.seen("settings_statuses")
    assert 'href="/leads/?view=all&amp;status=contacted"' in page


def test_company_settings_are_changed(alice: Browser, agent: User, company: Company) -> None:
    page = alice.seen("settings_company")
    assert 'value="Acme"' in page
    sent = {
        "name": "Acme Ltd",
        "currency": "CHF",
        "time_zone": "Europe/Zurich",
        "default_status": str(status().pk),
        "default_source": "Fair",
        "fallback_owner": str(agent.pk),
        "settle_minutes": "0",
    }
    assert alice.post("settings_company", **sent).status_code == 302
    company.refresh_from_db()
    found = {name: getattr(company, name) for name in sent}
    assert found == {**sent, "default_status": status(), "fallback_owner": agent, "settle_minutes": 0}
    assert company.internal_domains == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("currency", "XXX"),
        ("time_zone", "Mars/Olympus"),
        ("default_status", NOBODY),
        ("fallback_owner", NOBODY),
        ("settle_minutes", "16"),
        ("settle_minutes", "x"),
    ],
)
def test_settings_that_will_not_do_are_refused_by_field(
    alice: Browser, company: Company, field: str, value: str
) -> None:
    sent = {
        "name": "Other",
        "currency": "EUR",
        "time_zone": "UTC",
        "default_status": str(status().pk),
        "default_source": "",
        "fallback_owner": "",
        "settle_minutes": "2",
    }
    answer = alice.post("settings_company", **{**sent, field: value})
    assert answer.status_code == 422
    company.refresh_from_db()
    assert company.name == "Acme"
