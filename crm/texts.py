"""Marks texts for translation where Django's own functions are not enough. A leaf: models may import it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Final, cast

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext, gettext_noop, ngettext
from django.utils.translation import gettext_lazy as _gettext_lazy
from django.utils.translation import pgettext_lazy as _pgettext_lazy

from crm.import_words import SENTENCES

STORED: Final = settings.LANGUAGE_CODE
# What the records are called where a template is told of them by a word of ours.
NOUNS: Final = (
    gettext_noop("lead"),
    gettext_noop("leads"),
    gettext_noop("deal"),
    gettext_noop("deals"),
    gettext_noop("organization"),
    gettext_noop("organizations"),
    gettext_noop("task"),
    gettext_noop("tasks"),
    gettext_noop("status"),
    gettext_noop("statuses"),
    gettext_noop("tag"),
    gettext_noop("pipeline"),
    gettext_noop("pipelines"),
    gettext_noop("stage"),
    gettext_noop("stages"),
    gettext_noop("types"),
    gettext_noop("field"),
)
# Sentences that are stored in English with a name in them, and told in the reader's language: `told_again`.
STORED_SENTENCES: Final = (
    gettext_noop("Given to {owner}"),
    gettext_noop("Given to nobody"),
    gettext_noop("Set to {status}"),
    gettext_noop("Tagged {tag}"),
    gettext_noop("Tag {tag} taken off"),
    gettext_noop("Moved to {stage}"),
    gettext_noop("Archived"),
    gettext_noop("Restored"),
    gettext_noop("{lead} went to {owner}. Rule: {rule}"),
    gettext_noop("{deal} entered {stage}: added the task “{task}”."),
    gettext_noop("Archived {lead} as spam."),
    gettext_noop("Nobody has touched {lead} for {days} days: reminded {owner}."),
    gettext_noop("The same person is in row {number}."),
    gettext_noop("This person asked to be forgotten. An import leaves them out."),
    gettext_noop("Another lead has this external id."),
    gettext_noop("The file is no longer there."),
    gettext_noop("API key {name}"),
    gettext_noop("Spam clean-up"),
    gettext_noop("Follow-up"),
    gettext_noop("Stage task"),
    gettext_noop("Imported"),
    # The longer one first: the other would take its end for a name.
    gettext_noop("It answered {status}. Redirects are not followed: enter the address it leads to."),
    gettext_noop("It answered {status}."),
    gettext_noop("It answered 410: it wants no more messages."),
    gettext_noop("Nothing got through for three days. The last try: {why}"),
    gettext_noop("The secret cannot be read. Make a new one."),
    gettext_noop("The record is gone."),
)
# Why an address of a user's is not taken, or gave no answer: the sentences of `crm.outside`.
OUTSIDE_SENTENCES: Final = (
    gettext_noop("Enter a plain address of up to 500 letters; write other alphabets in punycode."),
    gettext_noop("This is not an address."),
    gettext_noop("The address must have no user and no fragment."),
    gettext_noop("The address must begin with https://."),
    gettext_noop("Use one of the ports {ports}."),
    gettext_noop("Enter the full name of a public host, such as hooks.example.com."),
    gettext_noop("{host} is a name of an inner network."),
    gettext_noop("{host} stands for an address that is not on the public internet."),
    gettext_noop("{host} does not take connections."),
    gettext_noop("The name {host} is not known ({error})."),
    gettext_noop("The name {host} has no address."),
    gettext_noop("No name server answered for {host} in {n} seconds."),
    gettext_noop("No full answer within {n} seconds."),
    gettext_noop("The certificate is not valid: {error}."),
    gettext_noop("No secure connection could be made."),
    gettext_noop("The answer took too long."),
    gettext_noop("The connection ended without an answer that can be read."),
)
# The words of a timeline's lines, which are stored as they are in `Activity.field` and `old`.
TIMELINE_WORDS: Final = (
    gettext_noop("title"),
    gettext_noop("owner"),
    gettext_noop("close date"),
    gettext_noop("next step"),
    gettext_noop("external id"),
    gettext_noop("first name"),
    gettext_noop("last name"),
    gettext_noop("source"),
    gettext_noop("country"),
    gettext_noop("test lead"),
    gettext_noop("due date"),
    gettext_noop("priority"),
    gettext_noop("people"),
    gettext_noop("amount"),
    gettext_noop("type"),
    gettext_noop("tags"),
    gettext_noop("e-mail"),
    gettext_noop("phone"),
    gettext_noop("website"),
    gettext_noop("name"),
    gettext_noop("domain"),
    gettext_noop("consent"),
    gettext_noop("nobody"),
    gettext_noop("added"),
    gettext_noop("finished"),
    gettext_noop("reopened"),
    gettext_noop("deleted"),
)
STORED_PATTERNS: Final = (*STORED_SENTENCES, *OUTSIDE_SENTENCES, *SENTENCES)
# What allauth says; its own German would call people Du.
SAID_BY_ALLAUTH: Final = (
    gettext_noop("You have signed out."),
    gettext_noop("Please type your current password."),
    gettext_noop("You must type the same password each time."),
    gettext_noop("Too many failed login attempts. Try again later."),
    gettext_noop("A new set of recovery codes has been generated."),
    gettext_noop("Security key added."),
    gettext_noop("Security key removed."),
)
# What scripts say; the page gives it to them in the reader's language, see static/js/words.js.
SCRIPT_WORDS: Final = (
    gettext_noop("Copied"),
    gettext_noop("Not allowed here"),
    gettext_noop("No passkey was used. You cancelled, or this browser has none for this address."),
    gettext_noop("All selected"),
    gettext_noop("{n} selected"),
    gettext_noop("On {page}"),
    gettext_noop("{n} found"),
    gettext_noop("You may not do that. Nothing was changed."),
    gettext_noop("This is gone, or was never yours. Load the page again."),
    gettext_noop("Somebody changed this meanwhile. Load the page again."),
    gettext_noop("Too much at once. Wait a moment, then try again."),
    gettext_noop("The server had a fault. Nothing was changed; try again."),
    gettext_noop("The server cannot be reached. Nothing was changed; try again."),
)


def gettext_lazy(message: str) -> str:
    """Django's, typed as the text that it becomes: for what is said when a module is loaded, before anybody reads."""
    return cast("str", _gettext_lazy(message))


