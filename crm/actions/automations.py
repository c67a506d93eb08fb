"""What the product does by itself. On arrival and on entering a stage it is part of the change's own transaction; at
night it is done by the schedule. Everything is in the log, and doing it twice does nothing more."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Final

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext as _

from crm import audit, cleaning
from crm.actions.notifications import notify
from crm.actions.owners import is_member
from crm.actor import Actor
from crm.languages import speaking_to
from crm.models import (
    AssignmentPerson,
    AssignmentRule,
    AutomationEntry,
    Automations,
    Company,
    Deal,
    Lead,
    LeadTag,
    LeadType,
    Membership,
    Stage,
    StageTask,
    StatusCategory,
    Task,
    User,
)
from crm.models.automation import AutomationKind
from crm.models.notification import NotificationKind
from crm.tenancy import company_scope
from crm.texts import gettext_lazy

CLEANER: Final = Actor("shell", label="Spam clean-up")
FOLLOWER: Final = Actor("shell", label="Follow-up")
SPAM_TAG: Final = "spam"
# When a company's night work is due, by its own clock.
SPAM_HOUR: Final = 3
FOLLOW_UP_HOUR: Final = 7
MOST_A_NIGHT: Final = 2000
# Switched on over old leads, the reminder must not bury anybody: the rest come on the days after.
MOST_A_PERSON: Final = 20
MOST_RULES: Final = 100
_SHOWN: Final = 300


def settings_of(company: Company) -> Automations:
    """The company's switches; as they are at first, where nobody has touched them. Runs in its scope."""
    return Automations.objects.first() or Automations(company=company)


# ── On arrival ─────────────────────────────────────────────────────────────────────────────────────────


def choose_owner(lead: Lead, actor: Actor) -> AssignmentRule | None:
    """Give a lead that arrives to whoever is next by the first rule that fits; None if none does.

    Who adds a lead by hand keeps it. Called before the lead is saved, and inside its transaction: the rule's row is
    locked until then, so that two leads never take the same turn.
    """
    if lead.is_sample or (actor.user is not None and actor.channel in ("web", "admin")):
        return None
    for rule in AssignmentRule.objects.filter(is_on=True):
        if not _fits(rule, lead):
            continue
        locked = AssignmentRule.objects.select_for_update(of=("self",)).get(pk=rule.pk)
        user = _next(locked)
        if user is not None:
            lead.owner = locked.last_given = user
            locked.save(update_fields=["last_given"])
            return rule
    return None


def log_assignment(lead: Lead, rule: AssignmentRule | None) -> None:
    """Write down by which rule a lead found its owner."""
    if rule is not None:
        _log(lead.company, AutomationKind.ASSIGNMENT, f"{lead} went to {lead.owner}. Rule: {rule}", lead=lead)


def _fits(rule: AssignmentRule, lead: Lead) -> bool:
    return (
        (not rule.source or rule.source.lower() == lead.source.lower())
        and (rule.lead_type_id is None or rule.lead_type_id == lead.lead_type_id)
        and (not rule.country_code or rule.country_code == lead.country_code)
    )


def _next(rule: AssignmentRule) -> User | None:
    """Whose turn it is: the one after who had the last, of those who still work here."""
    here = set(Membership.objects.active().values_list("user_id", flat=True))
    turns = [row.user for row in rule.people.select_related("user") if row.user_id in here]
    if not turns:
        return None
    ids = [user.pk for user in turns]
    place = ids.index(rule.last_given_id) + 1 if rule.last_given_id in ids else 0
    return turns[place % len(turns)]


# ── On entering a stage ────────────────────────────────────────────────────────────────────────────────


def add_stage_tasks(deal: Deal, actor: Actor) -> None:
    """The tasks of the stage that a deal has just entered, for its owner; not while such a task is still open."""
    from crm.actions import tasks

    if deal.is_sample or actor.channel in ("import", "demo"):
        return
    for rule in StageTask.objects.filter(stage=deal.stage_id, is_on=True):
        if Task.objects.open().filter(deal=deal, title=rule.title).exists():
            continue
        people = [deal.owner] if deal.owner is not None and is_member(deal.owner) else []
        changes = tasks.TaskChanges(
            title=rule.title,
            deal=deal,
            due_on=deal.company.local_now().date() + dt.timedelta(days=rule.days),
            assignees=people,
        )
        tasks.create_task(deal.company, changes, Actor("shell", label="Stage task"))
        text = f"{deal} entered {deal.stage}: added the task “{rule.title}”."
        _log(deal.company, AutomationKind.STAGE, text, deal=deal)


