"""Files beside records: what is kept, under which name, and what makes it go again."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from crm import uploads
from crm.actions import attachments, deals, erase, leads, merge, retention
from crm.errors import Conflict
from crm.models import Activity, Attachment, Company, DealPerson, Lead, Organization
from crm.models.attachment import folder_of
from tests.factories import SHELL, DealFactory, LeadFactory

Committed = Callable[..., Any]


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR, settings.MEDIA_ROOT = tmp_path, tmp_path / "uploads"
    return tmp_path


def add(record: Any, name: str = "plan.pdf", content: bytes = b"%PDF-1.7") -> Attachment:
    return attachments.add_file(record, name, BytesIO(content), SHELL)


def on_disk(company: Company) -> list[str]:
    folder = folder_of(company.pk)
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# --- the name

NAMES = [
    ("plan.pdf", "plan.pdf"),
    ("../../etc/passwd", "passwd"),
    ("..\\..\\windows\\system.ini", "system.ini"),
    ("/etc/shadow", "shadow"),
    ("C:\\secrets\\a.txt", "a.txt"),
    ("..", "Unnamed file"),
    ("", "Unnamed file"),
    ("a/b/", "Unnamed file"),
    (" . ", "Unnamed file"),
    ("CON", "_CON"),
    ("nul.txt", "_nul.txt"),
    ("com1.tar.gz", "_com1.tar.gz"),
    ("lpt9", "_lpt9"),
    ("console.log", "console.log"),
    ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie: x=1.txt"),
    ("a\x00b.txt", "ab.txt"),
    ("invoice\u202efdp.exe", "invoicefdp.exe"),  # right-to-left override: would read “exe.pdf”
    ("a\ud800.txt", "a.txt"),
    ("Übersicht 2026 – final.docx", "Übersicht 2026 – final.docx"),
    ("x" * 5000, "x" * 200),
    ("x" * 5000 + ".pdf", "x" * 196 + ".pdf"),
    ("x." + "y" * 5000, "x." + "y" * 198),
]


@pytest.mark.parametrize(("given", "shown"), NAMES)
def test_the_name_is_only_text(given: str, shown: str) -> None:
    assert uploads.shown_name(given) == shown


@given(st.text(max_size=400))
def test_whatever_the_name_it_is_short_visible_and_no_path(name: str) -> None:
    shown = uploads.shown_name(name)
    assert 1 <= len(shown) <= 201
    assert shown.isprintable()
    assert "/" not in shown
    assert "\\" not in shown


def test_the_bytes_are_kept_under_a_name_of_ours_for_us_alone(company: Company) -> None:
    kept = add(LeadFactory(company=company), "../../../evil.sh", b"#!/bin/sh")
    assert on_disk(company) == [str(kept.pk)]
    assert kept.path.read_bytes() == b"#!/bin/sh"
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700
    assert (kept.name, kept.size) == ("evil.sh", 9)


# --- limits


def test_a_file_over_the_limit_leaves_nothing(company: Company, settings: Any) -> None:
    settings.MAX_FILE_BYTES = 10
    lead = LeadFactory(company=company)
    assert add(lead, content=b"x" * 10).size == 10
    with pytest.raises(ValidationError, match="larger"):
        add(lead, content=b"x" * 11)
    assert len(on_disk(company)) == Attachment.objects.count() == 1


def test_an_empty_file_leaves_nothing(company: Company) -> None:
    with pytest.raises(ValidationError, match="The file is empty"):
        add(LeadFactory(company=company), content=b"")
    assert on_disk(company) == []


def test_a_record_has_so_many_files_and_no_more(company: Company, settings: Any) -> None:
    settings.MAX_FILES_PER_RECORD = 2
    lead, other = LeadFactory(company=company), LeadFactory(company=company)
    add(lead)
    add(lead)
    with pytest.raises(ValidationError, match="2 files here already"):
        add(lead)
    add(other)
    assert len(on_disk(company)) == 3


def test_a_record_that_went_meanwhile_gets_no_file(company: Company) -> None:
    lead = LeadFactory(company=company)
    Lead.objects.get(pk=lead.pk).delete()
    with pytest.raises(Conflict):
        add(lead)
    assert on_disk(company) == []


# --- the timeline


def test_the_timeline_tells_of_both(company: Company) -> None:
    lead = LeadFactory(company=company)
    attachments.delete_file(add(lead), SHELL)
    lines = Activity.objects.filter(lead=lead, kind="file").order_by("pk")
    assert [(line.field, line.new) for line in lines] == [("added", "plan.pdf"), ("deleted", "plan.pdf")]


# --- what makes it go


def test_deleting_takes_the_bytes_when_it_is_certain(
    company: Company, django_capture_on_commit_callbacks: Committed
) -> None:
    kept = add(LeadFactory(company=company))
    path = kept.path
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012  the moment between is the point
        attachments.delete_file(kept, SHELL)
        raise RuntimeError
    assert path.exists(), "it was not deleted after all"
    kept = Attachment.objects.get()
    with django_capture_on_commit_callbacks(execute=True):
        attachments.delete_file(kept, SHELL)
        assert path.exists()
    assert not path.exists()


def test_erasing_a_person_takes_their_files_and_those_of_their_deals(
    company: Company, django_capture_on_commit_callbacks: Committed
) -> None:
    lead, colleague = LeadFactory(company=company), LeadFactory(company=company)
    own, shared = DealFactory(company=company, lead=lead), DealFactory(company=company, lead=colleague)
    DealPerson.objects.create(company=company, deal=shared, lead=lead)
    add(lead)
    add(own)
    stays = add(shared, "offer.pdf")
    with django_capture_on_commit_callbacks(execute=True):
        erase.erase_lead(lead, SHELL)
    assert on_disk(company) == [str(stays.pk)]
    assert list(Attachment.objects.all()) == [stays]


def test_erasing_a_person_takes_their_name_off_files_elsewhere(company: Company) -> None:
    lead = LeadFactory(company=company, first_name="Annika", last_name="Sorensen")
    elsewhere = LeadFactory(company=company, last_name="Anders")
    kept, other = add(elsewhere, "CV_Sorensen-Annika.pdf"), add(elsewhere, "Plan.pdf")
    erase.erase_lead(lead, SHELL)
    kept.refresh_from_db()
    other.refresh_from_db()
    assert (kept.name, other.name) == ("[erased]", "Plan.pdf")
    assert not Activity.objects.filter(new__contains="Sorensen").exists()


def test_an_organization_takes_its_files_along(
    company: Company, django_capture_on_commit_callbacks: Committed
) -> None:
    lead = LeadFactory(company=company, organization="Fjordline")
    add(lead.organization)
    with django_capture_on_commit_callbacks(execute=True):
        Organization.objects.get().delete()
    assert on_disk(company) == []


def test_the_recycle_bin_keeps_them(company: Company, django_capture_on_commit_callbacks: Committed) -> None:
    lead = LeadFactory(company=company)
    deal = DealFactory(company=company, lead=lead)
    kept = [add(lead), add(deal)]
    with django_capture_on_commit_callbacks(execute=True):
        deals.archive_deal(deal, SHELL)
        leads.archive_lead(lead, SHELL)
    assert all(each.path.exists() for each in kept)
    leads.restore_lead(lead, SHELL)
    assert list(lead.attachments.all()) == [kept[0]]


def test_a_merge_hands_them_over_and_its_undo_gives_them_back(company: Company) -> None:
    survivor, loser = LeadFactory(company=company), LeadFactory(company=company)
    ours, theirs = add(survivor), add(loser)
    done = merge.merge_leads(survivor, loser, SHELL)
    assert set(survivor.attachments.all()) == {ours, theirs}
    merge.undo_merge(done, SHELL)
    assert list(survivor.attachments.all()) == [ours]
    assert list(loser.attachments.all()) == [theirs]
    assert theirs.path.exists()


# --- the sweep


def aged(path: Path) -> Path:
    past = time.time() - 90_000
    os.utime(path, (past, past))
    return path


def test_each_night_what_has_no_row_goes(company: Company) -> None:
    kept = add(LeadFactory(company=company))
    folder = kept.path.parent
    for name in (str(uuid4()), "left-over"):
        (folder / name).write_bytes(b"x")
        aged(folder / name)
    (folder / str(uuid4())).write_bytes(b"just now: its row may be on the way")
    aged(kept.path)
    assert attachments.sweep(company, dry_run=True) == 2
    assert len(on_disk(company)) == 4
    assert retention.apply_retention(company).files == 2
    assert attachments.sweep(company) == 0
    assert len(on_disk(company)) == 2
    assert kept.path.exists()


def test_files_of_another_company_are_left_alone(company: Company, other_company: Company) -> None:
    add(LeadFactory(company=company))
    folder = folder_of(other_company.pk)
    folder.mkdir(parents=True)
    aged_one = folder / str(uuid4())
    aged_one.write_bytes(b"x")
    aged(aged_one)
    assert attachments.sweep(company) == 0
    assert aged_one.exists()
