"""The currencies a deal can have: the active national ones of ISO 4217 and those of four unions."""

from __future__ import annotations

from decimal import Decimal

_MINOR_DIGITS: dict[int, str] = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY "
        "COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF "
        "IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR "
        "MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG "
        "SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES "
        "WST XCD YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
}

# Code → digits after the decimal point. Funds codes, metals, test codes and withdrawn currencies are left out
# (the lev since 2026), and so is the Caribbean guilder's XCG with all other codes that begin with X.
CURRENCIES: dict[str, int] = {
    code: digits for digits, codes in sorted(_MINOR_DIGITS.items()) for code in codes.split()
}


def in_minor_digits(amount: Decimal | None, currency: str) -> Decimal | None:
    """The amount with as many digits as its currency has: 62000 EUR is 62000.00, 62000 JPY is 62000."""
    if amount is None or currency not in CURRENCIES:
        return amount
    return amount.quantize(Decimal(1).scaleb(-CURRENCIES[currency]))
