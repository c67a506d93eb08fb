"""Reads tables that people bring: text into rows, rows into people, and every fault with its row.

Pure: no database. What a company's words mean (its statuses, its members) is handed in as `Choices`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from charset_normalizer import from_bytes
from django.core.exceptions import ValidationError

from crm import cleaning, customvalues
from crm.countries import COUNTRIES
from crm.customvalues import LONGEST_URL

MOST_COLUMNS: Final = 200
MOST_ROWS: Final = 1_000_000
LONGEST_CELL: Final = 32_767
LONGEST_ROW_LINES: Final = 400
DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
ENCODINGS: Final = {
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 (little-endian)",
    "utf-16-be": "UTF-16 (big-endian)",
    "cp1252": "Western European (Windows-1252)",
    "latin-1": "Western European (Latin-1)",
    "cp1250": "Central European (Windows-1250)",
    "cp1251": "Cyrillic (Windows-1251)",
    "cp1253": "Greek (Windows-1253)",
    "cp1254": "Turkish (Windows-1254)",
    "shift_jis": "Japanese (Shift-JIS)",
    "gb18030": "Chinese (GB 18030)",
    "big5": "Chinese (Big5)",
    "euc_kr": "Korean (EUC-KR)",
}
# Alphabets that cannot be taken for Western European letters.
_OTHER_ALPHABETS = frozenset(("cp1251", "cp1253", "shift_jis", "gb18030", "big5", "euc_kr"))
_SAMPLE: Final = 256 * 1024
SAMPLES: Final = 3

csv.field_size_limit(4 * 1024 * 1024)


class Unreadable(Exception):
    """The file as a whole cannot be read. The message says where and why, and what to do."""


class WrongEncoding(Unreadable):
    """Some bytes are no letters in the encoding that was chosen."""


@dataclass(frozen=True)
class Dialect:
    """How a text file is written."""

    encoding: str
    delimiter: str


@dataclass(frozen=True)
class Row:
    """A row of the file. `number` counts from 1 as a spreadsheet does, the head included."""

    number: int
    cells: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not any(self.cells)


@dataclass(frozen=True)
class Table:
    """What is known of a file after one reading: its head, its first rows, how many there are."""

    dialect: Dialect
    headers: tuple[str, ...]
    has_header: bool
    samples: tuple[tuple[str, ...], ...]
    rows: int


# --- Text into rows -----------------------------------------------------------------------------------------


def detect(path: Path) -> Dialect:
    """The encoding and the delimiter of a text file. Raises Unreadable for what is no text."""
    with path.open("rb") as file:
        head = file.read(_SAMPLE)
    if not head.strip(b"\x00 \r\n\t\xef\xbb\xbf\xff\xfe"):
        raise Unreadable("The file is empty.")
    encoding = _encoding(head)
    text = head.decode(encoding, errors="replace")
    if sum(character in _UNTYPED for character in text[:4096]) > len(text[:4096]) // 20:
        raise Unreadable("This is not a table. Save it as CSV or as Excel workbook (.xlsx), and upload that.")
    return Dialect(encoding, _delimiter(text))


_UNTYPED = frozenset(chr(code) for code in range(32)) - frozenset("\t\r\n\x00")


def _encoding(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if head.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    even, odd = head[0:2000:2], head[1:2000:2]
    if odd.count(0) > len(odd) * 0.4:
        return "utf-16-le"
    if even.count(0) > len(even) * 0.4:
        return "utf-16-be"
    try:
        # The sample may end within a character, which is three bytes short at most.
        head[: max(len(head) - 3, 1)].decode("utf-8") if len(head) == _SAMPLE else head.decode("utf-8")
    except UnicodeDecodeError as error:
        if not (len(head) == _SAMPLE and error.start > len(head) - 8):
            return _old_encoding(head)
    return "utf-8-sig"


def _old_encoding(head: bytes) -> str:
    """A guess, for a person to change: Western European unless the letters are clearly others."""
    best = from_bytes(head[:65536], cp_isolation=[*_OTHER_ALPHABETS, "cp1252"]).best()
    if best is not None and best.encoding in _OTHER_ALPHABETS:
        return str(best.encoding)
    try:
        head.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _delimiter(text: str) -> str:
    """The one that cuts the first lines into most columns, the same number each."""
    lines = text.splitlines()[:20]

    def score(delimiter: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        if not widths or widths[0] < 2:
            return 0, 0
        return sum(width == widths[0] for width in widths), widths[0]

    return max(DELIMITERS, key=score)


def rows_of(path: Path, dialect: Dialect) -> Iterator[Row]:
    """Every row that has anything in it. Raises Unreadable, naming the row, for what breaks the table."""
    with path.open(encoding=dialect.encoding, newline="") as file:
        lines = _Lines(file)
        reader = csv.reader(lines, delimiter=dialect.delimiter)
        number = 0
        while True:
            lines.begin(number + 1)
            try:
                cells = next(reader)
            except StopIteration:
                return
            except UnicodeDecodeError as error:
                raise WrongEncoding(
                    f"Some way below row {number} are bytes that are not {ENCODINGS.get(dialect.encoding, 'text')}. "
                    "Choose another encoding."
                ) from error
            except csv.Error as error:
                raise Unreadable(f"Row {number + 1} cannot be read: {error}.") from error
            number += 1
            _check(number, cells)
            lines.check_end()
            row = Row(number, tuple([_unescaped(cell.strip()) for cell in cells]))
            if not row.is_empty:
                yield row


def empty_rows(path: Path, dialect: Dialect, is_theirs: Callable[[str], bool]) -> int:
    """Empty the rows in which a text is somebody's; the numbers of the others stay. Returns how many."""
    emptied = 0
    part = path.with_suffix(".new")
    try:
        with (
            path.open(encoding=dialect.encoding, errors="replace", newline="") as old,
            part.open("w", encoding=dialect.encoding, errors="replace", newline="") as new,
        ):
            writer = csv.writer(new, delimiter=dialect.delimiter)
            for cells in csv.reader(old, delimiter=dialect.delimiter):
                if is_theirs(" ".join(cells)):
                    emptied, cells = emptied + 1, [""] * max(len(cells), 2)
                writer.writerow(cells)
        if emptied:
            part.chmod(0o600)
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return emptied


