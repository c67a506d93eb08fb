"""What LinkedIn's answers mean: each answer, or none, becomes a verdict for every event of the batch."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from capi.faults import Fault, located, unlocated
from capi.wording import SENTENCES, field_sentence, redact, sentence, waiting

__all__ = [
    "EVENT_RETRIES",
    "SENTENCES",
    "Answer",
    "Hold",
    "NoAnswer",
    "NotSent",
    "Outcome",
    "Pause",
    "Verdict",
    "classify",
    "failure_wait",
    "of_no_answer",
    "of_not_sent",
    "redact",
    "retry_delay",
    "sentence",
    "throttle_wait",
    "waiting",
]


@dataclass(frozen=True)
class Answer:
    """LinkedIn answered, well or badly. Header names are in lower case."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    duration_ms: int = 0


class NotSent(Exception):
    """The request never left whole (DNS, TLS, connect): LinkedIn stored nothing, so resending is safe."""

    def __init__(self, message: str, duration_ms: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.duration_ms = duration_ms


class NoAnswer(Exception):
    """The request left and no answer came back: LinkedIn may have stored it, so resending may count twice."""

    def __init__(self, message: str, duration_ms: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.duration_ms = duration_ms


@dataclass(frozen=True)
class Verdict:
    """What becomes of one event.

    accepted   LinkedIn stored it
    rejected   LinkedIn refused this event; a loss until somebody resends it
    expired    LinkedIn finds it too old; a loss for good
    resend     nothing was stored because of another event of the batch: due at once
    retry      wait and try again; `charged` if the failure was the event's own and uses up one of its tries
    unknown    LinkedIn may have stored it: wait, probe with one, show as possible duplicate
    isolate    refused with the batch, and which one is bad is not known: due at once, in smaller parts
    held       waits until a person has mended what the outcome's hold names
    """

    kind: Literal["accepted", "rejected", "expired", "resend", "retry", "unknown", "isolate", "held"]
    reason: str = ""
    message: str = ""
    charged: bool = False


@dataclass(frozen=True)
class Hold:
    """What must be mended before anything in its scope is sent again; rule scope names its conversions."""

    scope: Literal["connection", "rule", "app"]
    reason: str
    message: str
    conversion_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Pause:
    """The connection must wait: "failure" feeds its breaker, "throttled" has a clock of its own.

    `seconds` or `until` if LinkedIn said how long; else `failure_wait` or `throttle_wait` decides.
    """

    kind: Literal["failure", "throttled"]
    seconds: float | None = None
    until: datetime | None = None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class Outcome:
    """The meaning of one request: a verdict per element in the order sent, and what it means beyond them.

    `split` says how to send the isolated ones again: in halves, or each rule by itself.
    `message` is about the request as a whole; `reached` is false if no answer came at all.
    """

    verdicts: tuple[Verdict, ...]
    hold: Hold | None = None
    pause: Pause | None = None
    split: Literal["", "halves", "rules"] = ""
    message: str = ""
    request_id: str = ""
    reached: bool = True


def classify(
    answer: Answer, conversions: Sequence[str], now: datetime, happened_at: Sequence[datetime] = ()
) -> Outcome:
    """Say what an answer means for the batch whose element i belongs to rule `conversions[i]`.

    With `happened_at`, an event refused for its time although it is recent is tried again instead of being
    expired: then our clock is ahead of LinkedIn's.
    """
    reply = _Reply.read(answer)
    outcome = _meaning(reply, _Batch(tuple(conversions), tuple(happened_at), now))
    return replace(outcome, request_id=_request_id(answer.headers))


def of_not_sent(error: NotSent, n: int) -> Outcome:
    """Say what it means for a batch of n events that the request did not leave."""
    message = sentence("not_sent", cause=error.message)
    return replace(_paused(n, Verdict("retry", "not_sent", message)), reached=False)


def of_no_answer(error: NoAnswer, n: int) -> Outcome:
    """Say what it means for a batch of n events that the request left and nothing came back."""
    message = sentence("no_answer", cause=error.message)
    return replace(_paused(n, Verdict("unknown", "no_answer", message)), reached=False)


# What follows an event's own failures, in seconds; after the first try and these it is given up.
EVENT_RETRIES = (10, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 43200)
# The connection's waits after failures in a row; the next failure opens its breaker.
_FAILURE_WAITS = (2, 4, 8, 16)
_BREAKER_FIRST, _BREAKER_LONGEST = 30, 900
_THROTTLE_FIRST, _THROTTLE_LONGEST = 60, 3600


def retry_delay(failures: int, random: Callable[[], float]) -> float | None:
    """Return the seconds to wait after so many failures of one event (1 is the first), None if exhausted.

    `random` gives numbers from 0 to 1, as random.random does; so in the functions below.
    """
    if failures > len(EVENT_RETRIES):
        return None
    return EVENT_RETRIES[max(failures, 1) - 1] * (0.8 + 0.4 * random())


def failure_wait(consecutive: int, random: Callable[[], float]) -> tuple[float, bool]:
    """Return the seconds a connection waits after so many failures in a row, and if its breaker is open."""
    breaker_open = consecutive > len(_FAILURE_WAITS)
    if breaker_open:
        base = _doubled(_BREAKER_FIRST, consecutive - len(_FAILURE_WAITS), _BREAKER_LONGEST)
    else:
        base = _FAILURE_WAITS[max(consecutive, 1) - 1]
    return base * _longer(random), breaker_open


def throttle_wait(consecutive: int, random: Callable[[], float]) -> float:
    """Return the seconds a connection waits after so many 429 in a row that did not say how long."""
    return _doubled(_THROTTLE_FIRST, consecutive, _THROTTLE_LONGEST) * _longer(random)


def _doubled(first: int, times: int, longest: int) -> int:
    return min(first << min(max(times, 1) - 1, 16), longest)


def _longer(random: Callable[[], float]) -> float:
    return 1 + 0.2 * random()


_SURELY_NOT_TOO_OLD = timedelta(days=89)


@dataclass(frozen=True)
class _Batch:
    conversions: tuple[str, ...]
    happened_at: tuple[datetime, ...]
    now: datetime

    def __len__(self) -> int:
        return len(self.conversions)

    def is_recent(self, index: int) -> bool:
        """Whether an event is too young for LinkedIn to find it too old."""
        return index < len(self.happened_at) and self.now - self.happened_at[index] < _SURELY_NOT_TOO_OLD


@dataclass(frozen=True)
class _Reply:
    """An answer after reading. `text` is LinkedIn's message, or the body if it is plain text."""

    status: int
    text: str
    codes: frozenset[str]
    elements: list[Any] | None
    empty: bool
    retry_after: str

    @classmethod
    def read(cls, answer: Answer) -> _Reply:
        found = _parsed(answer.body)
        body = found if isinstance(found, dict) else {}
        message, elements = body.get("message"), body.get("elements")
        codes = body.get("code"), body.get("serviceErrorCode")
        return cls(
            status=answer.status,
            text=message if isinstance(message, str) else ("" if body else answer.body),
            codes=frozenset(str(code) for code in codes if isinstance(code, str | int)),
            elements=elements if isinstance(elements, list) else None,
            empty=answer.body.strip() in {"", "null"},
            retry_after=answer.headers.get("retry-after", ""),
        )


def _parsed(body: str) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # a body made to exhaust the parser is no answer either
        return None


def _meaning(reply: _Reply, batch: _Batch) -> Outcome:
    """The table: the first row that fits."""
    status = reply.status
    if 200 <= status < 300:
        return _stored(reply, batch)
    if about_version := _version_reason(reply):
        return _held(batch, "app", about_version)
    if status == 401:
        return _held(batch, "connection", _token_reason(reply))
    if status == 403 and "no ad accounts found" in reply.text.lower():
        return _by_rule(batch, "rule_unknown", status)
    if status == 403:
        return _held(batch, "connection", "permission_missing")
    if status == 404:
        return _held(batch, "connection", "not_found")
    if status == 413:
        return _in_halves(batch, Verdict("rejected", "too_large", sentence("too_large")), status)
    if status == 429:
        return _throttled(reply, batch)
    if fault := _fault_reason(status):
        return _paused(len(batch), Verdict("retry", fault, sentence(fault, status=status)))
    return _refused(reply, batch)


def _version_reason(reply: _Reply) -> str:
    if reply.status == 426 or "NONEXISTENT_VERSION" in reply.codes:
        return "version_retired"
    if "VERSION_MISSING" in reply.codes or (reply.status == 400 and "version must be present" in reply.text):
        return "version_missing"
    return ""


_TOKEN_REASONS = {
    "65601": "token_revoked",
    "REVOKED_ACCESS_TOKEN": "token_revoked",
    "65600": "token_invalid",
    "INVALID_ACCESS_TOKEN": "token_invalid",
    "65602": "token_expired",
    "EXPIRED_ACCESS_TOKEN": "token_expired",
    "EMPTY_ACCESS_TOKEN": "token_missing",
}


def _token_reason(reply: _Reply) -> str:
    if "has been revoked" in reply.text:
        return "token_revoked"
    return next((reason for code, reason in _TOKEN_REASONS.items() if code in reply.codes), "token_refused")


# About the request or the way it took, never about one event: blaming events would lose them all.
_REQUEST_REFUSED = frozenset({405, 406, 407, 410, 411, 415})


def _fault_reason(status: int) -> str:
    if 300 <= status < 400:
        return "redirected"
    if status in _REQUEST_REFUSED:
        return "request_refused"
    return "" if 400 <= status < 500 and status != 408 else "linkedin_fault"


def _stored(reply: _Reply, batch: _Batch) -> Outcome:
    accepted = Verdict("accepted", message=sentence("accepted"))
    if reply.elements is None and reply.status == 201 and reply.empty:
        # A single create was measured to be answered so; some report the same for batches.
        return _summed_up([accepted] * len(batch), batch)
    unclear = Verdict("unknown", "unclear_answer", sentence("unclear_answer", status=reply.status))
    verdicts = [_of_element(element, accepted, unclear) for element in (reply.elements or [])[: len(batch)]]
    verdicts += [unclear] * (len(batch) - len(verdicts))
    return replace(_summed_up(verdicts, batch), pause=_pause_for(verdicts))


def _of_element(element: object, accepted: Verdict, unclear: Verdict) -> Verdict:
    """LinkedIn documents all or nothing, but its framework allows a status for each, so each is read."""
    found = element if isinstance(element, dict) else {}
    status, error = found.get("status"), found.get("error")
    if not isinstance(status, int) or not (200 <= status < 300 or 400 <= status < 600):
        return unclear
    if status < 300:
        return accepted
    if status == 429:
        return Verdict("retry", "throttled", sentence("throttled"))
    if status == 408 or status >= 500:
        return Verdict("retry", "event_fault", sentence("event_fault", status=status), charged=True)
    message = error.get("message") if isinstance(error, dict) else None
    return _judged(unlocated(message if isinstance(message, str) else ""), status)


def _pause_for(verdicts: Sequence[Verdict]) -> Pause | None:
    by_reason = {verdict.reason: verdict.message for verdict in verdicts}
    if "throttled" in by_reason:
        return Pause("throttled", reason="throttled", message=by_reason["throttled"])
    if "unclear_answer" in by_reason:
        return Pause("failure", reason="unclear_answer", message=by_reason["unclear_answer"])
    return None


def _held(batch: _Batch, scope: Literal["connection", "app"], reason: str) -> Outcome:
    message = sentence(reason)
    verdicts = (Verdict("held", reason, message),) * len(batch)
    return Outcome(verdicts, hold=Hold(scope, reason, message), message=message)


def _throttled(reply: _Reply, batch: _Batch) -> Outcome:
    seconds = _retry_after(reply.retry_after, batch.now)
    daily = seconds is None and re.search(r"(?i)\bday limit|\bdaily\b", reply.text)
    reason = "throttled_day" if daily else "throttled"
    verdict = Verdict("retry", reason, sentence(reason))
    until = _after_midnight(batch.now) if daily else None
    pause = Pause("throttled", seconds, until, reason, verdict.message)
    return Outcome((verdict,) * len(batch), pause=pause, message=verdict.message)


def _paused(n: int, verdict: Verdict) -> Outcome:
    pause = Pause("failure", reason=verdict.reason, message=verdict.message)
    return Outcome((verdict,) * n, pause=pause, message=verdict.message)


def _refused(reply: _Reply, batch: _Batch) -> Outcome:
    """LinkedIn stores all of a batch or nothing, so after a refusal the others can safely be sent again."""
    named = located(reply.text, len(batch))
    if named:
        return _without_the_bad(named, reply.status, batch)
    everything = unlocated(reply.text)
    rule = next((fault.reason for fault in everything if fault.kind == "rule"), "")
    if rule and named is not None and len(batch) > 1:
        return _by_rule(batch, rule, reply.status)
    return _in_halves(batch, _judged(everything, reply.status, batch.is_recent(0)), reply.status)


def _without_the_bad(named: Mapping[int, Sequence[Fault]], status: int, batch: _Batch) -> Outcome:
    resend = Verdict("resend", "others_refused", sentence("others_refused"))
    judged = {index: _judged(faults, status, batch.is_recent(index)) for index, faults in named.items()}
    bad_rules = {batch.conversions[i]: verdict for i, verdict in judged.items() if verdict.kind == "held"}
    verdicts = [
        judged.get(index) or bad_rules.get(conversion, resend)
        for index, conversion in enumerate(batch.conversions)
    ]
    return _summed_up(verdicts, batch)


def _judged(faults: Sequence[Fault], status: int, recent: bool = False) -> Verdict:
    """Return the verdict on one element: what is wrong with the event itself counts before rule and time."""
    own = [fault for fault in faults if fault.kind == "own"]
    if problems := [fault.problem for fault in own if fault.problem]:
        return Verdict("rejected", problems[0].code, field_sentence(problems, status))
    if own:
        reason = own[0].reason
        return Verdict("rejected", reason, sentence(reason, status=status, said=own[0].text))
    if rule := next((fault.reason for fault in faults if fault.kind == "rule"), ""):
        return Verdict("held", rule, sentence(rule))
    if recent:
        return Verdict("retry", "clock_ahead", sentence("clock_ahead"), charged=True)
    return Verdict("expired", "too_old", sentence("too_old"))


def _by_rule(batch: _Batch, reason: str, status: int) -> Outcome:
    """Hold the rule if the batch has only one, else have each rule sent by itself."""
    if len(set(batch.conversions)) > 1:
        return _isolated(batch, "rules", "separating_rules", status)
    return _summed_up([Verdict("held", reason, sentence(reason))] * len(batch), batch)


def _in_halves(batch: _Batch, alone: Verdict, status: int) -> Outcome:
    """Have the batch sent in two halves, or give the verdict `alone` on the last one."""
    if len(batch) > 1:
        return _isolated(batch, "halves", "isolating", status)
    return _summed_up([alone] * len(batch), batch)


def _isolated(batch: _Batch, split: Literal["halves", "rules"], reason: str, status: int) -> Outcome:
    verdict = Verdict("isolate", reason, sentence(reason, status=status))
    return Outcome((verdict,) * len(batch), split=split, message=verdict.message)


def _summed_up(verdicts: Sequence[Verdict], batch: _Batch) -> Outcome:
    """Return the outcome of verdicts that may differ; the held ones hold their rules."""
    held = {
        conversion: verdict
        for conversion, verdict in zip(batch.conversions, verdicts, strict=True)
        if verdict.kind == "held"
    }
    return Outcome(tuple(verdicts), hold=_rule_hold(held), message=_tally(verdicts))


def _rule_hold(held: Mapping[str, Verdict]) -> Hold | None:
    if not held:
        return None
    reasons = {verdict.reason for verdict in held.values()}
    reason = reasons.pop() if len(reasons) == 1 else "rule_refused"
    return Hold("rule", reason, sentence(reason), frozenset(held))


_TALLY_WORDS = {
    "accepted": "accepted",
    "rejected": "refused",
    "expired": "too old",
    "held": "held",
    "resend": "sent again at once",
    "retry": "tried again later",
    "unknown": "unclear",
    "isolate": "sent again in parts",
}


def _tally(verdicts: Sequence[Verdict]) -> str:
    if len(set(verdicts)) == 1:
        return verdicts[0].message
    counts = Counter[str](verdict.kind for verdict in verdicts)
    listed = ", ".join(f"{counts[kind]} {words}" for kind, words in _TALLY_WORDS.items() if kind in counts)
    return f"Of {len(verdicts)} events: {listed}." if listed else ""


_RETRY_AFTER_LONGEST = 24 * 60 * 60


def _retry_after(header: str, now: datetime) -> float | None:
    """Return the seconds asked for, from 1 to a day; None if the header asks for nothing we understand."""
    text = header.strip()
    if re.fullmatch("[0-9]+", text):
        seconds = float(text[:12])
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        seconds = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
        if seconds < 0:
            return None
    return min(max(seconds, 1.0), float(_RETRY_AFTER_LONGEST))


def _after_midnight(now: datetime) -> datetime:
    """LinkedIn's day counters start anew at midnight UTC; five minutes more are for its clocks and ours."""
    today = now.astimezone(UTC).replace(hour=0, minute=5, second=0, microsecond=0)
    return today + timedelta(days=1)


def _request_id(headers: Mapping[str, str]) -> str:
    """LinkedIn's support asks for this."""
    found = headers.get("x-li-uuid") or headers.get("x-li-request-id") or ""
    return re.sub("[^!-~]", "", found)[:100]
