"""Deleting words: never a lead or deal with them, always with the history of where those went."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from crm import signals
from crm.actions import deals, retiring, vocabulary
from crm.actions.leads import archive_lead
from crm.models import (
    Activity,
    AuditEntry,
    Company,
    Deal,
    DealStageChange,
    Lead,
    LeadStatus,
    LeadStatusChange,
    LeadType,
    Pipeline,
    Stage,
    Tag,
)
from tests.factories import SHELL, DealFactory, LeadFactory

pytestmark = pytest.mark.django_db


def status(key: str) -> LeadStatus:
    return LeadStatus.objects.get(key=key)


def stage(key: str, pipeline: str = "sales") -> Stage:
    return Stage.objects.get(pipeline__key=pipeline, key=key)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The facts that were sent while the test ran."""
    facts: list[Any] = []

    def listen(sender: type, fact: Any, **kwargs: Any) -> None:
        facts.append(fact)

    heard = (signals.lead_qualified, signals.deal_won, signals.deal_lost, signals.deal_reopened)
    for signal in heard:
        signal.connect(listen, weak=False)
    yield facts  # type: ignore[misc]
    for signal in heard:
        signal.disconnect(listen)


def test_leads_of_a_status_go_elsewhere_with_history_and_timeline(company: Company, told: list[Any]) -> None:
    leads = [LeadFactory(company=company, status=status("contacted")) for _ in range(3)]
    touched = {lead.pk: lead.last_touch_at for lead in leads}
    gone = status("contacted")
    assert retiring.delete_status(gone, status("proposal"), SHELL) == 3
    assert not LeadStatus.objects.filter(key="contacted").exists()
    for lead in Lead.objects.all():
        assert lead.status.key == "proposal"
        assert lead.last_touch_at == touched[lead.pk]
        change = lead.status_changes.last()
        assert change is not None
        assert (change.to_status, change.to_category, change.at) == (
            status("proposal"),
            "open",
            lead.status_since,
        )
        line = lead.activities.filter(kind="status").get()
        assert (line.old, line.new, line.actor_label) == ("Contacted", "Proposal", "Tests")
    assert told == []
    entry = AuditEntry.objects.get(action="word_deleted")
    assert entry.changes["count"] == [None, 3]
    assert entry.changes["to"] == [None, str(status("proposal").pk)]


def test_archived_leads_go_along(company: Company) -> None:
    lead = LeadFactory(company=company, status=status("contacted"))
    archive_lead(lead, SHELL)
    assert retiring.delete_status(status("contacted"), status("new"), SHELL) == 1
    assert Lead.objects.get().status.key == "new"


def test_those_that_become_qualified_by_it_are_reported_once(company: Company, told: list[Any]) -> None:
    known = LeadFactory(company=company, status=status("qualified"))
    told.clear()
    Lead.objects.filter(pk=known.pk).update(status=status("contacted"))
    fresh = LeadFactory(company=company, status=status("contacted"))
    retiring.delete_status(status("contacted"), status("qualified"), SHELL)
    assert [fact.lead.pk for fact in told] == [fresh.pk]
    fresh.refresh_from_db()
    assert fresh.qualified_at == fresh.status_since == told[0].at


def test_more_than_a_chunk_moves(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retiring, "CHUNK", 2)
    for _ in range(5):
        LeadFactory(company=company, status=status("contacted"))
    assert retiring.delete_status(status("contacted"), status("new"), SHELL) == 5
    assert LeadStatusChange.objects.filter(to_status=status("new")).count() == 5


