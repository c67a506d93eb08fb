"""Conditions of rules keep up with the words they name."""

from __future__ import annotations

import pytest

from capi.models import Rule
from crm.actions import retiring, vocabulary
from crm.errors import Conflict
from crm.models import Company, LeadType, Pipeline, Tag
from tests.factories import SHELL, LeadFactory, RuleFactory

pytestmark = pytest.mark.django_db


def conditions() -> dict[str, object]:
    return dict(Rule.objects.get().conditions)


def test_a_renamed_tag_is_asked_for_by_its_new_name(company: Company) -> None:
    RuleFactory(company=company, name="Hot ones", conditions={"tags": ["hot lead", "VIP"]})
    vocabulary.change_word(Tag.objects.get(name="Hot Lead"), {"name": "Burning"}, SHELL)
    assert conditions() == {"tags": ["Burning", "VIP"]}


def test_a_word_s_place_is_taken_in_conditions_too(company: Company) -> None:
    asked = {"tags": ["Cold", "Warm"], "types": ["trial"], "pipelines": ["upsell"]}
    RuleFactory(company=company, conditions=asked)
    retiring.delete_tag(Tag.objects.get(name="Cold"), Tag.objects.get(name="Warm"), SHELL)
    retiring.delete_type(LeadType.objects.get(key="trial"), LeadType.objects.get(key="event"), SHELL)
    retiring.delete_pipeline(Pipeline.objects.get(key="upsell"), Pipeline.objects.get(key="sales"), SHELL)
    assert conditions() == {"tags": ["Warm"], "types": ["event"], "pipelines": ["sales"]}


def test_a_word_that_a_rule_asks_for_does_not_just_go(company: Company) -> None:
    RuleFactory(company=company, name="Cold ones", conditions={"tags": ["Cold"]})
    lead = LeadFactory(company=company, tags=["Cold"])
    with pytest.raises(Conflict, match="Cold ones asks for Cold"):
        retiring.delete_tag(Tag.objects.get(name="Cold"), None, SHELL)
    assert [tag.name for tag in lead.tags.all()] == ["Cold"]
