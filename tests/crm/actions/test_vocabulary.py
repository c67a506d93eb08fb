"""A company's own words: what may change, what may not, and in which order they stand."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from crm.actions import vocabulary
from crm.models import AuditEntry, Company, LeadStatus, LeadType, Pipeline, Stage, Tag
from tests.factories import SHELL, DealFactory, LeadFactory

pytestmark = pytest.mark.django_db


def status(key: str) -> LeadStatus:
    return LeadStatus.objects.get(key=key)


def add(company: Company, word: Any, **changes: Any) -> Any:
    return vocabulary.add_word(company, word, changes, SHELL)


def test_a_new_word_comes_last_and_gets_its_key_from_its_name(company: Company) -> None:
    made = add(company, LeadStatus(), name="  In   Talks ")
    assert (made.name, made.key) == ("In Talks", "in-talks")
    assert LeadStatus.objects.last() == made


def test_a_key_never_changes_and_is_never_given_twice(company: Company) -> None:
    renamed = vocabulary.change_word(status("new"), {"name": "Fresh"}, SHELL)
    assert isinstance(renamed, LeadStatus)
    assert renamed.key == "new"
    assert add(company, LeadStatus(), name="New").key == "new-2"


@pytest.mark.parametrize("name", ["Новый", "新規", "…", "x" * 60])
def test_any_name_has_a_key(company: Company, name: str) -> None:
    first, second = add(company, LeadType(), name=name), add(company, LeadType(), name=f"{name[:58]}§")
    assert first.key
    assert first.key != second.key


@pytest.mark.parametrize("name", ["", "  ", "contacted", "CONTACTED", "x" * 61, "a\x00b"])
def test_a_name_that_will_not_do_is_refused(company: Company, name: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        vocabulary.change_word(status("new"), {"name": name}, SHELL)
    assert "name" in refusal.value.message_dict
    assert status("new").name == "New"


def test_names_are_compared_without_capitals_beyond_ascii(company: Company) -> None:
    add(company, LeadStatus(), name="Übergeben")
    with pytest.raises(ValidationError):
        add(company, LeadStatus(), name="ÜBERGEBEN")


@pytest.mark.parametrize(
    ("word", "changes"),
    [
        (LeadStatus, {"category": "maybe"}),
        (LeadStatus, {"colour": "red; }"}),
        (LeadType, {"priority": 4}),
        (LeadType, {"priority": -1}),
        (Stage, {"probability": 101}),
        (Stage, {"kind": "maybe"}),
    ],
)
def test_a_value_that_is_none_is_refused_by_field(
    company: Company, word: Any, changes: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError) as refusal:
        vocabulary.change_word(word.objects.all()[0], changes, SHELL)
    assert set(refusal.value.message_dict) == set(changes)


def test_the_last_open_status_stays_open(company: Company) -> None:
    for key in ("contacted", "proposal"):
        vocabulary.change_word(status(key), {"category": "lost"}, SHELL)
    with pytest.raises(ValidationError, match="last open status"):
        vocabulary.change_word(status("new"), {"category": "won"}, SHELL)


def test_the_last_stage_of_a_kind_keeps_it(company: Company) -> None:
    won = Stage.objects.get(pipeline__key="sales", kind="won")
    with pytest.raises(ValidationError, match="last won stage of Sales"):
        vocabulary.change_word(won, {"kind": "open"}, SHELL)


def test_a_stage_with_deals_keeps_its_kind(company: Company) -> None:
    deal = DealFactory(company=company)
    with pytest.raises(ValidationError, match="Move the deals"):
        vocabulary.change_word(deal.stage, {"kind": "won"}, SHELL)


def test_another_category_reports_nobody_and_keeps_history(company: Company) -> None:
    lead = LeadFactory(company=company, status=status("contacted"))
    vocabulary.change_word(status("contacted"), {"category": "qualified"}, SHELL)
    lead.refresh_from_db()
    assert lead.qualified_at is None
    assert lead.status_changes.count() == 1


def test_two_pipelines_may_have_stages_of_one_name(company: Company) -> None:
    upsell = Pipeline.objects.get(key="upsell")
    assert add(company, Stage(pipeline=upsell), name="Discovery", kind="open").key == "discovery"


@pytest.mark.parametrize(
    ("template", "sales", "stages"),
    [("Sales", True, 6), ("Onboarding", False, 5), ("Upsell", False, 5), ("Renewal", False, 4)],
)
def test_a_pipeline_starts_from_a_template(company: Company, template: str, sales: bool, stages: int) -> None:
    made = vocabulary.add_pipeline(company, "Partners", template, SHELL)
    assert (made.key, made.counts_as_sales, made.stages.count()) == ("partners", sales, stages)
    assert DealFactory(company=company, pipeline=made).stage.position == 0


def test_an_unknown_template_makes_nothing(company: Company) -> None:
    with pytest.raises(ValidationError, match="Choose from Sales"):
        vocabulary.add_pipeline(company, "Partners", "Nope", SHELL)
    assert Pipeline.objects.count() == 4


def test_words_stand_in_the_order_that_was_asked_for(company: Company) -> None:
    keys = ["lost", "won", "new", "contacted", "qualified", "proposal"]
    vocabulary.order_words(LeadStatus.objects.all(), [status(key).pk for key in keys], SHELL)
    assert list(LeadStatus.objects.values_list("key", flat=True)) == keys
    entry = AuditEntry.objects.get(action="words_ordered")
    assert entry.changes["count"] == [None, 6]


def test_what_an_order_does_not_name_follows_behind(company: Company, other_company: Company) -> None:
    vocabulary.order_words(LeadStatus.objects.all(), [status("won").pk, other_company.pk], SHELL)
    assert list(LeadStatus.objects.values_list("key", flat=True))[:3] == ["won", "new", "contacted"]


def test_the_same_order_again_is_not_written_down(company: Company) -> None:
    vocabulary.order_words(LeadStatus.objects.all(), [each.pk for each in LeadStatus.objects.all()], SHELL)
    assert not AuditEntry.objects.filter(action="words_ordered").exists()


@pytest.mark.parametrize(("step", "place"), [(-1, 0), (1, 2), (-9, 0), (9, 5)])
def test_a_step_moves_one_word_and_stops_at_the_ends(company: Company, step: int, place: int) -> None:
    words = list(LeadStatus.objects.all())
    assert vocabulary.moved_by(words, words[1], step).index(words[1].pk) == place


def test_a_tag_is_known_again_by_its_new_name(company: Company) -> None:
    tag = vocabulary.change_word(Tag.objects.get(name="VIP"), {"name": "Very Important"}, SHELL)
    assert isinstance(tag, Tag)
    lead = LeadFactory(company=company, tags=["very important"])
    assert list(lead.tags.all()) == [tag]
