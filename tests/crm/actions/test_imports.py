"""Imports from the file to the leads: matching, history, LinkedIn, being killed, being undone, being forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.db import DatabaseError, DataError, OperationalError, connection, connections
from django.utils import timezone

from capi.models import ConversionEvent, Rule
from crm import import_work
from crm.access import Principal
from crm.actions import erase, import_leads, imports, merge, retention, timeline
from crm.actions.import_leads import undoing
from crm.actions.imports import Options
from crm.actions.leads import update_lead
from crm.errors import Conflict
from crm.importing import Unreadable
from crm.models import (
    Activity,
    AuditEntry,
    Company,
    Import,
    ImportRow,
    Lead,
    LeadEmail,
    LeadStatus,
    LeadStatusChange,
    Organization,
    User,
)
from crm.tenancy import company_scope
from tests.factories import SHELL, LeadFactory, RuleFactory, UserFactory

HEAD = "First name,Last name,E-mail,Phone,Organization,Title,Country,Source,Status,Tags,Created,External ID\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def alice(company: Company, owner: User) -> Principal:
    return Principal(company, owner, "owner")


def uploaded(principal: Principal, text: str, name: str = "people.csv") -> Import:
    return imports.upload(principal, principal.actor("web"), name, BytesIO(text.encode()))


def checked(batch: Import, **options: Any) -> Import:
    imports.check(batch, Options(options.pop("mapping", batch.mapping), **options))
    import_work.work(batch.company, batch.pk)
    batch.refresh_from_db()
    return batch


def imported(principal: Principal, text: str, *, is_reported: bool = False, **options: Any) -> Import:
    batch = checked(uploaded(principal, text), **options)
    imports.start(batch, principal.actor("web"), is_reported=is_reported)
    import_work.work(batch.company, batch.pk)
    batch.refresh_from_db()
    return batch


def undone(principal: Principal, batch: Import) -> Import:
    imports.undo(batch, principal.actor("web"))
    import_work.work(batch.company, batch.pk)
    batch.refresh_from_db()
    return batch


def people(count: int, first: int = 0) -> str:
    rows = (f"Jo{n},Berg{n},jo{n}@firm{n % 7}.test,,Firm {n % 7},,,,,,," for n in range(first, first + count))
    return HEAD + "\n".join(rows) + "\n"


def counts(batch: Import) -> tuple[int, int, int, int]:
    return batch.created, batch.updated, batch.skipped, batch.failed


ZOE = (
    "Zoë,Berg,zoe@kaldvik.test,+47 90 12,Kaldvik,COO,Norway,Fair,contacted,VIP;New one,2026-05-01 10:00,c-1\n"
)


def test_a_row_becomes_a_lead_with_all_that_follows(alice: Principal) -> None:
    batch = imported(alice, HEAD + ZOE)
    assert (batch.state, counts(batch)) == ("done", (1, 0, 0, 0))
    lead = Lead.objects.get()
    assert (lead.full_name, lead.email, lead.title, lead.country_code) == (
        "Zoë Berg",
        "zoe@kaldvik.test",
        "COO",
        "NO",
    )
    assert lead.organization is not None
    assert (lead.organization.name, lead.organization.domain) == ("Kaldvik", "kaldvik.test")
    assert (lead.source, lead.status.key, lead.external_id, lead.origin) == (
        "Fair",
        "contacted",
        "c-1",
        "import",
    )
    assert lead.owner == alice.company.fallback_owner
    assert [tag.name for tag in lead.tags.order_by("name")] == ["New one", "VIP"]
    assert lead.phones.get().digits == "479012"
    # As they were then, not as it is now: 10:00 in Berlin.
    assert lead.occurred_at.isoformat() == "2026-05-01T08:00:00+00:00"
    assert lead.status_since == lead.last_touch_at == lead.occurred_at
    assert LeadStatusChange.objects.get().at == lead.occurred_at
    [line] = Activity.objects.all()
    assert (line.kind, line.new, line.actor) == ("created", "Fair", alice.user)


def test_nothing_is_written_by_a_check(alice: Principal) -> None:
    batch = checked(uploaded(alice, HEAD + ZOE + "No,Mail,no@@mail,,,,,,,,,\n"))
    assert (batch.state, counts(batch)) == ("checked", (1, 0, 0, 1))
    assert not Lead.objects.exists()
    row = ImportRow.objects.get()
    assert (row.number, row.value) == (3, "E-mail: no@@mail")
    assert row.reason.startswith("E-mail: Enter a valid e-mail address.")


def test_rows_that_fail_leave_nothing_and_the_others_go_on(alice: Principal) -> None:
    batch = imported(alice, HEAD + "A,B,bad@,,,,,,,,,\n" + ZOE + "C,D,c@x.test,,,,Nowhere,,,,,\n")
    assert counts(batch) == (1, 0, 0, 2)
    assert Lead.objects.get().email == "zoe@kaldvik.test"
    assert list(batch.rows.filter(outcome="failed").values_list("number", flat=True)) == [2, 4]


@pytest.mark.parametrize(
    ("on_match", "title", "source", "result"),
    [
        ("skip", "CEO", "Old", (0, 0, 1, 0)),
        ("fill", "CEO", "Old", (0, 1, 0, 0)),
        ("overwrite", "COO", "Fair", (0, 1, 0, 0)),
    ],
)
def test_known_people_are_treated_as_was_asked(
    company: Company, alice: Principal, on_match: str, title: str, source: str, result: tuple[int, ...]
) -> None:
    lead = LeadFactory(company=company, email="ZOE@kaldvik.test", title="CEO", source="Old", phones=[])
    batch = imported(alice, HEAD + ZOE, on_match=on_match)
    lead.refresh_from_db()
    assert counts(batch) == result
    assert (lead.title, lead.source) == (title, source)
    assert lead.country_code == ("" if on_match == "skip" else "NO")
    assert lead.status.key == ("contacted" if on_match == "overwrite" else "new")
    assert lead.phones.count() == (0 if on_match == "skip" else 1)
    assert LeadEmail.objects.count() == 1


def test_the_external_id_says_who_it_is_before_the_address(company: Company, alice: Principal) -> None:
    lead = LeadFactory(company=company, email="old@kaldvik.test", external_id="c-1")
    LeadFactory(company=company, email="zoe@kaldvik.test")
    imported(alice, HEAD + ZOE, on_match="overwrite")
    assert set(lead.emails.values_list("address", flat=True)) == {"old@kaldvik.test", "zoe@kaldvik.test"}
    assert lead.emails.get(is_primary=True).address == "old@kaldvik.test"


def test_a_file_that_names_somebody_twice_writes_them_once(alice: Principal) -> None:
    batch = imported(alice, HEAD + ZOE + ZOE)
    assert counts(batch) == (1, 0, 1, 0)
    assert batch.rows.get(outcome="skipped").reason == "The same person is in row 2."


def test_the_same_file_again_adds_nobody(alice: Principal) -> None:
    imported(alice, people(30))
    assert counts(imported(alice, people(30))) == (0, 0, 30, 0)
    assert Lead.objects.count() == 30
    assert Organization.objects.count() == 7


def test_the_same_file_again_writes_nothing_over(alice: Principal) -> None:
    text = "First name,E-mail,Organization,Note\nZoë,zoe@kaldvik.test,Kaldvik,Wants docks.\n"
    imported(alice, text)
    lead = Lead.objects.get()
    batch = imported(alice, text, on_match="overwrite")
    assert (counts(batch), batch.filled) == ((0, 0, 1, 0), 0)
    assert Lead.objects.get().updated_at == lead.updated_at
    assert lead.activities.filter(kind="note").count() == 1


def test_another_organization_and_note_are_written_over(alice: Principal) -> None:
    imported(alice, "E-mail,Organization,Note\nzoe@kaldvik.test,Kaldvik,Wants docks.\n")
    text = "E-mail,Organization,Note\nzoe@kaldvik.test,Kaldvik AS,Wants cranes.\n"
    assert counts(imported(alice, text, on_match="overwrite")) == (0, 1, 0, 0)
    lead = Lead.objects.get()
    assert str(lead.organization) == "Kaldvik AS"
    assert set(lead.activities.filter(kind="note").values_list("text", flat=True)) == {
        "Wants docks.",
        "Wants cranes.",
    }


def test_a_status_goes_by_its_name_before_the_key_of_another(alice: Principal) -> None:
    for key, name in (("proposal", "In between"), ("qualified", "Proposal"), ("proposal", "Qualified")):
        LeadStatus.objects.filter(key=key).update(name=name)
    imported(alice, "E-mail,Status\na@x.test,Proposal\nb@x.test,qualified\n")
    assert [lead.status.key for lead in Lead.objects.order_by("pk")] == ["qualified", "proposal"]


def test_of_two_who_are_called_the_same_none_is_guessed(company: Company, alice: Principal) -> None:
    for address in ("jo1@acme.test", "jo2@acme.test"):
        UserFactory(email=address, first_name="Jo", last_name="Berg", company=company)
    batch = imported(alice, "E-mail,Owner\na@x.test,Jo Berg\nb@x.test,jo2@acme.test\n")
    assert counts(batch) == (1, 0, 0, 1)
    assert str(Lead.objects.get().owner) == "Jo Berg"


def test_who_said_no_is_not_made_to_say_yes(company: Company, alice: Principal) -> None:
    lead = LeadFactory(company=company, email="zoe@kaldvik.test", consent="denied")
    imported(alice, "E-mail,Consent\nzoe@kaldvik.test,yes\n", on_match="overwrite")
    lead.refresh_from_db()
    assert lead.consent == "denied"


def test_erased_people_are_left_out(company: Company, alice: Principal) -> None:
    lead = LeadFactory(company=company, email="zoe@kaldvik.test")
    erase.erase_lead(lead, SHELL)
    batch = imported(alice, HEAD + ZOE)
    assert counts(batch) == (0, 0, 1, 0)
    assert batch.rows.get().reason == import_leads.ERASED
    assert not Lead.objects.exists()


def test_an_agent_imports_for_themselves(company: Company, owner: User, agent: User) -> None:
    theirs = LeadFactory(company=company, owner=owner, email="zoe@kaldvik.test", title="CEO")
    bob = Principal(company, agent, "agent")
    batch = imported(
        bob, HEAD.replace("Title", "Owner") + ZOE.replace("COO", "alice@acme.test"), on_match="overwrite"
    )
    theirs.refresh_from_db()
    assert theirs.title == "CEO"
    assert counts(batch) == (1, 0, 0, 0)
    assert Lead.objects.exclude(pk=theirs.pk).get().owner == agent


def test_an_agent_gives_no_lead_away_by_a_file(company: Company, owner: User, agent: User) -> None:
    mine = LeadFactory(company=company, owner=agent, email="zoe@kaldvik.test", title="CEO")
    bob = Principal(company, agent, "agent")
    text = "E-mail,Owner,Title\nzoe@kaldvik.test,alice@acme.test,COO\n"
    batch = imported(bob, text, on_match="overwrite")
    mine.refresh_from_db()
    assert (mine.owner, mine.title) == (agent, "COO")
    assert (counts(batch), batch.filled) == ((0, 1, 0, 0), 1)


# --- LinkedIn


def test_linkedin_is_not_told_unless_asked(
    company: Company, alice: Principal, rules: dict[str, Rule]
) -> None:
    imported(alice, people(5))
    assert not ConversionEvent.objects.exists()
    batch = imported(alice, people(5, first=10).replace(",,,,\n", ",qualified,,,\n"), is_reported=True)
    assert batch.created == 5
    assert ConversionEvent.objects.filter(event="lead_created").count() == 5
    assert ConversionEvent.objects.filter(event="lead_qualified").count() == 5


def test_events_have_the_time_of_the_fact(company: Company, alice: Principal, rules: dict[str, Rule]) -> None:
    then = timezone.now() - timedelta(days=10)
    imported(alice, f"E-mail,Created\nzoe@kaldvik.test,{then:%Y-%m-%dT%H:%M:%SZ}\n", is_reported=True)
    assert ConversionEvent.objects.get().happened_at == then.replace(microsecond=0)


# --- Killed, stopped, overtaken


class Killed(BaseException):
    """As kill -9: nothing of ours gets to run."""


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(import_work, "CHUNK", 10)
    return


def test_killed_in_the_middle_it_goes_on_and_does_no_row_twice(
    company: Company, alice: Principal, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    RuleFactory(company=company, event="lead_created")
    text = people(35) + "Again,Again,jo3@firm3.test,,,,,,,,,\n"
    batch = checked(uploaded(alice, text))
    imports.start(batch, alice.actor("web"), is_reported=True)
    moves = []
    real = import_work._move_on

    def dying(*args: Any) -> None:
        moves.append(args)
        real(*args)
        if len(moves) == 3:
            raise Killed

    monkeypatch.setattr(import_work, "_move_on", dying)
    with pytest.raises(Killed):
        import_work.work(company, batch.pk)
    batch.refresh_from_db()
    assert (batch.position, batch.created, Lead.objects.count()) == (21, 20, 20)
    assert not import_work.work(company, batch.pk), "Its lease is still held."
    assert Lead.objects.count() == 20
    Import.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    import_work.work(company, batch.pk)
    batch.refresh_from_db()
    assert (batch.state, counts(batch)) == ("done", (35, 0, 1, 0))
    assert Lead.objects.count() == 35
    assert ConversionEvent.objects.count() == 35
    assert batch.rows.count() == 36


def test_stopping_ends_the_chunk_at_hand_without_a_trace(
    company: Company, alice: Principal, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = checked(uploaded(alice, people(35)))
    imports.start(batch, alice.actor("web"), is_reported=False)
    real = import_leads.write

    def stopping(*args: Any) -> None:
        real(*args)
        if Lead.objects.count() == 20:
            imports.stop(batch)

    monkeypatch.setattr(import_leads, "write", stopping)
    import_work.work(company, batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.created, batch.lease) == ("running", 10, batch.lease)


def test_it_works_in_turns(company: Company, alice: Principal, small_chunks: None) -> None:
    batch = checked(uploaded(alice, people(35)))
    imports.start(batch, alice.actor("web"), is_reported=False)
    turns = 1
    while import_work.work(company, batch.pk, seconds=0):
        turns += 1
    assert turns >= 4
    assert Lead.objects.count() == 35


def test_a_file_that_is_gone_ends_it_in_words(company: Company, alice: Principal) -> None:
    batch = checked(uploaded(alice, people(3)))
    imports.start(batch, alice.actor("web"), is_reported=False)
    batch.path.unlink()
    import_work.work(company, batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.error) == ("failed", "The file is no longer there.")


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite lets one transaction write at a time anyway"
)
def test_what_somebody_changes_while_a_chunk_is_written_is_not_lost(
    company: Company, alice: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk saves the columns of all its leads together, those of a lead that its row says nothing of, too."""
    zoe = LeadFactory(company=company, email="zoe@kaldvik.test", source="Old")
    LeadFactory(company=company, email="jo@x.test", source="Old")

    def edit() -> None:
        with company_scope(company):
            update_lead(zoe, {"source": "Theirs"}, SHELL)
        connections.close_all()

    thread, real = Thread(target=edit), import_leads.write

    def write_while_somebody_edits(*args: Any) -> None:
        thread.start()
        thread.join(1)  # it waits for the chunk
        real(*args)

    monkeypatch.setattr(import_leads, "write", write_while_somebody_edits)
    imported(alice, "E-mail,Title,Source\nzoe@kaldvik.test,COO,\njo@x.test,,Fair\n", on_match="overwrite")
    thread.join(30)
    zoe.refresh_from_db()
    assert (zoe.title, zoe.source) == ("COO", "Theirs")


