"""The admin panel's pages for the CRM. Every change goes through `crm.actions`, like everywhere."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final, cast

from allauth.account import admin as account_admin  # noqa: F401  registers what is taken out below
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa import admin as mfa_admin  # noqa: F401  registers what is taken out below
from allauth.mfa.models import Authenticator
from allauth.socialaccount import admin as services_admin  # noqa: F401  registers what is taken out below
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions import admin as sessions_admin  # noqa: F401  registers what is taken out below
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.auth import admin as auth_admin  # noqa: F401  registers what is taken out below
from django.contrib.auth.models import Group
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from crm.access import Ability, roles_with
from crm.actions import companies, deals, leads, members, people, vocabulary
from crm.actions import erase as erasing
from crm.actor import Actor
from crm.administration import (
    ActionForm,
    ManagedAdmin,
    ReadOnlyAdmin,
    Rows,
    TenantAdmin,
    actor_of,
    by_company,
    is_operator,
    may_manage,
)
from crm.currencies import in_minor_digits
from crm.models import (
    Activity,
    ApiKey,
    AuditEntry,
    Company,
    Deal,
    Lead,
    LeadStatus,
    LeadType,
    Membership,
    Organization,
    Pipeline,
    Role,
    Stage,
    Tag,
    User,
)

MOST_ERASED: Final = 20

# One way to sign in, with its throttling, for the panel too.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.empty_value_display = "–"
# Permissions follow the role in the company, so groups would promise what nothing keeps; and the address a person
# signs in with is the user's own, so allauth's table of addresses would be a second truth.
# Second steps, sessions and the services they sign in with are the person's own as well, and hold secrets.
admin.site.unregister(
    [Group, EmailAddress, Authenticator, UserSession, SocialAccount, SocialApp, SocialToken]
)


class DomainsField(forms.CharField):
    """Domains, a line each."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, list) else str(value or "").replace(",", " ").split()

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(list(initial or []) != self.to_python(data))


class CompanyForm(ActionForm):
    """The settings of a company."""

    internal_domains = DomainsField(
        required=False, help_text="Leads with these e-mail domains are never reported. A line each."
    )