class _Lines:
    """Passes the lines of a file on, and knows those of the row that is being read."""

    def __init__(self, file: Iterable[str]) -> None:
        self._lines = iter(file)
        self._row: list[str] = []
        self._number = 0
        self._is_over = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self._row) >= LONGEST_ROW_LINES:
            raise Unreadable(
                f"Row {self._number} goes on for more than {LONGEST_ROW_LINES} lines: "
                "a quotation mark in it is opened and not closed."
            )
        try:
            line = next(self._lines)
        except StopIteration:
            self._is_over = True
            raise
        self._row.append(line)
        return line

    def begin(self, number: int) -> None:
        self._row, self._number = [], number

    def check_end(self) -> None:
        """The reader takes the end of the file for the end of a quotation; people do not."""
        if self._is_over and "".join(self._row).count('"') % 2:
            raise Unreadable(f"Row {self._number} has a quotation mark that is opened and never closed.")


def _check(number: int, cells: Sequence[str]) -> None:
    if len(cells) > MOST_COLUMNS:
        raise Unreadable(
            f"Row {number} has {len(cells)} columns; {MOST_COLUMNS} is the most. Delete those that nobody needs."
        )
    if number > MOST_ROWS + 1:
        raise Unreadable(f"The file has more than {MOST_ROWS:,} rows. Cut it into parts.")
    if any(len(cell) > LONGEST_CELL for cell in cells):
        raise Unreadable(f"Row {number} has a cell of more than {LONGEST_CELL:,} characters.")


