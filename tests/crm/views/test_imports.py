"""The pages of an import, as somebody walks through them without script."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from crm import import_work
from crm.models import Company, Import, Lead, User
from tests.crm.views.conftest import Browser, url

TEXT = "Vorname;Nachname;E-Mail;Firma\nZoë;Berg;zoe@kaldvik.test;Kaldvik\nNo;Mail;no@@mail;Kaldvik\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


def upload(browser: Browser, content: bytes | str = TEXT, name: str = "fair.csv", **fields: str) -> Any:
    file = BytesIO(content.encode() if isinstance(content, str) else content)
    file.name = name
    return browser.client.post(url("import_upload"), {"file": file, **fields})


def mapped(batch: Import, **fields: str) -> dict[str, str]:
    columns = {f"column-{place}": field for place, field in enumerate(batch.mapping)}
    return {**columns, "on_match": "fill", **fields}


def test_from_the_file_to_the_leads_and_back(company: Company, alice: Browser) -> None:
    place = upload(alice)["Location"]
    batch = Import.objects.get()
    assert place == url("import_page", batch.pk)
    page = alice.seen("import_page", batch.pk)
    assert "UTF-8, separated by semicolons" in page
    assert "zoe@kaldvik.test" in page
    assert "Check 2 rows" in page
    alice.post("import_check", batch.pk, **mapped(batch))
    page = alice.seen("import_page", batch.pk)
    assert "E-mail: no@@mail" in page
    assert "Import 2 rows" in page
    assert not Lead.objects.exists()
    alice.post("import_start", batch.pk)
    page = alice.seen("import_page", batch.pk)
    assert "2 rows = 1 created + 0 updated + 0 skipped + 1 failed" in page
    assert Lead.objects.get().email == "zoe@kaldvik.test"
    head, failed = b"".join(alice.get("import_failed", batch.pk)).decode().splitlines()
    assert head == "Vorname,Nachname,E-Mail,Firma,Row,What is wrong"
    assert failed.startswith("No,Mail,no@@mail,Kaldvik,3,")
    assert "Undo fair.csv" in page
    alice.post("import_undo", batch.pk)
    assert "Undone." in alice.seen("import_page", batch.pk)
    assert not Lead.objects.exists()


def test_a_workbook_goes_the_same_way(company: Company, alice: Browser) -> None:
    made, file = openpyxl.Workbook(), BytesIO()
    for row in (["Name", "E-mail"], ["Zoë Berg", "zoe@kaldvik.test"]):
        made.active.append(row)
    made.save(file)
    upload(alice, file.getvalue(), "fair.xlsx")
    batch = Import.objects.get()
    assert (batch.is_workbook, batch.total, batch.mapping) == (True, 1, ["full_name", "email"])


def test_what_cannot_be_read_is_said_on_the_page(alice: Browser) -> None:
    answer = upload(alice, 'Name,E-mail\n"Jo,jo@x.test\n')
    assert answer.status_code == 422
    assert "Row 2 has a quotation mark that is opened and never closed." in answer.content.decode()
    assert not Import.objects.exists()


def test_no_file_is_said_on_the_page(alice: Browser) -> None:
    answer = alice.post("import_upload")
    assert answer.status_code == 422
    assert "Choose a file first." in answer.content.decode()


def test_it_can_be_read_in_another_way(alice: Browser) -> None:
    upload(alice)
    batch = Import.objects.get()
    alice.post("import_read", batch.pk, encoding="utf-8-sig", delimiter=",", preset="", has_header="on")
    batch.refresh_from_db()
    assert len(batch.headers) == 1
    alice.post("import_read", batch.pk, encoding="utf-8-sig", delimiter=";", preset="hubspot")
    batch.refresh_from_db()
    assert (batch.headers[0], batch.total, batch.source) == ("Column 1", 3, "HubSpot")


def test_a_mapping_that_names_nobody_is_refused_in_place(alice: Browser) -> None:
    upload(alice)
    answer = alice.post("import_check", Import.objects.get().pk)
    assert answer.status_code == 422
    assert "Say which column holds the name or the e-mail address." in answer.content.decode()


def test_only_what_was_checked_can_be_started(alice: Browser) -> None:
    upload(alice)
    batch = Import.objects.get()
    alice.post("import_start", batch.pk)
    batch.refresh_from_db()
    assert batch.state == "mapping"
    assert "This import is to be set up." in alice.said()


def test_another_file_takes_the_settings_along(alice: Browser) -> None:
    upload(alice)
    first = Import.objects.get()
    alice.post(
        "import_check", first.pk, **mapped(first, **{"column-3": "", "source": "Fair", "on_match": "skip"})
    )
    upload(alice, like=str(first.pk))
    again = Import.objects.exclude(pk=first.pk).get()
    assert (again.mapping[3], again.source, again.on_match) == ("", "Fair", "skip")


def test_progress_is_shown_while_it_works(company: Company, alice: Browser) -> None:
    upload(alice)
    batch = Import.objects.get()
    Import.objects.update(state="running", created=1, started_at=timezone.now())
    assert "1 of 2 rows" in alice.seen("import_page", batch.pk)
    asking = {"HX-Request": "true", "HX-Target": "progress"}
    part = alice.client.get(url("import_page", batch.pk), headers=asking).content.decode()
    assert part.strip().startswith('<div class="running" id="progress"')
    Import.objects.update(state="done")
    over = alice.client.get(url("import_page", batch.pk), headers=asking)
    assert (over.status_code, over["HX-Refresh"]) == (204, "true")


def test_stop_keeps_what_is_done(company: Company, alice: Browser) -> None:
    upload(alice)
    batch = Import.objects.get()
    Import.objects.update(state="running", created=1)
    alice.post("import_stop", batch.pk)
    assert "Stopped after 1 of 2 rows." in alice.seen("import_page", batch.pk)


def test_without_workers_a_command_does_the_rest(company: Company, alice: Browser) -> None:
    upload(alice)
    batch = Import.objects.get()
    alice.post("import_check", batch.pk, **mapped(batch))
    batch.rows.all().delete()
    Import.objects.update(state="running", position=0, created=0, failed=0)
    call_command("work_imports")
    batch.refresh_from_db()
    assert (batch.state, batch.created, batch.failed) == ("done", 1, 1)


def test_an_agent_sees_their_own_imports(
    company: Company, alice: Browser, agent: User, browser_of: Callable[[User], Browser]
) -> None:
    upload(alice)
    theirs = Import.objects.get()
    bob = browser_of(agent)
    assert "fair.csv" not in bob.seen("imports")
    for name in ("import_check", "import_start", "import_stop", "import_undo", "import_read"):
        assert bob.post(name, theirs.pk).status_code == 404
    assert bob.get("import_failed", theirs.pk).status_code == 404
    upload(bob, name="mine.csv")
    assert "mine.csv" in bob.seen("imports")


def test_a_stranger_s_file_is_not_read(company: Company, folder: Path) -> None:
    answer = upload(Browser(Client()))
    assert answer["Location"].startswith("/accounts/login/")
    assert not (folder / "imports").exists()


def test_the_form_needs_its_token(company: Company, owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert upload(Browser(client)).status_code == 403
    assert not Import.objects.exists()


def test_only_this_address_takes_much(alice: Browser, settings: Any) -> None:
    large = "x" * (settings.MAX_BODY_BYTES + 1)
    assert upload(alice, TEXT + large).status_code in (302, 422)
    assert alice.post("lead_new", first_name=large).status_code == 413
    settings.MAX_IMPORT_BYTES = 1024
    assert upload(alice, TEXT + large).status_code == 413


@pytest.mark.parametrize("rows", [3, 60])
def test_the_list_asks_a_fixed_number_of_times(
    company: Company, alice: Browser, rows: int, django_assert_max_num_queries: Any
) -> None:
    for number in range(rows):
        Import.objects.create(company=company, file_name=f"{number}.csv")
    alice.seen("imports")
    with django_assert_max_num_queries(18):
        alice.seen("imports")


def test_it_works_a_moment_in_the_request_only(
    company: Company, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_work, "CHUNK", 1)
    monkeypatch.setattr("crm.views.imports.AT_ONCE_SECONDS", 0)
    upload(alice)
    batch = Import.objects.get()
    alice.post("import_check", batch.pk, **mapped(batch))
    batch.refresh_from_db()
    assert (batch.state, batch.lease, batch.handled) == ("checking", None, 1)


def test_names_of_files_are_only_text(alice: Browser) -> None:
    upload(alice, name="<script>alert(1)</script>.csv")
    assert "<script>alert" not in alice.seen("imports")
