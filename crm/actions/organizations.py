"""Finds or makes the firm a person works for, and changes what is known of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypedDict

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from crm.actions import custom
from crm.models import Company, Organization


class OrganizationChanges(TypedDict, total=False):
    """What may be said of an organization. A key that is absent is left as it is."""

    name: str
    domain: str
    custom: Mapping[str, object]


_HOST = re.compile(
    r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+([a-z][a-z0-9-]{0,61}[a-z0-9])", re.ASCII
)

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


def name_key(name: str) -> str:
    """What two spellings of one name have in common."""
    return " ".join(name.split()).lower()[:160]


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
    known = Organization.objects.filter(name_key=name_key(name))
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
        name_key=name_key(name),
        domain="" if taken else domain,
        is_sample=is_sample,
    )
    try:
        organization.clean_fields(exclude=["company", "name_key"])
    except ValidationError as error:
        raise ValidationError({"organization": error.messages}) from error
    organization.save()
    return organization


@transaction.atomic
def create_organization(company: Company, changes: OrganizationChanges) -> Organization:
    """Add a firm by hand. Raises ValidationError per field, also where there is one of this name or domain."""
    return _saved(Organization(company=company), changes)


@transaction.atomic
def update_organization(organization: Organization, changes: OrganizationChanges) -> Organization:
    """Change the name, or the domain by which addresses find it. Raises ValidationError per field."""
    locked = Organization.objects.select_for_update(of=("self",)).select_related("company")
    return _saved(locked.get(pk=organization.pk), changes)


def _saved(organization: Organization, changes: OrganizationChanges) -> Organization:
    # One maker of organizations at a time, as above: name and domain are each one firm's.
    Company.objects.select_for_update().get(pk=organization.company_id)
    if "name" in changes:
        organization.name = " ".join(changes["name"].split())
        organization.name_key = name_key(organization.name)
    if "domain" in changes:
        organization.domain = clean_domain(changes["domain"])
    if changes.get("custom"):
        custom.set_values(organization, changes["custom"])
    if not organization.name:
        raise ValidationError({"name": _("Enter the name.")}, code="required")
    organization.clean_fields(exclude=["company", "name_key"])
    others = Organization.objects.exclude(pk=organization.pk)
    if "name" in changes and others.filter(name_key=organization.name_key).exists():
        raise ValidationError({"name": _("Another organization has this name.")}, code="unique")
    if changes.get("domain") and others.filter(domain=organization.domain).exists():
        raise ValidationError({"domain": _("Another organization has this domain.")}, code="unique")
    organization.save()
    return organization


def clean_domain(text: str) -> str:
    """What people paste, an address or a web site, as the domain alone; "" stays empty."""
    host = text.strip().lower().partition("://")[2] or text.strip().lower()
    domain = host.partition("/")[0].rpartition("@")[2].removeprefix("www.").rstrip(".")
    if not domain:
        return ""
    if not _HOST.fullmatch(domain):
        raise ValidationError({"domain": _("Enter a domain such as fjordline.no.")}, code="invalid")
    if domain in PUBLIC_MAIL_DOMAINS:
        raise ValidationError(
            {
                "domain": _("{domain} is a mail provider: its addresses say nothing about the firm.").format(
                    domain=domain
                )
            },
            code="public",
        )
    return domain
