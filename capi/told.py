"""The sentences of `capi.wording` in the reader's language. They are stored, and told to machines, in English."""

from __future__ import annotations

import re
from typing import Final

from django.utils.translation import gettext, gettext_noop

from capi import wording
from crm.texts import is_english, told_again

# What `wording.sentence` puts behind a sentence, and `wording.waiting` in front of its figures.
_WORDS: Final = gettext_noop("LinkedIn's words: {words}")
_CAUSE: Final = gettext_noop("Cause: {cause}")
_ADDED: Final = re.compile(r"^(.*?)(?: LinkedIn's words: (.*?))?(?: Cause: (.*))?$", re.DOTALL)
_REFUSED: Final = re.compile(
    r"^(?P<words>.*)\. LinkedIn refused this event(?P<status>| \(\d+\)) and stored nothing of it\. (?P<remedy>.*)$"
)
_WAITING: Final = re.compile(r"^(1 event|(?P<events>\d+) events) waits? and .* can wait (?P<days>.*)\.$")
_ONE_WAITS: Final = gettext_noop("1 event waits and is sent by itself once that is done; it can wait {days}.")
_SOME_WAIT: Final = gettext_noop(
    "{events} events wait and are sent by themselves once that is done; the oldest can wait {days}."
)
_DAYS: Final = (gettext_noop("less than a day"), gettext_noop("1 more day"), gettext_noop("{n} more days"))


def told(message: str) -> str:
    """A stored sentence, with what LinkedIn said or what broke behind it, in the reader's language."""
    if not message or is_english():
        return message
    found = _ADDED.match(message)
    assert found is not None  # every text has a beginning, if not what comes behind
    sentence, words, cause = found.groups()
    parts = [_sentence(sentence)]
    if words:
        parts.append(gettext(_WORDS).format(words=words))
    if cause:
        parts.append(gettext(_CAUSE).format(cause=cause))
    return " ".join(parts)


def _sentence(sentence: str) -> str:
    if refused := _REFUSED.match(sentence):
        words = "; ".join(_problem(each) for each in refused["words"].split("; "))
        remedy = gettext(refused["remedy"])
        return gettext(wording.FIELD_REFUSED).format(words=words, status=refused["status"], remedy=remedy)
    if waits := _WAITING.match(sentence):
        pattern = _SOME_WAIT if waits["events"] else _ONE_WAITS
        return gettext(pattern).format(events=waits["events"], days=told_again(waits["days"], _DAYS))
    return told_again(sentence, wording.SENTENCES.values())


def _problem(words: str) -> str:
    """`last name is missing`, whose two halves are texts of their own."""
    for field, verb in wording.field_words():
        if words.lower() == f"{field} {verb}".lower():
            return gettext("{field} {verb}").format(field=gettext(field), verb=gettext(verb))
    return words