@admin.register(Company)
class CompanyAdmin(ManagedAdmin):
    """The operator adds companies; members see and set their own."""

    form = CompanyForm
    operator_may_add = True
    list_display = ("name", "currency", "consent_policy", "settle_minutes", "is_sample", "created_at")
    search_fields = ("name",)
    fields = (
        "name",
        "currency",
        "time_zone",
        "default_status",
        "default_source",
        "fallback_owner",
        "consent_policy",
        "settle_minutes",
        "enhanced_matching",
        "internal_domains",
    )

    def get_queryset(self, request: HttpRequest) -> Rows:
        rows = super().get_queryset(request)
        return rows if is_operator(request) else rows.filter(pk=cast("Any", request).principal.company.pk)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A new company has no statuses and people yet to choose from."""
        return (
            self.fields if obj else [f for f in self.fields if f not in ("default_status", "fallback_owner")]
        )

    def company_of(self, request: HttpRequest, obj: Any) -> Company | None:
        return cast("Company | None", obj)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if obj is None:
            form.perform = staticmethod(lambda filled: companies.create_company(**filled.changes))
        return form

    def write(self, request: HttpRequest, company: Company, obj: Any, form: ActionForm) -> Company:
        return companies.update_company(
            company, cast("companies.CompanySettings", form.changes), actor_of(request)
        )


class NewUserForm(ActionForm):
    """A new person, with a first password."""

    password = forms.CharField(widget=forms.PasswordInput, help_text="At least 12 characters.")


@admin.register(User)
class UserAdmin(ManagedAdmin):
    """People. Somebody may work for several companies, so only the operator changes what belongs to the person."""

    operator_may_add = True
    list_display = ("email", "first_name", "last_name", "is_active", "last_login")
    list_filter = ("is_active",)
    search_fields = ("email", "first_name", "last_name")
    readonly_fields = ("is_staff", "is_superuser", "last_login", "date_joined")
    ordering = ("email",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def get_queryset(self, request: HttpRequest) -> Rows:
        rows = super().get_queryset(request)
        if is_operator(request):
            return rows
        return rows.filter(memberships__company=cast("Any", request).principal.company)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        names = ["email", "first_name", "last_name"]
        return [*names, "is_active", *self.readonly_fields] if obj else [*names, "password"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs.setdefault("form", ActionForm if obj else NewUserForm)
        form = super().get_form(request, obj, change, **kwargs)
        if obj is None:
            form.perform = staticmethod(lambda filled: people.create_user(**filled.changes))
        else:
            form.perform = staticmethod(
                lambda filled: members.change_user(obj, filled.changes, actor_of(request))
            )
        return form

    def company_of(self, request: HttpRequest, obj: Any) -> Company | None:
        return None


@admin.register(Membership)
class MembershipAdmin(TenantAdmin):
    """Who belongs to which company, with which role."""

    operator_may_add = True
    list_display = ("user", "role", "is_active", "created_at")
    list_filter = ("role", "is_active")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__first_name", "user__last_name")
    fields = ("user", "role", "is_active")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), *(["user"] if obj else ["is_active"])]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            kwargs["queryset"] = User.objects.all()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "role" and not self._names_owners(request):
            owning = roles_with(Ability.OWN)
            kwargs["choices"] = [choice for choice in Role.choices if choice[0] not in owning]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and obj.role in roles_with(Ability.OWN) and not self._names_owners(request):
            return False
        return may_manage(request)

    def write(self, request: HttpRequest, company: Company, obj: Any, form: ActionForm) -> Membership:
        if obj is None:
            return people.add_member(
                company, form.cleaned_data["user"], form.cleaned_data["role"], actor_of(request)
            )
        return _change_membership(obj, form.changes, actor_of(request))

    def _names_owners(self, request: HttpRequest) -> bool:
        return is_operator(request) or cast("Any", request).principal.can(Ability.OWN)


@transaction.atomic
def _change_membership(membership: Membership, changes: dict[str, Any], actor: Actor) -> Membership:
    """Role and place in the company at once. Who is shut out here leaves their records to the fallback owner."""
    if "role" in changes:
        membership = members.change_role(membership, changes["role"], actor)
    if changes.get("is_active") is False:
        return members.deactivate_member(membership, actor, _taker(membership)).membership
    if changes.get("is_active"):
        return members.reactivate_member(membership, actor)
    return membership


def _taker(membership: Membership) -> members.HandOver:
    fallback = membership.company.fallback_owner_id
    is_there = fallback is not None and fallback != membership.user_id
    return members.HandOver.FALLBACK if is_there else members.HandOver.NOBODY


class LeadForm(ActionForm):
    """A lead as the action takes it: the organization by name, the primary e-mail beside the name."""

    email = forms.CharField(label="E-mail", max_length=254, required=False)
    organization_name = forms.CharField(label="Organization", max_length=160, required=False)
    aliases = {"organization": "organization_name", "emails": "email"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.initial["email"] = self.instance.email
            self.initial["organization_name"] = str(self.instance.organization or "")

    @property
    def changes(self) -> dict[str, Any]:
        changes = super().changes
        if "organization_name" in changes:
            changes["organization"] = changes.pop("organization_name")
        return changes


@admin.register(Lead)
class LeadAdmin(TenantAdmin):
    """Leads. A status that is changed here fires its event, like everywhere."""

    form = LeadForm
    members_may_add = True
    list_display = ("full_name", "organization", "status", "source", "owner", "consent", "last_touch_at")
    list_filter = ("consent", "is_test", "source")
    list_select_related = ("organization", "status", "owner")
    search_fields = ("first_name", "last_name", "emails__address_key", "organization__name")
    fields = (
        ("first_name", "last_name"),
        ("email", "title"),
        ("organization_name", "country_code"),
        ("status", "lead_type", "source"),
        "owner",
        ("consent", "consent_source", "consent_text_version", "consent_at"),
        "external_id",
        "is_test",
        "occurred_at",
        "qualified_at",
        "li_fat_id",
        ("utm_source", "utm_medium", "utm_campaign"),
        "origin",
    )
    readonly_fields = (
        "consent_at",
        "occurred_at",
        "qualified_at",
        "li_fat_id",
        "utm_source",
        "utm_medium",
        "utm_campaign",
        "origin",
    )
    actions = ("archive", "erase")

    def get_queryset(self, request: HttpRequest) -> Rows:
        return super().get_queryset(request).filter(archived_at=None).prefetch_related("emails")

    @admin.display(description="Name", ordering="last_name")
    def full_name(self, lead: Lead) -> str:
        return lead.full_name

    def write(self, request: HttpRequest, company: Company, obj: Any, form: ActionForm) -> Lead:
        changes = cast("leads.LeadChanges", form.changes)
        if obj is None:
            return leads.create_lead(company, changes, actor_of(request))
        return leads.update_lead(obj, changes, actor_of(request))

    @admin.action(description="Archive selected leads")
    def archive(self, request: HttpRequest, selected: Rows) -> None:
        count = 0
        for rows in by_company(selected):
            for lead in rows:
                leads.archive_lead(lead, actor_of(request))
                count += 1
        self.message_user(
            request, f"{count} leads were archived; they are in no list any more.", messages.SUCCESS
        )

    @admin.action(description="Erase selected people…")
    def erase(self, request: HttpRequest, selected: Rows) -> HttpResponse | None:
        """Asks by name first. Twenty at once are enough to look at each."""
        if selected.count() > MOST_ERASED:
            text = f"Erase at most {MOST_ERASED} people at once, so that you can look at each."
            self.message_user(request, text, messages.WARNING)
            return None
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "title": "Erase for good?",
                "opts": self.opts,
                "leads": selected,
            }
            return TemplateResponse(request, "admin/crm/lead/erase.html", context)
        count = 0
        for rows in by_company(selected):
            for lead in rows:
                with suppress(Lead.DoesNotExist):  # somebody else was quicker
                    erasing.erase_lead(lead, actor_of(request))
                    count += 1
        self.message_user(request, f"{count} people were erased.", messages.SUCCESS)
        return None


class StageChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic for the type checker only
    """A stage with its pipeline, for several have a stage of the same name."""

    def label_from_instance(self, stage: Stage) -> str:
        return f"{stage.pipeline.name}: {stage.name}"


class DealForm(ActionForm):
    """A deal as the action takes it: the amount as it is written."""

    amount = forms.CharField(max_length=30, required=False, help_text="A plain number such as 1234.50.")
    aliases = {"reason": "close_reason"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        deal = self.instance
        if not deal._state.adding:
            amount = in_minor_digits(deal.amount, deal.currency)
            self.initial["amount"] = "" if amount is None else str(amount)


@admin.register(Deal)
class DealAdmin(TenantAdmin):
    """Deals. A stage that is changed here is the same road as drag and drop: won and lost fire their events."""

    form = DealForm
    members_may_add = True
    list_display = ("title", "lead", "stage", "status", "amount_text", "owner", "expected_close")
    list_filter = ("status",)
    list_select_related = ("lead", "stage", "owner")
    search_fields = ("title", "lead__first_name", "lead__last_name", "organization__name")
    autocomplete_fields = ("lead",)
    fields = (
        "title",
        "lead",
        ("amount", "currency"),
        ("stage", "close_reason"),
        "owner",
        "expected_close",
        ("next_step", "next_step_on"),
        "external_id",
        "status",
        "won_at",
        "lost_at",
        "origin",
    )
    readonly_fields = ("status", "won_at", "lost_at", "origin")
    actions = ("archive",)

    def get_queryset(self, request: HttpRequest) -> Rows:
        return super().get_queryset(request).filter(archived_at=None).prefetch_related("lead__emails")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "stage":
            kwargs["form_class"] = StageChoice
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "stage":
            stages = field.queryset.select_related("pipeline")
            field.queryset = stages.order_by("pipeline__position", "position")
            field.required = False
        return field

    @admin.display(description="Amount", ordering="amount")
    def amount_text(self, deal: Deal) -> str:
        if deal.amount is None:
            return self.get_empty_value_display()
        return f"{in_minor_digits(deal.amount, deal.currency):,} {deal.currency}"

    def write(self, request: HttpRequest, company: Company, obj: Any, form: ActionForm) -> Deal:
        changes = cast("deals.DealChanges", form.changes)
        if obj is None:
            return deals.create_deal(company, changes, actor_of(request))
        return deals.update_deal(obj, changes, actor_of(request))

    @admin.action(description="Archive selected deals")
    def archive(self, request: HttpRequest, selected: Rows) -> None:
        count = 0
        for rows in by_company(selected):
            for deal in rows:
                deals.archive_deal(deal, actor_of(request))
                count += 1
        self.message_user(
            request, f"{count} deals were archived; they are in no list any more.", messages.SUCCESS
        )


class WordAdmin(TenantAdmin):
    """Pages of a company's own words."""

    members_may_add = True

    def write(self, request: HttpRequest, company: Company, obj: Any, form: ActionForm) -> models.Model:
        if obj is None:
            return cast(
                "models.Model", vocabulary.add_word(company, self.model(), form.changes, actor_of(request))
            )
        row = self.model._default_manager.get(pk=obj.pk)
        return cast("models.Model", vocabulary.change_word(row, form.changes, actor_of(request)))


