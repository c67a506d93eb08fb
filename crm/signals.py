"""The facts the rest of the product may listen to. Sent only by `crm.actions`, inside the action's transaction.

A receiver that raises undoes the change: the fact and what follows from it are written together or not at all.
Receivers do database work only; anything slow waits for `transaction.on_commit`.

Most signals carry one keyword, `fact`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.dispatch import Signal

if TYPE_CHECKING:
    from crm.models import Activity, Deal, Lead, User


@dataclass(frozen=True)
class LeadFact:
    """Something became true of a lead.

    `at` is when it became true (aware, UTC); `occurrence` counts how often it has (1 for the first time);
    `reported` is False where the person importing asked that LinkedIn is not told.
    """

    lead: Lead
    at: datetime
    occurrence: int = 1
    reported: bool = True


@dataclass(frozen=True)
class DealFact:
    """Something became true of a deal. `occurrence` is the ordinal of the transition in its stage history."""

    deal: Deal
    at: datetime
    occurrence: int = 1
    reported: bool = True


@dataclass(frozen=True)
class MergeFact:
    """Two leads are one, or two again. Whoever holds rows about the loser moves them to the survivor, or back.

    `kept` is for the receiver: what it puts there under its own name is there again when the merge is undone.
    `gained_qualified_at` is when the survivor qualified, if it is by the merge that it did.
    """

    survivor: Lead
    loser: Lead
    at: datetime
    kept: dict[str, Any]
    gained_qualified_at: datetime | None = None


@dataclass(frozen=True)
class MentionFact:
    """A member was named in a note, a call, a meeting or an e-mail, for the first time in it; never by themselves."""

    activity: Activity
    user: User
    author: User | None


lead_created = Signal()  # LeadFact: a lead was added
lead_qualified = Signal()  # LeadFact: it entered a qualified status for the first time in its life
deal_created = Signal()  # DealFact: a deal got its first lead
deal_won = Signal()  # DealFact: it entered a won stage of a sales pipeline
deal_lost = Signal()  # DealFact: it entered a lost stage of a sales pipeline

deal_reopened = (
    Signal()
)  # DealFact: it left a won or lost stage; what still waits about that is no longer true
consent_changed = Signal()  # LeadFact: consent or country changed; look again at what waits for this person
company_changed = Signal()  # `company`: its settings changed; look again at what waits for its policy

lead_merged = Signal()  # MergeFact: the loser is archived, the survivor has what it had
merge_undone = Signal()  # MergeFact: they are two again, each with what it had

# Words of the company: who keeps one by its name or key keeps up. A receiver may refuse with Conflict.
tag_renamed = Signal()  # `tag`, `old`: the name it had
word_leaving = Signal()  # `word` is about to be deleted; `to` takes its place, None where nothing does

member_mentioned = Signal()  # MentionFact: they may want to be told

# LeadFact: it is taken back as if it had never been; what waits about it is cancelled
lead_removed = Signal()

# A person is erased. `lead` is still there, `erasure` knows it by id, and what else is kept of it must forget it now.
lead_erased = Signal()  # `lead`, `erasure`
# Asked before an erasure is completed: a receiver answers True while something about the person is on its way.
erasure_checked = Signal()  # `erasure`
# Retention: a receiver strips what is kept of conversions that were settled `before` then, and returns how many; with
# `dry_run` it only counts.
conversions_outlived = Signal()  # `company`, `before`, `dry_run`


# What receivers gathered since `together` was entered, by the function that will take it.
_gathered: ContextVar[dict[Callable[[list[Any]], object], list[Any]] | None] = ContextVar(
    "gathered", default=None
)


@contextmanager
def together() -> Iterator[None]:
    """Facts of many records in one transaction: what receivers `gather` meanwhile is done at the end, at once.

    Still inside the transaction. Nothing of it is done if the block raises: then the facts are undone as well.
    """
    if _gathered.get() is not None:
        yield
        return
    gathered: dict[Callable[[list[Any]], object], list[Any]] = {}
    token = _gathered.set(gathered)
    try:
        yield
    finally:
        _gathered.reset(token)
    for do, things in gathered.items():
        if things:
            do(things)


@contextmanager
def undone_alone() -> Iterator[None]:
    """A part of what happens `together` that may fail alone: what it gathered goes with its facts if it raises."""
    gathered = _gathered.get() or {}
    before = {do: len(things) for do, things in gathered.items()}
    try:
        yield
    except BaseException:
        for do, things in gathered.items():
            del things[before.get(do, 0) :]
        raise


def gather(do: Callable[[list[Any]], object], thing: Any) -> None:
    """Do it with this thing now; inside `together`, at its end with all of them in order."""
    gathered = _gathered.get()
    if gathered is None:
        do([thing])
    else:
        gathered.setdefault(do, []).append(thing)
