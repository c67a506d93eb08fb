"""Columns into fields: by the program a file is from, by their names, and by what their values look like."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crm import customvalues
from crm.importing.fields import FIELDS, field_of, key_of
from crm.importing.tables import Table


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
    keys = {key_of(header) for header in headers}
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
    theirs = {key_of(f"{field.name} (own)"): name for name, field in (own_fields or {}).items()}
    theirs |= {key_of(label): name for name, label in own_labels(own_fields or {}).items()}
    own = PRESETS[preset].names if preset in PRESETS else {}
    found: list[Match] = []
    taken: set[str] = set()
    exact = {key_of(FIELDS[name].label): name for name in FIELDS}
    certain = {
        exact[key_of(header)]
        for header in table.headers
        if key_of(header) in exact and key_of(header) not in own
    }
    for header in table.headers:
        key = key_of(header)
        # A company's own field beats what other programs call one of ours.
        name = own[key] if key in own else theirs.get(key) or field_of(header)
        if name in taken or (name in certain and exact.get(key) != name):
            name = ""
        taken.add(name)
        found.append(Match(name, "by name" if name else ""))
    for place, match in enumerate(found):
        by_values = (
            "" if match.field or key_of(table.headers[place]) in own else _by_values(table.samples[place])
        )
        if by_values and by_values not in taken:
            taken.add(by_values)
            found[place] = Match(by_values, "by values")
    return found


def _by_values(samples: Sequence[str]) -> str:
    if samples and all(re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", sample) for sample in samples):
        return "email"
    if samples and all(re.fullmatch(r"\+?[\d\s()/.-]{7,20}", sample) and "+" in sample for sample in samples):
        return "phone"
    return ""
