"""What every page of the admin panel stands on: who may come in, whose rows they see, and writing through actions.

Permissions follow the member's role, not Django's permission tables. Middleware has opened the scope of the member's
company, or disabled scopes for the operator, before anything here runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest

from crm import access
from crm.access import Ability, Principal
from crm.actor import Actor
from crm.addresses import client_address
from crm.errors import Conflict
from crm.models import Company, User
from crm.tenancy import TenantModel, company_scope

# Django's own are generic for the type checker only.
if TYPE_CHECKING:
    ModelForm: TypeAlias = forms.ModelForm[Any]
    ModelAdmin: TypeAlias = admin.ModelAdmin[Any]
else:
    ModelForm, ModelAdmin = forms.ModelForm, admin.ModelAdmin
Rows: TypeAlias = models.QuerySet[Any]


def is_operator(request: HttpRequest) -> bool:
    """Whoever runs the installation: sees every company here."""
    return access.is_operator(request.user)


def may_manage(request: HttpRequest) -> bool:
    """The operator, or an admin or owner of the company they are in."""
    principal: Principal | None = getattr(request, "principal", None)
    return is_operator(request) or (principal is not None and principal.can(Ability.MANAGE))


def actor_of(request: HttpRequest) -> Actor:
    """The author of what is changed in the admin panel."""
    return Actor("admin", user=cast("User", request.user), address=client_address(request))


def by_company(rows: Rows) -> Iterator[Rows]:
    """The selected rows, company by company, each with that company's scope open."""
    for company in Company.objects.filter(pk__in=rows.order_by().values("company")):
        with company_scope(company):
            yield rows.filter(company=company)


class ActionForm(ModelForm):
    """A form whose last validation is the action itself, so that what it refuses stands beside the field.

    The instance is never written to: the action reads the row anew and knows all the rules.
    """

    perform: ClassVar[Callable[[Any], models.Model]]
    # Where the action names a field otherwise than the form.
    aliases: ClassVar[dict[str, str]] = {}
    result: models.Model | None = None

    def is_valid(self) -> bool:
        if self.result is None and super().is_valid():
            self._perform()
        return self.result is not None

    @property
    def changes(self) -> dict[str, Any]:
        """What was filled in or changed, by field."""
        return {name: self.cleaned_data[name] for name in self.changed_data if name in self.cleaned_data}

    def _post_clean(self) -> None:
        """Django would write the values into the instance here and check them; the action does both."""

    def _perform(self) -> None:
        try:
            self.result = type(self).perform(self)
        except Conflict as refusal:
            self.add_error(None, refusal.message)
        except ValidationError as refusal:
            self._show(refusal)

    def _show(self, refusal: ValidationError) -> None:
        if not hasattr(refusal, "error_dict"):
            self.add_error(None, refusal)
            return
        for field, errors in refusal.error_dict.items():
            shown = self.aliases.get(field, field)
            self.add_error(shown if shown in self.fields else None, cast("Any", errors))


class ManagedAdmin(ModelAdmin):
    """Pages for those who manage a company. Nothing is ever deleted here; what goes away has an action for it."""

    form = ActionForm
    show_full_result_count = False
    list_per_page = 50
    operator_may_add: ClassVar[bool] = False
    members_may_add: ClassVar[bool] = False
    may_change: ClassVar[bool] = True

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_manage(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_manage(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_manage(request) and (
            self.operator_may_add if is_operator(request) else self.members_may_add
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_manage(request) and self.may_change

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def company_of(self, request: HttpRequest, obj: Any) -> Company | None:
        """Whose row this is or will be; None while the operator has yet to choose."""
        raise NotImplementedError

    def write(self, request: HttpRequest, company: Company, obj: Any, form: ActionForm) -> models.Model:
        """Call the action: for a new row `obj` is None. Runs in the company's scope."""
        raise NotImplementedError

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        request.company_in_form = self.company_of(request, obj)  # type: ignore[attr-defined]  # read below
        form = super().get_form(request, obj, change, **kwargs)

        def perform(filled: ActionForm) -> models.Model:
            company = self.company_of(request, obj) or filled.cleaned_data["company"]
            with company_scope(company):
                return self.write(request, company, obj, filled)

        return type(form.__name__, (form,), {"perform": staticmethod(perform)})

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only rows and people of the same company can be chosen."""
        company: Company | None = getattr(request, "company_in_form", None)
        target = db_field.related_model
        if target is User and "queryset" not in kwargs:
            members = User.objects.filter(memberships__company=company, memberships__is_active=True)
            kwargs["queryset"] = members if company else User.objects.none()
        elif issubclass(target, TenantModel):
            rows = target._default_manager.filter(company=company)
            kwargs["queryset"] = rows if company else target._default_manager.none()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        return form.result

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Written already, by the action."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Written already, by the action."""


class TenantAdmin(ManagedAdmin):
    """Pages of rows that belong to a company. The operator sees whose they are."""

    def company_of(self, request: HttpRequest, obj: Any) -> Company | None:
        if obj is not None:
            return cast("TenantModel", obj).company
        return None if is_operator(request) else cast("Any", request).principal.company

    def get_queryset(self, request: HttpRequest) -> Rows:
        """With what the columns show; Django reads `list_select_related` only where nothing else was selected."""
        related = self.list_select_related if isinstance(self.list_select_related, tuple) else ()
        return super().get_queryset(request).select_related("company", *related)

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = super().get_list_display(request)
        return [*columns, "company"] if is_operator(request) else columns

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = super().get_list_filter(request)
        return ["company", *filters] if is_operator(request) else filters

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """An operator chooses the company of a new row and sees that of an old one; it never changes."""
        fields = super().get_fields(request, obj)
        return ["company", *fields] if is_operator(request) else fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return [*fields, "company"] if obj is not None and is_operator(request) else fields


class ReadOnlyAdmin(TenantAdmin):
    """Pages that only show."""

    may_change = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return list(self.get_fields(request, obj))
