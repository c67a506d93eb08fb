"""The sentences people read about events, holds and answers, and what of LinkedIn's own text is kept."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass


def _(text: str) -> str:
    """Mark a text for the translators. It stays in English here; `capi.told` says it in the reader's language."""
    return text


# Each says what happened, what it means and what to do. {status} becomes " (403)", or nothing.
SENTENCES: dict[str, str] = {
    # skipped
    "no_identifier": (
        _(
            "There is no e-mail, no LinkedIn click id and no LinkedIn form response, so LinkedIn cannot tell "
            "who this is. Add an e-mail, then resend."
        )
    ),
    "consent_denied": (
        _(
            "The person does not want to be reported to LinkedIn, so this is not sent. If they change their "
            "mind, record the consent, then resend."
        )
    ),
    "test_lead": (
        _(
            "This is a test lead, and test leads are never reported. If it is a real one, clear the test mark, "
            "then resend."
        )
    ),
    "internal_lead": (
        _(
            "The e-mail belongs to one of the company's own domains, so this is not a customer and is not "
            "reported. If it is one, change the internal domains, then resend."
        )
    ),
    "spam_lead": (
        _(
            "The lead's status counts as spam, so it is not reported. If it is not spam, change the status, "
            "then resend."
        )
    ),
    "archived_lead": _("The lead is archived, so it is not reported. Restore it, then resend."),
    "sample_lead": _("This is sample data, which is never reported to LinkedIn."),
    "erased": _("The person was erased, so nothing about them is sent, unless they give consent afterwards."),
    "duplicate": _("LinkedIn already has this event, so it is not sent a second time."),
    "excluded_by_condition": (
        _("The rule's conditions leave this one out. If it should count, change them, then resend.")
    ),
    "not_built": (
        _(
            "This could not be put into the form that LinkedIn takes, which is a fault of LeadMachine. Tell "
            "whoever runs it; once it is mended, resend."
        )
    ),
    # held
    "consent_unknown": (
        _(
            "It is not known whether the person agrees to be reported to LinkedIn. Record their consent, and "
            "this is sent by itself."
        )
    ),
    "no_token": _("There is no LinkedIn token yet. Save one, and everything that waits is sent by itself."),
    "paused_by_person": _("A person paused this. Release it, and it is sent."),
    "rule_inactive": _("The rule is switched off. Switch it on, and this is sent by itself."),
    "token_revoked": (
        _(
            "LinkedIn refused the token (401). It was revoked or belongs to someone who left. Save a new token, "
            "and everything that waits is sent by itself."
        )
    ),
    "token_invalid": (
        _(
            "LinkedIn refused the token (401). It is not valid: perhaps only a part of it was copied. Save a "
            "new token, and everything that waits is sent by itself."
        )
    ),
    "token_expired": (
        _(
            "LinkedIn refused the token (401). It has expired. Save a new token, and everything that waits is "
            "sent by itself."
        )
    ),
    "token_missing": (
        _(
            "LinkedIn received no token (401). Save the token again, and everything that waits is sent by itself."
        )
    ),
    "token_refused": (
        _(
            "LinkedIn refused the token (401) and did not say why. Save a new token, and everything that waits "
            "is sent by itself."
        )
    ),
    "permission_missing": (
        _(
            "LinkedIn does not let this token report conversions (403). Its owner lacks a role in the ad "
            "account, or the token lacks the permission. Give the role, or save a token of someone who has it."
        )
    ),
    "not_found": (
        _(
            "LinkedIn found nothing at this address (404). Either the Conversions API is not enabled for this "
            "token, or the address in LINKEDIN_API_URL is wrong, or a rule's conversion id does not exist. "
            "Check the three."
        )
    ),
    "rule_unknown": (
        _(
            "LinkedIn found no ad account for this rule (403). Either the conversion id does not exist, or the "
            "token may not use its ad account. Correct the id in the rule, or save a token that has access."
        )
    ),
    "rule_wrong_method": (
        _(
            "The conversion in LinkedIn is one for the Insight Tag, not for the Conversions API (400). Create "
            "one with the method Conversions API in Campaign Manager and put its id into the rule."
        )
    ),
    "rule_disabled": (
        _(
            "The conversion in LinkedIn is deleted or disabled (400). Enable it in Campaign Manager and release "
            "the rule, or put another conversion id into the rule."
        )
    ),
    "rule_urn_malformed": (
        _(
            "LinkedIn does not take the rule's conversion id (422): it is malformed. Copy it from Campaign "
            "Manager into the rule."
        )
    ),
    "rule_refused": (
        _("LinkedIn refused the conversions of several rules. Each waits until its rule is corrected.")
    ),
    "version_retired": (
        _(
            "LinkedIn has retired the API version in use (426). Nothing is lost. Whoever runs LeadMachine must "
            "set a newer LINKEDIN_VERSION and restart it."
        )
    ),
    "version_missing": (
        _(
            "LinkedIn did not find an API version that it accepts in the request (400). Nothing is lost. "
            "Whoever runs LeadMachine must set LINKEDIN_VERSION and restart it."
        )
    ),
    # cancelled
    "rule_changed": (
        _(
            "The rule got another conversion id before this was accepted. A new event with that id takes its "
            "place."
        )
    ),
    "rule_deleted": _("The rule was deleted before this was sent."),
    "undone": _("What happened was undone before this was sent."),
    "merged": _("The lead was merged into another one, which is reported instead."),
    "cancelled_by_person": _("A person cancelled this before it was sent."),
    # lost
    "too_old": (
        _(
            "This happened too long ago: LinkedIn takes nothing older than 90 days. It cannot be reported any "
            "more."
        )
    ),
    "exhausted": (
        _("LinkedIn failed on this event at every try, so it is no longer tried. Resend it to try again.")
    ),
    "refused": _(
        "LinkedIn refused this event{status} and stored nothing of it. Correct the lead, then resend."
    ),
    "identifier_refused": (
        _(
            "LinkedIn found nothing in this event to tell who the person is{status}. Correct the e-mail, then "
            "resend."
        )
    ),
    "too_large": (
        _("LinkedIn finds this event too large (413). Shorten title and company of the lead, then resend.")
    ),
    # on its way
    "settling": _("A short wait, so that a mistake can still be undone. Choose Send now to skip it."),
    "accepted": _("LinkedIn accepted this event."),
    "others_refused": (
        _(
            "LinkedIn refused another event of the same request and stored none of them. This one is sent again "
            "at once."
        )
    ),
    "isolating": (
        _(
            "LinkedIn refused the request{status} without naming the event. Nothing was stored; it is sent "
            "again in smaller parts until the bad one is found."
        )
    ),
    "separating_rules": (
        _(
            "LinkedIn refused the request{status} without naming the rule. Nothing was stored; each rule is "
            "sent again by itself."
        )
    ),
    "throttled": _("LinkedIn asks to send less (429). Nothing is lost: this is sent again after a wait."),
    "throttled_day": (
        _(
            "LinkedIn's limit for the day is reached (429). Nothing is lost: this is sent again after midnight "
            "UTC."
        )
    ),
    "linkedin_fault": (
        _("LinkedIn has a fault of its own{status}. Nothing is lost: this is sent again after a wait.")
    ),
    "event_fault": _("LinkedIn had a fault with this event{status}. It is tried again after a wait."),
    "clock_ahead": (
        _(
            "LinkedIn takes the time of this event for a future one. It is tried again after a wait. Whoever "
            "runs LeadMachine should check the server's clock."
        )
    ),
    "redirected": (
        _(
            "LinkedIn sent us to another address{status}, which is not followed. Nothing is lost. Whoever runs "
            "LeadMachine should check LINKEDIN_API_URL and any proxy."
        )
    ),
    "request_refused": (
        _(
            "LinkedIn, or a proxy on the way, does not take our request as it is{status}. Nothing is lost. "
            "Whoever runs LeadMachine should check LINKEDIN_API_URL and any proxy."
        )
    ),
    "unclear_answer": (
        _(
            "LinkedIn said yes{status} but not to what, so this may have been counted. It is sent again with "
            "the same id and shown as a possible duplicate."
        )
    ),
    "not_sent": _("LinkedIn could not be reached. Nothing is lost: this is sent again after a wait."),
    "no_answer": (
        _(
            "LinkedIn did not answer after the request had left, so this may have been counted. It is sent "
            "again with the same id and shown as a possible duplicate."
        )
    ),
}

