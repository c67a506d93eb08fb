"""One change to many records: one road, a result per row, nobody's rights exceeded, nothing done twice."""

from __future__ import annotations

from time import process_time

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from capi.models import ConversionEvent, Rule
from crm.access import Principal
from crm.actions import bulk_runs, leads
from crm.actions.bulk_runs import Change, counts_of, start_run
from crm.actions.deals import lose_deal, win_deal
from crm.models import (
    Activity,
    AuditEntry,
    BulkRun,
    BulkVerb,
    Company,
    Deal,
    Lead,
    LeadStatus,
    LeadStatusChange,
    Membership,
    Stage,
    User,
)
from tests.factories import SHELL, DealFactory, LeadFactory, UserFactory


@pytest.fixture
def alice(company: Company, owner: User) -> Principal:
    return Principal(company, owner, "owner")


@pytest.fixture
def bob(company: Company, agent: User) -> Principal:
    return Principal(company, agent, "agent")


def many(company: Company, number: int = 3, **fields: object) -> list[Lead]:
    return [LeadFactory(company=company, **fields) for _ in range(number)]


def qualify(principal: Principal) -> BulkRun:
    return start_run(principal, "lead", Change(BulkVerb.STATUS, "qualified"), principal.leads())


def outcomes(run: BulkRun) -> tuple[int, int, int]:
    counts = counts_of(run)
    return counts.changed, counts.unchanged, counts.refused


def test_each_row_gets_history_timeline_and_its_event(
    company: Company, alice: Principal, rules: dict[str, Rule]
) -> None:
    many(company)
    run = qualify(alice)
    assert (run.state, outcomes(run)) == ("done", (3, 0, 0))
    for lead in Lead.objects.all():
        assert lead.status.key == "qualified"
        assert lead.qualified_at == lead.status_since
        assert LeadStatusChange.objects.filter(lead=lead, to_category="qualified").count() == 1
        line = Activity.objects.get(lead=lead, kind="status")
        assert (line.old, line.new, line.actor) == ("New", "Qualified", alice.user)
        assert ConversionEvent.objects.filter(lead=lead, event="lead_qualified").count() == 1


def test_who_was_qualified_before_is_not_told_again(
    company: Company, alice: Principal, rules: dict[str, Rule]
) -> None:
    known, _ = many(company, 2)
    leads.change_status(known, LeadStatus.objects.get(key="qualified"), SHELL)
    leads.change_status(known, LeadStatus.objects.get(key="new"), SHELL)
    qualify(alice)
    assert ConversionEvent.objects.filter(event="lead_qualified").count() == 2


def test_what_is_so_already_is_said_and_leaves_no_trace(company: Company, alice: Principal) -> None:
    many(company, 1, status=LeadStatus.objects.get(key="qualified"))
    before = Activity.objects.count()
    assert outcomes(qualify(alice)) == (0, 1, 0)
    assert Activity.objects.count() == before


def test_the_number_of_queries_does_not_grow_with_the_rows(
    company: Company, alice: Principal, rules: dict[str, Rule]
) -> None:
    def asked(number: int) -> int:
        many(company, number)
        with CaptureQueriesContext(connection) as queries:
            qualify(alice)
        return len(queries)

    asked(1)
    assert asked(12) == asked(3)


def test_an_agent_changes_own_leads_only(company: Company, owner: User, bob: Principal) -> None:
    (mine,) = many(company, 1, owner=bob.user)
    (theirs,) = many(company, 1, owner=owner)
    run = start_run(
        bob, "lead", Change(BulkVerb.STATUS, "won"), bob.leads().filter(pk__in=[mine.pk, theirs.pk]), asked=2
    )
    assert (outcomes(run), run.not_found) == ((1, 0, 0), 1)
    theirs.refresh_from_db()
    assert theirs.status.key == "new"


def test_an_agent_neither_archives_nor_hands_over(company: Company, owner: User, bob: Principal) -> None:
    many(company, 1, owner=bob.user)
    for change in (Change(BulkVerb.ARCHIVE), Change(BulkVerb.ASSIGN), Change(BulkVerb.RESTORE)):
        with pytest.raises(PermissionError):
            start_run(bob, "lead", change, bob.leads())
    with pytest.raises(ValidationError):
        start_run(bob, "lead", Change(BulkVerb.ASSIGN, str(owner.pk)), bob.leads())
    assert not BulkRun.objects.exists()


def test_permission_is_looked_at_again_in_each_chunk(
    company: Company, agent: User, alice: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_runs, "AT_ONCE", 0)
    mia = UserFactory(company=company, role="manager")
    many(company, 2, owner=agent)
    run = start_run(Principal(company, mia, "manager"), "lead", Change(BulkVerb.ARCHIVE), alice.leads())
    Membership.objects.filter(user=mia).update(role="agent")
    bulk_runs.work(run)
    assert outcomes(run) == (0, 0, 2)
    assert "Ask a manager" in run.rows.first().why  # type: ignore[union-attr]
    assert not Lead.objects.exclude(archived_at=None).exists()