def test_what_is_cut_short_is_whole_and_goes_on(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retiring, "CHUNK", 2)
    for _ in range(5):
        LeadFactory(company=company, status=status("contacted"))
    calls: list[int] = []
    real = retiring._tell_timelines

    def fails_later(*args: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("power cut")
        real(*args)

    monkeypatch.setattr(retiring, "_tell_timelines", fails_later)
    with pytest.raises(RuntimeError):
        retiring.delete_status(status("contacted"), status("new"), SHELL)
    assert Lead.objects.filter(status__key="contacted").count() == 3
    assert Activity.objects.filter(kind="status").count() == 2
    assert retiring.delete_status(status("contacted"), status("new"), SHELL) == 3
    assert Activity.objects.filter(kind="status").count() == 5


def test_a_status_with_leads_is_not_deleted_without_a_place_for_them(company: Company) -> None:
    LeadFactory(company=company, status=status("contacted"))
    for nowhere in (None, status("contacted")):
        with pytest.raises(ValidationError, match="Say where its leads go"):
            retiring.delete_status(status("contacted"), nowhere, SHELL)
    assert Lead.objects.get().status.key == "contacted"


def test_an_unused_status_just_goes(company: Company) -> None:
    assert retiring.delete_status(status("proposal"), None, SHELL) == 0
    assert LeadStatus.objects.count() == 5


def test_the_default_and_the_last_open_status_stay(company: Company) -> None:
    company.refresh_from_db()
    with pytest.raises(ValidationError, match="default first"):
        retiring.delete_status(status("new"), status("lost"), SHELL)
    company.default_status = status("lost")
    company.save()
    for key in ("contacted", "proposal"):
        retiring.delete_status(status(key), None, SHELL)
    with pytest.raises(ValidationError, match="last open status"):
        retiring.delete_status(status("new"), status("lost"), SHELL)


@pytest.mark.parametrize("to", ["trial", None])
def test_leads_of_a_type_get_another_or_none(company: Company, to: str | None) -> None:
    demo = LeadType.objects.get(key="demo-request")
    lead = LeadFactory(company=company, lead_type=demo)
    target = LeadType.objects.get(key=to) if to else None
    assert retiring.delete_type(demo, target, SHELL) == 1
    lead.refresh_from_db()
    assert lead.lead_type == target
    line = lead.activities.get(field="type")
    assert (line.old, line.new) == ("Demo Request", "Trial" if to else "")


def test_leads_of_a_tag_get_another_once(company: Company) -> None:
    both = LeadFactory(company=company, tags=["Cold", "Warm"])
    one = LeadFactory(company=company, tags=["Cold"])
    assert retiring.delete_tag(Tag.objects.get(name="Cold"), Tag.objects.get(name="Warm"), SHELL) == 2
    for lead in (both, one):
        assert [tag.name for tag in lead.tags.all()] == ["Warm"]
        assert lead.activities.filter(field="tags", old="Cold", new="Warm").exists()


def test_a_tag_goes_and_its_leads_stay(company: Company) -> None:
    lead = LeadFactory(company=company, tags=["Cold"])
    assert retiring.delete_tag(Tag.objects.get(name="Cold"), None, SHELL) == 1
    assert list(lead.tags.all()) == []
    assert Lead.objects.count() == 1


def test_deals_of_a_stage_go_to_another_of_its_kind(company: Company, told: list[Any]) -> None:
    deal = DealFactory(company=company, stage=stage("discovery"))
    assert retiring.delete_stage(stage("discovery"), stage("proposal"), SHELL) == 1
    deal.refresh_from_db()
    assert (deal.stage.key, deal.status) == ("proposal", "open")
    change = DealStageChange.objects.filter(deal=deal).last()
    assert change is not None
    assert (change.from_stage, change.to_stage, change.from_kind) == (None, stage("proposal"), "open")
    line = Activity.objects.filter(deal=deal, kind="stage").get()
    assert (line.old, line.new) == ("Discovery", "Proposal")
    assert told == []


def test_no_deal_is_won_by_deleting_a_stage(company: Company) -> None:
    DealFactory(company=company, stage=stage("discovery"))
    for target in (stage("closed-won"), stage("negotiation", "upsell")):
        with pytest.raises(ValidationError, match="another open stage"):
            retiring.delete_stage(stage("discovery"), target, SHELL)
    assert Deal.objects.get().stage == stage("discovery")


@pytest.mark.parametrize("key", ["closed-won", "closed-lost"])
def test_the_last_stage_of_a_kind_stays(company: Company, key: str) -> None:
    with pytest.raises(ValidationError, match="is the last"):
        retiring.delete_stage(stage(key), None, SHELL)


def test_deals_of_a_pipeline_go_to_like_stages_of_another(company: Company, told: list[Any]) -> None:
    sales, upsell = Pipeline.objects.get(key="sales"), Pipeline.objects.get(key="upsell")
    same = DealFactory(company=company, stage=stage("negotiation"))
    first = DealFactory(company=company, stage=stage("discovery"))
    won = deals.win_deal(DealFactory(company=company), SHELL)
    told.clear()
    assert retiring.delete_pipeline(sales, upsell, SHELL) == 3
    assert not Stage.objects.filter(pipeline__key="sales").exists()
    found = {deal.pk: (deal.pipeline.key, deal.stage.key, deal.status) for deal in Deal.objects.all()}
    assert found == {
        same.pk: ("upsell", "negotiation", "open"),
        first.pk: ("upsell", "idea", "open"),
        won.pk: ("upsell", "closed-won", "won"),
    }
    assert told == []


def test_the_last_pipeline_stays(company: Company) -> None:
    for key in ("onboarding", "upsell", "renewal"):
        retiring.delete_pipeline(Pipeline.objects.get(key=key), None, SHELL)
    with pytest.raises(ValidationError, match="last pipeline"):
        retiring.delete_pipeline(Pipeline.objects.get(), None, SHELL)


def test_a_stage_that_lost_its_road_names_what_is_missing(company: Company) -> None:
    renewal = Pipeline.objects.get(key="renewal")
    Stage.objects.filter(pipeline=renewal, kind="lost").delete()
    DealFactory(company=company)
    with pytest.raises(ValidationError, match="Renewal has no lost stage"):
        retiring.delete_pipeline(Pipeline.objects.get(key="sales"), renewal, SHELL)


def test_deleting_every_word_leaves_every_lead_and_deal(company: Company) -> None:
    for number in range(4):
        lead = LeadFactory(
            company=company,
            status=LeadStatus.objects.all()[number],
            lead_type=LeadType.objects.all()[number],
            tags=["Cold", "VIP"],
        )
        DealFactory(company=company, lead=lead, stage=stage("discovery"))
    kept = (set(Lead.objects.values_list("pk")), set(Deal.objects.values_list("pk")))
    home = vocabulary.add_pipeline(company, "Home", "Sales", SHELL)
    for tag in Tag.objects.all():
        retiring.delete_tag(tag, None, SHELL)
    for lead_type in LeadType.objects.all():
        retiring.delete_type(lead_type, None, SHELL)
    for word in LeadStatus.objects.exclude(key="new"):
        retiring.delete_status(word, status("new"), SHELL)
    for pipeline in Pipeline.objects.exclude(pk=home.pk):
        retiring.delete_pipeline(pipeline, home, SHELL)
    assert (set(Lead.objects.values_list("pk")), set(Deal.objects.values_list("pk"))) == kept
    assert timezone.now() >= Lead.objects.latest("status_since").status_since
