"""Files on the pages of records: add, list, download, delete; who may, and what a browser is told of them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.test import Client

from crm.actions import attachments
from crm.models import Attachment, Company, Deal, Lead, User
from crm.models.attachment import folder_of
from tests.crm.views.conftest import Browser, url
from tests.factories import SHELL, LeadFactory

# What a browser would run if it were shown it.
HOSTILE = [
    ("page.html", b"<script>alert(document.domain)</script>", "text/html"),
    ("logo.svg", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "image/svg+xml"),
    ("both.gif", b"GIF89a/*<script>alert(1)</script>*/=1;", "image/gif"),
    ("paper.pdf", b"%PDF-1.4\n<html><script>alert(1)</script>", "application/pdf"),
    ("data.xml", b'<?xml-stylesheet href="x.xsl"?>', "application/xml"),
    ("code.js", b"alert(1)", "text/javascript"),
]


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "uploads"
    return tmp_path


def upload(
    browser: Browser,
    record: Lead | Deal,
    name: str = "plan.pdf",
    content: bytes = b"%PDF",
    kind: str = "application/pdf",
) -> Any:
    file: Any = BytesIO(content)
    file.name, file.content_type = name, kind
    return browser.client.post(url(f"{record._meta.model_name}_files", record.pk), {"file": file})


def test_a_file_goes_in_and_comes_back_as_it_was(alice: Browser, lead: Lead) -> None:
    answer = upload(alice, lead, content=b"\x00\xff plan")
    assert answer["Location"] == url("lead", lead.pk) + "#files"
    page = alice.seen("lead", lead.pk)
    assert "plan.pdf is kept here now." in page
    assert "7\xa0bytes" in page
    assert "added the file <b>plan.pdf</b>" in page
    back = alice.get("file_download", Attachment.objects.get().pk)
    assert b"".join(back) == b"\x00\xff plan"


def test_deals_and_organizations_keep_files_too(alice: Browser, lead: Lead, deal: Deal) -> None:
    upload(alice, deal, "offer.docx")
    assert "offer.docx" in alice.seen("deal", deal.pk)
    assert "added the file <b>offer.docx</b> to <a" in alice.seen("lead", lead.pk), "as all that a deal sees"
    assert lead.organization
    upload(alice, lead.organization, "terms.pdf")  # type: ignore[arg-type]
    assert "terms.pdf" in alice.seen("organization", lead.organization.pk)


@pytest.mark.parametrize(("name", "content", "kind"), HOSTILE)
def test_whatever_it_is_a_browser_only_saves_it(
    alice: Browser, lead: Lead, name: str, content: bytes, kind: str
) -> None:
    upload(alice, lead, name, content, kind)
    answer = alice.get("file_download", Attachment.objects.get().pk)
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer["Cache-Control"] == "no-store"
    assert b"".join(answer) == content


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "..\\..\\boot.ini",
        "/abs/olute.txt",
        "CON",
        "x" * 5000,
        'a"; filename="b.html',
        "a\r\nX-Evil: 1\r\n\r\n<html>.txt",
        "Ünïcode – 名前.pdf",
    ],
)
def test_no_name_gets_onto_the_disk_or_into_a_header(
    company: Company, alice: Browser, lead: Lead, name: str, own_folder: Path
) -> None:
    attachments.add_file(
        lead, name, BytesIO(b"x"), SHELL
    )  # as a client would send it that Django does not tame
    kept = Attachment.objects.get()
    assert [path.name for path in folder_of(company.pk).iterdir()] == [str(kept.pk)]
    files = [path for path in own_folder.rglob("*") if path.is_file()]
    assert files == [kept.path]
    answer = alice.get("file_download", kept.pk)
    disposition = answer["Content-Disposition"]
    assert disposition.startswith("attachment; filename")
    assert not set(disposition) & set("\r\n")
    assert "X-Evil" not in answer.headers
    assert len(disposition) < 2500


def test_a_name_is_shown_as_text(alice: Browser, lead: Lead) -> None:
    upload(alice, lead, "<img src=x onerror=alert(1)>.pdf")
    assert "<img src=x" not in alice.seen("lead", lead.pk)


def test_it_is_deleted_after_a_question(alice: Browser, lead: Lead) -> None:
    upload(alice, lead)
    kept = Attachment.objects.get()
    assert "Delete plan.pdf?" in alice.seen("file_delete", kept.pk)
    answer = alice.post("file_delete", kept.pk)
    assert answer["Location"] == url("lead", lead.pk) + "#files"
    assert not Attachment.objects.exists()
    assert "deleted the file <b>plan.pdf</b>" in alice.seen("lead", lead.pk)


@pytest.mark.parametrize(("content", "said"), [(b"", "The file is empty."), (b"x" * 11, "larger than")])
def test_what_cannot_be_kept_is_said(
    alice: Browser, lead: Lead, settings: Any, content: bytes, said: str
) -> None:
    settings.MAX_FILE_BYTES = 10
    upload(alice, lead, content=content)
    assert said in alice.said()
    assert not Attachment.objects.exists()


def test_no_file_is_said_too(alice: Browser, lead: Lead) -> None:
    alice.post("lead_files", lead.pk)
    assert "Choose a file first." in alice.said()


def test_far_too_much_is_refused_before_it_is_read(alice: Browser, lead: Lead, settings: Any) -> None:
    settings.MAX_FILE_BYTES = 1024
    assert upload(alice, lead, content=b"x" * 70_000).status_code == 413
    settings.MAX_FILE_BYTES = 3 * 2**20
    assert upload(alice, lead, content=b"x" * 2**21).status_code == 302, "more than other bodies may have"


def test_a_full_record_says_so_and_has_no_form(alice: Browser, lead: Lead, settings: Any) -> None:
    settings.MAX_FILES_PER_RECORD = 1
    upload(alice, lead)
    assert "No more fit in here." in alice.seen("lead", lead.pk)


# --- who


def test_an_agent_gets_the_files_of_their_own_records(
    company: Company, alice: Browser, bob: Browser, agent: User, lead: Lead
) -> None:
    upload(alice, lead)
    theirs = Attachment.objects.get()
    assert bob.get("file_download", theirs.pk).status_code == 404
    assert bob.post("file_delete", theirs.pk).status_code == 404
    assert upload(bob, lead).status_code == 404
    own = LeadFactory(company=company, owner=agent)
    assert upload(bob, own).status_code == 302
    assert bob.get("file_download", own.attachments.get().pk).status_code == 200


def test_an_agent_deletes_what_they_have_added(
    company: Company, alice: Browser, bob: Browser, agent: User
) -> None:
    own = LeadFactory(company=company, owner=agent)
    upload(alice, own, "from-alice.pdf")
    upload(bob, own, "from-bob.pdf")
    of_alice, of_bob = (Attachment.objects.get(name=f"from-{who}.pdf") for who in ("alice", "bob"))
    assert bob.post("file_delete", of_alice.pk).status_code == 403
    assert url("file_delete", of_alice.pk) not in bob.seen("lead", own.pk)
    assert bob.post("file_delete", of_bob.pk).status_code == 302
    assert alice.post("file_delete", of_alice.pk).status_code == 302


def test_the_files_of_an_archived_record_are_not_served(alice: Browser, lead: Lead) -> None:
    upload(alice, lead)
    alice.post("lead_archive", lead.pk)
    assert alice.get("file_download", Attachment.objects.get().pk).status_code == 404


def test_another_company_finds_nothing(alice: Browser, charlie: Browser, lead: Lead) -> None:
    upload(alice, lead)
    assert charlie.get("file_download", Attachment.objects.get().pk).status_code == 404
    assert upload(charlie, lead).status_code == 404


def test_a_stranger_s_file_is_not_read(company: Company, lead: Lead) -> None:
    answer = upload(Browser(Client()), lead)
    assert answer["Location"].startswith("/accounts/login/")
    assert not folder_of(company.pk).exists()


def test_the_form_needs_its_token(company: Company, owner: User, lead: Lead) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert upload(Browser(client), lead).status_code == 403
    assert not Attachment.objects.exists()


def test_a_file_that_is_not_on_the_disk_is_not_found(alice: Browser, lead: Lead) -> None:
    upload(alice, lead)
    kept = Attachment.objects.get()
    kept.path.unlink()
    assert alice.get("file_download", kept.pk).status_code == 404


# --- figures and the person's export


@pytest.mark.parametrize("count", [3, 40])
def test_the_page_asks_a_fixed_number_of_times(
    alice: Browser, lead: Lead, count: int, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        attachments.add_file(lead, f"{number}.pdf", BytesIO(b"x"), SHELL)
    alice.seen("lead", lead.pk)
    with django_assert_max_num_queries(42):
        alice.seen("lead", lead.pk)


def test_a_person_s_export_has_their_files(alice: Browser, lead: Lead, deal: Deal) -> None:
    upload(alice, lead, "cv.pdf", b"cv")
    upload(alice, deal, "offer.pdf", b"offer")
    answer = alice.post("lead_export", lead.pk)
    assert answer["Content-Type"] == "application/zip"
    with ZipFile(BytesIO(b"".join(answer))) as archive:
        names = archive.namelist()
        assert names == ["lead.json", "files/1-cv.pdf", "files/2-offer.pdf"]
        assert archive.read("files/1-cv.pdf") == b"cv"
        assert b"cv.pdf" in archive.read("lead.json")


def test_no_other_address_takes_much(client_of: Callable[[User], Client], owner: User) -> None:
    large = b"x" * (2 * 2**20)
    client = client_of(owner)
    for path in ("/leads/files/", "/leads/1/files/", "/api/v1/leads/", "/leads/new/"):
        assert client.post(path, large, content_type="application/octet-stream").status_code == 413, path
