"""People who sign in, and what ties them to a company."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models

from crm.tenancy import TenantModel, TenantQuerySet, UUIDModel, scoped
from crm.texts import gettext_lazy, pgettext_lazy


class Role(models.TextChoices):
    """What a member may do; see crm.access for the policy."""

    AGENT = "agent", gettext_lazy("Agent")
    MANAGER = "manager", gettext_lazy("Manager")
    ADMIN = "admin", gettext_lazy("Admin")
    OWNER = "owner", pgettext_lazy("role", "Owner")


class UserManager(BaseUserManager["User"]):
    """Creates users by e-mail; addresses are kept in lower case, so that they are unique as people see them."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """The operator of the installation: sees every company in the admin panel."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(UUIDModel, AbstractBaseUser, PermissionsMixin):
    """A person, by e-mail. May be a member of several companies."""

    email = models.EmailField(unique=True, max_length=254)
    first_name = models.CharField(max_length=80, blank=True)
    last_name = models.CharField(max_length=80, blank=True)
    language = models.CharField(
        max_length=8,
        blank=True,
        choices=settings.LANGUAGES,
        help_text="What they read and are mailed in; empty for that of their company.",
    )
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May open the admin panel.")
    date_joined = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ("email",)

    def __str__(self) -> str:
        return self.get_full_name() or self.email

    def get_full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        return self.first_name or self.email.partition("@")[0]


class MembershipQuerySet(TenantQuerySet["Membership"]):
    """Members of the company whose scope is open."""

    def active(self) -> MembershipQuerySet:
        return self.filter(is_active=True, user__is_active=True)


class Membership(TenantModel):
    """A user's place in one company."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.AGENT)
    is_active = models.BooleanField(default=True)
    wants_digest = models.BooleanField(
        default=True, help_text="Mailed at eight what the day holds, where mail is set up."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[MembershipQuerySet] = scoped(MembershipQuerySet)

    class Meta:
        ordering = ("created_at", "id")
        constraints = [
            models.UniqueConstraint(fields=("company", "user"), name="membership_once_per_company"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"
