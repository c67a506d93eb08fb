"""What the LinkedIn side shows in the CRM's pages: cards, badges, lines of the timeline, the link in the side bar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Min, Q
from django.db.models.functions import TruncDate
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from capi import explain, holds, story, trail
from capi.explain import Explanation
from capi.health import DEAF, is_anybody_working
from capi.models import Connection, ConversionEvent, CrmEvent, Holder, Rule, Status
from capi.readiness import readiness
from capi.story import Cure
from capi.told import told
from crm import panels
from crm.access import Ability, Principal
from crm.frame import NavItem
from crm.models import Deal, Lead, Pipeline, Stage, StageKind, StatusCategory
from crm.panels import Badge, FirstStep, Note, Panel, TimelineEntry

DAYS: Final = 30
_OUTCOMES = {StageKind.WON: CrmEvent.DEAL_WON, StageKind.LOST: CrmEvent.DEAL_LOST}


# ── Cards ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Line:
    """A rule on a card: its explanation, and what this person can do about it."""

    explanation: Explanation
    action: Cure | None
    preview_url: str
    label: str


def lead_card(principal: Principal, lead: Lead) -> Panel | None:
    """Readiness, and a line for every rule."""
    explanations = explain.for_lead(principal, lead)
    if not explanations and not principal.can(Ability.SEE_LINKEDIN):
        return None
    context = {
        "ready": readiness(lead, principal.company),
        "lines": _lines(principal, explanations, f"?lead={lead.pk}"),
        **_shared(principal),
    }
    return Panel("capi/panels/lead.html", context)


def deal_card(principal: Principal, deal: Deal) -> Panel | None:
    """Opens with why something was not sent, if anything was not; then a line for every rule."""
    explanations = explain.for_deal(deal)
    if not explanations and not principal.can(Ability.SEE_LINKEDIN):
        return None
    first = explain.most_important(explanations)
    lines = _lines(principal, explanations, f"?deal={deal.pk}")
    context = {
        "first": next((line for line in lines if line.explanation is first), None),
        "chain": trail.chain(_complete(first.event)) if first and first.event else [],
        "lines": [line for line in lines if line.explanation is not first],
        "badge": _badge_of_card(explanations),
        **_shared(principal),
    }
    return Panel("capi/panels/deal.html", context)


def _shared(principal: Principal) -> dict[str, object]:
    return {
        "may_see_log": principal.can(Ability.SEE_LINKEDIN),
        "may_change": principal.can(Ability.MANAGE),
    }


def _lines(principal: Principal, explanations: Sequence[Explanation], about: str) -> list[Line]:
    """A line for each; rules that share an event are told apart by their names."""
    events = Counter(one.rule.event for one in explanations)
    return [_line(principal, one, about, is_alone=events[one.rule.event] == 1) for one in explanations]


def _line(principal: Principal, explanation: Explanation, about: str, *, is_alone: bool) -> Line:
    # What leads to a record is for everybody who sees it; the rest is for those who manage.
    action = explanation.action
    if action and not principal.can(Ability.MANAGE) and not _is_open_to_all(action):
        action = None
    preview = ""
    if explanation.can_preview:
        preview = reverse("linkedin_preview", args=[explanation.rule.pk]) + about
    event = explanation.rule.get_event_display()
    return Line(explanation, action, preview, event if is_alone else f"{event}, {explanation.rule.name}")


def _is_open_to_all(action: Cure) -> bool:
    return action.text in (_("Send now"), _("Set consent"), _("Add e-mail"))


def _complete(event: ConversionEvent) -> ConversionEvent:
    return ConversionEvent.objects.for_log().get(pk=event.pk)


def _badge_of_card(explanations: Sequence[Explanation]) -> Badge | None:
    """The state of the deal as a whole: what is held, else what was lost, else that LinkedIn knows."""
    states = [one.state for one in explanations]
    for state, tone, icon, word in (
        ("held", "warn", "pause-circle", _("held")),
        ("lost", "bad", "x-circle", _("not sent")),
        ("waiting", "info", "clock", _("waiting")),
        ("sent", "good", "check-circle", _("accepted")),
    ):
        if count := states.count(state):  # type: ignore[arg-type]
            return Badge(f"{count} {word}", tone, icon)
    return None


# ── Home ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class ToDo:
    """The one thing to do: what is wrong, what it means, and where to mend it. No link: nothing to do."""

    text: str
    url: str = ""
    verb: str = ""


@dataclass(frozen=True)
class Bar:
    """A day of the small chart, ready to be drawn."""

    day: date
    count: int
    x: int
    y: float
    height: float


def home_card(principal: Principal) -> Panel | None:
    """LinkedIn today, the last 30 days as bars, and one thing to do."""
    if not principal.can(Ability.SEE_LINKEDIN):
        return None
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    today = Q(created_at__gte=midnight)
    waiting, held = Q(status__in=(Status.PENDING, Status.SENDING)), Q(status=Status.HELD)
    counts = (
        ConversionEvent.objects.real()
        .filter(today | waiting | held)
        .aggregate(
            recorded=Count("pk", filter=today),
            accepted=Count("pk", filter=today & Q(status=Status.ACCEPTED)),
            waiting=Count("pk", filter=waiting),
            held=Count("pk", filter=held),
        )
    )
    bars = _bars(midnight.date())
    context = {
        "counts": counts,
        "midnight": midnight.date().isoformat(),
        "bars": bars,
        "most": max((bar.count for bar in bars), default=0),
        "todo": _todo(principal),
    }
    return Panel("capi/panels/home.html", context)


def _bars(today: date) -> list[Bar]:
    """Accepted events per day, drawn 10 wide in steps of 14 on a height of 56."""
    first = today - timedelta(days=DAYS - 1)
    since = timezone.now() - timedelta(days=DAYS)
    counts = dict(
        ConversionEvent.objects.real()
        .filter(status=Status.ACCEPTED, accepted_at__gte=since)
        .order_by()
        .values_list(TruncDate("accepted_at"))
        .annotate(count=Count("pk"))
    )
    most = max(counts.values(), default=0) or 1
    bars = []
    for place in range(DAYS):
        day = first + timedelta(days=place)
        height = max(52 * counts.get(day, 0) / most, 2)
        bars.append(Bar(day, counts.get(day, 0), place * 14, round(56 - height, 1), round(height, 1)))
    return bars


def _todo(principal: Principal) -> ToDo:
    """What helps most, the gravest first."""
    setup = reverse("linkedin_setup")
    connection = Connection.objects.first()
    if connection is None or not connection.token_sealed:
        return ToDo(_("LinkedIn is not connected, so what happens here waits."), setup, _("Connect LinkedIn"))
    if connection.is_held:
        verb = _("Resume") if connection.held_reason == holds.PAUSED_BY_PERSON else _("Replace token")
        return ToDo(told(connection.held_message), setup, verb)
    if not Rule.objects.current().exists():
        return ToDo(_("No rule says what LinkedIn should be told."), f"{setup}#rules", _("Add a rule"))
    return _todo_of_holds() or _todo_of_losses() or ToDo("")


def _todo_of_holds() -> ToDo | None:
    """The hold with most events."""
    held = (
        ConversionEvent.objects.real()
        .filter(status=Status.HELD)
        .order_by()
        .values("held_by", "reason", "rule", "rule__name")
        .annotate(count=Count("pk"), leads=Count("told_lead", distinct=True), fuse=Min("expires_at"))
    )
    groups = list(held)
    if not groups:
        return None
    of_leads = [group for group in groups if group["held_by"] == Holder.LEAD]
    worst = max(groups, key=lambda group: group["count"])
    fuse = _fuse_words(min(group["fuse"] for group in groups))
    if of_leads and worst["held_by"] == Holder.LEAD:
        count = sum(group["count"] for group in of_leads)
        url = f"{reverse('linkedin_events')}?status=held&held_by=lead"
        text = _("{events} for consent: the people never said yes or no. {fuse}").format(
            events=_events(count), fuse=fuse
        )
        return ToDo(text, url, _("Review them"))
    if worst["held_by"] == Holder.RULE:
        url = reverse("linkedin_rule", args=[worst["rule"]])
        return ToDo(
            _("{events} for the rule {worst}. {fuse}").format(
                events=_events(worst["count"]), worst=worst["rule__name"], fuse=fuse
            ),
            url,
            _("Fix rule"),
        )
    url = f"{reverse('linkedin_events')}?status=held"
    return ToDo(
        _("{events}: LinkedIn retired the API version in use. {fuse}").format(
            events=_events(worst["count"]), fuse=fuse
        ),
        url,
        _("See them"),
    )


def _todo_of_losses() -> ToDo | None:
    since = timezone.now() - timedelta(days=DAYS)
    count = ConversionEvent.objects.real().filter(status=Status.REJECTED, changed_at__gte=since).count()
    if not count:
        return None
    words = _("1 event was") if count == 1 else _("{count} events were").format(count=count)
    url = f"{reverse('linkedin_events')}?status=rejected"
    return ToDo(
        _("{words} refused by LinkedIn in the last 30 days. Correct and resend.").format(words=words),
        url,
        _("Review them"),
    )


def _events(count: int) -> str:
    return _("1 event waits") if count == 1 else _("{count} events wait").format(count=count)


def _fuse_words(expires_at: object) -> str:
    days = max((expires_at - timezone.now()).days, 0)  # type: ignore[operator]
    return ngettext("The oldest can wait {n} more day.", "The oldest can wait {n} more days.", days).format(
        n=days
    )


def first_steps(principal: Principal) -> list[FirstStep]:
    """What makes LinkedIn hear of what happens here, for those who manage the company."""
    if not principal.can(Ability.MANAGE):
        return []
    setup = reverse("linkedin_setup")
    connection = Connection.objects.first()
    return [
        FirstStep(
            _("Connect LinkedIn"),
            _(
                "Paste the access token of your ad account, so that won deals are reported and ads learn from revenue, "
                "not from form fills."
            ),
            setup,
            _("Connect LinkedIn"),
            is_done=connection is not None and bool(connection.token_sealed),
        ),
        FirstStep(
            _("Add a rule"),
            _("“When a deal is won, tell LinkedIn Purchase with its amount.”"),
            f"{setup}#rules",
            _("Add a rule"),
            is_done=Rule.objects.current().exists(),
        ),
        FirstStep(
            _("Send a test event"),
            _("A made-up person, marked as test, never counted. You see LinkedIn's answer within seconds."),
            f"{setup}#rules",
            _("Send a test"),
            is_done=ConversionEvent.objects.filter(is_test=True).exists(),
        ),
        FirstStep(
            _("Hand over the click id"),
            _(
                "Let your web form pass LinkedIn's click id (li_fat_id) on with each lead, and LinkedIn "
                "matches more of them."
            ),
            reverse("api-docs"),
            _("See how"),
            is_done=Lead.objects.current().exclude(li_fat_id="").exists(),
        ),
    ]


# ── Side bar ───────────────────────────────────────────────────────────────────────────────────────────


def nav_item(principal: Principal, path: str) -> NavItem | None:
    """LinkedIn: green is all well, amber is events held, red is stopped, or nobody there to send what is due."""
    if not principal.can(Ability.SEE_LINKEDIN):
        return None
    connection, now = Connection.objects.first(), timezone.now()
    held = Q(status=Status.HELD)
    late = Q(status=Status.PENDING, next_attempt_at__lte=now - DEAF, erasure=None)
    counts = (
        ConversionEvent.objects.real()
        .filter(held | late)
        .aggregate(
            held=Count("pk", filter=held),
            stopped=Count("pk", filter=held & Q(held_by=Holder.APP)),
            late=Count("pk", filter=late),
        )
    )
    if counts["late"] and not is_anybody_working(now):
        state, words = "bad", _("Nobody is sending: no worker runs")
    else:
        state, words = _health(connection, counts["held"], counts["stopped"])
    url = reverse("linkedin_setup")
    return NavItem(
        "LinkedIn",
        url,
        "tell",
        current=path.startswith(url),
        badge=_("{held} held").format(held=counts["held"]) if counts["held"] else "",
        state=state,  # type: ignore[arg-type]
        state_label=words,
        keys="g i",
    )


def _health(connection: Connection | None, held: int, stopped: int) -> tuple[str, str]:
    if connection is None or not connection.token_sealed:
        return ("bad", _("Not connected, events are held")) if held else ("", "")
    if connection.is_held or stopped:
        return "bad", _("Sending to LinkedIn has stopped")
    if held:
        return "warn", ngettext("{n} event is held", "{n} events are held", held).format(n=held)
    return "good", _("Flowing to LinkedIn") if connection.last_accepted_at else _(
        "Connected, nothing accepted yet"
    )


# ── Timelines ──────────────────────────────────────────────────────────────────────────────────────────


def lead_timeline(principal: Principal, lead: Lead) -> Sequence[TimelineEntry]:
    """What became of this person's conversions."""
    return _entries(explain.about_lead(principal, lead))