def test_one_that_was_started_meanwhile_is_not_read_anew(alice: Principal) -> None:
    batch = checked(uploaded(alice, people(3)))
    seen_before = Import.objects.get(pk=batch.pk)
    imports.start(batch, alice.actor("web"), is_reported=False)
    with pytest.raises(Conflict):
        imports.read_again(seen_before, encoding="utf-8-sig", delimiter=",", has_header=True, preset="")
    batch.refresh_from_db()
    assert batch.state == "running"


def test_a_fault_of_ours_ends_it_in_words_and_once(
    company: Company, alice: Principal, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = checked(uploaded(alice, people(35)))
    imports.start(batch, alice.actor("web"), is_reported=False)
    real = import_leads.write

    def failing(*args: Any) -> None:
        real(*args)
        if Lead.objects.count() == 20:
            raise DataError("value too long: zoe@kaldvik.test")

    monkeypatch.setattr(import_leads, "write", failing)
    assert not import_work.work(company, batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.created, batch.lease) == ("failed", 10, None)
    assert batch.error == "A fault of ours, somewhere below row 11. The server's log has it."
    assert import_work.waiting() == []
    undone(alice, batch)
    assert not Lead.objects.exists()


def test_a_database_that_is_away_ends_nothing(
    company: Company, alice: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = checked(uploaded(alice, people(3)))
    imports.start(batch, alice.actor("web"), is_reported=False)

    def failing(*args: Any) -> None:
        raise OperationalError("the connection is lost")

    with monkeypatch.context() as patch:
        patch.setattr(import_leads, "write", failing)
        with pytest.raises(OperationalError):
            import_work.work(company, batch.pk)
    Import.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    import_work.work(company, batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.created) == ("done", 3)


# --- Undone


def test_undo_takes_back_what_was_added_and_restores_what_was_changed(
    company: Company, alice: Principal
) -> None:
    known = LeadFactory(company=company, email="zoe@kaldvik.test", title="CEO", source="Old")
    before = (
        Lead.objects.filter(pk=known.pk)
        .values("title", "source", "country_code", "organization", "status")
        .get()
    )
    batch = imported(alice, people(25) + ZOE, on_match="overwrite")
    assert counts(batch) == (25, 1, 0, 0)
    batch = undone(alice, batch)
    assert (batch.state, batch.kept) == ("undone", 0)
    assert list(Lead.objects.values_list("pk", flat=True)) == [known.pk]
    after = (
        Lead.objects.filter(pk=known.pk)
        .values("title", "source", "country_code", "organization", "status")
        .get()
    )
    assert after == before
    assert not known.phones.exists()
    assert not known.tags.exists()
    assert not Organization.objects.filter(name__startswith="Firm").exists()
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {"import_started", "import_undone"}


def test_undo_leaves_what_somebody_has_touched(company: Company, alice: Principal) -> None:
    known = LeadFactory(company=company, email="zoe@kaldvik.test", title="CEO")
    batch = imported(alice, people(3) + ZOE, on_match="overwrite")
    called, edited = Lead.objects.filter(external_id="").order_by("pk")[:2]
    timeline.add_note(called, "Called them.", SHELL)
    update_lead(edited, {"title": "Boss"}, SHELL)
    update_lead(known, {"title": "Chair"}, SHELL)
    batch = undone(alice, batch)
    assert batch.kept == 3
    assert {called.pk, edited.pk, known.pk} == set(Lead.objects.values_list("pk", flat=True))
    known.refresh_from_db()
    assert (known.title, known.country_code) == ("Chair", "")


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite lets one transaction write at a time anyway"
)
def test_undo_never_takes_along_what_is_written_in_that_moment(
    company: Company, alice: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = imported(alice, people(1))
    lead, kept = Lead.objects.get(), []

    def call() -> None:
        with company_scope(company), suppress(DatabaseError):
            kept.append(timeline.add_note(lead, "Called them.", SHELL))
        connections.close_all()

    thread, real = Thread(target=call), undoing._untouched

    def look_while_somebody_calls(leads: Any) -> Any:
        found = real(leads)
        thread.start()
        thread.join(1)  # it waits for the undoing
        return found

    monkeypatch.setattr(undoing, "_untouched", look_while_somebody_calls)
    undone(alice, batch)
    thread.join(30)
    assert list(Activity.objects.filter(kind="note")) == kept


def test_undo_leaves_a_primary_address(company: Company, alice: Principal) -> None:
    lead = LeadFactory(company=company, email="", external_id="c-1")
    batch = imported(alice, HEAD + ZOE)
    merge.merge_leads(lead, LeadFactory(company=company, email="jo@x.test"), SHELL)
    undone(alice, batch)
    assert [(email.address, email.is_primary) for email in lead.emails.all()] == [("jo@x.test", True)]


def test_undo_cancels_what_waits_for_linkedin(company: Company, alice: Principal) -> None:
    RuleFactory(company=company, event="lead_created")
    undone(alice, imported(alice, people(3), is_reported=True))
    events = ConversionEvent.objects.all()
    assert {(event.status, event.reason, event.lead_id) for event in events} == {
        ("cancelled", "undone", None)
    }
    assert len(events) == 3


def test_undo_has_its_time(company: Company, alice: Principal) -> None:
    batch = imported(alice, people(1))
    later = timezone.now() + timedelta(days=31)
    with pytest.raises(Conflict):
        imports.undo(batch, alice.actor("web"), later)


# --- Files


def test_a_file_that_cannot_be_read_leaves_nothing(company: Company, alice: Principal, folder: Path) -> None:
    with pytest.raises(Unreadable):
        uploaded(alice, 'Name,E-mail\n"Jo,jo@x.test\n')
    assert not Import.objects.exists()
    assert list((folder / "imports").iterdir()) == []


def test_a_file_over_the_limit_is_refused(alice: Principal, settings: Any) -> None:
    settings.MAX_IMPORT_BYTES = 1000
    with pytest.raises(Unreadable, match="larger than"):
        uploaded(alice, people(100))


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\temp\\x.csv", "a\r\nb.csv", "", "x" * 5000])
def test_the_name_is_never_a_path(alice: Principal, name: str, folder: Path) -> None:
    batch = uploaded(alice, people(1), name)
    assert batch.path.parent == folder / "imports"
    assert batch.path.stat().st_mode & 0o077 == 0
    assert batch.file_name
    assert not set(batch.file_name) & set("/\\\r\n")


def test_files_go_after_thirty_days(company: Company, alice: Principal) -> None:
    batch = imported(alice, people(2))
    assert retention.apply_retention(company).files == 0
    later = timezone.now() + timedelta(days=31)
    assert retention.apply_retention(company, dry_run=True, now=later).files == 1
    assert batch.has_file
    assert retention.apply_retention(company, now=later).files == 1
    assert not batch.has_file
    assert not ImportRow.objects.exists()
    assert Lead.objects.count() == 2


def test_an_erased_person_is_in_no_file_and_no_row(company: Company, alice: Principal) -> None:
    batch = imported(alice, HEAD + ZOE + "Jo,Other,jo@x.test,,,,,,,,,\n")
    erase.erase_lead(Lead.objects.get(external_id="c-1"), SHELL)
    text = batch.path.read_text()
    assert "zoe@kaldvik.test" not in text
    assert "Zoë" not in text
    assert "jo@x.test" in text
    assert batch.rows.count() == 1