# ── At night ───────────────────────────────────────────────────────────────────────────────────────────


def run_due() -> int:
    """The night work of every company where it is the hour for it; returns how many records were touched."""
    done = 0
    for company in Company.objects.all():
        hour = company.local_now().hour
        if hour == SPAM_HOUR:
            done += clean_spam(company)
        if hour == FOLLOW_UP_HOUR:
            done += follow_up(company)
    return done


def run_now() -> int:
    """The night work of every company at once, whatever the hour."""
    return sum(clean_spam(company) + follow_up(company) for company in Company.objects.all())


def clean_spam(company: Company) -> int:
    """Archive what was marked as spam, by status or by tag; what a person has restored since stays. How many went."""
    from crm.actions.leads import archive_lead

    with company_scope(company):
        if not settings_of(company).cleans_spam:
            return 0
        tagged = Exists(LeadTag.objects.filter(lead=OuterRef("pk"), tag__name_key=SPAM_TAG))
        cleaned = Exists(AutomationEntry.objects.filter(lead=OuterRef("pk"), kind=AutomationKind.SPAM))
        spam = Lead.objects.current().filter(Q(status__category=StatusCategory.SPAM) | tagged, ~cleaned)
        found = list(spam.order_by("pk").prefetch_related("emails")[:MOST_A_NIGHT])
        for lead in found:
            with transaction.atomic():
                archive_lead(lead, CLEANER)
                _log(company, AutomationKind.SPAM, f"Archived {lead} as spam.", lead=lead)
        return len(found)


def follow_up(company: Company, now: dt.datetime | None = None) -> int:
    """Remind the owners of open leads that nobody has touched for so many days, once for each silence. How many."""
    now = now or timezone.now()
    with company_scope(company):
        switches = settings_of(company)
        if not switches.follows_up:
            return 0
        told = AutomationEntry.objects.filter(
            lead=OuterRef("pk"), kind=AutomationKind.FOLLOW_UP, at__gte=OuterRef("last_touch_at")
        )
        silent = (
            Lead.objects.current()
            .open()
            .filter(
                last_touch_at__lt=now - dt.timedelta(days=switches.follow_up_days),
                owner__in=Membership.objects.active().values("user"),
                is_test=False,
                is_sample=False,
            )
            .exclude(Exists(told))
        )
        reminded: Counter[User] = Counter()
        for lead in silent.select_related("owner", "company").order_by("last_touch_at", "pk").iterator():
            if lead.owner is None or reminded[lead.owner] >= MOST_A_PERSON:
                continue
            with contextlib.suppress(IntegrityError):  # another worker has told them a moment ago
                reminded[lead.owner] += _remind(lead, lead.owner, switches)
        return reminded.total()


@transaction.atomic
def _remind(lead: Lead, owner: User, switches: Automations) -> bool:
    """Once for each silence: it begins with the last touch, which a reminder is not."""
    from crm.actions import tasks

    days = switches.follow_up_days
    key = f"silence:{lead.pk}:{lead.last_touch_at.isoformat()}"
    text = f"Nobody has touched {lead} for {days} days: reminded {owner}."
    if not _log(lead.company, AutomationKind.FOLLOW_UP, text, lead=lead, key=key):
        return False
    if switches.follow_up_makes_task:
        changes = tasks.TaskChanges(
            title=_task_for(lead, owner),
            lead=lead,
            due_on=lead.company.local_now().date(),
            assignees=[owner],
        )
        tasks.create_task(lead.company, changes, FOLLOWER)
    else:
        words = format_lazy(
            gettext_lazy("Nobody has touched {lead} for {days} days."), lead=str(lead), days=days
        )
        notify(owner, lead.company, NotificationKind.FOLLOW_UP, words, about=lead, key=key)
    return True


def _task_for(lead: Lead, owner: User) -> str:
    """What the owner is to do, in their language."""
    with speaking_to(owner, lead.company):
        return _("Follow up with {lead}").format(lead=lead)[:160]


