"""Keeps the conditions of rules true when words change: they name tags by name, types and pipelines by key."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext as _

from capi.models import Rule
from crm.errors import Conflict
from crm.models import LeadType, Pipeline, Tag

# What a condition calls the words it names; tags are compared without regard to capitals.
_CONDITIONS: dict[type[models.Model], str] = {LeadType: "types", Pipeline: "pipelines", Tag: "tags"}


def rename_tag(tag: Tag, old: str) -> None:
    """Rules that ask for the tag ask for it by its new name."""
    for rule in _rules_with("tags", old):
        _replace(rule, "tags", old, tag.name)


def let_go(word: models.Model, to: models.Model | None) -> None:
    """Rules that ask for the word ask for the one that takes its place.

    Without one, a rule would listen to nobody, or to everybody: raises Conflict, so that a person decides.
    """
    condition = _CONDITIONS.get(type(word))
    if condition is None:
        return
    for rule in _rules_with(condition, _named(word)):
        if to is None:
            raise Conflict(
                _(
                    "The LinkedIn rule {name} asks for {word}. Change its conditions first, or choose what "
                    "takes its place."
                ).format(name=rule.name, word=word),
                code="in_use",
            )
        _replace(rule, condition, _named(word), _named(to))


def _rules_with(condition: str, named: str) -> list[Rule]:
    rules = Rule.objects.select_for_update().current().order_by("pk")
    return [rule for rule in rules if named.lower() in _words(rule, condition)]


def _words(rule: Rule, condition: str) -> list[str]:
    wanted = rule.conditions.get(condition)
    return [str(word).lower() for word in wanted] if isinstance(wanted, list) else []


def _replace(rule: Rule, condition: str, old: str, new: str) -> None:
    kept = [new if str(word).lower() == old.lower() else word for word in rule.conditions[condition]]
    rule.conditions = {**rule.conditions, condition: list(dict.fromkeys(kept))}
    rule.save(update_fields=["conditions"])


def _named(word: Any) -> str:
    return str(word.name if isinstance(word, Tag) else word.key)
