"""Two leads that are one person: everything ends up with the survivor, and comes back when it is undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core import serializers
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from capi.models import ConversionEvent, Recorded, Rule
from crm import personal_export
from crm.actions import deals, erase, leads, merge, retention
from crm.actions.leads import EmailEntry, PhoneEntry
from crm.actions.timeline import add_note
from crm.errors import Conflict
from crm.models import (
    Activity,
    AuditEntry,
    BulkRow,
    Company,
    Deal,
    DealPerson,
    Lead,
    LeadEmail,
    LeadPhone,
    LeadStatus,
    LeadStatusChange,
    LeadTag,
    LeadWebsite,
    Merge,
    Tombstone,
    WebhookDelivery,
)
from crm.tenancy import TenantModel
from tests.factories import SHELL, DealFactory, LeadFactory

CHILDREN = (LeadEmail, LeadPhone, LeadWebsite, LeadTag, LeadStatusChange, Activity)


@pytest.fixture
def pair(company: Company) -> tuple[Lead, Lead]:
    """Annika twice: as she is known, and as she filled in a form."""
    survivor = LeadFactory(
        company=company, first_name="Annika", last_name="Sorensen", email="annika@fjord.test", title=""
    )
    loser = LeadFactory(
        company=company,
        first_name="A.",
        last_name="Sorensen",
        email="",
        emails=[EmailEntry("a@fjord.test", "work"), EmailEntry("Annika@fjord.test")],
        phones=[PhoneEntry("+47 22 15 48 90")],
        title="Head of Logistics",
        tags=["VIP"],
        occurred_at=timezone.now() - timedelta(days=40),
    )
    return survivor, loser


def status(key: str) -> LeadStatus:
    return LeadStatus.objects.get(key=key)


def again(lead: Lead) -> Lead:
    return Lead.objects.get(pk=lead.pk)


# --- what the survivor has


def test_the_survivor_gets_what_the_other_had(company: Company, pair: tuple[Lead, Lead]) -> None:
    survivor, loser = pair
    deal = DealFactory(company=company, lead=loser)
    add_note(loser, "Likes short mails.", SHELL)
    merge.merge_leads(survivor, loser, SHELL)
    survivor = again(survivor)
    assert [email.address for email in survivor.emails.all()] == ["annika@fjord.test", "a@fjord.test"]
    assert survivor.email == "annika@fjord.test"
    assert [phone.number for phone in survivor.phones.all()] == ["+47 22 15 48 90"]
    assert [tag.name for tag in survivor.tags.all()] == ["VIP"]
    assert Deal.objects.get(pk=deal.pk).lead == survivor
    assert Activity.objects.filter(lead=survivor, text="Likes short mails.").exists()
    assert survivor.title == "Head of Logistics", "only the other one knew it"
    assert survivor.first_name == "Annika", "its own word counts where it has one"


def test_the_other_leaves_every_list(company: Company, pair: tuple[Lead, Lead]) -> None:
    survivor, loser = pair
    merge.merge_leads(survivor, loser, SHELL)
    assert list(Lead.objects.current()) == [survivor]
    assert again(loser).merged_into == survivor


def test_the_earliest_dates_stay(company: Company, pair: tuple[Lead, Lead]) -> None:
    survivor, loser = pair
    leads.change_status(loser, status("qualified"), SHELL)
    qualified = again(loser).qualified_at
    merge.merge_leads(survivor, loser, SHELL)
    survivor = again(survivor)
    assert survivor.occurred_at == loser.occurred_at
    assert survivor.qualified_at == qualified
    assert survivor.status == status("new"), "the status is a choice of its own"


def test_field_by_field_what_was_chosen_is_taken(company: Company, pair: tuple[Lead, Lead]) -> None:
    survivor, loser = pair
    leads.change_status(loser, status("contacted"), SHELL)
    merge.merge_leads(survivor, again(loser), SHELL, take=["first_name", "status"])
    survivor = again(survivor)
    assert (survivor.first_name, survivor.title) == ("A.", "")
    assert survivor.status == status("contacted")
    assert survivor.status_since == again(loser).status_since


@pytest.mark.parametrize(("first", "second"), [("granted", "denied"), ("denied", "granted")])
def test_the_latest_word_on_consent_counts(
    company: Company, pair: tuple[Lead, Lead], first: str, second: str
) -> None:
    survivor, loser = pair
    leads.set_consent(survivor, first, SHELL)
    leads.set_consent(loser, second, SHELL)
    merge.merge_leads(survivor, loser, SHELL)
    assert again(survivor).consent == second
    entry = AuditEntry.objects.filter(action="consent_changed", subject_id=survivor.pk).latest("at")
    assert entry.changes["consent"] == [first, second]


def test_an_external_id_goes_to_the_survivor_and_back(company: Company, pair: tuple[Lead, Lead]) -> None:
    survivor, loser = pair
    leads.update_lead(loser, {"external_id": "crm-7"}, SHELL)
    found = merge.merge_leads(survivor, loser, SHELL)
    assert (again(survivor).external_id, again(loser).external_id) == ("crm-7", "")
    merge.undo_merge(found, SHELL)
    assert (again(survivor).external_id, again(loser).external_id) == ("", "crm-7")


def test_on_one_deal_a_person_is_named_once(company: Company, pair: tuple[Lead, Lead]) -> None:
    survivor, loser = pair
    deal, both = DealFactory(company=company, lead=survivor), DealFactory(company=company)
    deals.add_person(deal, loser, "Buyer", SHELL)
    deals.add_person(both, survivor, "", SHELL)
    deals.add_person(both, loser, "Pays", SHELL)
    found = merge.merge_leads(survivor, loser, SHELL)
    assert list(DealPerson.objects.values_list("deal", "lead")) == [(both.pk, survivor.pk)]
    merge.undo_merge(found, SHELL)
    assert set(DealPerson.objects.values_list("deal", "lead", "role")) == {
        (deal.pk, loser.pk, "Buyer"),
        (both.pk, survivor.pk, ""),
        (both.pk, loser.pk, "Pays"),
    }


def test_a_merge_is_written_down(company: Company, pair: tuple[Lead, Lead]) -> None:
    survivor, loser = pair
    found = merge.merge_leads(survivor, loser, SHELL)
    assert Activity.objects.get(kind="merged").old == "A. Sorensen"
    entry = AuditEntry.objects.get(action="leads_merged")
    assert (entry.subject_id, entry.changes) == (survivor.pk, {"lead": [None, str(loser.pk)]})
    merge.undo_merge(found, SHELL)
    assert AuditEntry.objects.filter(action="merge_undone", subject_id=survivor.pk).exists()
    assert Activity.objects.filter(kind="unmerged").count() == 2


# --- what is refused


def test_nobody_is_merged_into_themselves(company: Company, pair: tuple[Lead, Lead]) -> None:
    with pytest.raises(Exception, match="same one"):
        merge.merge_leads(pair[0], pair[0], SHELL)


def test_who_was_merged_meanwhile_is_not_merged_again(company: Company, pair: tuple[Lead, Lead]) -> None:
    survivor, loser = pair
    merge.merge_leads(survivor, loser, SHELL)
    with pytest.raises(Conflict, match="meanwhile"):
        merge.merge_leads(survivor, loser, SHELL)


def test_sample_data_stays_apart(company: Company, pair: tuple[Lead, Lead]) -> None:
    with pytest.raises(Conflict, match="Sample"):
        merge.merge_leads(pair[0], LeadFactory(company=company, is_sample=True), SHELL)


# --- undo


def test_later_edits_are_kept(company: Company, pair: tuple[Lead, Lead]) -> None:
    survivor, loser = pair
    found = merge.merge_leads(survivor, loser, SHELL)
    leads.update_lead(
        survivor,
        {
            "title": "COO",
            "emails": [
                EmailEntry("new@fjord.test"),
                EmailEntry("a@fjord.test"),
                EmailEntry("annika@fjord.test"),
            ],
        },
        SHELL,
    )
    add_note(survivor, "Written in between.", SHELL)
    merge.undo_merge(found, SHELL)
    assert again(survivor).title == "COO", "it was edited since"
    assert [each.address for each in again(survivor).emails.all()] == ["new@fjord.test", "annika@fjord.test"]
    assert [each.address for each in again(loser).emails.all()] == ["a@fjord.test", "Annika@fjord.test"]
    assert again(loser).email == "a@fjord.test"
    assert Activity.objects.get(text="Written in between.").lead == survivor


def test_what_an_edit_removed_comes_back_to_whom_it_belonged(
    company: Company, pair: tuple[Lead, Lead]
) -> None:
    survivor, loser = pair
    found = merge.merge_leads(survivor, loser, SHELL)
    leads.update_lead(survivor, {"emails": [], "phones": [], "tags": []}, SHELL)
    merge.undo_merge(found, SHELL)
    assert [each.address for each in again(loser).emails.all()] == ["a@fjord.test", "Annika@fjord.test"]
    assert again(loser).phones.count() == again(loser).tags.count() == 1
    assert again(survivor).emails.count() == 0


def test_the_last_merge_is_undone_first(company: Company, pair: tuple[Lead, Lead]) -> None:
    survivor, loser = pair
    third = LeadFactory(company=company)
    first = merge.merge_leads(survivor, loser, SHELL)
    second = merge.merge_leads(survivor, third, SHELL)
    with pytest.raises(Conflict, match="later"):
        merge.undo_merge(first, SHELL)
    merge.undo_merge(second, SHELL)
    merge.undo_merge(first, SHELL)
    assert Lead.objects.current().count() == 3
    with pytest.raises(Conflict, match="already"):
        merge.undo_merge(first, SHELL)


def test_after_thirty_days_there_is_no_way_back(company: Company, pair: tuple[Lead, Lead]) -> None:
    survivor, loser = pair
    found = merge.merge_leads(survivor, loser, SHELL)
    Merge.objects.update(at=timezone.now() - timedelta(days=30))
    with pytest.raises(Conflict, match="30 days"):
        merge.undo_merge(found, SHELL)
    assert retention.apply_retention(company).merges == 1
    assert not Lead.objects.filter(pk=loser.pk).exists()
    assert not Merge.objects.exists()
    assert again(survivor).emails.count() == 2
    assert not Tombstone.objects.exists(), "nobody was erased"


def test_retention_of_archived_leads_leaves_merged_ones_alone(
    company: Company, pair: tuple[Lead, Lead]
) -> None:
    retention.update_retention(company, archived_lead_days=1, conversion_days=180, actor=SHELL)
    merge.merge_leads(*pair, SHELL)
    Lead.objects.exclude(archived_at=None).update(archived_at=timezone.now() - timedelta(days=2))
    assert retention.apply_retention(company).leads == 0
    assert not Tombstone.objects.exists()


# --- privacy


def test_an_export_holds_both_records(company: Company, pair: tuple[Lead, Lead]) -> None:
    survivor, loser = pair
    leads.update_lead(loser, {"source": "Old fair in Bergen"}, SHELL)
    merge.merge_leads(survivor, again(loser), SHELL)
    found = personal_export.export_lead(survivor, SHELL)
    assert len(found["tables"]["crm.Lead"]["rows"]) == 2
    assert len(found["tables"]["crm.LeadEmail"]["rows"]) == 3
    assert "crm.Merge" in found["tables"]
    assert "Old fair in Bergen" in personal_export.JSONEncoder().encode(found)


@pytest.mark.parametrize("asked", [0, 1])
def test_who_erases_one_half_erases_the_person(
    company: Company, pair: tuple[Lead, Lead], settings: Any, tmp_path: Path, asked: int
) -> None:
    settings.DATA_DIR = tmp_path
    merge.merge_leads(*pair, SHELL)
    erase.erase_lead(pair[asked], SHELL)
    assert not Lead.objects.exists()
    assert not Merge.objects.exists()
    assert not LeadEmail.objects.exists()
    assert (tmp_path / "erasures").read_text().count("\n") == 2


# --- LinkedIn


def events(lead: Lead) -> dict[str, tuple[str, str]]:
    return {
        event.event: (event.status, event.reason)
        for event in ConversionEvent.objects.filter(lead=lead).real()
    }


def test_what_waits_about_the_loser_is_cancelled(company: Company, rules: dict[str, Rule]) -> None:
    survivor, loser = LeadFactory(company=company), LeadFactory(company=company)
    found = merge.merge_leads(survivor, loser, SHELL)
    assert sorted(ConversionEvent.objects.values_list("lead", "status", "reason")) == sorted(
        [(survivor.pk, "pending", ""), (survivor.pk, "cancelled", "merged")]
    )
    merge.undo_merge(found, SHELL)
    assert events(survivor) == events(loser) == {"lead_created": ("pending", "")}


def test_what_was_accepted_counts_for_the_survivor(
    company: Company, rules: dict[str, Rule], deliver: Callable[[], int]
) -> None:
    loser = LeadFactory(company=company)
    deliver()
    survivor = LeadFactory(company=company)
    found = merge.merge_leads(survivor, loser, SHELL)
    assert set(ConversionEvent.objects.filter(lead=survivor).values_list("status", "reason")) == {
        ("accepted", ""),
        ("skipped", "duplicate"),
    }
    assert deliver() == 0
    merge.undo_merge(found, SHELL)
    assert events(loser) == {"lead_created": ("accepted", "")}
    assert events(survivor) == {"lead_created": ("pending", "")}


def test_who_qualifies_by_the_merge_is_reported_once_as_the_survivor(
    company: Company, rules: dict[str, Rule]
) -> None:
    survivor, loser = LeadFactory(company=company), LeadFactory(company=company)
    leads.change_status(loser, status("qualified"), SHELL)
    found = merge.merge_leads(survivor, loser, SHELL)
    qualified = ConversionEvent.objects.filter(event="lead_qualified")
    assert set(qualified.values_list("lead", "status")) == {
        (survivor.pk, "pending"),
        (survivor.pk, "cancelled"),
    }
    assert qualified.get(status="pending").happened_at == again(survivor).qualified_at
    leads.change_status(survivor, status("qualified"), SHELL)
    assert qualified.count() == 2, "it does not fire again"
    merge.undo_merge(found, SHELL)
    assert qualified.get(lead=loser).status == "pending"
    assert qualified.get(lead=survivor).reason == "undone"


def test_after_an_undo_nobody_is_reported_twice(
    company: Company, rules: dict[str, Rule], deliver: Callable[[], int]
) -> None:
    survivor, loser = LeadFactory(company=company), LeadFactory(company=company)
    leads.change_status(loser, status("qualified"), SHELL)
    found = merge.merge_leads(survivor, loser, SHELL)
    deliver()
    merge.undo_merge(found, SHELL)
    qualified = ConversionEvent.objects.filter(event="lead_qualified")
    assert qualified.get(lead=survivor).status == "accepted"
    assert qualified.get(lead=loser).status == "cancelled"


def test_a_deal_won_goes_on_as_the_survivor_s(
    company: Company, rules: dict[str, Rule], deliver: Callable[[], int]
) -> None:
    survivor, loser = LeadFactory(company=company), LeadFactory(company=company)
    deal = deals.win_deal(DealFactory(company=company, lead=loser), SHELL)
    merge.merge_leads(survivor, loser, SHELL)
    ConversionEvent.objects.update(settles_at=None, next_attempt_at=timezone.now())
    deliver()
    won = ConversionEvent.objects.get(deal=deal, event="deal_won")
    assert (won.status, won.told_lead) == ("accepted", survivor)


# --- any two leads


def test_every_row_that_points_to_a_lead_is_known() -> None:
    """Tables added later are moved, too. What tells of the past stays: merges, runs, webhooks."""
    pointing = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_app_config("crm").get_models()
        for field in model._meta.concrete_fields
        if field.related_model is Lead and model not in (Merge, BulkRow, WebhookDelivery)
    }
    assert {f"{field.model._meta.label}.{field.name}" for field in merge.relations()} == pointing


NAMES = st.sampled_from(["", "Ann", "Bo"])
ADDRESSES = st.lists(
    st.sampled_from(["a@x.test", "b@x.test", "c@x.test", "d@x.test"]), max_size=3, unique=True
)
NUMBERS = st.lists(st.sampled_from(["1", "22", "333"]), max_size=3, unique=True)
PERSON = st.fixed_dictionaries(
    {
        "first_name": NAMES,
        "title": NAMES,
        "emails": ADDRESSES,
        "phones": NUMBERS,
        "websites": NUMBERS,
        "tags": st.sets(st.sampled_from(["VIP", "Cold", "Warm"])),
        "status": st.sampled_from(["new", "contacted", "qualified"]),
        "consent": st.sampled_from(["", "granted", "denied"]),
        "organization": NAMES,
        "external": st.booleans(),
        "deals": st.integers(0, 2),
        "notes": st.integers(0, 2),
        "is_on_the_deal": st.booleans(),
        "age": st.integers(0, 90),
    }
)


def made(company: Company, number: int, about: dict[str, Any], shared: Deal) -> Lead:
    lead = LeadFactory(
        company=company,
        first_name=about["first_name"],
        title=about["title"],
        email="",
        emails=[EmailEntry(address, "work") for address in about["emails"]],
        phones=[PhoneEntry(each) for each in about["phones"]],
        tags=sorted(about["tags"]),
        organization=about["organization"],
        external_id=f"x-{number}" if about["external"] else "",
        occurred_at=timezone.now() - timedelta(days=about["age"]),
    )
    for position, each in enumerate(about["websites"]):
        LeadWebsite.objects.create(company=company, lead=lead, url=f"https://{each}.test/", position=position)
    leads.change_status(lead, status(about["status"]), SHELL)
    if about["consent"]:
        leads.set_consent(lead, about["consent"], SHELL)
    for _ in range(about["deals"]):
        DealFactory(company=company, lead=lead)
    for each in range(about["notes"]):
        add_note(lead, f"Note {each} of {number}", SHELL)
    if about["is_on_the_deal"]:
        deals.add_person(shared, lead, f"Role {number}", SHELL)
    return lead


_MOVING = ("updated_at", "changed_at", "next_attempt_at")


def everything() -> dict[tuple[str, str], dict[str, Any]]:
    """All rows of the company by table and id, but for those that tell of the merge itself, or count."""
    rows = [
        row
        for model in apps.get_models()
        if issubclass(model, TenantModel) and model not in (AuditEntry, Recorded)
        for row in model.objects.all()  # type: ignore[attr-defined]
    ]
    found = {}
    for row in serializers.serialize("python", rows):
        if row["fields"].get("kind") in ("merged", "unmerged"):
            continue
        found[row["model"], str(row["pk"])] = {
            name: value for name, value in row["fields"].items() if name not in _MOVING
        }
    return found


def content(lead_ids: list[Any]) -> dict[str, set[Any]]:
    """What hangs on these leads, by table, without who of them it hangs on."""
    return {
        "emails": set(LeadEmail.objects.filter(lead__in=lead_ids).values_list("address_key", flat=True)),
        "phones": set(LeadPhone.objects.filter(lead__in=lead_ids).values_list("number", flat=True)),
        "websites": set(LeadWebsite.objects.filter(lead__in=lead_ids).values_list("url", flat=True)),
        "tags": set(LeadTag.objects.filter(lead__in=lead_ids).values_list("tag", flat=True)),
        "history": set(LeadStatusChange.objects.filter(lead__in=lead_ids).values_list("pk", flat=True)),
        "timeline": set(
            Activity.objects.filter(lead__in=lead_ids)
            .exclude(kind__in=("merged", "unmerged"))
            .values_list("pk", flat=True)
        ),
        "deals": set(Deal.objects.filter(lead__in=lead_ids).values_list("pk", flat=True)),
        "roles": set(DealPerson.objects.filter(lead__in=lead_ids).values_list("deal", flat=True)),
        "conversions": set(ConversionEvent.objects.filter(lead__in=lead_ids).values_list("pk", flat=True)),
    }


@settings(
    max_examples=12,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(first=PERSON, second=PERSON, take=st.sets(st.sampled_from([each.name for each in merge.CHOICES])))
def test_nothing_is_lost_by_a_merge_nor_by_its_undo(
    company: Company, rules: dict[str, Rule], first: dict[str, Any], second: dict[str, Any], take: set[str]
) -> None:
    for model in (Activity, Deal, Lead):
        model.objects.all().delete()
    shared = DealFactory(company=company)
    survivor, loser = made(company, 1, first, shared), made(company, 2, second, shared)
    before, had = everything(), content([survivor.pk, loser.pk])
    found = merge.merge_leads(survivor, loser, SHELL, take=take)
    has = content([survivor.pk])
    assert has["conversions"] >= had["conversions"], "a merge may only add the survivor's own report"
    assert {**has, "conversions": None} == {**had, "conversions": None}
    assert not again(survivor).emails.exists() or again(survivor).emails.filter(is_primary=True).count() == 1
    merge.undo_merge(Merge.objects.get(pk=found.pk), SHELL)
    after = everything()
    reported = list(after.keys() - before.keys())
    assert all(after[key].get("reason") == "undone" for key in reported)
    different = {
        (key, name): (value, after[key][name])
        for key, row in before.items()
        for name, value in row.items()
        if after[key][name] != value
    }
    assert different == {}