def deal_timeline(deal: Deal) -> Sequence[TimelineEntry]:
    """What became of this deal's conversions."""
    return _entries(Q(deal=deal))


_SETTLED = (Status.ACCEPTED, Status.HELD, Status.SKIPPED, Status.REJECTED, Status.EXPIRED, Status.CANCELLED)


def _entries(about: Q) -> list[TimelineEntry]:
    events = ConversionEvent.objects.real().filter(about, status__in=_SETTLED).select_related("rule")
    return [_entry(event) for event in events.exclude(reason="rule_changed").distinct()]


def _entry(event: ConversionEvent) -> TimelineEntry:
    if event.status == Status.ACCEPTED and event.accepted_at:
        return TimelineEntry(
            event.accepted_at, _("LinkedIn accepted {name}").format(name=event.rule.name), "check", "good"
        )
    label = event.get_event_display()
    why = told(event.message) or story.short(event, timezone.now())
    if event.status == Status.CANCELLED:
        return TimelineEntry(
            event.changed_at,
            _("LinkedIn is not told of {label}: {why}").format(label=label, why=why),
            "no-symbol",
        )
    return TimelineEntry(
        event.changed_at,
        _("LinkedIn was not told of {label}: {why}").format(label=label, why=why),
        _DOTS[event.status],
        story.tone(event),
    )