def _unescaped(cell: str) -> str:
    """Without the apostrophe that an export puts before what looks like a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in "=+-@＝＋－＠" and len(cell) > 1 else cell


def inspect(path: Path, dialect: Dialect, has_header: bool | None = None) -> Table:
    """Read the whole file once. Raises Unreadable for what breaks it, so that nothing is begun that cannot end."""
    rows = rows_of(path, dialect)
    first = list(islice(rows, 1 + SAMPLES * 20))
    if not first:
        raise Unreadable("The file is empty.")
    is_head = looks_like_header(first) if has_header is None else has_header
    width = max(len(row.cells) for row in first)
    total = len(first) + sum(1 for _ in rows)
    body = first[1:] if is_head else first
    if not total - is_head:
        raise Unreadable("The file has a head, and no row below it.")
    headers = _headers(first[0].cells if is_head else (), width)
    samples = tuple(_sample(body, place) for place in range(width))
    return Table(dialect, headers, is_head, samples, total - is_head)


def samples(path: Path, dialect: Dialect, has_header: bool, width: int) -> tuple[tuple[str, ...], ...]:
    """The first different values of each column."""
    first = list(islice(rows_of(path, dialect), 1 + SAMPLES * 20))
    body = first[1:] if has_header else first
    return tuple(_sample(body, place) for place in range(width))


def looks_like_header(rows: Sequence[Row]) -> bool:
    """Whether the first row names the columns: words alone, no address, no number."""
    named = [cell for cell in rows[0].cells if cell]
    if any("@" in cell or re.fullmatch(r"[\d\s.,:/+()-]+", cell) for cell in named):
        return False
    return bool(named) and (len(rows) > 1 or any(field_of(cell) for cell in named))


def _headers(cells: Sequence[str], width: int) -> tuple[str, ...]:
    names: list[str] = []
    for place in range(width):
        name = (cells[place] if place < len(cells) else "").replace("\x00", "")[:80]
        name = " ".join(name.split()) or f"Column {place + 1}"
        again = sum(each == name or each.startswith(f"{name} (") for each in names)
        names.append(f"{name} ({again + 1})" if again else name)
    return tuple(names)


def _sample(rows: Sequence[Row], place: int) -> tuple[str, ...]:
    values = (row.cells[place].replace("\x00", "") for row in rows if place < len(row.cells))
    return tuple(list(dict.fromkeys(value[:60] for value in values if value))[:SAMPLES])


# --- Columns into fields ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """Where a column can go. `names` are what other programs call it, besides the label."""

    label: str
    names: tuple[str, ...] = ()
    max_length: int = 0


FIELDS: Final[dict[str, Field]] = {
    "first_name": Field("First name", ("firstname", "given name", "vorname", "prénom", "nombre"), 80),
    "last_name": Field(
        "Last name", ("lastname", "surname", "family name", "nachname", "nom de famille", "apellidos"), 80
    ),
    "full_name": Field("Full name", ("name", "contact name", "person - name", "contact person", "lead"), 160),
    "email": Field(
        "E-mail",
        (
            "email",
            "email address",
            "e-mail address",
            "mail",
            "e-mail-adresse",
            "person - email - work",
            "person - email",
            "work email",
            "business email",
        ),
        254,
    ),
    "other_email": Field(
        "Further e-mail",
        (
            "further e-mails",
            "additional email",
            "personal email",
            "person - email - home",
            "person - email - other",
            "email 2",
            "secondary email",
        ),
        1000,
    ),
    "phone": Field(
        "Phone",
        (
            "phone number",
            "telephone",
            "tel",
            "telefon",
            "work phone",
            "business phone",
            "person - phone - work",
            "person - phone",
            "company phone",
        ),
        40,
    ),
    "mobile": Field(
        "Mobile phone",
        ("mobile", "mobile phone number", "mobil", "handy", "cell phone", "person - phone - mobile"),
        40,
    ),
    "website": Field("Website", ("website url", "web site", "url", "homepage", "webseite"), 500),
    "title": Field(
        "Title", ("job title", "position", "role", "funktion", "person - job title", "jobtitle"), 120
    ),
    "organization": Field(
        "Organization",
        (
            "company",
            "company name",
            "organisation",
            "firma",
            "account name",
            "company / account",
            "account",
            "person - organization",
            "organization - name",
            "lead - organization",
            "associated company",
            "unternehmen",
        ),
        160,
    ),
    "country": Field("Country", ("country/region", "land", "country code", "mailing country", "pays"), 80),
    "status": Field("Status", ("lead status", "lead - status", "stage"), 60),
    "type": Field("Type", ("lead type", "lead - type"), 60),
    "source": Field(
        "Source", ("lead source", "original source", "lead - source", "quelle", "lead - source origin"), 80
    ),
    "owner": Field(
        "Owner",
        ("contact owner", "lead owner", "lead - owner", "person - owner", "owner email", "besitzer"),
        254,
    ),
    "tags": Field("Tags", ("labels", "tag", "lead - labels", "person - labels", "label"), 600),
    "consent": Field("Consent", ("einwilligung", "gdpr consent", "opt-in", "marketing consent"), 40),
    "external_id": Field(
        "External ID",
        (
            "record id",
            "contact id",
            "lead id",
            "id",
            "person - id",
            "lead - id",
            "kundennummer",
            "customer number",
        ),
        190,
    ),
    "created": Field(
        "Created",
        (
            "create date",
            "created at",
            "created date",
            "date created",
            "created time",
            "lead - lead created",
            "lead created",
            "person - person created",
            "erstellt",
            "angelegt am",
            "submitted at",
            "created on",
        ),
        60,
    ),
    "note": Field(
        "Note", ("notes", "description", "notiz", "bemerkung", "comment", "comments", "lead - notes"), 20_000
    ),
    "li_fat_id": Field("LinkedIn click id", ("li fat id",), 300),
    "lead_gen_response": Field("LinkedIn form response", ("lead gen response", "form response id"), 120),
    "utm_source": Field("UTM source", (), 200),
    "utm_medium": Field("UTM medium", (), 200),
    "utm_campaign": Field("UTM campaign", ("campaign name", "campaign"), 200),
    "utm_term": Field("UTM term", (), 200),
    "utm_content": Field("UTM content", ("creative name", "ad name"), 200),
    "referrer": Field("Referrer", (), 2000),
    "landing_page": Field("Landing page", (), 2000),
}
PLAIN: Final = (
    "first_name",
    "last_name",
    "title",
    "source",
    "external_id",
    "li_fat_id",
    "lead_gen_response",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "referrer",
    "landing_page",
)


@dataclass(frozen=True)
class Preset:
    """What is different about the files of one program: names of columns, and where the people come from."""

    label: str
    source: str
    names: Mapping[str, str] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    """Columns that only its files have, by which it is known."""


PRESETS: Final[dict[str, Preset]] = {
    "": Preset("Any table", ""),
    "hubspot": Preset(
        "HubSpot contacts",
        "HubSpot",
        {
            "recordid": "external_id",
            "contactowner": "owner",
            "createdate": "created",
            "leadstatus": "",
            "lifecyclestage": "",
            "originalsource": "source",
            "associatedcompany": "organization",
        },
        ("recordid", "createdate", "contactowner"),
    ),
    "pipedrive": Preset(
        "Pipedrive people or leads",
        "Pipedrive",
        {"personid": "external_id", "leadid": "external_id", "personname": "full_name", "leadtitle": ""},
        ("personname",),
    ),
    "salesforce": Preset(
        "Salesforce leads",
        "Salesforce",
        {"leadid": "external_id", "companyaccount": "organization", "leadowner": "owner", "leadstatus": ""},
        ("leadowner", "leadsource"),
    ),
    "linkedin": Preset(
        "LinkedIn Campaign Manager leads",
        "LinkedIn Lead Gen",
        {
            "leadid": "lead_gen_response",
            "formname": "landing_page",
            "campaignname": "utm_campaign",
            "creativename": "utm_content",
            "createdat": "created",
            "accountname": "",
            "companyname": "organization",
        },
        ("formname", "campaignname"),
    ),
}


def preset_of(headers: Sequence[str]) -> str:
    """The program whose file this looks like; "" for none."""
    keys = {_key(header) for header in headers}
    found = (name for name, preset in PRESETS.items() if preset.marks and keys.issuperset(preset.marks))
    return next(found, "")


@dataclass(frozen=True)
class Match:
    """Where a column goes by itself, and why: by its name, by its values, or "" for nowhere."""

    field: str
    why: str = ""


def own_labels(own: Mapping[str, customvalues.Field]) -> dict[str, str]:
    """What the company's own fields are called among the others, by their names in a mapping."""
    taken = [one.label for one in FIELDS.values()]
    return {name: customvalues.head_of(field.name, taken) for name, field in own.items()}


