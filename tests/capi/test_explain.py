"""Why was this not sent? Every answer, by what really happened in the CRM."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from capi import explain, operations
from capi.explain import Explanation
from capi.models import Connection, ConversionEvent, Rule
from crm.access import Principal
from crm.actions.deals import create_deal, lose_deal, reopen_deal, win_deal
from crm.actions.leads import change_status, set_consent
from crm.actor import Actor
from crm.models import Company, Deal, Lead, LeadStatus, Pipeline
from tests.factories import SHELL, DealFactory, LeadFactory, RuleFactory

pytestmark = pytest.mark.django_db
Rules = dict[str, Rule]


def about_lead(lead: Lead, event: str) -> Explanation:
    return next(one for one in explained(lead) if one.rule.event == event)


def explained(lead: Lead) -> list[Explanation]:
    """As somebody who sees everything reads it."""
    return explain.for_lead(Principal(lead.company, role="owner"), Lead.objects.get(pk=lead.pk))


def status(key: str) -> LeadStatus:
    return LeadStatus.objects.get(key=key)


class TestLead:
    def test_accepted_says_when_and_as_what(
        self, company: Company, rules: Rules, deliver: Callable[[], int]
    ) -> None:
        lead = LeadFactory(company=company)
        deliver()
        found = about_lead(lead, "lead_created")
        assert (found.state, found.sentence) == ("sent", "Accepted as Lead created.")
        assert found.at is not None

    def test_skipped_says_why(self, company: Company, rules: Rules, deliver: Callable[[], int]) -> None:
        lead = LeadFactory(company=company, email="")
        deliver()
        found = about_lead(lead, "lead_created")
        assert found.state == "skipped"
        assert "Add an e-mail" in found.sentence
        assert found.action is not None
        assert found.action.text == "Add e-mail"

    def test_held_for_consent_says_so_and_has_a_fuse(
        self, company: Company, rules: Rules, deliver: Callable[[], int]
    ) -> None:
        company.consent_policy = "hold"
        company.save()
        lead = LeadFactory(company=company)
        deliver()
        found = about_lead(lead, "lead_created")
        assert found.state == "held"
        assert found.fuse is not None
        assert found.fuse.days in (88, 89)
        assert found.action is not None
        assert found.action.text == "Set consent"

    def test_cancelled_by_a_withdrawn_consent(self, company: Company, rules: Rules) -> None:
        lead = LeadFactory(company=company)
        set_consent(lead, "denied", SHELL)
        found = about_lead(lead, "lead_created")
        assert found.state == "cancelled"
        assert "does not want to be reported" in found.sentence

    def test_not_yet_qualified_will_be_sent(self, company: Company, rules: Rules) -> None:
        found = about_lead(LeadFactory(company=company), "lead_qualified")
        assert (found.state, found.can_preview) == ("future", True)
        assert found.sentence == "Will be sent as Lead qualified when they are first qualified."

    def test_but_says_what_would_stop_it(self, company: Company, rules: Rules) -> None:
        found = about_lead(LeadFactory(company=company, email=""), "lead_qualified")
        assert "But not as things are. LinkedIn could not tell who this is." in found.sentence

    def test_never_because_the_rule_is_off(self, company: Company, rules: Rules) -> None:
        operations.update_rule(rules["lead_qualified"], {"is_active": False}, SHELL)
        found = about_lead(LeadFactory(company=company), "lead_qualified")
        assert (found.state, found.sentence) == ("never", "Never: the rule is off.")

    def test_never_because_it_was_before_the_rule(self, company: Company) -> None:
        lead = LeadFactory(company=company)
        change_status(lead, status("qualified"), SHELL)
        RuleFactory(company=company, event="lead_created")
        RuleFactory(company=company, event="lead_qualified", conversion_id="23948812")
        assert about_lead(lead, "lead_created").sentence == "Never: they were added before the rule existed."
        assert (
            about_lead(lead, "lead_qualified").sentence
            == "Never: they were qualified before the rule existed."
        )

    def test_never_because_an_import_did_not_report(self, company: Company, rules: Rules) -> None:
        lead = LeadFactory(company=company, reported=False, actor=Actor("import"))
        assert "import that did not report" in about_lead(lead, "lead_created").sentence

    def test_a_won_status_reports_no_revenue(self, company: Company, rules: Rules) -> None:
        lead = LeadFactory(company=company, status=status("won"))
        found = about_lead(lead, "deal_won")
        assert found.state == "future"
        assert "tells LinkedIn nothing of a sale. Create a deal to report revenue." in found.sentence

    def test_its_deals_are_explained_too(self, company: Company, rules: Rules) -> None:
        lead = LeadFactory(company=company)
        DealFactory(company=company, lead=lead, amount="48000.00")
        assert about_lead(lead, "deal_created").state == "waiting"
        assert "with €48,000.00, 2 min after it is won." in about_lead(lead, "deal_won").sentence

    def test_what_took_another_conversion_counts_once(self, company: Company, rules: Rules) -> None:
        lead = LeadFactory(company=company)
        operations.update_rule(rules["lead_created"], {"conversion_id": "23948813"}, SHELL)
        assert about_lead(lead, "lead_created").state == "waiting"

    def test_the_same_queries_for_one_deal_and_ten(
        self, company: Company, rules: Rules, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        lead = LeadFactory(company=company)
        DealFactory(company=company, lead=lead)
        with django_assert_max_num_queries(7) as few:
            explained(lead)
        for number in range(9):
            DealFactory(company=company, lead=lead)
            RuleFactory(company=company, event="deal_lost", conversion_id=f"3{number}")
        with django_assert_max_num_queries(7) as many:
            explained(lead)
        assert len(many) == len(few)


class TestDeal:
    def found(self, deal_id: UUID, event: str) -> Explanation:
        deal = Deal.objects.get(pk=deal_id)
        return next(one for one in explain.for_deal(deal) if one.rule.event == event)

    def test_rules_about_leads_are_left_out(self, company: Company, rules: Rules) -> None:
        deal = DealFactory(company=company, lead=LeadFactory(company=company))
        assert {one.rule.event for one in explain.for_deal(deal)} == {"deal_created", "deal_won"}

    def test_settling_counts_down(self, company: Company, rules: Rules) -> None:
        deal = win_deal(DealFactory(company=company, lead=LeadFactory(company=company)), SHELL)
        found = self.found(deal.pk, "deal_won")
        assert found.state == "waiting"
        assert found.sentence.startswith("Waits ")
        assert found.action is not None
        assert found.action.text == "Send now"

    def test_undone_is_cancelled(self, company: Company, rules: Rules) -> None:
        deal = win_deal(DealFactory(company=company, lead=LeadFactory(company=company)), SHELL)
        reopen_deal(deal, SHELL)
        assert self.found(deal.pk, "deal_won").state == "cancelled"

    def test_a_deal_without_a_lead_tells_nobody(self, company: Company, rules: Rules) -> None:
        deal = DealFactory(company=company)
        assert "this deal has none. Add a lead." in self.found(deal.pk, "deal_created").sentence
        assert "this deal has none. Add a lead." in self.found(deal.pk, "deal_won").sentence

    def test_a_pipeline_that_is_no_sale_never_reports(self, company: Company, rules: Rules) -> None:
        pipeline = Pipeline.objects.filter(counts_as_sales=False).first() or Pipeline.objects.get(key="sales")
        Pipeline.objects.filter(pk=pipeline.pk).update(counts_as_sales=False)
        pipeline.refresh_from_db()
        deal = create_deal(
            company, {"title": "Move in", "pipeline": pipeline, "lead": LeadFactory(company=company)}, SHELL
        )
        assert "does not count as sales" in self.found(deal.pk, "deal_won").sentence

    def test_lost_may_still_be_won(self, company: Company, rules: Rules) -> None:
        deal = lose_deal(DealFactory(company=company, lead=LeadFactory(company=company)), "Price", SHELL)
        assert (
            self.found(deal.pk, "deal_won").sentence
            == "Never: the deal is lost. It would be sent if the deal is reopened and then won."
        )

    def test_no_amount_no_value(self, company: Company, rules: Rules) -> None:
        lead = LeadFactory(company=company)
        deal = DealFactory(company=company, lead=lead, amount=None)
        assert "without a value as the deal has no amount" in self.found(deal.pk, "deal_won").sentence

    def test_refused_is_lost_and_comes_first(
        self, company: Company, rules: Rules, connection: Connection
    ) -> None:
        deal = DealFactory(company=company, lead=LeadFactory(company=company))
        ConversionEvent.objects.filter(deal=deal).update(
            status="rejected", reason="refused", message="Refused."
        )
        found = explain.for_deal(deal)
        first = explain.most_important(found)
        assert first is not None
        assert (first.state, first.sentence) == ("lost", "Refused.")

    def test_all_well_has_nothing_important(self, company: Company, rules: Rules) -> None:
        deal = DealFactory(company=company, lead=LeadFactory(company=company))
        assert explain.most_important(explain.for_deal(deal)) is None

    def test_a_deleted_rule_that_told_something_is_remembered(
        self, company: Company, rules: Rules, deliver: Callable[[], int]
    ) -> None:
        deal = DealFactory(company=company, lead=LeadFactory(company=company))
        deliver()
        operations.delete_rule(rules["deal_created"], SHELL)
        assert self.found(deal.pk, "deal_created").state == "sent"

    def test_days_run_out(self, company: Company, rules: Rules) -> None:
        deal = DealFactory(company=company, lead=LeadFactory(company=company))
        ConversionEvent.objects.filter(deal=deal).update(
            status="held",
            held_by="rule",
            reason="rule_unknown",
            expires_at=timezone.now() + timedelta(days=5, hours=1),
        )
        fuse = self.found(deal.pk, "deal_created").fuse
        assert fuse is not None
        assert (fuse.days, fuse.tone, fuse.words) == (5, "bad", "can wait 5 more days")
