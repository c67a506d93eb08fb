"""Changes a company's own words: statuses, types, tags, pipelines and stages. Keys never change.

What uses a word that goes away goes elsewhere first: see `crm.actions.retiring`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models import Max, Model, QuerySet
from django.utils.text import slugify
from django.utils.translation import gettext as _

from crm import audit, signals
from crm.actions.companies import PIPELINES
from crm.actor import Actor
from crm.display import COLOURS
from crm.models import Company, LeadStatus, LeadType, Pipeline, Stage, StageKind, StatusCategory, Tag
from crm.texts import inside_a_sentence

Word = LeadStatus | LeadType | Tag | Pipeline | Stage
MOST_WORDS = 200
PRIORITIES = (1, 2, 3)
_KEY_LENGTH = 60


@transaction.atomic
def add_word(company: Company, word: Word, changes: dict[str, Any], actor: Actor) -> Word:
    """Add a status, type, tag, pipeline or stage, as the last of its kind unless `changes` says where.

    Its key or matching name follows from its name. Raises ValidationError with a sentence for each wrong field.
    """
    lock_words(company)
    word.company = company
    _set(word, changes)
    beside = _beside(word)
    if beside.count() >= MOST_WORDS and not isinstance(word, Tag):
        raise ValidationError(
            {
                "name": _("There are {most_words} already, the most there can be.").format(
                    most_words=MOST_WORDS
                )
            }
        )
    if not isinstance(word, Tag):
        word.key = free_key(word.name, beside.values_list("key", flat=True))
        if "position" not in changes:
            last = beside.aggregate(last=Max("position"))["last"]
            word.position = 0 if last is None else last + 1
    _check_unique(word)
    word.save()
    audit.record(actor, "word_added", word, company=company)
    return word


@transaction.atomic
def add_pipeline(company: Company, name: str, template: str, actor: Actor) -> Pipeline:
    """Add a pipeline with the stages of a template, named as in `companies.PIPELINES`.

    It reports won and lost if the template does. Raises ValidationError for a name or template that will not do.
    """
    found = next((each for each in PIPELINES if each[0] == template), None)
    if found is None:
        raise ValidationError(
            {"template": _("Choose from {it}.").format(it=", ".join(each[0] for each in PIPELINES))}
        )
    _name, counts_as_sales, stages = found
    changes = {"name": name, "counts_as_sales": counts_as_sales}
    pipeline = add_word(company, Pipeline(), changes, actor)
    assert isinstance(pipeline, Pipeline)
    Stage.objects.bulk_create(
        Stage(
            company=company,
            pipeline=pipeline,
            name=stage,
            key=slugify(stage),
            kind=kind,
            probability=probability,
            position=place,
        )
        for place, (stage, kind, probability) in enumerate(stages)
    )
    return pipeline


@transaction.atomic
def change_word(word: Word, changes: dict[str, Any], actor: Actor) -> Word:
    """Change a status, type, tag, pipeline or stage. Renaming changes no behaviour.

    Raises ValidationError where the company could not go on without what it was: its last open status, the last
    stage of a kind, a stage that holds deals.
    """
    lock_words(word.company)
    if isinstance(word, Stage) and changes.get("kind", word.kind) != word.kind:
        _check_new_kind(word)
    if isinstance(word, LeadStatus) and changes.get("category", word.category) != word.category:
        check_open_status_stays(word, "category")
    before = {field: getattr(word, field) for field in changes}
    _set(word, changes)
    _check_unique(word)
    word.save()
    told = audit.differences(before, {field: getattr(word, field) for field in changes})
    audit.record(actor, "word_changed", word, company=word.company, changes=told)
    if isinstance(word, Tag) and before.get("name", word.name) != word.name:
        signals.tag_renamed.send(sender=Tag, tag=word, old=before["name"])
    return word


@transaction.atomic
def order_words(words: QuerySet[Any], order: Sequence[UUID], actor: Actor) -> None:
    """Put the words of one list in this order. Those it does not name keep theirs, behind the others.

    The order is written down once, with the word that comes first. Ids that are not in the list are left out.
    """
    by_id = {word.pk: word for word in words.order_by("position", "pk")}
    if not by_id:
        return
    first = next(iter(by_id.values()))
    lock_words(first.company)
    wanted = list(dict.fromkeys(pk for pk in order if pk in by_id))
    placed = [*wanted, *(pk for pk in by_id if pk not in set(wanted))]
    moved = [by_id[pk] for place, pk in enumerate(placed) if by_id[pk].position != place]
    for place, pk in enumerate(placed):
        by_id[pk].position = place
    if not moved:
        return
    words.bulk_update(moved, ["position"])
    audit.record(
        actor, "words_ordered", by_id[placed[0]], company=first.company, changes={"count": (None, len(moved))}
    )


def moved_by(words: Iterable[Model], word: Model, step: int) -> list[UUID]:
    """The order after a word went `step` places down (up if negative); at an end it stays."""
    order = [each.pk for each in words]
    place = order.index(word.pk)
    order.remove(word.pk)
    order.insert(max(0, place + step), word.pk)
    return order


def lock_words(company: Company) -> None:
    """Whoever else changes words of this company waits; leads and deals can still be added meanwhile."""
    list(Company.objects.select_for_update(no_key=True).filter(pk=company.pk))


def check_open_status_stays(status: LeadStatus, field: str = NON_FIELD_ERRORS) -> None:
    """Raise ValidationError if this is the company's last status of category open."""
    opened = LeadStatus.objects.filter(category=StatusCategory.OPEN)
    if status.category == StatusCategory.OPEN and not opened.exclude(pk=status.pk).exists():
        raise ValidationError(
            {field: _("{status} is the last open status. Add another open one first.").format(status=status)}
        )