def matches(
    table: Table, preset: str = "", own_fields: Mapping[str, customvalues.Field] | None = None
) -> list[Match]:
    """A field for each column; no field twice. The names decide first, then what the values look like."""
    theirs = {_key(f"{field.name} (own)"): name for name, field in (own_fields or {}).items()}
    theirs |= {_key(label): name for name, label in own_labels(own_fields or {}).items()}
    own = PRESETS[preset].names if preset in PRESETS else {}
    found: list[Match] = []
    taken: set[str] = set()
    exact = {_key(FIELDS[name].label): name for name in FIELDS}
    certain = {
        exact[_key(header)] for header in table.headers if _key(header) in exact and _key(header) not in own
    }
    for header in table.headers:
        key = _key(header)
        # A company's own field beats what other programs call one of ours.
        name = own[key] if key in own else theirs.get(key) or field_of(header)
        if name in taken or (name in certain and exact.get(key) != name):
            name = ""
        taken.add(name)
        found.append(Match(name, "by name" if name else ""))
    for place, match in enumerate(found):
        by_values = (
            "" if match.field or _key(table.headers[place]) in own else _by_values(table.samples[place])
        )
        if by_values and by_values not in taken:
            taken.add(by_values)
            found[place] = Match(by_values, "by values")
    return found