def test_a_row_that_went_meanwhile_is_refused_and_the_others_are_done(
    company: Company, alice: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_runs, "AT_ONCE", 0)
    gone, _ = many(company, 2)
    run = qualify(alice)
    leads.archive_lead(gone, SHELL)
    bulk_runs.work(run)
    assert outcomes(run) == (1, 0, 1)
    assert run.rows.get(outcome="refused").lead == gone


def test_many_rows_are_left_to_a_worker_and_done_in_chunks(
    company: Company, alice: Principal, rules: dict[str, Rule], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_runs, "AT_ONCE", 2)
    monkeypatch.setattr(bulk_runs, "CHUNK", 2)
    many(company, 5)
    run = qualify(alice)
    assert (run.state, counts_of(run).waiting) == ("running", 5)
    bulk_runs.work(run, seconds=-1)  # one turn, one chunk
    assert counts_of(run).changed == 2
    bulk_runs.work_everywhere()
    run.refresh_from_db()
    assert (run.state, outcomes(run)) == ("done", (5, 0, 0))
    assert LeadStatusChange.objects.filter(to_category="qualified").count() == 5
    assert ConversionEvent.objects.filter(event="lead_qualified").count() == 5


def test_a_chunk_that_breaks_is_undone_whole_and_done_again(
    company: Company, alice: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(company, 3)

    class Killed(BaseException):
        pass

    def break_down(*args: object) -> None:
        raise Killed

    with monkeypatch.context() as broken:
        broken.setattr(bulk_runs, "_mark", break_down)
        with pytest.raises(Killed):
            qualify(alice)
    run = BulkRun.objects.get()
    assert counts_of(run).waiting == 3
    assert not Lead.objects.filter(status__key="qualified").exists()
    BulkRun.objects.update(leased_until=None)  # the lease of the dead ends by itself
    bulk_runs.work_everywhere()
    assert outcomes(run) == (3, 0, 0)


def test_a_run_that_somebody_works_on_is_left_alone(
    company: Company, alice: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from django.utils import timezone

    monkeypatch.setattr(bulk_runs, "AT_ONCE", 0)
    many(company, 1)
    run = qualify(alice)
    BulkRun.objects.update(leased_until=timezone.now() + timedelta(seconds=60))
    bulk_runs.work(run)
    bulk_runs.work_everywhere()
    assert counts_of(run).waiting == 1


def test_a_stopped_run_leaves_the_rest_as_it_was(
    company: Company, alice: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_runs, "AT_ONCE", 0)
    many(company, 2)
    run = qualify(alice)
    bulk_runs.stop_run(run)
    bulk_runs.work(run)
    assert counts_of(run).waiting == 2
    assert not Lead.objects.filter(status__key="qualified").exists()


def test_an_owner_is_given_and_written_down(company: Company, agent: User, alice: Principal) -> None:
    many(company, 2)
    run = start_run(alice, "lead", Change(BulkVerb.ASSIGN, str(agent.pk)), alice.leads())
    assert outcomes(run) == (2, 0, 0)
    assert Lead.objects.filter(owner=agent).count() == 2
    line = Activity.objects.filter(field="owner")[0]
    assert (line.old, line.new) == (str(alice.user), str(agent))


def test_an_owner_who_is_no_member_is_refused(company: Company, alice: Principal, stranger: User) -> None:
    many(company, 1)
    with pytest.raises(ValidationError):
        start_run(alice, "lead", Change(BulkVerb.ASSIGN, str(stranger.pk)), alice.leads())


def test_tags_come_and_go_and_the_timeline_says_so(company: Company, alice: Principal) -> None:
    many(company, 1, tags=["VIP"])
    many(company, 1)
    tagged = start_run(alice, "lead", Change(BulkVerb.TAG, "vip"), alice.leads())
    assert outcomes(tagged) == (1, 1, 0)
    untagged = start_run(alice, "lead", Change(BulkVerb.UNTAG, "VIP"), alice.leads())
    assert outcomes(untagged) == (2, 0, 0)
    assert {(line.old, line.new) for line in Activity.objects.filter(field="tags")} == {
        ("", "VIP"),
        ("VIP", ""),
    }


def test_a_tag_that_is_new_is_made_once(company: Company, alice: Principal) -> None:
    many(company, 2)
    start_run(alice, "lead", Change(BulkVerb.TAG, " Spring  fair "), alice.leads())
    assert set(Lead.objects.values_list("tags__name", flat=True)) == {"Spring fair"}


@pytest.mark.parametrize(
    "change",
    [
        Change(BulkVerb.TAG, ""),
        Change(BulkVerb.TAG, "x" * 61),
        Change(BulkVerb.TAG, "a\x00b"),
        Change(BulkVerb.UNTAG, "never heard of"),
        Change(BulkVerb.STATUS, "nonsense"),
        Change(BulkVerb.STAGE, "nonsense"),
        Change(BulkVerb.ASSIGN, "nonsense"),
    ],
)
def test_a_change_without_sense_is_refused_before_anything_is_done(
    company: Company, alice: Principal, change: Change
) -> None:
    many(company, 1)
    with pytest.raises(ValidationError):
        start_run(alice, "lead", change, alice.leads())
    assert not BulkRun.objects.exists()


def test_archived_leads_come_back_and_the_audit_log_has_each(company: Company, alice: Principal) -> None:
    many(company, 2)
    run = start_run(alice, "lead", Change(BulkVerb.ARCHIVE), alice.leads())
    assert not alice.leads().exists()
    back = bulk_runs.undo_run(alice, run)
    assert outcomes(back) == (2, 0, 0)
    assert alice.leads().count() == 2
    for action in ("lead_archived", "lead_restored"):
        assert AuditEntry.objects.filter(action=action).count() == 2
    assert Activity.objects.filter(kind="restored").count() == 2


def test_archived_deals_come_back_and_the_audit_log_has_each(company: Company, alice: Principal) -> None:
    DealFactory(company=company)
    run = start_run(alice, "deal", Change(BulkVerb.ARCHIVE), alice.deals())
    assert not alice.deals().exists()
    bulk_runs.undo_run(alice, run)
    assert alice.deals().count() == 1
    for action in ("deal_archived", "deal_restored"):
        assert AuditEntry.objects.filter(action=action).count() == 1


def test_a_merged_lead_is_not_restored(company: Company, alice: Principal) -> None:
    survivor, loser = many(company, 2)
    leads.archive_lead(loser, SHELL)
    Lead.objects.filter(pk=loser.pk).update(merged_into=survivor)
    run = start_run(alice, "lead", Change(BulkVerb.RESTORE), Lead.objects.filter(pk=loser.pk))
    assert outcomes(run) == (0, 0, 1)
    assert not Lead.objects.archived().exists()


def test_deals_are_moved_one_by_one_and_those_that_cannot_say_why(
    company: Company, alice: Principal, rules: dict[str, Rule]
) -> None:
    deals = [DealFactory(company=company, lead=LeadFactory(company=company)) for _ in range(3)]
    lose_deal(deals[2], "Too expensive", SHELL)
    won = Stage.objects.get(pipeline__key="sales", kind="won")
    run = start_run(alice, "deal", Change(BulkVerb.STAGE, str(won.pk)), alice.deals())
    assert outcomes(run) == (2, 0, 1)
    assert "Reopen it first" in run.rows.get(outcome="refused").why
    assert ConversionEvent.objects.filter(event="deal_won").count() == 2


def test_losing_deals_needs_a_reason(company: Company, alice: Principal) -> None:
    DealFactory(company=company)
    lost = Stage.objects.get(pipeline__key="sales", kind="lost")
    with pytest.raises(ValidationError):
        start_run(alice, "deal", Change(BulkVerb.STAGE, str(lost.pk)), alice.deals())
    start_run(alice, "deal", Change(BulkVerb.STAGE, str(lost.pk), "Budget"), alice.deals())
    assert Deal.objects.get().close_reason == "Budget"


def test_deals_are_given_and_archived(company: Company, agent: User, alice: Principal) -> None:
    deal = win_deal(DealFactory(company=company), SHELL)
    start_run(alice, "deal", Change(BulkVerb.ASSIGN, str(agent.pk)), alice.deals())
    run = start_run(alice, "deal", Change(BulkVerb.ARCHIVE), alice.deals())
    deal.refresh_from_db()
    assert deal.owner == agent
    assert deal.archived_at
    bulk_runs.undo_run(alice, run)
    assert alice.deals().count() == 1


def test_nothing_selected_says_so(company: Company, alice: Principal) -> None:
    with pytest.raises(ValidationError, match="Select leads first"):
        qualify(alice)


def test_who_left_the_company_changes_nothing_more(
    company: Company, alice: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_runs, "AT_ONCE", 0)
    mia = UserFactory(company=company, role="manager")
    many(company, 1)
    run = qualify(Principal(company, mia, "manager"))
    people_left = Membership.objects.get(user=mia)
    people_left.is_active = False
    people_left.save()
    bulk_runs.work(run)
    assert outcomes(run) == (0, 0, 1)


@pytest.mark.django_db(transaction=True)  # each chunk is committed, as it is outside a test
def test_five_thousand_leads_are_qualified_within_half_a_minute(
    company: Company, alice: Principal, rules: dict[str, Rule]
) -> None:
    new = LeadStatus.objects.get(key="new")
    Lead.objects.bulk_create(
        [Lead(company=company, last_name=f"Doe{n}", status=new) for n in range(5000)], batch_size=500
    )
    run = qualify(alice)
    began = process_time()
    bulk_runs.work(run)
    took = process_time() - began
    assert outcomes(run) == (5000, 0, 0)
    assert LeadStatusChange.objects.filter(to_category="qualified").count() == 5000
    assert Activity.objects.filter(kind="status").count() == 5000
    assert ConversionEvent.objects.filter(event="lead_qualified").values("lead").distinct().count() == 5000
    print(f"5,000 leads qualified in {took:.1f} s of this process")
    assert took < 30
