"""Who is meant by an @ in a note: `@Jonas Lindqvist`, `@Jonas` if there is but one, or `@jonas@acme.test`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from django.template.defaultfilters import linebreaks_filter
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from crm.models import Membership, User


def members_in(text: str) -> list[User]:
    """The members of the company whom a text names, each once; no query where there is no @."""
    if "@" not in text:
        return []
    by_name = _by_name(_members())
    found = {by_name[match[1].lower()].pk: by_name[match[1].lower()] for match in _matches(text, by_name)}
    return list(found.values())


def marked(text: str, users: Iterable[User]) -> SafeString:
    """The text as HTML, each of these people set apart where they are named."""
    by_name = _by_name(list(users))
    if not by_name:
        return linebreaks_filter(text)
    parts, end = [], 0
    for match in _matches(text, by_name):
        parts += [text[end : match.start()], _mark(match[0])]
        end = match.end()
    parts.append(text[end:])
    return linebreaks_filter(format_html_join("", "{}", ((part,) for part in parts)))


def _mark(words: str) -> SafeString:
    return format_html('<b class="mention">{}</b>', words)


def _members() -> list[User]:
    active = Membership.objects.active().values("user_id")
    return list(User.objects.filter(pk__in=active, is_active=True))


def _by_name(users: Sequence[User]) -> dict[str, User]:
    """Every way to name them, in lower case; a first name alone only if it is one person's."""
    firsts = [user.first_name.lower() for user in users]
    names: dict[str, User] = {}
    for user in users:
        names[user.email.lower()] = user
        if full := f"{user.first_name} {user.last_name}".strip().lower():
            names[full] = user
        if user.first_name and firsts.count(user.first_name.lower()) == 1:
            names[user.first_name.lower()] = user
    return names


def _matches(text: str, by_name: dict[str, User]) -> Iterable[re.Match[str]]:
    longest_first = sorted(by_name, key=len, reverse=True)
    either = "|".join(map(re.escape, longest_first))
    # Not within a word: the domain of an address is nobody's name.
    return re.finditer(rf"(?<!\w)@({either})(?!\w)", text, re.IGNORECASE) if either else ()