_DOTS: Final[dict[str, str]] = {
    Status.HELD: "pause",
    Status.SKIPPED: "minus",
    Status.REJECTED: "x-mark",
    Status.EXPIRED: "x-mark",
}


# ── Badges of lists and board ──────────────────────────────────────────────────────────────────────────


def lead_badges(leads: Sequence[Lead]) -> Mapping[UUID, Badge]:
    """How ready each lead is."""
    if not leads:
        return {}
    company = leads[0].company
    found = {lead.pk: readiness(lead, company) for lead in leads}
    return {pk: Badge(ready.word, ready.tone, ready.icon, ready.level) for pk, ready in found.items()}


def deal_badges(deals: Sequence[Deal]) -> Mapping[UUID, Badge]:
    """What LinkedIn knows of closed deals, and what keeps it from knowing of open ones."""
    events = (
        ConversionEvent.objects.real()
        .filter(deal__in=[deal.pk for deal in deals])
        .exclude(status=Status.CANCELLED)
        .order_by("happened_at", "created_at", "id")
    )
    latest = {(event.deal_id, event.event): event for event in events}
    now = timezone.now()
    badges = {}
    for deal in deals:
        outcome = latest.get((deal.pk, _OUTCOMES.get(StageKind(deal.status), "")))
        created = latest.get((deal.pk, CrmEvent.DEAL_CREATED))
        shown = outcome or (created if created and created.status in (Status.HELD, Status.REJECTED) else None)
        if shown:
            badges[deal.pk] = Badge(story.short(shown, now), story.tone(shown), story.icon(shown))
    return badges


