"""Tables that people bring: every way they can be written or broken, and what is said of it."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from django.core.exceptions import ValidationError

from crm import importing, workbooks
from crm.importing import Choices, Dialect, Reader, Row, Table, Unreadable
from crm.importing.words import parse_moment

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PLAIN = "First name,Last name,E-mail\nZoë,Müller,zoe@firm.test\n"


def table_of(tmp_path: Path, content: bytes) -> Table:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    return importing.inspect(path, importing.detect(path))


def person_of(
    *pairs: tuple[str, str], choices: Choices | None = None, lenient: bool = False
) -> importing.Person:
    fields, cells = zip(*pairs, strict=True)
    return Reader(fields, choices or Choices(), NOW, lenient=lenient).read(Row(2, cells))


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [
        ("utf-8", ","),
        ("utf-8-sig", ","),
        ("utf-16", ","),
        ("utf-16-le", ";"),
        ("utf-16-be", "\t"),
        ("latin-1", ";"),
        ("cp1252", ";"),
        ("utf-8", "\t"),
        ("utf-8", "|"),
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_it_finds_letters_and_separators(tmp_path: Path, encoding: str, delimiter: str, ends: str) -> None:
    content = PLAIN.replace(",", delimiter).replace("\n", ends).encode(encoding)
    table = table_of(tmp_path, content)
    assert table.headers == ("First name", "Last name", "E-mail")
    assert table.samples == (("Zoë",), ("Müller",), ("zoe@firm.test",))
    assert (table.rows, table.has_header) == (1, True)


def test_line_ends_may_be_mixed(tmp_path: Path) -> None:
    assert table_of(tmp_path, b"Name,E-mail\r\na,a@x.test\nb,b@x.test\rc,c@x.test").rows == 3


def test_a_table_without_a_head_has_numbered_columns(tmp_path: Path) -> None:
    table = table_of(tmp_path, b"Jo,jo@x.test,+49 30 123456\nAl,al@x.test,+49 30 654321\n")
    assert (table.has_header, table.rows) == (False, 2)
    assert table.headers == ("Column 1", "Column 2", "Column 3")
    assert [match.field for match in importing.matches(table)] == ["", "email", "phone"]


def test_a_head_may_say_the_same_twice(tmp_path: Path) -> None:
    table = table_of(tmp_path, b"E-mail,E-mail,E-mail\na@x.test,b@x.test,c@x.test\n")
    assert table.headers == ("E-mail", "E-mail (2)", "E-mail (3)")
    assert [match.field for match in importing.matches(table)].count("email") == 1


def test_a_letter_far_down_that_is_no_utf_8_is_said_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"Name,E-mail\n" + b"Jo,jo@x.test\n" * 30_000 + "Zoë,z@x.test\n".encode("latin-1"))
    with pytest.raises(importing.WrongEncoding, match=r"below row \d+ are bytes that are not UTF-8"):
        importing.inspect(path, importing.detect(path))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"\xef\xbb\xbf\r\n", "The file is empty."),
        (b"Name,E-mail\n", "no row below it"),
        (b'Name,E-mail\nJo,jo@x.test\n"Al,al@x.test\n', "Row 3 has a quotation mark"),
        (b'Name,E-mail\n"Al,al@x.test\n' + b"Jo,jo@x.test\n" * 2000, "Row 2 goes on for more than 400 lines"),
        (b",".join([b"a"] * 10_000) + b"\n1\n", "Row 1 has 10000 columns; 200 is the most"),
        (b"Name\n" + b"x" * 40_000 + b"\n", "Row 2 has a cell of more than 32,767 characters"),
        (bytes(range(1, 32)) * 100, "This is not a table"),
        (b"Name,E-mail\n" + b"x" * 5_000_000 + b"\n", "Row 2"),
    ],
    ids=["empty", "bom", "head", "unclosed", "unclosed-early", "wide", "long-cell", "binary", "huge-cell"],
)
def test_what_breaks_the_table_is_named_with_its_row(tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence):
        table_of(tmp_path, content)


def test_nul_and_formulas_are_a_matter_of_their_row(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"Name,Title\nJo\x00e,COO\nAl,'=1+1\nEd,=1+1\n")
    rows = list(importing.rows_of(path, Dialect("utf-8", ",")))
    people = [Reader(["last_name", "title"], Choices(), NOW).read(row) for row in rows[1:]]
    assert [fault.sentence for fault in people[0].faults] == [
        "Remove the characters that cannot be stored (NUL or broken Unicode)."
    ]
    assert [person.texts["title"] for person in people[1:]] == ["=1+1", "=1+1"]


# --- Workbooks


def book(rows: list[list[object]]) -> bytes:
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)  # type: ignore[union-attr]
    file = BytesIO()
    made.save(file)
    return file.getvalue()


def text_of(tmp_path: Path, content: bytes) -> str:
    path, target = tmp_path / "file.xlsx", tmp_path / "file.csv"
    path.write_bytes(content)
    assert workbooks.is_workbook(path)
    workbooks.as_text(path, target)
    return target.read_text()


def test_a_workbook_becomes_text(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["Name", "Created", "Age", "VIP"],
        ["Jo", datetime(2026, 5, 1, 10, 30), 41.0, True],  # noqa: DTZ001  cells have no zone
    ]
    assert text_of(tmp_path, book(rows)).split() == [
        "Name,Created,Age,VIP",
        "Jo,2026-05-01",
        "10:30:00,41,yes",
    ]


def test_a_workbook_that_is_too_wide_is_refused_by_row(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="Row 1 has 300 columns"):
        text_of(tmp_path, book([list(range(300))]))


def archive(**parts: bytes) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        archive(xl__worksheets__sheet1_dot_xml=b"0" * (450 * 1024 * 1024)),
        archive(xl__sharedStrings_dot_xml=b"0" * (60 * 1024 * 1024)),
        archive(xl__workbook_dot_xml=b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'),
        archive(hello_dot_txt=b"no workbook"),
        b"PK\x03\x04 and nothing more",
        book([["Name"], ["Jo"]])[:-200],
    ],
    ids=["bomb", "texts", "entity", "other", "stump", "cut"],
)
def test_a_workbook_that_is_none_or_a_bomb_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Unreadable):
        text_of(tmp_path, content)


def test_an_old_workbook_and_a_csv_called_xlsx_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "file.xlsx"
    path.write_bytes(PLAIN.encode())
    assert not workbooks.is_workbook(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0 and more")
    with pytest.raises(Unreadable, match="old Excel file"):
        workbooks.is_workbook(path)


# --- Columns


@pytest.mark.parametrize(
    ("headers", "preset", "fields"),
    [
        (
            "Record ID,First Name,Last Name,Email,Phone Number,Contact owner,Create Date,Company Name,Job Title",
            "hubspot",
            "external_id first_name last_name email phone owner created organization title",
        ),
        (
            "Person - Name,Person - Email - Work,Person - Phone - Mobile,Organization - Name,Person - Owner",
            "pipedrive",
            "full_name email mobile organization owner",
        ),
        (
            "Lead ID,First Name,Last Name,Title,Company / Account,Email,Lead Source,Lead Owner,Create Date,Country",
            "salesforce",
            "external_id first_name last_name title organization email source owner created country",
        ),
        (
            "Lead ID,Created At,Campaign Name,Form Name,First Name,Last Name,Email Address,Company Name,Job Title",
            "linkedin",
            "lead_gen_response created utm_campaign landing_page first_name last_name email organization title",
        ),
        ("Vorname;Nachname;E-Mail;Firma;Position;Tel.;Land;Einwilligung;Standnotiz", "",
         "first_name last_name email organization title phone country consent "),
    ],
    ids=["hubspot", "pipedrive", "salesforce", "linkedin", "german"],
)  # fmt: skip
def test_columns_of_known_programs_go_where_they_belong(
    tmp_path: Path, headers: str, preset: str, fields: str
) -> None:
    delimiter = ";" if ";" in headers else ","
    body = delimiter.join("x" for _ in headers.split(delimiter))
    table = table_of(tmp_path, f"{headers}\n{body}\n".encode())
    assert importing.preset_of(table.headers) == preset
    assert [match.field for match in importing.matches(table, preset)] == fields.split(" ")


def test_our_own_export_is_read_back(tmp_path: Path) -> None:
    from crm.exporting import LEAD_COLUMNS

    head = ",".join(column.label for column in LEAD_COLUMNS)
    table = table_of(tmp_path, f"{head}\n{','.join('x' for _ in LEAD_COLUMNS)}\n".encode())
    found = dict(zip(table.headers, (match.field for match in importing.matches(table)), strict=True))
    assert found["External ID"] == "external_id"
    assert found["Lead ID"] == ""
    assert found["Created"] == "created"
    assert found["UTM campaign"] == "utm_campaign"


# --- Values


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("email", "chloe@mdlog"),
        ("email", "aino@@pohjola.fi"),
        ("country", "Schottenland"),
        ("status", "Nope"),
        ("owner", "nobody@x.test"),
        ("created", "yesterday"),
        ("created", "2026-13-45"),
        ("created", "2030-01-01"),
        ("consent", "perhaps"),
        ("phone", "none"),
        ("first_name", "x" * 81),
        ("website", "not a site"),
    ],
)
def test_a_bad_value_is_a_fault_or_left_out(field: str, text: str) -> None:
    person = person_of(("last_name", "Berg"), (field, text))
    assert [fault.value for fault in person.faults] == [text[:120]]
    assert person.faults[0].field == importing.FIELDS[field].label
    assert person_of(("last_name", "Berg"), (field, text), lenient=True).faults == []


def test_a_row_without_anybody_is_a_fault() -> None:
    assert person_of(("title", "COO")).faults[0].sentence.startswith("The row names nobody")


def test_words_become_values() -> None:
    person = person_of(
        ("full_name", "Berg, Jo"),
        ("email", "Jo@Firm.test; jo2@firm.test"),
        ("country", "Norwegen"),
        ("tags", "VIP; warm,VIP"),
        ("consent", "ja"),
        ("website", "firm.test"),
    )
    assert (person.texts["first_name"], person.texts["last_name"]) == ("Jo", "Berg")
    assert person.emails == ["Jo@firm.test", "jo2@firm.test"]
    assert (person.country_code, person.consent, person.tags) == ("NO", "granted", ["VIP", "warm"])
    assert person.websites == ["https://firm.test"]


@pytest.mark.parametrize(
    ("text", "month_first", "expected"),
    [
        ("2026-05-01", False, "2026-04-30T22:00:00+00:00"),
        ("2026-05-01 10:30", False, "2026-05-01T08:30:00+00:00"),
        ("2026-05-01T10:30:00Z", False, "2026-05-01T10:30:00+00:00"),
        ("01.05.2026", False, "2026-04-30T22:00:00+00:00"),
        ("05/01/2026", True, "2026-04-30T22:00:00+00:00"),
        ("5/13/2026, 1:05 PM", False, "2026-05-13T11:05:00+00:00"),
    ],
)
def test_days_are_read_as_people_write_them(text: str, month_first: bool, expected: str) -> None:
    at = parse_moment(text, ZoneInfo("Europe/Berlin"), month_first=month_first)
    assert at.astimezone(UTC).isoformat() == expected


@pytest.mark.parametrize(
    "text",
    ["31.02.2026", "2026-11-20 25:00", "2026-11-20 10:00 +99:99", "2026-11-20T10:00+24:00", "0000-01-01"],
)
def test_a_day_or_time_that_there_is_not_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        parse_moment(text, UTC)


@pytest.mark.parametrize(
    ("field", "value"),
    [("website", f"example.com/{'x' * 486}"), ("tags", "İ" * 60)],
)
def test_what_grows_too_long_when_it_is_tidied_fails_its_row(field: str, value: str) -> None:
    """PostgreSQL would refuse the chunk, and the import would never get past it."""
    person = Reader([field], Choices(), NOW).read(Row(2, (value,)))
    assert [fault.field for fault in person.faults] == [importing.FIELDS[field].label]


def test_rows_are_emptied_and_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("Name,E-mail\nJo,jo@x.test\nAl,al@x.test\n")
    assert importing.empty_rows(path, Dialect("utf-8", ","), lambda text: "jo@x.test" in text) == 1
    rows = list(importing.rows_of(path, Dialect("utf-8", ",")))
    assert [(row.number, row.cells[0]) for row in rows] == [(1, "Name"), (3, "Al")]
