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
# What `capi.payload` says, which is pure as well.
_OF_PAYLOAD: Final = (
    gettext_noop("The conversion id is missing."),
    gettext_noop("This is not the URN of a LinkedIn conversion."),
    gettext_noop("A LinkedIn conversion id has digits only."),
    gettext_noop("A LinkedIn conversion id does not start with zero."),
    gettext_noop("A LinkedIn conversion id has at most 20 digits."),
    gettext_noop(
        "Copy it from Campaign Manager: 104012345, for example, or urn:lla:llaPartnerConversion:104012345."
    ),
    gettext_noop(
        "LinkedIn cannot tell who this is: there is no e-mail, no LinkedIn click id and no LinkedIn form "
        "response. Add an e-mail."
    ),
    gettext_noop("No value will be reported: it needs an amount above zero and a currency."),
    gettext_noop("No e-mail: add one, so that LinkedIn can find the person by it."),
    gettext_noop("No LinkedIn click id: the person did not come through a page with the click-id snippet."),
    gettext_noop("The LinkedIn form response is not one that LinkedIn knows, so it is left out."),
    gettext_noop("Name, title, company and country stay out: LinkedIn takes them only with both names."),
)
_EXAMPLE: Final = re.compile(r"(?<=\.) (?=Copy it from Campaign Manager: )")
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
    if len(halves := _EXAMPLE.split(sentence)) > 1:
        return " ".join(map(gettext, halves))
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