def pgettext_lazy(context: str, message: str) -> str:
    """The same, for a word that means several things: of an owner of a company, and of a lead."""
    return cast("str", _pgettext_lazy(context, message))


def is_english() -> bool:
    """Whether the reader's language is the one that the texts of the source are in."""
    return (translation.get_language() or STORED).startswith(STORED)


def inside_a_sentence(label: str) -> str:
    """A label as it stands within a sentence: `Lead created` as `lead created`. German keeps its capitals."""
    return label.lower() if is_english() else label


def as_stored() -> AbstractContextManager[None]:
    """A block in which texts are made that are kept: they are in English, whoever causes them."""
    return translation.override(STORED)


def told_again(sentence: str, patterns: Iterable[str] = STORED_PATTERNS) -> str:
    """A sentence that was stored, in the reader's language: if it is one of the source, or of these patterns.

    A pattern is one of the source with {names}, such as "Set to {status}". What fits none stays as it was stored.
    """
    if not sentence or is_english():
        return sentence
    known = gettext(sentence)
    if known != sentence:
        return known
    for pattern in patterns:
        if found := _shape(pattern).fullmatch(sentence):
            names = found.groupdict()
            if "why" in names:  # a sentence of ours within another one
                names["why"] = told_again(names["why"])
            return gettext(pattern).format(**names)
    return sentence


@lru_cache(maxsize=1024)
def _shape(pattern: str) -> re.Pattern[str]:
    """What a sentence of this pattern looks like, with what stands for each name."""
    escaped = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.*)", re.escape(pattern))
    return re.compile(escaped, re.DOTALL)


def counted(singular: str, plural: str, number: int) -> str:
    """`ngettext` with the number put in: `counted("{n} lead", "{n} leads", 3)`."""
    return ngettext(singular, plural, number).format(n=number)
