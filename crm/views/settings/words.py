"""The pages of the company's own words: statuses, types, tags, pipelines and their stages.

One list each: add, rename, colour, what it means, order, and delete, which asks where its leads or deals go.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.access import Ability
from crm.actions import retiring, vocabulary
from crm.errors import Conflict
from crm.forms import SentenceForm, show_refusal
from crm.models import Pipeline, Stage
from crm.views.page import PageRequest, actor_of, done, for_htmx, refused, sentence_of, status_of
from crm.views.settings.page import settings_page
from crm.views.settings.shelves import (
    MOST_SHOWN,
    PIPELINES,
    STAGES,
    Kind,
    Question,
    Shelf,
    ask_category,
    ask_where_to,
    colour_options,
    count_of,
    rows_of,
    template_options,
)

TEMPLATE = "crm/settings/words.html"
READ_AND_WRITE = ("GET", "HEAD", "POST")
_DELETERS: dict[str, Any] = {
    "status": retiring.delete_status,
    "type": retiring.delete_type,
    "tag": retiring.delete_tag,
    "stage": retiring.delete_stage,
    "pipeline": retiring.delete_pipeline,
}


class NewWordForm(SentenceForm):
    """A new word; what it asks for depends on its kind."""

    name = forms.CharField(max_length=60, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, kind: Kind, data: QueryDict | None = None) -> None:
        super().__init__(data)
        if kind.pick:
            options = list(kind.pick.options)
            initial = "2" if kind.slug == "type" else None
            self.fields[kind.pick.field] = forms.ChoiceField(
                label=kind.pick.label, choices=options, initial=initial
            )
        if kind.has_colour:
            self.fields["colour"] = forms.ChoiceField(choices=list(colour_options()))
        if kind.slug == "stage":
            self.fields["probability"] = forms.IntegerField(
                label=_("Probability in %"),
                min_value=0,
                max_value=100,
                initial=50,
                widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
                error_messages={"min_value": _("Give 0 to 100."), "max_value": _("Give 0 to 100.")},
            )
        if kind.slug == "pipeline":
            self.fields["template"] = forms.ChoiceField(
                label=_("Starts with the stages of"), choices=list(template_options())
            )

    def changes(self) -> dict[str, Any]:
        found = dict(self.cleaned_data)
        if "priority" in found:
            found["priority"] = int(found["priority"])
        return found


@settings_page(Ability.MANAGE, *READ_AND_WRITE)
def words(request: PageRequest, kind: Kind) -> HttpResponse:
    """A list; a POST adds to it."""
    return _page_or_new(request, _shelf_of(request, kind))


@settings_page(Ability.MANAGE, *READ_AND_WRITE)
def pipeline_stages(request: PageRequest, pk: UUID) -> HttpResponse:
    """The stages of a pipeline; a POST adds one."""
    return _page_or_new(request, Shelf(STAGES, get_object_or_404(Pipeline, pk=pk)))


@settings_page(Ability.MANAGE, "POST")
def words_order(request: PageRequest, kind: Kind) -> HttpResponse:
    """Put a list in another order: `order` has every id, or `word` one that goes `up` or `down`."""
    return _reorder(request, Shelf(kind))


@settings_page(Ability.MANAGE, "POST")
def pipeline_stages_order(request: PageRequest, pk: UUID) -> HttpResponse:
    """Put the stages of a pipeline in another order."""
    return _reorder(request, Shelf(STAGES, get_object_or_404(Pipeline, pk=pk)))


@settings_page(Ability.MANAGE, "POST")
def word_change(request: PageRequest, kind: Kind, pk: UUID) -> HttpResponse:
    """Change what the form names; what concerns leads is asked once more."""
    word = get_object_or_404(kind.model, pk=pk)
    shelf = _home_of(kind, word)
    if "category" in request.POST and request.POST.get("sure") != "yes":
        question = ask_category(shelf, word, request.POST["category"])
        if question:
            return _page(request, shelf, question=question)
    try:
        vocabulary.change_word(word, _changes(kind, request.POST), actor_of(request))
    except (ValidationError, Conflict) as refusal:
        return _refused_change(request, shelf, pk, refusal)
    if request.POST.keys() & {"name", "probability"} or request.POST.get("sure"):
        return done(request, _("{word} is saved.").format(word=word), f"{shelf.url}#word-{pk}")
    return HttpResponseRedirect(f"{shelf.url}#word-{pk}")


@settings_page(Ability.MANAGE, *READ_AND_WRITE)
def word_delete(request: PageRequest, kind: Kind, pk: UUID) -> HttpResponse:
    """Ask where its leads or deals go, then delete the word."""
    word = get_object_or_404(kind.model, pk=pk)
    shelf = _home_of(kind, word)
    if request.method != "POST":
        return _page(request, shelf, question=ask_where_to(shelf, word))
    chosen = request.POST.get("to", "")
    try:
        to = _chosen(shelf, chosen)
        moved = _DELETERS[kind.slug](word, to, actor_of(request))
    except (ValidationError, Conflict) as refusal:
        question = ask_where_to(shelf, word, chosen=chosen, error=sentence_of(refusal))
        return _page(request, shelf, question=question, status=status_of(refusal))
    return done(request, _what_moved(kind, moved, to), shelf.url, lead=_("{word} is gone.").format(word=word))


# ── What the pages show ────────────────────────────────────────────────────────────────────────────────


def _page_or_new(request: PageRequest, shelf: Shelf) -> HttpResponse:
    if request.method != "POST":
        return _page(request, shelf)
    form = NewWordForm(shelf.kind, request.POST)
    if not form.is_valid():
        return _page(request, shelf, form=form, status=422)
    try:
        made = _add(request, shelf, form.changes())
    except (ValidationError, Conflict) as refusal:
        show_refusal(form, refusal)
        return _page(request, shelf, form=form, status=status_of(refusal))
    if isinstance(made, Pipeline):
        return done(
            request,
            _("Here are its stages."),
            Shelf(STAGES, made).url,
            lead=_("{made} is added.").format(made=made),
        )
    return done(request, _("{made} is added.").format(made=made), f"{shelf.url}#word-{made.pk}")


def _add(request: PageRequest, shelf: Shelf, changes: dict[str, Any]) -> vocabulary.Word:
    company, actor = request.principal.company, actor_of(request)
    if shelf.kind is PIPELINES:
        return vocabulary.add_pipeline(company, changes["name"], changes["template"], actor)
    word = Stage(pipeline=shelf.pipeline) if shelf.pipeline else shelf.kind.model()
    return vocabulary.add_word(company, word, changes, actor)


def _page(
    request: PageRequest,
    shelf: Shelf,
    *,
    form: NewWordForm | None = None,
    question: Question | None = None,
    failed: dict[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    kind = shelf.kind
    rows = rows_of(shelf, request.principal.company)
    total = shelf.words.count() if len(rows) == MOST_SHOWN else len(rows)
    context = {
        "shelf": shelf,
        "kind": kind,
        "rows": rows,
        "total": total,
        "total_words": _(kind.noun) if total == 1 else kind.plural,
        "used": sum(row.use.listed for row in rows),
        "columns": 4 + bool(kind.pick or kind is PIPELINES) + bool(kind.enters) + (kind is STAGES),
        "form": form or NewWordForm(kind),
        "question": question,
        "failed": failed,
        "colours": colour_options(),
    }
    is_part = request.htmx and request.htmx.target == "words"
    return for_htmx(render(request, f"{TEMPLATE}#words" if is_part else TEMPLATE, context, status=status))


def _refused_change(
    request: PageRequest, shelf: Shelf, pk: UUID, refusal: ValidationError | Conflict
) -> HttpResponse:
    if "name" not in request.POST:  # a menu or switch: nothing was typed that could be lost
        return refused(request, refusal, f"{shelf.url}#word-{pk}")
    typed = {field: request.POST.get(field, "") for field in ("name", "probability")}
    failed = {"pk": str(pk), "text": sentence_of(refusal), **typed}
    return _page(request, shelf, failed=failed, status=status_of(refusal))


def _shelf_of(request: PageRequest, kind: Kind) -> Shelf:
    search = " ".join(request.GET.get("search", "").replace("\x00", "").split())[:60]
    return Shelf(kind, search="" if kind.is_ordered else search)


def _home_of(kind: Kind, word: Any) -> Shelf:
    """The list a word is in."""
    return Shelf(kind, word.pipeline if isinstance(word, Stage) else None)


def _reorder(request: PageRequest, shelf: Shelf) -> HttpResponse:
    listed = list(shelf.words)
    order = [UUID(pk) for pk in request.POST.get("order", "").split(",") if _is_id(pk)]
    pk, way = request.POST.get("word", ""), request.POST.get("way", "")
    word = next((each for each in listed if str(each.pk) == pk), None)
    if word:
        order = vocabulary.moved_by(listed, word, {"up": -1, "down": 1}.get(way, 0))
    vocabulary.order_words(shelf.words, order, actor_of(request))
    if request.htmx:
        return _page(request, shelf)
    return HttpResponseRedirect(f"{shelf.url}#word-{pk}" if word else shelf.url)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _changes(kind: Kind, posted: QueryDict) -> dict[str, Any]:
    """What the form names of the fields that the kind has, as the action takes it."""
    found: dict[str, Any] = {field: posted[field] for field in kind.fields if field in posted}
    for field in ("probability", "priority"):
        if field in found:
            found[field] = _whole(field, found[field])
    if "counts_as_sales" in found:
        found["counts_as_sales"] = found["counts_as_sales"] == "yes"
    return found


def _whole(field: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 3):
        raise ValidationError({field: _("Give a whole number from 0 to 100.")})
    return int(text)


def _chosen(shelf: Shelf, pk: str) -> Any:
    """The word that takes the place; None for none. Raises ValidationError for one that is not there."""
    if not pk:
        return None
    found = shelf.words.filter(pk=pk).first() if _is_id(pk) else None
    if found is None:
        raise ValidationError({"to": _("This one is gone, too. Choose another.")})
    return found


def _what_moved(kind: Kind, moved: int, to: Any) -> str:
    if not moved:
        return ""
    those = count_of(moved, kind.holds)
    if to is None:
        words = ngettext(
            "{those} has no {noun} of that name any more.",
            "{those} have no {noun} of that name any more.",
            moved,
        )
        return words.format(those=those, noun=_(kind.noun))
    return (
        _("{those} moved to {to}.").format(those=those, to=to)
        if kind.slug not in ("type", "tag")
        else _("{those} got {to} instead.").format(those=those, to=to)
    )