def field_of(header: str) -> str:
    """The field that goes by this name; "" if none does."""
    return _NAMES.get(_key(header), "")


def _key(name: str) -> str:
    return re.sub(r"[^\w]|_", "", name.lower())


_NAMES = {_key(name): key for key, one in FIELDS.items() for name in (*one.names, one.label)}


def _by_values(samples: Sequence[str]) -> str:
    if samples and all(re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", sample) for sample in samples):
        return "email"
    if samples and all(re.fullmatch(r"\+?[\d\s()/.-]{7,20}", sample) and "+" in sample for sample in samples):
        return "phone"
    return ""


# --- Rows into people ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choices:
    """The company's words in lower case: statuses and types by name and key, members by address and name."""

    statuses: Mapping[str, UUID] = field(default_factory=dict)
    types: Mapping[str, UUID] = field(default_factory=dict)
    members: Mapping[str, UUID] = field(default_factory=dict)
    own: Mapping[str, customvalues.Field] = field(default_factory=dict)
    """The company's own fields, by their names in a mapping."""
    zone: tzinfo = UTC
    month_first: bool = False


@dataclass(frozen=True)
class Fault:
    """What is wrong with a value of a row. `field` is a label."""

    field: str
    value: str
    sentence: str


@dataclass
class Person:
    """What a row says of somebody. An empty text says nothing."""

    number: int
    texts: dict[str, str] = field(default_factory=dict)
    emails: list[str] = field(default_factory=list)
    phones: list[tuple[str, str]] = field(default_factory=list)
    websites: list[str] = field(default_factory=list)
    organization: str = ""
    country_code: str = ""
    status: UUID | None = None
    lead_type: UUID | None = None
    owner: UUID | None = None
    tags: list[str] = field(default_factory=list)
    consent: str = ""
    created: datetime | None = None
    note: str = ""
    custom: dict[str, customvalues.Value] = field(default_factory=dict)
    """Values of the company's own fields, by key."""
    faults: list[Fault] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        """The addresses, as they are looked up."""
        return [email.lower() for email in self.emails]

    @property
    def external_id(self) -> str:
        return self.texts.get("external_id", "")

    @property
    def name(self) -> str:
        return f"{self.texts.get('first_name', '')} {self.texts.get('last_name', '')}".strip()


class Reader:
    """Turns rows into people by a mapping of columns to fields. `lenient`: a bad optional value is left out."""

    def __init__(
        self, mapping: Sequence[str], choices: Choices, now: datetime, *, lenient: bool = False
    ) -> None:
        self._columns = [
            (place, name) for place, name in enumerate(mapping) if name in FIELDS or name in choices.own
        ]
        self._choices, self._now, self._lenient = choices, now, lenient
        self._readers: dict[str, Callable[[Person, str], None]] = {
            "full_name": _read_full_name,
            "email": _read_email,
            "other_email": _read_other_emails,
            "phone": _read_phone,
            "mobile": _read_mobile,
            "website": _read_website,
            "organization": _read_organization,
            "country": _read_country,
            "status": self._read_status,
            "type": self._read_type,
            "owner": self._read_owner,
            "tags": _read_tags,
            "consent": _read_consent,
            "created": self._read_created,
            "note": _read_note,
        }

    def read(self, row: Row) -> Person:
        """What the row says; what is wrong with it is in `faults`."""
        person = Person(row.number)
        for place, name in self._columns:
            text = row.cells[place] if place < len(row.cells) else ""
            if text:
                self._take(person, name, text)
        is_known = person.name or person.emails or person.organization or person.external_id
        if not is_known and not person.faults:
            person.faults.append(Fault("", "", "The row names nobody: no name, no e-mail."))
        return person

    def _take(self, person: Person, name: str, text: str) -> None:
        own = self._choices.own.get(name)
        known = FIELDS[name] if own is None else Field(own.name, max_length=customvalues.LONGEST_LONG_TEXT)
        try:
            if "\x00" in text or not _is_storable(text):
                raise ValidationError("Remove the characters that cannot be stored (NUL or broken Unicode).")  # noqa: TRY301
            if len(text) > known.max_length:
                raise ValidationError(f"At most {known.max_length} characters fit; it has {len(text)}.")  # noqa: TRY301
            if own is not None:
                self._read_own(person, own, text)
            elif name in self._readers:
                self._readers[name](person, text)
            else:
                person.texts[name] = text
        except ValidationError as error:
            if not self._lenient:
                shown = text.replace("\x00", "�")[:120]
                person.faults.append(Fault(known.label, shown, " ".join(error.messages)))

    def _read_own(self, person: Person, own: customvalues.Field, text: str) -> None:
        given: object = text
        if own.kind == customvalues.DATE:
            given = parse_moment(text, self._choices.zone, month_first=self._choices.month_first).date()
        value = customvalues.cleaned(own, given)
        if value is not None:
            person.custom[own.key] = value

    def _read_status(self, person: Person, text: str) -> None:
        person.status = _chosen(self._choices.statuses, text, "status")

    def _read_type(self, person: Person, text: str) -> None:
        person.lead_type = _chosen(self._choices.types, text, "type")

    def _read_owner(self, person: Person, text: str) -> None:
        person.owner = _chosen(self._choices.members, text, "member")

    def _read_created(self, person: Person, text: str) -> None:
        at = parse_moment(text, self._choices.zone, month_first=self._choices.month_first)
        person.created = cleaning.moment(at, self._now)


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _chosen(words: Mapping[str, Any], text: str, noun: str) -> Any:
    found = words.get(" ".join(text.lower().split()))
    if found is None:
        raise ValidationError(f"The company has no {noun} of this name.")
    return found


def _read_full_name(person: Person, text: str) -> None:
    if "," in text:
        last, _, first = text.partition(",")
    else:
        first, _, last = text.rpartition(" ")
    if not first:
        first, last = "", last or text
    person.texts.setdefault("first_name", first.strip()[:80])
    person.texts.setdefault("last_name", last.strip()[:80])


def _read_email(person: Person, text: str) -> None:
    for position, address in enumerate(_parts(text)):
        clean = cleaning.email(address)
        if clean.lower() not in person.keys:
            person.emails.insert(position, clean)


def _read_other_emails(person: Person, text: str) -> None:
    for address in _parts(text):
        clean = cleaning.email(address)
        if clean.lower() not in person.keys:
            person.emails.append(clean)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[;,\s]+", text) if part.strip()]


def _read_phone(person: Person, text: str) -> None:
    _add_phones(person, text, "")


def _read_mobile(person: Person, text: str) -> None:
    _add_phones(person, text, "Mobile")


def _add_phones(person: Person, text: str, label: str) -> None:
    for number in filter(None, (part.strip() for part in text.split(";"))):
        if not cleaning.phone_digits(number):
            raise ValidationError("A phone number has digits.")
        person.phones.append((number, label))


def _read_website(person: Person, text: str) -> None:
    for url in filter(None, (part.strip() for part in text.split(";"))):
        whole = url if re.match(r"https?://", url, re.IGNORECASE) else f"https://{url}"
        is_address = re.fullmatch(r"https?://[\w.-]+\.\w{2,}([/:?#]\S*)?", whole, re.IGNORECASE)
        if not is_address or len(whole) > LONGEST_URL:
            raise ValidationError("Enter an address such as example.com.")
        person.websites.append(whole)


def _read_organization(person: Person, text: str) -> None:
    person.organization = " ".join(text.split())


def _read_country(person: Person, text: str) -> None:
    code = _COUNTRY_NAMES.get(text.lower().strip(" ."), "")
    if not code:
        raise ValidationError("The country is not known. Write its English name, or its code, such as DE.")
    person.country_code = code


def _read_tags(person: Person, text: str) -> None:
    for tag in (" ".join(part.split()) for part in re.split(r"[;,]", text)):
        if max(len(tag), len(tag.lower())) > 60:  # a letter may become two
            raise ValidationError("A tag has at most 60 characters.")
        if tag and tag.lower() not in {each.lower() for each in person.tags}:
            person.tags.append(tag)


_GRANTED = frozenset(
    ("granted", "yes", "y", "true", "1", "ja", "oui", "si", "sí", "opt-in", "opted in", "subscribed")
)
_DENIED = frozenset(
    ("denied", "no", "n", "false", "0", "nein", "non", "opt-out", "opted out", "unsubscribed")
)


def _read_consent(person: Person, text: str) -> None:
    word = text.lower()
    if word in _GRANTED:
        person.consent = "granted"
    elif word in _DENIED:
        person.consent = "denied"
    elif word != "unknown":
        raise ValidationError("Write granted (or yes), denied (or no), or unknown.")


def _read_note(person: Person, text: str) -> None:
    person.note = text if not person.note else f"{person.note}\n{text}"


# --- Words --------------------------------------------------------------------------------------------------

_COUNTRY_NAMES: Final[dict[str, str]] = {
    **{name.lower(): code for code, name in COUNTRIES.items()},
    **{code.lower(): code for code in COUNTRIES},
    "uk": "GB",
    "great britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "usa": "US",
    "united states": "US",
    "united states of america": "US",
    "u.s.a": "US",
    "u.s": "US",
    "holland": "NL",
    "the netherlands": "NL",
    "czech republic": "CZ",
    "south korea": "KR",
    "russia": "RU",
    "vietnam": "VN",
    "turkey": "TR",
    "taiwan": "TW",
    "uae": "AE",
    "deutschland": "DE",
    "österreich": "AT",
    "schweiz": "CH",
    "suisse": "CH",
    "svizzera": "CH",
    "frankreich": "FR",
    "italien": "IT",
    "italia": "IT",
    "spanien": "ES",
    "españa": "ES",
    "norwegen": "NO",
    "norge": "NO",
    "schweden": "SE",
    "sverige": "SE",
    "dänemark": "DK",
    "danmark": "DK",
    "finnland": "FI",
    "suomi": "FI",
    "niederlande": "NL",
    "nederland": "NL",
    "belgien": "BE",
    "belgique": "BE",
    "belgië": "BE",
    "luxemburg": "LU",
    "polen": "PL",
    "polska": "PL",
    "tschechien": "CZ",
    "ungarn": "HU",
    "portugal": "PT",
    "irland": "IE",
    "griechenland": "GR",
    "türkei": "TR",
    "großbritannien": "GB",
    "vereinigtes königreich": "GB",
    "kroatien": "HR",
    "slowenien": "SI",
    "slowakei": "SK",
    "rumänien": "RO",
    "bulgarien": "BG",
    "kanada": "CA",
    "brasilien": "BR",
    "indien": "IN",
    "japan": "JP",
    "china": "CN",
    "australien": "AU",
    "mexiko": "MX",
    "vereinigte staaten": "US",
}
_ISO = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)(?:[T ](.+))?")
_LOCAL = re.compile(r"(\d\d?)[./-](\d\d?)[./-](\d{4})(?:,?\s+(.+))?")
_CLOCK = re.compile(
    r"(\d\d?):(\d\d)(?::(\d\d)(?:\.\d+)?)?\s*(am|pm)?\s*(z|utc|gmt|[+-]\d\d:?\d\d)?", re.IGNORECASE
)


