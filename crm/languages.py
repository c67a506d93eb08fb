"""Which language somebody reads, and how a text is made in it.

Pages speak the reader's language, the API and what is stored speak English: a line of a timeline or of the audit
log must not stay for ever in the language of whoever caused it. See docs/decisions/0012-languages.md.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation

from crm.models import Company, User
from crm.texts import STORED

# Machines read what is below these; people who do are told in English.
ENGLISH_ONLY: Final = ("/api/", "/capture/", "/admin/", "/sandbox/")


def choices() -> list[tuple[str, str]]:
    """The languages that are shipped, each by its own name."""
    return [(code, str(name)) for code, name in settings.LANGUAGES]


def language_of(user: User | None, company: Company | None) -> str:
    """What somebody chose, else what their company speaks, else English."""
    for chosen in (user and user.language, company and company.language):
        if chosen and chosen in dict(settings.LANGUAGES):
            return chosen
    return STORED


def language_of_request(request: HttpRequest) -> str:
    """The reader's language; of whoever has not signed in, what their browser asks for."""
    if request.path.startswith(ENGLISH_ONLY):
        return STORED
    if varies_by_browser(request):
        return translation.get_language_from_request(request)
    principal = getattr(request, "principal", None)
    user = request.user if request.user.is_authenticated else None
    return language_of(user, principal.company if principal else None)


def varies_by_browser(request: HttpRequest) -> bool:
    """Whether nothing is known of the reader but what their browser asks for."""
    return not request.user.is_authenticated and not request.path.startswith(ENGLISH_ONLY)


def speaking_to(user: User | None, company: Company | None) -> AbstractContextManager[None]:
    """A block in which texts are made for somebody else: a mail, a notification."""
    return translation.override(language_of(user, company))
