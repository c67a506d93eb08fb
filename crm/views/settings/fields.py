"""Custom fields: a list for leads, for deals and for organizations, in the order of the forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.access import Ability
from crm.actions import customfields as actions
from crm.actions import vocabulary
from crm.display import number
from crm.errors import Conflict
from crm.forms import SentenceForm, show_refusal
from crm.models import CustomEntity, CustomField, CustomKind
from crm.texts import gettext_lazy, inside_a_sentence
from crm.views.page import PageRequest, actor_of, done, for_htmx, sentence_of, status_of
from crm.views.settings.page import settings_page

TEMPLATE: Final = "crm/settings/fields.html"
_WITH_OPTIONS: Final = (CustomKind.CHOICE, CustomKind.CHOICES)


class NewFieldForm(SentenceForm):
    """A new field."""

    name = forms.CharField(max_length=40, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    kind = forms.ChoiceField(label=gettext_lazy("Holds"), choices=CustomKind.choices)
    options = forms.CharField(
        label=gettext_lazy("Options, one a line"),
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("For lists alone."),
    )

    def changes(self, entity: str) -> actions.FieldChanges:
        filled = self.cleaned_data
        options = filled["options"].splitlines()
        return actions.FieldChanges(entity=entity, name=filled["name"], kind=filled["kind"], options=options)


class FieldForm(SentenceForm):
    """The name of a field, and what can be chosen."""

    name = forms.CharField(max_length=40, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    options = forms.CharField(
        label=gettext_lazy("Options, one a line"),
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text=gettext_lazy("A record keeps a value whose option is gone until somebody changes it."),
    )

    def __init__(self, field: CustomField, data: QueryDict | None = None) -> None:
        super().__init__(data, initial={"name": field.name, "options": "\n".join(field.options)})
        if field.kind not in _WITH_OPTIONS:
            del self.fields["options"]

    def changes(self) -> actions.FieldChanges:
        changes = actions.FieldChanges(name=self.cleaned_data["name"])
        if "options" in self.cleaned_data:
            changes["options"] = self.cleaned_data["options"].splitlines()
        return changes


@settings_page(Ability.MANAGE, "GET", "HEAD", "POST")
def custom_fields(request: PageRequest) -> HttpResponse:
    """The fields of one entity; a POST adds one."""
    entity = _entity(request)
    if request.method != "POST":
        return _page(request, entity)
    form = NewFieldForm(request.POST)
    status = 422
    if form.is_valid():
        try:
            made = actions.add_field(request.principal.company, form.changes(entity), actor_of(request))
        except (ValidationError, Conflict) as refusal:
            show_refusal(form, refusal)
            status = status_of(refusal)
        else:
            return done(request, _("{made} is added.").format(made=made), f"{_url(entity)}#word-{made.pk}")
    return _page(request, entity, form=form, status=status)


@settings_page(Ability.MANAGE, "POST")
def custom_fields_order(request: PageRequest) -> HttpResponse:
    """Put the fields of one entity in another order: every id, or one that goes up or down."""
    entity = _entity(request)
    listed = list(_listed(entity))
    by_id = {str(field.pk): field for field in listed}
    order = [by_id[pk].pk for pk in request.POST.get("order", "").split(",") if pk in by_id]
    field = by_id.get(request.POST.get("word", ""))
    if field:
        order = vocabulary.moved_by(listed, field, {"up": -1, "down": 1}.get(request.POST.get("way", ""), 0))
    vocabulary.order_words(_listed(entity), order, actor_of(request))
    if request.htmx:
        return _page(request, entity)
    return HttpResponseRedirect(f"{_url(entity)}#word-{field.pk}" if field else _url(entity))


@settings_page(Ability.MANAGE, "GET", "HEAD", "POST")
def custom_field(request: PageRequest, pk: UUID) -> HttpResponse:
    """One field: its name and options."""
    field = get_object_or_404(CustomField, pk=pk)
    form = FieldForm(field, request.POST if request.method == "POST" else None)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            actions.change_field(field, form.changes(), actor_of(request))
        except (ValidationError, Conflict) as refusal:
            show_refusal(form, refusal)
            status = status_of(refusal)
        else:
            return done(
                request, _("{field} is saved.").format(field=field), f"{_url(field.entity)}#word-{field.pk}"
            )
    context = {"field": field, "form": form, "back_url": _url(field.entity)}
    return render(request, "crm/settings/field.html", context, status=status)


@settings_page(Ability.MANAGE, "GET", "HEAD", "POST")
def custom_field_delete(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask, with how many records have a value, then delete the field and its values."""
    field = get_object_or_404(CustomField, pk=pk)
    if request.method != "POST":
        return _page(request, field.entity, asked=field, values=actions.count_values(field))
    try:
        count = actions.delete_field(field, actor_of(request))
    except (ValidationError, Conflict) as refusal:
        return done(request, sentence_of(refusal), _url(field.entity))
    text = (
        ngettext("So are its values in {n} record.", "So are its values in {n} records.", count).format(
            n=number(count)
        )
        if count
        else ""
    )
    return done(request, text, _url(field.entity), lead=_("{field} is gone.").format(field=field))


def _page(
    request: PageRequest,
    entity: str,
    *,
    form: NewFieldForm | None = None,
    asked: CustomField | None = None,
    values: int = 0,
    status: int = 200,
) -> HttpResponse:
    fields: Sequence[CustomField] = list(_listed(entity))
    context: dict[str, Any] = {
        "entity": entity,
        "noun": inside_a_sentence(CustomEntity(entity).label),
        "tabs": [
            {"label": str(each.label), "url": _url(each), "current": each == entity} for each in CustomEntity
        ],
        "fields": fields,
        "form": form or NewFieldForm(),
        "asked": asked,
        "values": values,
        "list_url": _url(entity),
        "order_url": f"{reverse('settings_fields_order')}?of={entity}",
    }
    is_part = request.htmx and request.htmx.target == "words"
    return for_htmx(render(request, f"{TEMPLATE}#words" if is_part else TEMPLATE, context, status=status))


def _entity(request: PageRequest) -> str:
    named = request.GET.get("of", "")
    return named if named in CustomEntity.values else str(CustomEntity.LEAD)


def _listed(entity: str) -> Any:
    return CustomField.objects.filter(entity=entity)


def _url(entity: str) -> str:
    return f"{reverse('settings_fields')}?of={entity}"
