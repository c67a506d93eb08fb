"""Makes, changes and deletes custom fields. A key and a kind never change: they say what is stored."""

from __future__ import annotations

from typing import Any, Final, TypedDict

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Max
from django.utils.text import slugify
from django.utils.translation import gettext as _

from crm import audit
from crm.actions.vocabulary import lock_words
from crm.actor import Actor
from crm.models import Company, CustomEntity, CustomField, CustomKind, Deal, Lead, Organization

MOST_FIELDS: Final = 50  # of one entity
MOST_OPTIONS: Final = 100
LONGEST_OPTION: Final = 80
CHUNK: Final = 500
RECORDS: Final[dict[str, type[models.Model]]] = {
    CustomEntity.LEAD: Lead,
    CustomEntity.DEAL: Deal,
    CustomEntity.ORGANIZATION: Organization,
}
_WITH_OPTIONS = (CustomKind.CHOICE, CustomKind.CHOICES)


class FieldChanges(TypedDict, total=False):
    """What may be said of a field; `entity` and `kind` at creation alone."""

    entity: str
    name: str
    kind: str
    options: list[str]


@transaction.atomic
def add_field(company: Company, changes: FieldChanges, actor: Actor) -> CustomField:
    """Add a field as the last of its entity. Raises ValidationError with a sentence for each wrong value."""
    lock_words(company)
    field = CustomField(company=company, **changes)
    beside = CustomField.objects.filter(entity=field.entity)
    if beside.count() >= MOST_FIELDS:
        raise ValidationError(
            {
                "name": _("There are {most_fields} already, the most there can be.").format(
                    most_fields=MOST_FIELDS
                )
            }
        )
    _check(field)
    field.key = _free_key(field.name, set(beside.values_list("key", flat=True)))
    last = beside.aggregate(last=Max("position"))["last"]
    field.position = 0 if last is None else last + 1
    field.save()
    audit.record(actor, "field_added", field, company=company)
    return field


@transaction.atomic
def change_field(field: CustomField, changes: FieldChanges, actor: Actor) -> CustomField:
    """Rename a field or change its options. A value whose option is gone stays until somebody changes it."""
    lock_words(field.company)
    if changes.keys() - {"name", "options"}:
        raise ValidationError({"kind": _("What a field holds never changes. Make another one.")})
    before = {name: getattr(field, name) for name in changes}
    for name, value in changes.items():
        setattr(field, name, value)
    _check(field)
    field.save()
    told = audit.differences(before, {name: getattr(field, name) for name in changes})
    audit.record(actor, "field_changed", field, company=field.company, changes=told)
    return field


def delete_field(field: CustomField, actor: Actor) -> int:
    """Delete a field and its values, and say how many records had one. No record is deleted.

    The values go chunk by chunk, each in a transaction of its own; the field goes last, so that what is cut short goes
    on when it is deleted again.
    """
    total = 0
    while dropped := _drop_some(field):
        total += dropped
    with transaction.atomic():
        lock_words(field.company)
        audit.record(actor, "field_deleted", field, company=field.company, changes={"count": (None, total)})
        CustomField.objects.filter(pk=field.pk).delete()
    return total


def count_values(field: CustomField) -> int:
    """How many records have a value."""
    rows: Any = RECORDS[field.entity]._default_manager
    return int(rows.filter(custom__has_key=field.key).count())


@transaction.atomic
def _drop_some(field: CustomField) -> int:
    rows: Any = RECORDS[field.entity]._default_manager
    found = list(
        rows.select_for_update(of=("self",))
        .filter(custom__has_key=field.key)
        .only("pk", "company_id", "custom")
        .order_by("pk")[:CHUNK]
    )
    for record in found:
        record.custom = {key: value for key, value in record.custom.items() if key != field.key}
    rows.bulk_update(found, ["custom"])
    return len(found)


def _check(field: CustomField) -> None:
    field.name = " ".join(field.name.split())
    if not field.name:
        raise ValidationError({"name": _("Give it a name.")})
    field.options = _options(field)
    field.clean_fields(exclude=["company", "key", "options"])
    beside = CustomField.objects.filter(entity=field.entity).exclude(pk=field.pk)
    if field.name.casefold() in {name.casefold() for name in beside.values_list("name", flat=True)}:
        raise ValidationError({"name": _("There is one of this name already.")})


def _options(field: CustomField) -> list[str]:
    if field.kind not in _WITH_OPTIONS:
        return []
    named = [" ".join(str(option).split()) for option in field.options]
    options = list({option.casefold(): option for option in named if option}.values())
    if not options:
        raise ValidationError({"options": _("Give at least one option.")})
    if len(options) > MOST_OPTIONS:
        raise ValidationError(
            {"options": _("Give at most {most_options} options.").format(most_options=MOST_OPTIONS)}
        )
    for option in options:
        if (
            len(option) > LONGEST_OPTION
            or any(sign in option for sign in ';,"\\\x00')
            or not option.isprintable()
        ):
            raise ValidationError(
                {
                    "options": _(
                        "An option has at most {longest_option} characters, without commas, semicolons, quotes."
                    ).format(longest_option=LONGEST_OPTION)
                }
            )
    return options


def _free_key(name: str, taken: set[str]) -> str:
    start = slugify(name).replace("-", "_")[:34].strip("_") or "field"
    start = f"field_{start}"[:34] if start[0].isdigit() else start
    key, number = start, 1
    while key in taken:
        number += 1
        key = f"{start}_{number}"
    return key