def _log(
    company: Company,
    kind: AutomationKind,
    text: str,
    *,
    lead: Lead | None = None,
    deal: Deal | None = None,
    key: str = "",
) -> bool:
    """A line of the log; False if that `key` is there already."""
    if key and AutomationEntry.objects.filter(key=key).exists():
        return False
    AutomationEntry.objects.create(
        company=company, kind=kind, text=text[:_SHOWN], lead=lead, deal=deal, key=key
    )
    return True


# ── Settings ───────────────────────────────────────────────────────────────────────────────────────────


@transaction.atomic
def switch_spam(company: Company, actor: Actor, *, is_on: bool) -> None:
    """Turn the spam clean-up on or off."""
    _change(company, actor, cleans_spam=is_on)


@transaction.atomic
def set_follow_up(company: Company, actor: Actor, *, is_on: bool, days: int, makes_task: bool) -> None:
    """Turn the follow-up on or off, and say after how many days and how."""
    _change(company, actor, follows_up=is_on, follow_up_days=days, follow_up_makes_task=makes_task)


def _change(company: Company, actor: Actor, **changes: bool | int) -> None:
    switches, _is_new = Automations.objects.get_or_create(company=company)
    before = {field: getattr(switches, field) for field in changes}
    for field, value in changes.items():
        setattr(switches, field, value)
    switches.clean_fields(exclude=["company"])
    switches.save()
    told = audit.differences(before, changes)
    if before != changes:
        audit.record(actor, "automation_changed", switches, company=company, changes=told)


@transaction.atomic
def add_rule(
    company: Company,
    actor: Actor,
    users: Sequence[User],
    *,
    source: str = "",
    lead_type: LeadType | None = None,
    country_code: str = "",
) -> AssignmentRule:
    """Add a rule below the others. Raises ValidationError per field."""
    rules = list(AssignmentRule.objects.all())
    if len(rules) >= MOST_RULES:
        raise ValidationError(_("There are {most_rules} rules already.").format(most_rules=MOST_RULES))
    if not users or not all(is_member(user) for user in users):
        raise ValidationError({"users": _("Choose who is to get these leads.")})
    rule = AssignmentRule(
        company=company,
        position=max((rule.position for rule in rules), default=-1) + 1,
        source=source.strip(),
        lead_type=lead_type,
        country_code=cleaning.country_code(country_code),
    )
    rule.clean_fields(exclude=["company", "lead_type", "last_given"])
    rule.save()
    AssignmentPerson.objects.bulk_create(
        AssignmentPerson(company=company, rule=rule, user=user) for user in dict.fromkeys(users)
    )
    audit.record(actor, "automation_changed", rule, company=company)
    return rule


@transaction.atomic
def move_rule(rule: AssignmentRule, places: int, actor: Actor) -> None:
    """Try a rule earlier (-1) or later (1)."""
    rules = list(AssignmentRule.objects.select_for_update(of=("self",)).all())
    rules.sort(key=lambda each: (each.position, each.pk))
    here = next(number for number, each in enumerate(rules) if each.pk == rule.pk)
    there = min(max(here + places, 0), len(rules) - 1)
    rules.insert(there, rules.pop(here))
    for position, each in enumerate(rules):
        AssignmentRule.objects.filter(pk=each.pk).update(position=position)
    audit.record(actor, "automation_changed", rule, company=rule.company)


@transaction.atomic
def add_stage_task(company: Company, actor: Actor, stage: Stage, title: str, days: int) -> StageTask:
    """Let deals get a task when they enter a stage. Raises ValidationError per field."""
    rule = StageTask(company=company, stage=stage, title=title.strip(), days=days)
    if not rule.title:
        raise ValidationError({"title": _("Say what is to be done.")}, code="required")
    rule.clean_fields(exclude=["company", "stage"])
    rule.save()
    audit.record(actor, "automation_changed", rule, company=company)
    return rule


@transaction.atomic
def switch(rule: AssignmentRule | StageTask, actor: Actor, *, is_on: bool) -> None:
    """Turn one rule on or off."""
    before, rule.is_on = rule.is_on, is_on
    rule.save(update_fields=["is_on"])
    audit.record(actor, "automation_changed", rule, company=rule.company, changes={"is_on": (before, is_on)})


@transaction.atomic
def remove(rule: AssignmentRule | StageTask, actor: Actor) -> None:
    """Take a rule away; what it did stays, and stays in the log."""
    audit.record(actor, "automation_changed", rule, company=rule.company)
    rule.delete()
