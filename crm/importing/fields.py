"""What a column can go to, and what other programs call it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


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


def field_of(header: str) -> str:
    """The field that goes by this name; "" if none does."""
    return _NAMES.get(key_of(header), "")


def key_of(name: str) -> str:
    """A name without what people write one way or another: capitals, spaces, signs."""
    return re.sub(r"[^\w]|_", "", name.lower())


_NAMES = {key_of(name): key for key, one in FIELDS.items() for name in (*one.names, one.label)}