_LEAD = _("Correct the lead, then resend.")
_RULE = _("Copy the conversion id from Campaign Manager into the rule.")
_OURS = _("LeadMachine should not have sent this: tell whoever runs it.")

# Path in the element, list positions left out → stable code, words, who can mend it.
_FIELDS: dict[str, tuple[str, str, str]] = {
    "conversion": ("conversion", _("Conversion id"), _RULE),
    "conversionHappenedAt": ("time", _("Time"), _OURS),
    "conversionValue": ("value", _("Value"), _OURS),
    "conversionValue/amount": ("amount", _("Amount"), _OURS),
    "conversionValue/currencyCode": ("currency", _("Currency"), _OURS),
    "eventId": ("event_id", _("Event id"), _OURS),
    "user": ("person", _("Person"), _OURS),
    "user/userIds": ("identifiers", _("List of identifiers"), _OURS),
    "user/userIds/idType": ("identifier_type", _("Kind of identifier"), _OURS),
    "user/userIds/idValue": ("identifier", _("Identifier"), _LEAD),
    "user/userInfo": ("details", _("Name and company"), _LEAD),
    "user/userInfo/firstName": ("first_name", _("First name"), _LEAD),
    "user/userInfo/hashedFirstName": ("first_name", _("First name"), _LEAD),
    "user/userInfo/lastName": ("last_name", _("Last name"), _LEAD),
    "user/userInfo/hashedLastName": ("last_name", _("Last name"), _LEAD),
    "user/userInfo/title": ("title", _("Job title"), _LEAD),
    "user/userInfo/companyName": ("organization", _("Company name"), _LEAD),
    "user/userInfo/countryCode": ("country", _("Country"), _LEAD),
    "user/externalIds": ("external_id", _("External id"), _OURS),
    "user/lead": ("lead_gen_response", _("LinkedIn form response"), _LEAD),
}
_OTHER_FIELD = ("field", _("A field of the event"), _OURS)

