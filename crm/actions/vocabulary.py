"""Changes a company's own words: statuses, types, tags, pipelines and stages. Keys never change."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.text import slugify

from crm import audit
from crm.actor import Actor
from crm.models import Company, LeadStatus, LeadType, Pipeline, Stage, Tag

Word = LeadStatus | LeadType | Tag | Pipeline | Stage


@transaction.atomic
def add_word(company: Company, word: Word, changes: dict[str, Any], actor: Actor) -> Word:
    """Add a status, type, tag, pipeline or stage; its key or matching name follows from its name."""
    word.company = company
    _set(word, changes)
    if not isinstance(word, Tag):
        word.key = slugify(word.name) or "step"
    _check_unique(word)
    word.save()
    audit.record(actor, "word_added", word, company=company)
    return word


@transaction.atomic
def change_word(word: Word, changes: dict[str, Any], actor: Actor) -> Word:
    """Change a status, type, tag, pipeline or stage. Renaming changes no behaviour."""
    if isinstance(word, Stage) and changes.get("kind", word.kind) != word.kind and word.deals.exists():
        # Their status follows the kind: it would change without a history, and without LinkedIn being told.
        raise ValidationError({"kind": "Move the deals of this stage to another one first."})
    before = {field: getattr(word, field) for field in changes}
    _set(word, changes)
    _check_unique(word)
    word.save()
    told = audit.differences(before, {field: getattr(word, field) for field in changes})
    audit.record(actor, "word_changed", word, company=word.company, changes=told)
    return word


def _set(word: Word, changes: dict[str, Any]) -> None:
    for field, value in changes.items():
        setattr(word, field, value)
    word.name = " ".join(word.name.split())
    if not word.name:
        raise ValidationError({"name": "Give it a name."})
    if isinstance(word, Tag):
        word.name_key = word.name.lower()
    word.clean_fields(exclude=["company", "pipeline", "key", "name_key"])


def _check_unique(word: Word) -> None:
    column = "name_key" if isinstance(word, Tag) else "key"
    same: dict[str, Any] = {column: getattr(word, column)}
    if isinstance(word, Stage):
        same["pipeline"] = word.pipeline
    if type(word)._default_manager.filter(**same).exclude(pk=word.pk).exists():
        raise ValidationError({"name": "There is one of this name already."})
