"""The customers' firms: the list, the page of one with its people, deals and timeline, and its form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Q
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from crm.access import Ability, Principal
from crm.actions import organizations as actions
from crm.actions.organizations import OrganizationChanges
from crm.counting import count_of
from crm.customfilters import NO_FILTERS, CustomFilters, read_custom
from crm.forms import CustomisedForm, SentenceForm, show_refusal
from crm.models import CustomEntity, CustomField, Lead, Organization, OrganizationQuerySet, custom_fields_of
from crm.search import search_organizations
from crm.texts import gettext_lazy
from crm.views.columns import ORGANIZATION_COLUMNS, left_out, own_columns, shown_columns, with_own
from crm.views.custom import customs_of
from crm.views.customfilters import controls_of, custom_chips
from crm.views.deals import cards_of
from crm.views.files import files_of
from crm.views.leads import Chip
from crm.views.page import PageRequest, done, link_with, member_page
from crm.views.timeline import Asked, timeline_of_organization

PAGE_ROWS: Final = 50
MOST_PEOPLE: Final = 50


class OrganizationForm(CustomisedForm, SentenceForm):
    """What is known of a firm."""

    name = forms.CharField(max_length=160)
    domain = forms.CharField(
        max_length=300,
        required=False,
        help_text=gettext_lazy("Whoever has an e-mail address there belongs to this organization."),
        widget=forms.TextInput(attrs={"placeholder": "fjordline.no", "autocapitalize": "none"}),
    )

    def __init__(self, firm: Organization, data: QueryDict | None = None) -> None:
        super().__init__(data, initial={"name": firm.name, "domain": firm.domain})
        self.offer_custom(CustomEntity.ORGANIZATION, firm.custom)

    def changes(self) -> OrganizationChanges:
        """What was changed here."""
        changed = self.take_custom({name: self.cleaned_data[name] for name in self.changed_data})
        return cast("OrganizationChanges", changed)  # the fields bear the action's names


@dataclass(frozen=True)
class Row:
    """A firm, with how many people and open deals of it the reader sees."""

    organization: Organization
    people: int
    deals: int


@dataclass(frozen=True)
class OrganizationFilters:
    """What the list is asked for, read from its URL."""

    search: str = ""
    custom: CustomFilters = NO_FILTERS

    @property
    def are_set(self) -> bool:
        return bool(self.search or self.custom)


@require_safe
@member_page
def organizations(request: PageRequest) -> HttpResponse:
    """The list, by name; a page begins behind the last firm of the one before."""
    principal, params = request.principal, request.GET
    fields = custom_fields_of(CustomEntity.ORGANIZATION)
    filters = read_filters(params, fields)
    firms = matching_organizations(principal, filters)
    columns = with_own(ORGANIZATION_COLUMNS, fields)
    chosen = shown_columns(columns, params)
    count = count_of(firms)
    after = _after(principal, request.GET.get("after", ""))
    if after is not None:
        behind = Q(name_key__gt=after.name_key) | Q(name_key=after.name_key, pk__gt=after.pk)
        firms = firms.filter(behind, name_key__gte=after.name_key)
    found = list(firms[: PAGE_ROWS + 1])
    shown = found[:PAGE_ROWS]
    context = {
        "rows": _rows(principal, shown),
        "search": filters.search,
        "may_add": may_add(principal),
        "filters": filters,
        "columns": columns,
        "shown": chosen,
        "own": own_columns(columns, chosen),
        "own_filters": controls_of(fields, params),
        "chips": [Chip(*said) for said in custom_chips(_from_the_start(params), filters.custom)],
        "left_out": left_out(_from_the_start(params), columns, filters.custom),
        "params": _from_the_start(params),
        "count": count,
        "next_url": link_with(params, after=str(shown[-1].pk)) if len(found) > PAGE_ROWS else "",
        "first_url": link_with(params, after=None) if after is not None else "",
    }
    return render(request, "crm/organizations.html", context)


def read_filters(params: QueryDict, fields: Sequence[CustomField]) -> OrganizationFilters:
    """The filters of a URL."""
    return OrganizationFilters(
        search=" ".join(params.get("search", "").split()),
        custom=read_custom((field.values for field in fields), params),
    )


def matching_organizations(principal: Principal, filters: OrganizationFilters) -> OrganizationQuerySet:
    """The organizations that the filters ask for, by name."""
    firms = filters.custom.narrow(principal.organizations())
    return search_organizations(firms, filters.search).order_by("name_key", "pk")


def _from_the_start(params: QueryDict) -> QueryDict:
    """The parameters without the place in the list: another filter begins anew."""
    kept = params.copy()
    kept.pop("after", None)
    return kept


def _after(principal: Principal, pk: str) -> Organization | None:
    try:
        return principal.organizations().filter(pk=UUID(pk)).first()
    except ValueError:
        return None


def _rows(principal: Principal, firms: Sequence[Organization]) -> list[Row]:
    pks = [firm.pk for firm in firms]
    people = principal.leads().filter(organization__in=pks).order_by().values_list("organization")
    deals = principal.deals().open().filter(organization__in=pks).order_by().values_list("organization")
    by_people, by_deals = dict(people.annotate(Count("pk"))), dict(deals.annotate(Count("pk")))
    return [Row(firm, by_people.get(firm.pk, 0), by_deals.get(firm.pk, 0)) for firm in firms]


def may_add(principal: Principal) -> bool:
    """Agents see the firms of their own records alone: one without any would be gone for them as soon as it is made."""
    return principal.can(Ability.SEE_ALL)


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def organization_new(request: PageRequest) -> HttpResponse:
    """Add a firm by hand; one that is there already is named, with the way to it."""
    if not may_add(request.principal):
        raise PermissionDenied
    form = OrganizationForm(Organization(), request.POST if request.method == "POST" else None)
    known: list[Organization] = []
    if form.is_valid():
        changes = form.changes()
        try:
            firm = actions.create_organization(request.principal.company, changes)
        except ValidationError as refusal:
            show_refusal(form, refusal)
            known = _known_already(changes)
        else:
            return done(
                request,
                _("%(organization)s is there now.") % {"organization": firm},
                reverse("organization", args=[firm.pk]),
            )
    context = {"form": form, "known": known}
    return render(request, "crm/organization_form.html", context, status=422 if form.errors else 200)


def _known_already(changes: OrganizationChanges) -> list[Organization]:
    same = Q(name_key=actions.name_key(changes.get("name", "")))
    try:
        domain = actions.clean_domain(changes.get("domain", ""))
    except ValidationError:
        domain = ""
    if domain:
        same |= Q(domain=domain)
    return list(Organization.objects.filter(same).order_by("name_key", "pk")[:2])


@require_safe
@member_page
def organization(request: PageRequest, pk: UUID) -> HttpResponse:
    """One firm."""
    principal = request.principal
    firm = _found(request, pk)
    people = principal.leads().filter(organization=firm).order_by("-last_touch_at", "-pk")
    deals = principal.deals().filter(organization=firm).order_by("-stage_since", "-pk")
    shown: list[Lead] = list(people.select_related("status").prefetch_related("emails")[: MOST_PEOPLE + 1])
    context = {
        "organization": firm,
        "customs": customs_of(firm),
        "edit_url": reverse("organization_edit", args=[pk]),
        "people": shown[:MOST_PEOPLE],
        "has_more": len(shown) > MOST_PEOPLE,
        "deals": cards_of(list(deals.for_list()[:MOST_PEOPLE])),
        "files": files_of(principal, firm),
        "timeline": timeline_of_organization(principal, firm, Asked.by(request)),
    }
    return render(request, "crm/organization.html", context)


def _found(request: PageRequest, pk: UUID) -> Organization:
    return get_object_or_404(request.principal.organizations().select_related("company"), pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def organization_edit(request: PageRequest, pk: UUID) -> HttpResponse:
    """Mend the name, or the domain by which addresses find it."""
    firm = _found(request, pk)
    data = request.POST if request.method == "POST" else None
    form = OrganizationForm(firm, data)
    if form.is_valid():
        try:
            actions.update_organization(firm, form.changes())
        except ValidationError as refusal:
            show_refusal(form, refusal)
        else:
            return done(request, _("Saved."), reverse("organization", args=[pk]))
    context = {"organization": firm, "form": form}
    return render(request, "crm/organization_form.html", context, status=422 if form.errors else 200)