# LinkedIn's text about a field → stable code, words. The first that is found counts.
_PROBLEMS: tuple[tuple[str, str, str], ...] = (
    ("required but not found", "missing", _("is missing")),
    ("unrecognized field", "unknown", _("is not known to LinkedIn")),
    ("not an enum symbol", "unknown_value", _("has a value that LinkedIn does not know")),
    ("cannot be coerced", "wrong_type", _("has the wrong type")),
    ("invalid urn", "malformed", _("is malformed")),
    ("", "refused", _("was refused")),
)

FIELD_REFUSED = _("{words}. LinkedIn refused this event{status} and stored nothing of it. {remedy}")

SENTENCES |= {
    f"{field}_{problem}": FIELD_REFUSED.format(words=f"{words} {verb}", status="{status}", remedy=remedy)
    for field, words, remedy in (*_FIELDS.values(), _OTHER_FIELD)
    for _mark, problem, verb in _PROBLEMS
}


@dataclass(frozen=True)
class FieldProblem:
    """One thing LinkedIn dislikes about one field: a stable code and two halves of a sentence."""

    code: str
    words: str
    remedy: str


def sentence(code: str, *, status: int | None = None, said: str = "", cause: str = "") -> str:
    """Return the sentence for a stable code; KeyError if there is none.

    `said` is LinkedIn's own text and `cause` that of a network error; both are redacted here.
    """
    parts = [SENTENCES[code].format(status=f" ({status})" if status else "")]
    if words := redact(said, limit=160):
        parts.append(f"LinkedIn's words: {words}")
    if words := redact(cause, limit=160):
        parts.append(f"Cause: {words}")
    return " ".join(parts)


def field_problem(path: str, text: str) -> FieldProblem:
    """Translate a line of LinkedIn's, such as ("/user/userInfo/lastName", "field is required but not …")."""
    steps = [step for step in path.split("/") if step and not step.isdigit() and step != "elements"]
    field, words, remedy = _FIELDS.get("/".join(steps), _OTHER_FIELD)
    lower = text.lower()
    problem, verb = next((code, verb) for mark, code, verb in _PROBLEMS if mark in lower)
    return FieldProblem(f"{field}_{problem}", f"{words} {verb}", remedy)


def field_sentence(problems: list[FieldProblem], status: int) -> str:
    """Return "Last name is missing. LinkedIn refused …" for all that is wrong with one event."""
    words = list(dict.fromkeys(problem.words for problem in problems))
    listed = "; ".join([words[0], *(_decapitalised(more) for more in words[1:4])])
    remedy = _OURS if any(problem.remedy == _OURS for problem in problems) else problems[0].remedy
    return FIELD_REFUSED.format(words=listed, status=f" ({status})", remedy=remedy)


def field_words() -> list[tuple[str, str]]:
    """Every field with everything that can be wrong with it, as the two halves of a sentence."""
    return [
        (words, verb)
        for _field, words, _remedy in (*_FIELDS.values(), _OTHER_FIELD)
        for _mark, _problem, verb in _PROBLEMS
    ]


