"""Words into values: countries as people call them, days and times as they write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Final

from django.core.exceptions import ValidationError

from crm.countries import COUNTRIES

COUNTRY_NAMES: Final[dict[str, str]] = {
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
