"""Checks and tidies single values. Each raises ValidationError with a sentence that says what to enter instead."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

import email_validator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from crm.countries import COUNTRIES
from crm.currencies import CURRENCIES

# Reserved names such as .test and .example are valid in a CRM: nothing is ever sent to them from here.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

CLOCK_TOLERANCE = timedelta(minutes=5)
OLDEST = datetime(1990, 1, 1, tzinfo=UTC)
LARGEST_AMOUNT = Decimal(10) ** 13
_PLAIN_NUMBER = re.compile(r"\d{1,18}(\.\d{1,18})?", re.ASCII)


def email(address: str) -> str:
    """The address without outer spaces, domain in lower case, Unicode in NFC; the local part keeps its case."""
    try:
        return email_validator.validate_email(
            address.strip(), check_deliverability=False, test_environment=True
        ).normalized
    except email_validator.EmailNotValidError as error:
        raise ValidationError(
            _("Enter a valid e-mail address. {error}").format(error=error), code="invalid"
        ) from error


def country_code(code: str) -> str:
    """ISO 3166-1 alpha-2 in upper case; "" stays empty."""
    upper = code.strip().upper()
    if upper and upper not in COUNTRIES:
        raise ValidationError(_("Enter a two-letter country code, such as DE."), code="invalid")
    return upper


def currency(code: str) -> str:
    """An ISO 4217 code of an active currency, exactly as written there; "" stays empty."""
    if code and code not in CURRENCIES:
        raise ValidationError(
            _("Enter a three-letter ISO 4217 currency in capitals, such as EUR."), code="invalid"
        )
    return code


def amount(number: Decimal | str | None, currency_code: str) -> Decimal | None:
    """An amount of money, exact: no sign, no exponent, no separators, at most the currency's minor digits."""
    if number is None or number == "":
        return None
    text = format(number, "f") if isinstance(number, Decimal) else number
    if not _PLAIN_NUMBER.fullmatch(text):
        raise ValidationError(_("Enter a plain amount with a point, such as 1234.50."), code="invalid")
    try:
        exact = Decimal(text)
    except InvalidOperation as error:
        raise ValidationError(
            _("Enter a plain amount with a point, such as 1234.50."), code="invalid"
        ) from error
    if exact >= LARGEST_AMOUNT:
        raise ValidationError(_("Enter an amount below 10,000,000,000,000."), code="max_value")
    digits = CURRENCIES.get(currency_code, 4)
    exponent = exact.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > digits:
        raise ValidationError(
            _("{currency_code} has {digits} digits after the point.").format(
                currency_code=currency_code or _("This currency"), digits=digits
            ),
            code="max_decimal_places",
        )
    return exact.quantize(Decimal(1).scaleb(-digits))


def moment(at: datetime | None, now: datetime) -> datetime:
    """When a fact became true: aware, not in the future. Up to five minutes ahead is a clock and becomes now."""
    if at is None:
        return now
    if at.tzinfo is None:
        raise ValidationError(
            _("Give the time with its offset, such as 2026-11-20T13:02:11Z."), code="invalid"
        )
    if at > now + CLOCK_TOLERANCE:
        raise ValidationError(_("This time is in the future. Enter when it happened."), code="future")
    if at < OLDEST:
        raise ValidationError(
            _("This time is before 1990. Was it in seconds or milliseconds?"), code="invalid"
        )
    return min(at.astimezone(UTC), now)


def phone_digits(number: str) -> str:
    """The digits alone, for look-up."""
    return "".join(character for character in number if character.isdecimal())[:40]
