"""Reads tables that people bring: text into rows, rows into people, and every fault with its row.

Pure: no database. What a company's words mean (its statuses, its members) is handed in as `Choices`.
"""

from crm.importing.columns import PRESETS, matches, own_labels, preset_of
from crm.importing.fields import FIELDS, PLAIN
from crm.importing.people import Choices, Fault, Person, Reader
from crm.importing.tables import (
    DELIMITERS,
    ENCODINGS,
    MOST_COLUMNS,
    MOST_ROWS,
    Dialect,
    Row,
    Table,
    Unreadable,
    WrongEncoding,
    detect,
    empty_rows,
    inspect,
    rows_of,
    samples,
)

__all__ = [
    "DELIMITERS",
    "ENCODINGS",
    "FIELDS",
    "MOST_COLUMNS",
    "MOST_ROWS",
    "PLAIN",
    "PRESETS",
    "Choices",
    "Dialect",
    "Fault",
    "Person",
    "Reader",
    "Row",
    "Table",
    "Unreadable",
    "WrongEncoding",
    "detect",
    "empty_rows",
    "inspect",
    "matches",
    "own_labels",
    "preset_of",
    "rows_of",
    "samples",
]
