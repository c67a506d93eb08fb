"""What the pages of the company's own words show: each list with how it is used, and the questions it asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.urls import reverse

from crm import panels
from crm.actions.companies import PIPELINES as TEMPLATES
from crm.actions.vocabulary import Word
from crm.display import COLOURS
from crm.models import (
    Company,
    Deal,
    Lead,
    LeadStatus,
    LeadTag,
    LeadType,
    Pipeline,
    Stage,
    StageKind,
    StatusCategory,
    Tag,
)

MOST_SHOWN: Final = 200
Options = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Pick:
    """The one thing beside its name and colour that is chosen for a word."""

    field: str
    label: str
    options: Options


@dataclass(frozen=True)
class Kind:
    """A kind of words. `holds` is what has them: lead or deal."""

    slug: str
    model: type[Any]
    noun: str
    title: str
    say: str
    holds: str
    fields: tuple[str, ...]
    pick: Pick | None = None
    enters: str = ""
    is_ordered: bool = True

    @property
    def has_colour(self) -> bool:
        return "colour" in self.fields

    @property
    def plural(self) -> str:
        return self.title.lower()


STATUSES: Final = Kind(
    "status",
    LeadStatus,
    "status",
    "Statuses",
    "Where a lead stands. Rename them freely: only the category decides what happens",
    "lead",
    ("name", "colour", "category"),
    Pick("category", "Category", tuple((each.value, str(each.label)) for each in StatusCategory)),
    "A lead that enters it",
)
TYPES: Final = Kind(
    "type",
    LeadType,
    "type",
    "Types",
    "How a lead came in",
    "lead",
    ("name", "priority"),
    Pick("priority", "Priority", (("1", "High"), ("2", "Normal"), ("3", "Low"))),
)
TAGS: Final = Kind(
    "tag",
    Tag,
    "tag",
    "Tags",
    "Labels for leads, as many as you like. A tag never tells LinkedIn anything",
    "lead",
    ("name", "colour"),
    is_ordered=False,
)
PIPELINES: Final = Kind(
    "pipeline",
    Pipeline,
    "pipeline",
    "Pipelines",
    "The roads that deals travel",
    "deal",
    ("name", "counts_as_sales"),
)
STAGES: Final = Kind(
    "stage",
    Stage,
    "stage",
    "Stages",
    "Rename them freely: only the kind decides what happens",
    "deal",
    ("name", "kind", "probability"),
    Pick("kind", "Kind", tuple((each.value, str(each.label)) for each in StageKind)),
    "A deal that enters it",
)


@dataclass(frozen=True)
class Use:
    """How many have a word; `archived` of them are in no list."""

    count: int = 0
    archived: int = 0

    @property
    def listed(self) -> int:
        return self.count - self.archived


@dataclass(frozen=True)
class Row:
    """A word in its list. `stays` says why it cannot be deleted, "" if it can."""

    word: Any
    use: Use
    list_url: str
    picked: str = ""
    picked_word: str = ""
    effect: str = ""
    is_told: bool = False
    stays: str = ""
    stages: int = 0


@dataclass(frozen=True)
class Question:
    """What is asked inside the row of a word, before something is done that concerns its leads or deals."""

    word: Any
    what: str
    title: str
    text: str
    verb: str
    action: str
    targets: Options = ()
    chosen: str = ""
    field: str = ""
    """What is sent beside the answer, and `value`."""
    value: str = ""
    error: str = ""


@dataclass(frozen=True)
class Shelf:
    """One list of words: those of a kind, for stages of one pipeline."""

    kind: Kind
    pipeline: Pipeline | None = None
    search: str = ""

    @property
    def words(self) -> QuerySet[Any]:
        words: QuerySet[Any] = self.kind.model._default_manager.all()
        if self.search:
            words = words.filter(name_key__contains=self.search.lower())
        return words.filter(pipeline=self.pipeline).select_related("pipeline") if self.pipeline else words

    @property
    def url(self) -> str:
        if self.pipeline:
            return reverse("settings_pipeline", args=[self.pipeline.pk])
        return reverse(f"settings_{self.kind.plural}")

    @property
    def order_url(self) -> str:
        if self.pipeline:
            return reverse("settings_pipeline_stages_order", args=[self.pipeline.pk])
        return reverse(f"settings_{self.kind.plural}_order")

    @property
    def title(self) -> str:
        return str(self.pipeline or self.kind.title)


def rows_of(shelf: Shelf, company: Company) -> list[Row]:
    """The words of a list in their order, in a fixed number of queries."""
    words = list(shelf.words[:MOST_SHOWN])
    used = uses(shelf)
    draw = _ROWS[shelf.kind.slug](words, company)
    return [draw(word, used.get(word.pk, Use())) for word in words]


def uses(shelf: Shelf) -> dict[UUID, Use]:
    """By word: how many leads or deals have it."""
    rows, field, archived = _used(shelf)
    counted = (
        rows.order_by()
        .values(field)
        .annotate(count=Count("pk"), archived=Count("pk", filter=Q(**{f"{archived}__isnull": False})))
    )
    return {row[field]: Use(row["count"], row["archived"]) for row in counted if row[field]}


def use_of(shelf: Shelf, word: Word) -> Use:
    """How many leads or deals have one word."""
    rows, field, archived = _used(shelf)
    return Use(
        **rows.filter(**{field: word}).aggregate(
            count=Count("pk"), archived=Count("pk", filter=Q(**{f"{archived}__isnull": False}))
        )
    )


def _used(shelf: Shelf) -> tuple[QuerySet[Any], str, str]:
    """What has the words, by which field, and which field says that it is archived."""
    found: dict[str, tuple[QuerySet[Any], str, str]] = {
        "status": (Lead.objects.all(), "status", "archived_at"),
        "type": (Lead.objects.all(), "lead_type", "archived_at"),
        "tag": (LeadTag.objects.all(), "tag", "lead__archived_at"),
        "pipeline": (Deal.objects.all(), "pipeline", "archived_at"),
        "stage": (Deal.objects.filter(pipeline=shelf.pipeline), "stage", "archived_at"),
    }
    return found[shelf.kind.slug]


# ── Rows ───────────────────────────────────────────────────────────────────────────────────────────────

Draw = Callable[[Any, Use], Row]


def _status_rows(words: Sequence[LeadStatus], company: Company) -> Draw:
    told = frozenset(chain.from_iterable(give() for give in panels.told_categories))
    opened = sum(word.category == StatusCategory.OPEN for word in words)

    def draw(word: LeadStatus, use: Use) -> Row:
        is_default = word.pk == company.default_status_id
        is_last = opened == 1 and word.category == StatusCategory.OPEN
        return Row(
            word,
            use,
            _leads_url(status=word.key),
            picked=word.category,
            picked_word=word.get_category_display(),
            effect=_effect(word.category, is_default=is_default, is_told=word.category in told),
            is_told=word.category in told,
            stays="default" if is_default else "last open one" if is_last else "",
        )

    return draw


def _effect(category: str, *, is_default: bool, is_told: bool) -> str:
    if category == StatusCategory.OPEN:
        return "is new; forms and captures start here" if is_default else "nothing else"
    return {
        "qualified": "is reported to LinkedIn, once in its life"
        if is_told
        else "is qualified, once in its life",
        "won": "is a customer; only a won deal is reported",
        "lost": "leaves the open lists",
        "spam": "leaves the open lists; is never reported",
    }[category]


def _type_rows(words: Sequence[LeadType], company: Company) -> Draw:
    priorities = dict(TYPES.pick.options) if TYPES.pick else {}
    return lambda word, use: Row(
        word,
        use,
        _leads_url(type=word.key),
        picked=str(word.priority),
        picked_word=priorities.get(str(word.priority), str(word.priority)),
    )


def _tag_rows(words: Sequence[Tag], company: Company) -> Draw:
    return lambda word, use: Row(word, use, _leads_url(tag=word.name_key))


def _pipeline_rows(words: Sequence[Pipeline], company: Company) -> Draw:
    counted = dict(Stage.objects.order_by().values_list("pipeline").annotate(Count("pk")))
    return lambda word, use: Row(
        word,
        use,
        _deals_url(pipeline=word.key),
        stays="last one" if len(words) == 1 else "",
        stages=counted.get(word.pk, 0),
    )


def _stage_rows(words: Sequence[Stage], company: Company) -> Draw:
    pipeline = words[0].pipeline if words else None
    told = (
        frozenset(chain.from_iterable(give(pipeline) for give in panels.told_stages))
        if pipeline
        else frozenset()
    )
    kinds = [word.kind for word in words]
    first = next((word.pk for word in words if word.kind == StageKind.OPEN), None)

    def draw(word: Stage, use: Use) -> Row:
        kind = StageKind(word.kind)
        is_last = kinds.count(word.kind) == 1
        return Row(
            word,
            use,
            _deals_url(pipeline=word.pipeline.key, stage=word.key),
            picked=word.kind,
            picked_word=str(kind.label),
            effect=_stage_effect(word, is_first=word.pk == first, is_told=word.pk in told),
            is_told=word.pk in told,
            stays=f"last {kind.label.lower()} one" if is_last else "",
        )

    return draw


def _stage_effect(stage: Stage, *, is_first: bool, is_told: bool) -> str:
    if stage.kind == StageKind.OPEN:
        return "is new; a new deal is reported" if is_told else "is new" if is_first else "nothing else"
    ended = "is won" if stage.kind == StageKind.WON else "is lost, for a reason"
    return f"{ended}, and reported to LinkedIn" if is_told else ended


_ROWS: Final[Mapping[str, Callable[[Any, Company], Draw]]] = {
    "status": _status_rows,
    "type": _type_rows,
    "tag": _tag_rows,
    "pipeline": _pipeline_rows,
    "stage": _stage_rows,
}


def _leads_url(**params: str) -> str:
    return f"{reverse('leads')}?{urlencode({'view': 'all', **params})}"


def _deals_url(**params: str) -> str:
    return f"{reverse('deals')}?{urlencode({'view': 'list', **params})}"


# ── Questions ──────────────────────────────────────────────────────────────────────────────────────────


def ask_where_to(shelf: Shelf, word: Any, *, chosen: str = "", error: str = "") -> Question:
    """What is asked before a word is deleted: where what has it goes."""
    use, kind = use_of(shelf, word), shelf.kind
    action = reverse(f"settings_{kind.slug}_delete", args=[word.pk])
    if not use.count:
        return Question(
            word,
            "delete",
            f"Delete {word}?",
            f"No {kind.holds} has it.",
            f"Delete {word}",
            action,
            error=error,
        )
    those = count_of(use.count, kind.holds)
    targets = _targets(shelf, word, use)
    return Question(
        word,
        "delete",
        f"Delete {word}: where {'do its' if use.count > 1 else 'does its'} {those} go?",
        _what_follows(shelf, word, use),
        f"Move {use.count} and delete" if kind.slug not in ("type", "tag") else "Replace and delete",
        action,
        targets,
        chosen=chosen or (targets[0][0] if targets else ""),
        error=error,
    )


def _what_follows(shelf: Shelf, word: Any, use: Use) -> str:
    keeps = "Each keeps its history, and the timeline says who moved it."
    hidden = (
        f" {use.archived} of them {'is' if use.archived == 1 else 'are'} archived." if use.archived else ""
    )
    if shelf.kind.slug in ("type", "tag"):
        return f"The timeline of each says who changed it.{hidden}"
    if shelf.kind.slug == "status":
        return f"{keeps}{hidden} LinkedIn is told only of those that become qualified for the first time."
    return f"{keeps}{hidden} None is won or lost by it, so LinkedIn is told nothing."


def _targets(shelf: Shelf, word: Any, use: Use) -> Options:
    others = [other for other in shelf.words if other.pk != word.pk]
    if shelf.kind.slug == "status":
        others.sort(key=lambda other: other.category != word.category)
        fresh = Lead.objects.filter(status=word, qualified_at=None).count()
        told = frozenset(chain.from_iterable(give() for give in panels.told_categories))
        return tuple(
            (str(other.pk), _status_target(other, fresh if other.category in told else 0, use))
            for other in others
        )
    if shelf.kind.slug == "stage":
        return tuple((str(other.pk), other.name) for other in others if other.kind == word.kind)
    named = tuple((str(other.pk), other.name) for other in others)
    return named if shelf.kind.slug == "pipeline" else (("", f"No {shelf.kind.noun}"), *named)


def _status_target(status: LeadStatus, told: int, use: Use) -> str:
    return f"{status}: {told} of {use.count} would be reported" if told else status.name


def ask_category(shelf: Shelf, status: LeadStatus, category: str) -> Question | None:
    """What is asked before a status with leads means something else; None where there is nothing to ask."""
    use = use_of(shelf, status)
    if not use.count or category == status.category or category not in StatusCategory.values:
        return None
    label = StatusCategory(category).label.lower()
    return Question(
        status,
        "category",
        f"Make {status} {label}? {count_of(use.count, 'lead')} {'is' if use.count == 1 else 'are'} in it",
        f"{_CATEGORY_FOLLOWS[category]} What LinkedIn accepted before stays as it is.",
        f"Make it {label}",
        reverse("settings_status_change", args=[status.pk]),
        field="category",
        value=category,
    )


_CATEGORY_FOLLOWS: Final = {
    "open": "They come back to the open lists.",
    "qualified": "LinkedIn is told nothing about them: a lead is reported when it enters a qualified status.",
    "won": "They leave the open lists. LinkedIn is told nothing: only a won deal is reported.",
    "lost": "They leave the open lists.",
    "spam": "They leave the open lists, and nothing that waits about them is sent.",
}


def count_of(number: int, noun: str) -> str:
    """`1 lead`, `8 leads`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def template_options() -> Options:
    """The templates a pipeline can start from."""
    return tuple((name, name) for name, _, _ in TEMPLATES)


def colour_options() -> Options:
    """The colours of statuses and tags."""
    return tuple((colour, colour.capitalize()) for colour in COLOURS)