@admin.register(LeadStatus)
class LeadStatusAdmin(WordAdmin):
    """Statuses. Only the category has effects."""

    list_display = ("name", "category", "key", "colour", "position")
    fields = ("name", "category", "colour", "position", "key")
    readonly_fields = ("key",)


@admin.register(LeadType)
class LeadTypeAdmin(WordAdmin):
    """How leads come in."""

    list_display = ("name", "key", "priority", "position")
    fields = ("name", "priority", "position", "key")
    readonly_fields = ("key",)


@admin.register(Tag)
class TagAdmin(WordAdmin):
    """Labels of leads."""

    list_display = ("name", "colour")
    fields = ("name", "colour")
    search_fields = ("name",)


@admin.register(Pipeline)
class PipelineAdmin(WordAdmin):
    """Roads that deals travel."""

    list_display = ("name", "key", "counts_as_sales", "position")
    fields = ("name", "counts_as_sales", "position", "key")
    readonly_fields = ("key",)


@admin.register(Stage)
class StageAdmin(WordAdmin):
    """Steps of a pipeline."""

    list_display = ("name", "pipeline", "kind", "probability", "position", "key")
    list_select_related = ("pipeline",)
    fields = ("pipeline", "name", "kind", "probability", "position", "key")
    readonly_fields = ("key",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), *(["pipeline"] if obj else [])]


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin):
    """Customers' firms; they come and go with their leads."""

    list_display = ("name", "domain", "created_at")
    search_fields = ("name_key", "domain")
    fields = ("name", "domain", "created_at")