def waiting(events: int, days_left: int) -> str:
    """Return what a hold means for those who wait: how many, and how long the oldest still can."""
    if events == 1:
        return f"1 event waits and is sent by itself once that is done; it can wait {_days(days_left)}."
    until = f"the oldest can wait {_days(days_left)}"
    return f"{events} events wait and are sent by themselves once that is done; {until}."


def redact(text: str, limit: int = 300) -> str:
    """Return a foreign text without what might be personal or secret, on one line, cut to `limit`.

    LinkedIn echoes the values it was sent, names and tokens among them. Too much is removed rather than too
    little: everything in quotation marks, e-mail addresses, long opaque strings, digests, URLs, network
    addresses, identifiers in URNs, and HTML altogether.
    """
    visible = "".join(_visible(c) for c in text[:_READ])
    if len(text) > _READ:
        visible = re.sub(r"\S*$", "", visible)  # half a token would not be recognised as one
    if _MARKUP.search(visible):
        return ""
    for pattern, replacement in _SECRETS:
        visible = pattern.sub(replacement, visible)
    words = " ".join(_masked(word) for word in _without_quoted(visible).split())
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"


_GONE = "[…]"
# Enough for a sentence, little enough that no pattern below can be made to take long.
_READ = 4000
_MARKUP = re.compile(r"<\s*[!/a-zA-Z]")
_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+\S+"), rf"\1 {_GONE}"),
    (re.compile(r"(?i)(::\s*)[^:]*(?=\bcannot be coerced)"), rf"\1{_GONE} "),
    (re.compile(r"(?i)^[^:]*(?=\bcannot be coerced)"), f"{_GONE} "),
    (re.compile(r"(?i)\b(urn:li:[a-z]+:)\S+"), rf"\1{_GONE}"),
    (re.compile(r"(?i)\bhttps?://\S+"), _GONE),
    (re.compile(r"(?<!\w)'.*?'(?!\w)"), _GONE),
    (re.compile(r"[\u2018\u201a].*?\u2019(?!\w)|[\u201c\u201e\u00ab].*?[\u201d\u201c\u00bb]|`.*?`"), _GONE),
)
_OPAQUE = re.compile(r"[A-Za-z0-9_\-+/=.~%]{20,}|[0-9A-Fa-f]{16,}|[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
# The long words of LinkedIn's own vocabulary, which are not secrets.
_VOCABULARY = frozenset(
    re.findall(
        r"\w+",
        "conversion conversionHappenedAt conversionValue amount currencyCode eventId llaPartnerConversion "
        "user userIds idType idValue userInfo firstName lastName hashedFirstName hashedLastName title "
        "companyName countryCode externalIds lead leadGenFormResponse elements batchIndex field type message "
        "INVALID_CONVERSION_TIME_FIELD_VALUE INVALID_USER_IDENTIFICATION_FIELD_VALUE INVALID_ACCESS_TOKEN "
        "REVOKED_ACCESS_TOKEN EMPTY_ACCESS_TOKEN EXPIRED_ACCESS_TOKEN USER_NOT_AUTHORIZED "
        "NONEXISTENT_VERSION INVALID_CONVERSION_RULE",
    )
)


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Cc", "Zl", "Zp"}:
        return " "
    return "" if category in {"Cf", "Cs", "Co", "Cn"} else character


def _without_quoted(text: str) -> str:
    """Remove from the first double quote to the last: a quoted value may hold quotes of its own."""
    first = text.find('"')
    if first < 0:
        return text
    end = len(text) if text.count('"') % 2 else text.rfind('"') + 1
    return f"{text[:first]} {_GONE} {text[end:]}"


def _masked(word: str) -> str:
    if "@" in word or "\uff20" in word or "%40" in word:
        return _GONE
    return _OPAQUE.sub(lambda match: match[0] if _is_vocabulary(match[0]) else _GONE, word)


def _is_vocabulary(run: str) -> bool:
    pieces = {piece for piece in re.split(r"[/.=]", run) if not re.fullmatch("[0-9]{0,3}", piece)}
    return bool(pieces) and pieces <= _VOCABULARY


def _decapitalised(words: str) -> str:
    return words if words.startswith("LinkedIn") else words[0].lower() + words[1:]


def _days(count: int) -> str:
    return {0: "less than a day", 1: "1 more day"}.get(count, f"{count} more days")
