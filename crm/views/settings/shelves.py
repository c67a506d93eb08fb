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
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import panels
from crm.actions.companies import PIPELINES as TEMPLATES
from crm.actions.vocabulary import Word
from crm.display import COLOURS
from crm.display import number as in_figures
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
from crm.texts import gettext_lazy, inside_a_sentence

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
    page: str = ""
    """The name of its page's address; stages are on that of their pipeline."""

    @property
    def has_colour(self) -> bool:
        return "colour" in self.fields

    @property
    def plural(self) -> str:
        return inside_a_sentence(self.title)


STATUSES: Final = Kind(
    "status",
    LeadStatus,
    "status",
    gettext_lazy("Statuses"),
    gettext_lazy("Where a lead stands. Rename them freely: only the category decides what happens"),
    "lead",
    ("name", "colour", "category"),
    Pick("category", gettext_lazy("Category"), tuple((each.value, each.label) for each in StatusCategory)),
    gettext_lazy("A lead that enters it"),
    page="settings_statuses",
)
TYPES: Final = Kind(
    "type",
    LeadType,
    "type",
    gettext_lazy("Types"),
    gettext_lazy("How a lead came in"),
    "lead",
    ("name", "priority"),
    Pick(
        "priority",
        gettext_lazy("Priority"),
        (("1", gettext_lazy("High")), ("2", gettext_lazy("Normal")), ("3", gettext_lazy("Low"))),
    ),
    page="settings_types",
)
TAGS: Final = Kind(
    "tag",
    Tag,
    "tag",
    gettext_lazy("Tags"),
    gettext_lazy("Labels for leads, as many as you like. A tag never tells LinkedIn anything"),
    "lead",
    ("name", "colour"),
    is_ordered=False,
    page="settings_tags",
)
PIPELINES: Final = Kind(
    "pipeline",
    Pipeline,
    "pipeline",
    gettext_lazy("Pipelines"),
    gettext_lazy("The roads that deals travel"),
    "deal",
    ("name", "counts_as_sales"),
    page="settings_pipelines",
)
STAGES: Final = Kind(
    "stage",
    Stage,
    "stage",
    gettext_lazy("Stages"),
    gettext_lazy("Rename them freely: only the kind decides what happens"),
    "deal",
    ("name", "kind", "probability"),
    Pick("kind", gettext_lazy("Kind"), tuple((each.value, each.label) for each in StageKind)),
    gettext_lazy("A deal that enters it"),
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
        return reverse(self.kind.page)

    @property
    def order_url(self) -> str:
        if self.pipeline:
            return reverse("settings_pipeline_stages_order", args=[self.pipeline.pk])
        return reverse(f"{self.kind.page}_order")

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
            stays=_("default") if is_default else _("last open one") if is_last else "",
        )

    return draw


def _effect(category: str, *, is_default: bool, is_told: bool) -> str:
    if category == StatusCategory.OPEN:
        return _("is new; forms and captures start here") if is_default else _("nothing else")
    return {
        "qualified": _("is reported to LinkedIn, once in its life")
        if is_told
        else _("is qualified, once in its life"),
        "won": _("is a customer; only a won deal is reported"),
        "lost": _("leaves the open lists"),
        "spam": _("leaves the open lists; is never reported"),
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
        stays=_("last one") if len(words) == 1 else "",
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
            stays=_("last {label} one").format(label=inside_a_sentence(kind.label)) if is_last else "",
        )

    return draw


def _stage_effect(stage: Stage, *, is_first: bool, is_told: bool) -> str:
    if stage.kind == StageKind.OPEN:
        return (
            _("is new; a new deal is reported") if is_told else _("is new") if is_first else _("nothing else")
        )
    ended = _("is won") if stage.kind == StageKind.WON else _("is lost, for a reason")
    return _("{ended}, and reported to LinkedIn").format(ended=ended) if is_told else ended


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
            _("Delete {word}?").format(word=word),
            _("No {holds} has it.").format(holds=_(kind.holds)),
            _("Delete {word}").format(word=word),
            action,
            error=error,
        )
    those = count_of(use.count, kind.holds)
    targets = _targets(shelf, word, use)
    return Question(
        word,
        "delete",
        ngettext(
            "Delete {word}: where does its {those} go?", "Delete {word}: where do its {those} go?", use.count
        ).format(word=word, those=those),
        _what_follows(shelf, word, use),
        _("Move {count} and delete").format(count=use.count)
        if kind.slug not in ("type", "tag")
        else _("Replace and delete"),
        action,
        targets,
        chosen=chosen or (targets[0][0] if targets else ""),
        error=error,
    )


def _what_follows(shelf: Shelf, word: Any, use: Use) -> str:
    keeps = _("Each keeps its history, and the timeline says who moved it.")
    hidden = ""
    if use.archived:
        words = ngettext("{n} of them is archived.", "{n} of them are archived.", use.archived)
        hidden = f" {words.format(n=use.archived)}"
    if shelf.kind.slug in ("type", "tag"):
        return _("The timeline of each says who changed it.{hidden}").format(hidden=hidden)
    if shelf.kind.slug == "status":
        return _(
            "{keeps}{hidden} LinkedIn is told only of those that become qualified for the first time."
        ).format(keeps=keeps, hidden=hidden)
    return _("{keeps}{hidden} None is won or lost by it, so LinkedIn is told nothing.").format(
        keeps=keeps, hidden=hidden
    )


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
    return (
        named
        if shelf.kind.slug == "pipeline"
        else (("", _("No {noun}").format(noun=_(shelf.kind.noun))), *named)
    )


def _status_target(status: LeadStatus, told: int, use: Use) -> str:
    return (
        _("{status}: {told} of {count} would be reported").format(status=status, told=told, count=use.count)
        if told
        else status.name
    )


def ask_category(shelf: Shelf, status: LeadStatus, category: str) -> Question | None:
    """What is asked before a status with leads means something else; None where there is nothing to ask."""
    use = use_of(shelf, status)
    if not use.count or category == status.category or category not in StatusCategory.values:
        return None
    label = inside_a_sentence(StatusCategory(category).label)
    return Question(
        status,
        "category",
        ngettext(
            "Make {status} {label}? {those} is in it", "Make {status} {label}? {those} are in it", use.count
        ).format(status=status, label=label, those=count_of(use.count, "lead")),
        _("{category_follows} What LinkedIn accepted before stays as it is.").format(
            category_follows=_CATEGORY_FOLLOWS[category]
        ),
        _("Make it {label}").format(label=label),
        reverse("settings_status_change", args=[status.pk]),
        field="category",
        value=category,
    )


_CATEGORY_FOLLOWS: Final = {
    "open": gettext_lazy("They come back to the open lists."),
    "qualified": gettext_lazy(
        "LinkedIn is told nothing about them: a lead is reported when it enters a qualified status."
    ),
    "won": gettext_lazy("They leave the open lists. LinkedIn is told nothing: only a won deal is reported."),
    "lost": gettext_lazy("They leave the open lists."),
    "spam": gettext_lazy("They leave the open lists, and nothing that waits about them is sent."),
}


def count_of(number: int, noun: str) -> str:
    """`1 lead`, `8 leads`."""
    words = {
        "lead": ngettext("{n} lead", "{n} leads", number),
        "deal": ngettext("{n} deal", "{n} deals", number),
    }
    return words[noun].format(n=in_figures(number))


def template_options() -> Options:
    """The templates a pipeline can start from."""
    return tuple((name, name) for name, _, _ in TEMPLATES)


def colour_options() -> Options:
    """The colours of statuses and tags."""
    return tuple((colour, colour.capitalize()) for colour in COLOURS)
