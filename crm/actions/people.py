"""Users, memberships and API keys."""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import audit, cleaning
from crm.access import Ability, roles_with
from crm.actor import SYSTEM, Actor
from crm.errors import Conflict
from crm.models import ApiKey, Company, Membership, Role, User
from crm.tenancy import company_scope

API_SCOPES = ("read", "write", "capture", "admin")
LONGEST_GRACE = timedelta(days=7)
_ALPHABET = string.digits + string.ascii_letters


@dataclass(frozen=True)
class NewKey:
    """A key just made; `secret` is shown once and stored nowhere."""

    row: ApiKey
    secret: str


@transaction.atomic
def create_user(email: str, password: str, *, first_name: str = "", last_name: str = "") -> User:
    """A person who can sign in. Raises ValidationError per field: bad or taken address, weak password."""
    try:
        address = cleaning.email(email).lower()
    except ValidationError as error:
        raise ValidationError({"email": error.error_list}) from error
    if User.objects.filter(email__iexact=address).exists():
        raise ValidationError({"email": _("Somebody signs in with this address already.")}, code="unique")
    user = User(email=address, first_name=first_name.strip(), last_name=last_name.strip())
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise ValidationError({"password": error.error_list}) from error
    user.set_password(password)
    user.clean_fields(exclude=["password"])
    user.save()
    return user


@transaction.atomic
def add_member(company: Company, user: User, role: str, actor: Actor = SYSTEM) -> Membership:
    """Make a user a member. Admins and owners may also open the admin panel, for their company only.

    Raises ValidationError for somebody who is an active member with another role.
    """
    with company_scope(company):
        if Membership.objects.filter(user=user, is_active=True).exclude(role=role).exists():
            raise ValidationError({"user": _("They are a member already. Change their role instead.")})
        membership, _is_new = Membership.objects.update_or_create(
            company=company, user=user, defaults={"role": Role(role), "is_active": True}
        )
        if actor.user != user:  # who joins by an invitation has a line of their own
            audit.record(actor, "member_added", membership, company=company, changes={"role": (None, role)})
    if membership.role in roles_with(Ability.MANAGE) and not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])
    return membership


@transaction.atomic
def create_owner(
    company: Company, email: str, password: str, *, first_name: str = "", last_name: str = ""
) -> User:
    """The first person of a company: owns it, and takes what nobody else is assigned."""
    user = create_user(email, password, first_name=first_name, last_name=last_name)
    add_member(company, user, Role.OWNER)
    company.fallback_owner = user
    company.save(update_fields=["fallback_owner"])
    return user


@transaction.atomic
def create_api_key(
    company: Company,
    name: str,
    scopes: list[str],
    *,
    user: User | None = None,
    expires_at: datetime | None = None,
    actor: Actor = SYSTEM,
    seed: bytes | None = None,
) -> NewKey:
    """A key with some of the scopes read, write, capture, admin. Only its SHA-256 is kept.

    `seed` are 32 secret bytes that it is made from, where it must be possible to make it again.
    """
    unknown = sorted(set(scopes) - set(API_SCOPES))
    if unknown or not scopes:
        raise ValidationError(
            {"scopes": _("Choose from {api_scopes}.").format(api_scopes=", ".join(API_SCOPES))}
        )
    secret = secret_from(seed) if seed else new_secret()
    with company_scope(company):
        row = ApiKey(
            company=company,
            name=name.strip(),
            prefix=secret[:9],
            digest=digest(secret),
            scopes=sorted(set(scopes)),
            created_by=user,
            expires_at=expires_at,
        )
        row.clean_fields(exclude=["company", "created_by"])
        row.save()
        audit.record(actor, "key_made", row, company=company, changes={"scopes": (None, row.scopes)})
    return NewKey(row, secret)


@transaction.atomic
def revoke_api_key(key: ApiKey, actor: Actor) -> None:
    """Refuse the key from the next request on."""
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])
        audit.record(actor, "key_revoked", key, company=key.company)


@transaction.atomic
def rotate_api_key(key: ApiKey, actor: Actor, grace: timedelta = timedelta(0)) -> NewKey:
    """Give a key another secret. The one before works for `grace` more, or ends at once; one before that ends now.

    Raises Conflict for a key that is revoked or expired.
    """
    key = ApiKey.objects.select_for_update(of=("self",)).select_related("company").get(pk=key.pk)
    if not key.is_live:
        raise Conflict(_("This key is revoked or expired. Make a new one."), code="not_live")
    secret = new_secret()
    key.previous_digest, key.previous_until = ("", None)
    if grace:
        key.previous_digest, key.previous_until = key.digest, timezone.now() + min(grace, LONGEST_GRACE)
    key.digest, key.prefix = digest(secret), secret[:9]
    key.save(update_fields=["digest", "prefix", "previous_digest", "previous_until"])
    audit.record(actor, "key_rotated", key, company=key.company)
    return NewKey(key, secret)


def new_secret() -> str:
    """`lm_`, 30 random base62 characters (178 bits), 6 of CRC-32: a typo is seen without asking the database."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(30))
    return f"lm_{body}{_checksum(body)}"


def secret_from(seed: bytes) -> str:
    """The key of these bytes, the same each time."""
    number, letters = int.from_bytes(seed), ""
    for _place in range(30):
        number, digit = divmod(number, 62)
        letters += _ALPHABET[digit]
    return f"lm_{letters}{_checksum(letters)}"


def looks_like_key(secret: str) -> bool:
    """Whether the form and the checksum are right; says nothing about whether the key exists."""
    body, check = secret[3:33], secret[33:]
    return secret.startswith("lm_") and len(secret) == 39 and secret.isascii() and _checksum(body) == check


def digest(secret: str) -> str:
    """What is stored of a key. A plain hash is enough: the key has 178 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    number, letters = zlib.crc32(body.encode()), ""
    for _place in range(6):
        number, digit = divmod(number, 62)
        letters = _ALPHABET[digit] + letters
    return letters
