"""Turns an Excel workbook into the text that an import reads: its first sheet, row by row, within limits.

A workbook is an archive of XML: a few kilobytes can claim to be gigabytes. What it says of its parts is looked at
before any of them is unpacked, and the archive refuses to give more than it says.
"""

from __future__ import annotations

import csv
import zlib
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile, ZipFile

import openpyxl

from crm.importing import MOST_COLUMNS, MOST_ROWS, Unreadable

MAGIC: Final = b"PK\x03\x04"
OLD_MAGIC: Final = b"\xd0\xcf\x11\xe0"
MOST_PARTS: Final = 2000
MOST_UNPACKED: Final = 400 * 1024 * 1024
MOST_SHARED: Final = 40 * 1024 * 1024
"""The texts that cells share are held in memory, all of them."""
MOST_OTHERS: Final = 40 * 1024 * 1024
_DAMAGED: Final = (
    "The workbook is damaged, or is no workbook. Open it in a spreadsheet, and save it anew or as CSV."
)


def is_workbook(path: Path) -> bool:
    """Whether it is one by its content; the name may say anything."""
    with path.open("rb") as file:
        head = file.read(4)
    if head == OLD_MAGIC:
        raise Unreadable("This is an old Excel file (.xls). Save it as .xlsx or CSV, and upload that.")
    return head == MAGIC


def as_text(path: Path, target: Path) -> None:
    """Write the first sheet as CSV in UTF-8. Raises Unreadable, naming the row where there is one."""
    try:
        _check(path)
        _copy(path, target)
    except Unreadable:
        raise
    # A damaged archive makes the library fail in any way there is; none of them is ours.
    except (BadZipFile, zlib.error, KeyError, ValueError, TypeError, AttributeError, IndexError, OSError, EOFError,
            SyntaxError, NotImplementedError, RuntimeError) as error:  # fmt: skip
        raise Unreadable(_DAMAGED) from error


def _check(path: Path) -> None:
    with ZipFile(path) as archive:
        parts = archive.infolist()
        if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
            raise Unreadable("The workbook is larger than it looks: unpacked, over 400 MB. Save it as CSV.")
        for part in parts:
            is_sheet = part.filename.startswith("xl/worksheets/")
            most = MOST_SHARED if part.filename.endswith("sharedStrings.xml") else MOST_OTHERS
            if not is_sheet and part.filename.endswith((".xml", ".rels")) and part.file_size > most:
                raise Unreadable("The workbook holds more different texts than fit. Save it as CSV.")
            if part.filename.endswith((".xml", ".rels")):
                with archive.open(part) as opened:
                    head = opened.read(4096)
                if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
                    raise Unreadable(_DAMAGED)


def _copy(path: Path, target: Path) -> None:
    with path.open("rb") as opened:  # by its name, the library would judge what it is
        book = openpyxl.load_workbook(opened, read_only=True, data_only=True, keep_links=False)
        _copy_sheet(book, target)


def _copy_sheet(book: Any, target: Path) -> None:
    try:
        if not book.worksheets:
            raise Unreadable("The workbook has no sheet with rows.")
        sheet: Any = book.worksheets[0]
        sheet.reset_dimensions()  # what it says of its size is often wrong
        with target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
                if number > MOST_ROWS + 1:
                    raise Unreadable(f"The sheet has more than {MOST_ROWS:,} rows. Cut it into parts.")
                cells = [_text(value) for value in row]
                while cells and not cells[-1]:
                    cells.pop()
                if len(cells) > MOST_COLUMNS:
                    raise Unreadable(f"Row {number} has {len(cells)} columns; {MOST_COLUMNS} is the most.")
                writer.writerow(cells)
    finally:
        book.close()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds").removesuffix(" 00:00:00")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)
