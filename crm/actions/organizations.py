"""Finds or makes the firm a person works for."""

from __future__ import annotations

from django.core.exceptions import ValidationError

from crm.models import Company, Organization

# Mail providers: an address there says nothing about the firm.
PUBLIC_MAIL_DOMAINS = frozenset(
    [
        "gmail.com",
        "googlemail.com",
        "outlook.com",
        "hotmail.com",
        "hotmail.de",
        "hotmail.fr",
        "hotmail.co.uk",
        "live.com",
        "msn.com",
        "yahoo.com",
        "yahoo.de",
        "yahoo.fr",
        "yahoo.co.uk",
        "yahoo.co.jp",
        "ymail.com",
        "icloud.com",
        "me.com",
        "mac.com",
        "aol.com",
        "gmx.de",
        "gmx.net",
        "gmx.com",
        "gmx.at",
        "gmx.ch",
        "web.de",
        "t-online.de",
        "freenet.de",
        "mail.com",
        "mail.ru",
        "yandex.ru",
        "yandex.com",
        "proton.me",
        "protonmail.com",
        "pm.me",
        "tutanota.com",
        "tuta.io",
        "fastmail.com",
        "hey.com",
        "zoho.com",
        "qq.com",
        "163.com",
        "126.com",
        "naver.com",
        "orange.fr",
        "free.fr",
        "laposte.net",
        "wanadoo.fr",
        "libero.it",
        "virgilio.it",
        "seznam.cz",
        "wp.pl",
        "o2.pl",
        "onet.pl",
        "telenet.be",
        "bluewin.ch",
    ]
)


def business_domain(address: str) -> str:
    """The domain of a business address; "" for a public mail provider or no address."""
    domain = address.rpartition("@")[2].lower()
    return "" if domain in PUBLIC_MAIL_DOMAINS else domain


def find_or_create(
    company: Company, name: str, address: str = "", *, is_sample: bool = False
) -> Organization | None:
    """The organization of that name; without a name, the one with the address's domain; None if neither is known.

    A name that is new makes an organization, with the address's domain if no other has it.
    """
    domain = business_domain(address)
    name = " ".join(name.split())
    if not name:
        return Organization.objects.filter(domain=domain).first() if domain else None
    known = Organization.objects.filter(name_key=name.lower()[:160])
    if found := known.first():
        return found
    # One maker of organizations at a time: two leads of one new firm must not make it twice.
    Company.objects.select_for_update().get(pk=company.pk)
    if found := known.first():
        return found
    taken = not domain or Organization.objects.filter(domain=domain).exists()
    organization = Organization(
        company=company,
        name=name,
        name_key=name.lower()[:160],
        domain="" if taken else domain,
        is_sample=is_sample,
    )
    try:
        organization.clean_fields(exclude=["company", "name_key"])
    except ValidationError as error:
        raise ValidationError({"organization": error.messages}) from error
    organization.save()
    return organization
