"""Text into rows: encodings, delimiters, heads, and what breaks a table, with the row where it does."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from charset_normalizer import from_bytes

from crm.importing.fields import field_of

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
_UNTYPED = frozenset(chr(code) for code in range(32)) - frozenset("\t\r\n\x00")

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