def check_kind_stays(stage: Stage, field: str = NON_FIELD_ERRORS) -> None:
    """Raise ValidationError if this is the last stage of its kind in its pipeline."""
    same = Stage.objects.filter(pipeline=stage.pipeline_id, kind=stage.kind)
    if not same.exclude(pk=stage.pk).exists():
        kind = inside_a_sentence(StageKind(stage.kind).label)
        raise ValidationError(
            {
                field: _("{stage} is the last {kind} stage of {pipeline}. Add another first.").format(
                    stage=stage, kind=kind, pipeline=stage.pipeline
                )
            }
        )


def free_key(name: str, taken: Iterable[str]) -> str:
    """A key made of a name that nothing else has: `call-back`, then `call-back-2`."""
    known = set(taken)
    key = slugify(name)[:_KEY_LENGTH].strip("-") or "step"
    number = 1
    while key in known:
        number += 1
        key = f"{slugify(name)[: _KEY_LENGTH - 4].strip('-') or 'step'}-{number}"
    return key


def _check_new_kind(stage: Stage) -> None:
    if stage.deals.exists():
        # Their status follows the kind: it would change without a history, and without LinkedIn being told.
        raise ValidationError({"kind": _("Move the deals of this stage to another one first.")})
    check_kind_stays(stage, "kind")


def _set(word: Word, changes: dict[str, Any]) -> None:
    for field, value in changes.items():
        setattr(word, field, value)
    word.name = " ".join(word.name.split())
    if not word.name:
        raise ValidationError({"name": _("Give it a name.")})
    if isinstance(word, Tag):
        word.name_key = word.name.lower()
    if changes.get("colour", COLOURS[0]) not in COLOURS:
        raise ValidationError({"colour": _("Choose from {colours}.").format(colours=", ".join(COLOURS))})
    if isinstance(word, LeadType) and word.priority not in PRIORITIES:
        raise ValidationError({"priority": _("Give 1 for high, 2 for normal or 3 for low.")})
    word.clean_fields(exclude=["company", "pipeline", "key", "name_key"])


def _beside(word: Word) -> QuerySet[Any]:
    """The list the word is in."""
    words: QuerySet[Any] = type(word)._default_manager.all()
    return words.filter(pipeline=word.pipeline) if isinstance(word, Stage) else words


def _check_unique(word: Word) -> None:
    others = _beside(word).exclude(pk=word.pk)
    if isinstance(word, Tag):  # there may be thousands
        others = others.filter(name_key=word.name_key)
    # Compared here: SQLite's own comparison knows capitals of ASCII alone.
    if word.name.casefold() in {name.casefold() for name in others.values_list("name", flat=True)}:
        raise ValidationError({"name": _("There is one of this name already.")})