@admin.register(Activity)
class ActivityAdmin(ReadOnlyAdmin):
    """The timeline, which nobody rewrites."""

    list_display = ("at", "kind", "lead", "deal", "actor", "field", "old", "new")
    list_filter = ("kind",)
    list_select_related = ("lead", "deal", "actor")
    fields = ("at", "kind", "lead", "deal", "actor", "actor_label", "field", "old", "new", "text")

    def get_queryset(self, request: HttpRequest) -> Rows:
        return super().get_queryset(request).prefetch_related("lead__emails")


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """The audit log, which the database keeps as it was written. The settings page names the ids."""

    list_display = (
        "at",
        "action",
        "actor_id",
        "actor_label",
        "channel",
        "address",
        "subject_type",
        "subject_id",
    )
    list_filter = ("action", "channel")
    search_fields = ("=actor_id", "=subject_id", "=address")
    fields = (*list_display, "changes")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """API keys: never the key, only what it is for. New ones are made in the settings or by `createkey`."""

    list_display = (
        "name",
        "prefix",
        "scopes",
        "created_by",
        "last_used_on",
        "expires_at",
        "previous_until",
        "revoked_at",
    )
    list_select_related = ("created_by",)
    fields = (
        "name",
        "prefix",
        "scopes",
        "created_by",
        "created_at",
        "last_used_on",
        "expires_at",
        "previous_until",
        "revoked_at",
    )
    actions = ("revoke",)

    @admin.action(description="Revoke selected keys")
    def revoke(self, request: HttpRequest, selected: Rows) -> None:
        for rows in by_company(selected):
            for key in rows:
                people.revoke_api_key(key, actor_of(request))
        self.message_user(request, "The keys are refused from now on.", messages.SUCCESS)