def told_stages(pipeline: Pipeline) -> frozenset[UUID]:
    """The stages that a rule listens to: the first for new deals, won and lost of pipelines that count as sales."""
    listening = set(Rule.objects.current().filter(is_active=True).values_list("event", flat=True))
    stages = list(Stage.objects.filter(pipeline=pipeline).order_by("position", "id"))
    told = set()
    if CrmEvent.DEAL_CREATED in listening:
        told |= {
            stage.pk for stage in stages if stage.kind == StageKind.OPEN and stage == _first_open(stages)
        }
    if pipeline.counts_as_sales:
        told |= {stage.pk for stage in stages if _OUTCOMES.get(StageKind(stage.kind)) in listening}
    return frozenset(told)


def told_categories() -> frozenset[str]:
    """What a lead's status must mean for a rule to listen to it: qualified, if there is such a rule."""
    listens = Rule.objects.current().filter(is_active=True, event=CrmEvent.LEAD_QUALIFIED).exists()
    return frozenset({StatusCategory.QUALIFIED.value}) if listens else frozenset()


def _first_open(stages: Sequence[Stage]) -> Stage | None:
    return next((stage for stage in stages if stage.kind == StageKind.OPEN), None)


def move_note(deal: Deal) -> Note | None:
    """After won or lost: that LinkedIn will be told, or why not. Nothing where no rule listens."""
    event_name = _OUTCOMES.get(StageKind(deal.status))
    if event_name is None:
        return None
    event = (
        ConversionEvent.objects.real()
        .filter(deal=deal, event=event_name)
        .exclude(status=Status.CANCELLED)
        .order_by("-happened_at", "-created_at", "-id")
        .first()
    )
    if event is None:
        return None
    if event.is_settling and event.settles_at:
        left = event.settles_at - timezone.now()
        minutes = max(round(left.total_seconds() / 60), 1)
        return Note(
            _("LinkedIn will be told in {minutes} min.").format(minutes=minutes),
            reverse("linkedin_send_now", args=[event.pk]),
            _("Send now"),
        )
    if event.status == Status.ACCEPTED:
        return Note(_("LinkedIn was told of this before and is not told again."))
    if event.status in (Status.PENDING, Status.SENDING):
        return Note(_("LinkedIn is being told."))
    return Note(
        _("LinkedIn is not told yet. {sentence}").format(sentence=story.sentence(event, timezone.now()))
    )


panels.lead_panels.append(lead_card)
panels.deal_panels.append(deal_card)
panels.home_panels.append(home_card)
panels.first_steps.append(first_steps)
panels.nav_items.append(nav_item)
panels.lead_timelines.append(lead_timeline)
panels.deal_timelines.append(deal_timeline)
panels.lead_badges.append(lead_badges)
panels.deal_badges.append(deal_badges)
panels.told_stages.append(told_stages)
panels.told_categories.append(told_categories)
panels.move_notes.append(move_note)
panels.event_listeners.append(lambda event: Rule.objects.listening_to(event).count())