def parse_moment(text: str, zone: tzinfo, *, month_first: bool = False) -> datetime:
    """A day, with or without a time, as ISO or as people write it. Without an offset it is meant in `zone`."""
    if found := _ISO.fullmatch(text):
        year, month, day, clock = int(found[1]), int(found[2]), int(found[3]), found[4]
    elif found := _LOCAL.fullmatch(text):
        first, second, year, clock = int(found[1]), int(found[2]), int(found[3]), found[4]
        is_american = (month_first and "." not in text[:6]) or second > 12
        month, day = (first, second) if is_american and first <= 12 else (second, first)
    else:
        raise ValidationError("Write the day as 2026-11-20, or as 20.11.2026.")
    hour = minute = second_of = 0
    offset = ""
    if clock:
        time = _CLOCK.fullmatch(clock.strip())
        if time is None:
            raise ValidationError("Write the time as 14:05.")
        hour, minute, second_of = int(time[1]), int(time[2]), int(time[3] or 0)
        if time[4]:
            hour = hour % 12 + (12 if time[4].lower() == "pm" else 0)
        offset = (time[5] or "").lower()
    try:
        where = _zone_of(offset) if offset else zone
        return datetime(year, month, day, hour, minute, second_of, tzinfo=where)
    except ValueError as error:
        raise ValidationError("There is no such day or time.") from error


def _zone_of(offset: str) -> tzinfo:
    """Of `z`, `utc` or `+02:00`. Raises ValueError for an offset that no clock has."""
    return UTC if offset in ("z", "utc", "gmt") else datetime.strptime(offset, "%z").tzinfo or UTC
