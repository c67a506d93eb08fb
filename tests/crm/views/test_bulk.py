"""Changes to the selected rows of a list, their reports, and the recycle bin."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crm.actions import bulk_runs, deals, leads
from crm.models import AuditEntry, BulkRun, Company, Deal, Lead, Stage, Tag, User
from tests.crm.views.conftest import Browser, url
from tests.factories import SHELL, DealFactory, LeadFactory

HERE = "/leads/?view=all"


def many(company: Company, number: int, **fields: object) -> list[Lead]:
    return [LeadFactory(company=company, **fields) for _ in range(number)]


def pks(rows: list[Lead]) -> list[str]:
    return [str(row.pk) for row in rows]


def test_the_list_offers_what_may_be_done(alice: Browser, lead: Lead) -> None:
    page = alice.seen("leads")
    assert f'name="lead" value="{lead.pk}"' in page
    for offered in ('value="status:won"', 'value="assign:"', 'value="tag"', 'value="archive"'):
        assert offered in page


def test_an_agent_is_offered_neither_archiving_nor_assigning(
    bob: Browser, agent: User, company: Company
) -> None:
    many(company, 1, owner=agent)
    page = bob.seen("leads")
    assert 'value="status:won"' in page
    for missing in ('value="assign:"', 'value="archive"', "Recycle bin"):
        assert missing not in page


def test_selected_leads_are_changed_and_the_list_says_so(alice: Browser, company: Company) -> None:
    chosen, other = many(company, 2), many(company, 1)
    answer = alice.post("leads_bulk", do="status:qualified", lead=pks(chosen), next=HERE)
    assert (answer.status_code, answer["Location"]) == (302, HERE)
    assert Lead.objects.filter(status__key="qualified").count() == 2
    assert Lead.objects.get(pk=other[0].pk).status.key == "new"
    said = alice.said()
    assert "Set to Qualified:" in said
    assert "2 leads." in said


def test_all_that_match_are_asked_about_first(alice: Browser, company: Company) -> None:
    many(company, 3, source="Fair")
    many(company, 2, source="Web")
    sent = {"do": "status:contacted", "all": "1", "next": "/leads/?source=Fair"}
    asked = alice.post("leads_bulk", **sent)
    assert asked.status_code == 200
    assert "Set to Contacted: 3 leads?" in asked.content.decode()
    assert not Lead.objects.filter(status__key="contacted").exists()
    alice.post("leads_bulk", **sent, sure="1")
    assert set(Lead.objects.filter(status__key="contacted").values_list("source", flat=True)) == {"Fair"}
    assert Lead.objects.filter(status__key="contacted").count() == 3


def test_archiving_asks_and_can_be_undone_from_the_toast(alice: Browser, company: Company) -> None:
    rows = many(company, 2)
    asked = alice.post("leads_bulk", do="archive", lead=pks(rows), next=HERE).content.decode()
    assert "Archive 2 leads?" in asked
    assert Lead.objects.current().count() == 2
    alice.post("leads_bulk", do="archive", lead=pks(rows), next=HERE, sure="1")
    assert not Lead.objects.current().exists()
    run = BulkRun.objects.get()
    assert url("bulk_run_undo", run.pk) in alice.said()
    alice.post("bulk_run_undo", run.pk)
    assert Lead.objects.current().count() == 2


def test_rows_of_others_are_left_alone_and_the_report_counts_them(
    bob: Browser, agent: User, owner: User, company: Company
) -> None:
    mine, theirs = many(company, 1, owner=agent), many(company, 1, owner=owner)
    answer = bob.post("leads_bulk", do="status:won", lead=pks([*mine, *theirs]), next=HERE)
    assert answer["Location"] == url("bulk_run", BulkRun.objects.get().pk)
    report = bob.client.get(answer["Location"]).content.decode()
    assert "<b>1</b> of 1 lead changed" in report
    assert "<b>1</b> not found, or not yours" in report
    assert str(theirs[0]) not in report
    theirs[0].refresh_from_db()
    assert theirs[0].status.key == "new"


@pytest.mark.parametrize("do", ["archive", "assign:", "restore"])
def test_an_agent_is_refused_what_managers_do(bob: Browser, agent: User, company: Company, do: str) -> None:
    rows = many(company, 1, owner=agent)
    answer = bob.post("leads_bulk", do=do, lead=pks(rows), next=HERE, sure="1")
    assert answer.status_code == 403
    assert not BulkRun.objects.exists()
    assert Lead.objects.current().count() == 1


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"do": "nonsense"},
        {"do": "status:nonsense"},
        {"do": "status:won", "lead": ["not-an-id", "\x00"]},
        {"do": "assign:not-an-id"},
        {"do": "tag", "tag": " "},
        {"do": "tag", "tag": "a\x00b"},
        {"do": "untag", "tag": "never heard of"},
        {"do": "stage:1"},
    ],
)
def test_bad_input_is_refused_with_a_sentence(alice: Browser, lead: Lead, sent: dict[str, object]) -> None:
    before = Tag.objects.count()
    answer = alice.post("leads_bulk", **{"lead": [str(lead.pk)], "next": HERE, **sent})
    assert (answer.status_code, answer["Location"]) == (302, HERE)
    assert not BulkRun.objects.exists()
    assert Tag.objects.count() == before


def test_who_is_only_asked_has_made_no_tag(alice: Browser, company: Company) -> None:
    many(company, 2)
    sent = {"do": "tag", "tag": "Spring fair", "all": "1", "next": HERE}
    asked = alice.post("leads_bulk", **sent)
    assert "Tagged Spring fair: 2 leads?" in asked.content.decode()
    assert not Tag.objects.filter(name="Spring fair").exists()
    alice.post("leads_bulk", **sent, sure="1")
    assert Lead.objects.filter(tags__name="Spring fair").count() == 2


def test_a_tag_is_put_on_and_taken_off(alice: Browser, company: Company) -> None:
    rows = many(company, 2)
    alice.post("leads_bulk", do="tag", tag="Spring fair", lead=pks(rows), next=HERE)
    assert Lead.objects.filter(tags__name="Spring fair").count() == 2
    alice.post("leads_bulk", do="untag", tag="spring fair", lead=pks(rows[:1]), next=HERE)
    assert Lead.objects.filter(tags__name="Spring fair").count() == 1


def test_a_run_of_many_shows_how_far_it_is_and_can_be_stopped(
    alice: Browser, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_runs, "AT_ONCE", 1)
    rows = many(company, 3)
    answer = alice.post("leads_bulk", do="status:won", lead=pks(rows), next=HERE)
    run = BulkRun.objects.get()
    assert answer["Location"] == url("bulk_run", run.pk)
    page = alice.seen("bulk_run", run.pk)
    assert "<b>0</b> of 3 leads done" in page
    assert "data-live" in page
    alice.post("bulk_run_stop", run.pk)
    assert "Stopped" in alice.seen("bulk_run", run.pk)
    bulk_runs.work_everywhere()
    assert not Lead.objects.filter(status__key="won").exists()


def test_the_report_has_a_line_for_each_row(
    alice: Browser, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_runs, "AT_ONCE", 1)
    gone, kept = many(company, 2)
    alice.post("leads_bulk", do="status:won", lead=pks([gone, kept]), next=HERE)
    leads.archive_lead(gone, SHELL)
    bulk_runs.work_everywhere()
    run = BulkRun.objects.get()
    refused = alice.seen("bulk_run", run.pk)
    assert str(gone) in refused
    assert "It is gone, or is not yours any more." in refused
    assert str(kept) in alice.seen("bulk_run", run.pk, "?outcome=changed")


def test_a_report_is_one_s_own(
    alice: Browser, bob: Browser, lead: Lead, manager: User, browser_of: Callable[[User], Browser]
) -> None:
    alice.post("leads_bulk", do="status:won", lead=str(lead.pk), next=HERE)
    run = BulkRun.objects.get()
    for other in (bob, browser_of(manager)):
        assert other.get("bulk_run", run.pk).status_code == 404
        assert other.post("bulk_run_undo", run.pk).status_code == 404
        assert other.post("bulk_run_stop", run.pk).status_code == 404


def test_the_report_asks_a_fixed_number_of_queries(
    alice: Browser, company: Company, django_assert_max_num_queries: Callable[..., object]
) -> None:
    rows = many(company, 60)
    alice.post("leads_bulk", do="status:won", lead=pks(rows), next=HERE)
    run = BulkRun.objects.get()
    alice.seen("bulk_run", run.pk)
    with django_assert_max_num_queries(20):  # type: ignore[attr-defined]
        alice.seen("bulk_run", run.pk)


def test_selected_deals_are_given_and_moved(
    alice: Browser, agent: User, deal: Deal, stages: dict[str, Stage]
) -> None:
    alice.post("deals_bulk", do=f"assign:{agent.pk}", deal=str(deal.pk), next="/deals/?view=list")
    alice.post("deals_bulk", do=f"stage:{stages['proposal'].pk}", deal=str(deal.pk), next="/deals/?view=list")
    deal.refresh_from_db()
    assert (deal.owner, deal.stage) == (agent, stages["proposal"])


def test_losing_deals_asks_why_and_writes_it_down(
    alice: Browser, deal: Deal, stages: dict[str, Stage]
) -> None:
    lost = next(stage for stage in stages.values() if stage.kind == "lost")
    sent = {"do": f"stage:{lost.pk}", "deal": str(deal.pk), "next": "/deals/?view=list"}
    asked = alice.post("deals_bulk", **sent).content.decode()
    assert "Lost: 1 deal?" in asked
    assert 'name="reason"' in asked
    again = alice.post("deals_bulk", **sent, sure="1")
    assert again.status_code == 422
    assert "Say why the deal was lost." in again.content.decode()
    alice.post("deals_bulk", **sent, sure="1", reason="Price")
    deal.refresh_from_db()
    assert (deal.status, deal.close_reason) == ("lost", "Price")


def test_all_deals_that_match_are_moved(
    alice: Browser, company: Company, stages: dict[str, Stage], owner: User
) -> None:
    DealFactory(company=company, owner=owner)
    DealFactory(company=company, owner=None)
    proposal = stages["proposal"]
    sent = {"do": f"stage:{proposal.pk}", "all": "1", "next": "/deals/?view=list&owner=nobody"}
    assert "1 deal?" in alice.post("deals_bulk", **sent).content.decode()
    alice.post("deals_bulk", **sent, sure="1")
    assert Deal.objects.filter(stage=proposal).count() == 1


# ── Recycle bin ────────────────────────────────────────────────────────────────────────────────────────


def test_archived_leads_wait_in_the_bin_and_come_back(alice: Browser, lead: Lead) -> None:
    alice.post("lead_archive", lead.pk)
    assert "Annika Sorensen" not in alice.seen("leads", query="?view=all")
    assert "Annika Sorensen" in alice.seen("recycle_bin")
    alice.post("leads_bulk", do="restore", lead=str(lead.pk), next="/recycle-bin/")
    assert "Annika Sorensen" in alice.seen("leads", query="?view=all")
    assert "put it back into the lists" in alice.seen("lead", lead.pk)
    assert {"lead_archived", "lead_restored"} <= set(AuditEntry.objects.values_list("action", flat=True))


def test_archived_deals_wait_in_the_bin_and_come_back(alice: Browser, deal: Deal) -> None:
    assert "Archive Twelve docks?" in alice.seen("deal_archive", deal.pk)
    alice.post("deal_archive", deal.pk)
    assert alice.get("deal", deal.pk).status_code == 404
    assert "Twelve docks" in alice.seen("recycle_bin", query="?show=deals")
    alice.post("deals_bulk", do="restore", deal=str(deal.pk), next="/recycle-bin/?show=deals")
    assert "put it back into the lists" in alice.seen("deal", deal.pk)


def test_the_bin_finds_by_words_and_says_when_it_is_empty(alice: Browser, lead: Lead) -> None:
    assert "Nothing is archived" in alice.seen("recycle_bin")
    leads.archive_lead(lead, SHELL)
    assert "Annika" in alice.seen("recycle_bin", query="?search=annika")
    assert "Nothing matches" in alice.seen("recycle_bin", query="?search=zebra")


def test_the_bin_is_for_those_who_archive(
    bob: Browser, charlie: Browser, agent: User, company: Company
) -> None:
    lead = LeadFactory(company=company, first_name="Mine", owner=agent)
    deal = DealFactory(company=company, owner=agent)
    assert bob.post("deal_archive", deal.pk).status_code == 403
    leads.archive_lead(lead, SHELL)
    deals.archive_deal(deal, SHELL)
    assert bob.get("recycle_bin").status_code == 403
    assert "Mine" not in charlie.seen("recycle_bin")
