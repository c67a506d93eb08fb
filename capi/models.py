"""The LinkedIn side: connection, rule, conversion event (outbox row and log row in one) and attempt."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from capi import telling
from crm import vault
from crm.actions import webhooks
from crm.tenancy import TenantModel, TenantQuerySet, scoped
from crm.texts import gettext_lazy, pgettext_lazy


class Endpoint(models.TextChoices):
    """Which LinkedIn is spoken to."""

    LINKEDIN = "linkedin", "LinkedIn"
    SANDBOX = "sandbox", gettext_lazy("Built-in sandbox")


class Holdable(models.Model):
    """Something that can hold the events in its scope. Not held while `held_reason` is empty."""

    held_reason = models.CharField(max_length=40, blank=True, editable=False)
    held_message = models.CharField(max_length=500, blank=True, editable=False)
    held_since = models.DateTimeField(null=True, blank=True, editable=False)
    probe_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When one event tries whether the cause is gone."
    )

    class Meta:
        abstract = True

    @property
    def is_held(self) -> bool:
        return bool(self.held_reason)


class AppHold(Holdable):
    """A hold of everything sent to one endpoint: LinkedIn refuses our API version. One row an endpoint."""

    endpoint = models.CharField(max_length=10, primary_key=True, choices=Endpoint.choices)
    linkedin_version = models.CharField(max_length=6, help_text="The version that was refused.")

    def __str__(self) -> str:
        return self.get_endpoint_display()


class ConnectionKind(models.TextChoices):
    """How the token was got."""

    DIRECT = "direct", gettext_lazy("Direct API token")
    OAUTH = "oauth", "OAuth"
    SANDBOX = "sandbox", gettext_lazy("Built-in sandbox")


class Connection(Holdable, TenantModel):
    """The company's LinkedIn credential, and how the line to LinkedIn is doing. One row a company."""

    TOKEN_FIELD = "connection.token"  # noqa: S105  what the token is bound to, not a token

    kind = models.CharField(max_length=10, choices=ConnectionKind.choices, default=ConnectionKind.DIRECT)
    token_sealed = models.TextField(blank=True, editable=False)
    saved_at = models.DateTimeField(null=True, blank=True, editable=False)
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    saved_label = models.CharField(
        max_length=80, blank=True, editable=False, help_text="Who, where no user did."
    )
    last_accepted_at = models.DateTimeField(null=True, blank=True, editable=False)

    # The line: nothing is sent before `waits_until`; the breaker lets single events try once it is open.
    waits_until = models.DateTimeField(null=True, blank=True, editable=False)
    wait_reason = models.CharField(max_length=40, blank=True, editable=False)
    wait_message = models.CharField(max_length=500, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="Failures in a row.")
    throttles = models.PositiveIntegerField(default=0, editable=False, help_text="Answers 429 in a row.")
    breaker_open = models.BooleanField(default=False, editable=False)
    failing_attempt = models.UUIDField(
        null=True, editable=False, help_text="The batch that opened the breaker."
    )

    # Token bucket: LinkedIn allows 600 requests a minute.
    bucket = models.FloatField(default=20, editable=False)
    bucket_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[TenantQuerySet[Connection]] = scoped(TenantQuerySet)

    class Meta:
        constraints = [models.UniqueConstraint(fields=("company",), name="one_connection_per_company")]

    def __str__(self) -> str:
        return f"{self.company} ({self.get_kind_display()})"

    @property
    def state(self) -> str:
        """`none` without a token, else `paused` while held, else `active`."""
        if not self.token_sealed:
            return "none"
        return "paused" if self.is_held else "active"

    @property
    def endpoint(self) -> str:
        """Sandbox connections speak to the built-in sandbox and nowhere else; all others never do."""
        return Endpoint.SANDBOX if self.kind == ConnectionKind.SANDBOX else Endpoint.LINKEDIN

    def seal(self, token: str) -> None:
        self.token_sealed = vault.encrypt(token, self.company_id, self.TOKEN_FIELD)

    def token(self) -> str:
        """The token in clear, for the Authorization header and nothing else. Raises VaultError."""
        return vault.decrypt(self.token_sealed, self.company_id, self.TOKEN_FIELD)


class CrmEvent(models.TextChoices):
    """The five things that LinkedIn can be told."""

    LEAD_CREATED = "lead_created", gettext_lazy("Lead created")
    LEAD_QUALIFIED = "lead_qualified", gettext_lazy("Lead qualified")
    DEAL_CREATED = "deal_created", gettext_lazy("Deal created")
    DEAL_WON = "deal_won", gettext_lazy("Deal won")
    DEAL_LOST = "deal_lost", gettext_lazy("Deal lost")


class ValuePolicy(models.TextChoices):
    """Which value a conversion carries."""

    NONE = "none", pgettext_lazy("value", "None")
    DEAL_AMOUNT = "deal_amount", gettext_lazy("Deal amount")
    FIXED = "fixed", gettext_lazy("Fixed")


class Repeat(models.TextChoices):
    """What happens when a deal is won (or lost) again."""

    ONCE = "once", gettext_lazy("Once a deal")
    EACH_CYCLE = "each_cycle", gettext_lazy("Each time")


class RuleQuerySet(TenantQuerySet["Rule"]):
    """Rules of the company whose scope is open."""

    def current(self) -> RuleQuerySet:
        """Not deleted."""
        return self.filter(deleted_at=None)

    def listening_to(self, event: str) -> RuleQuerySet:
        return self.current().filter(event=event, is_active=True)


class Rule(Holdable, TenantModel):
    """Maps a CRM event to a LinkedIn conversion."""

    name = models.CharField(max_length=120)
    event = models.CharField(max_length=16, choices=CrmEvent.choices)
    conversion_id = models.CharField(
        max_length=20, help_text="The number of the conversion in Campaign Manager."
    )
    is_active = models.BooleanField(default=True)
    value = models.CharField(max_length=12, choices=ValuePolicy.choices, default=ValuePolicy.NONE)
    fixed_amount = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)
    fixed_currency = models.CharField(max_length=3, blank=True)
    repeat = models.CharField(max_length=10, choices=Repeat.choices, default=Repeat.ONCE)
    conditions = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    # A backfill runs while `backfill_until` is set: what happened until then is recorded, after this place.
    backfill_until = models.DateTimeField(null=True, editable=False)
    backfill_after_at = models.DateTimeField(null=True, editable=False)
    backfill_after_id = models.UUIDField(null=True, editable=False)

    objects: ClassVar[RuleQuerySet] = scoped(RuleQuerySet)

    class Meta:
        ordering = ("created_at", "id")
        constraints = [
            models.CheckConstraint(
                condition=~Q(value="fixed") | (Q(fixed_amount__gt=0) & ~Q(fixed_currency="")),
                name="fixed_value_is_complete",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        if self.deleted_at:
            return "deleted"
        if self.is_held:
            return "held"
        return "active" if self.is_active else "inactive"


class Status(models.TextChoices):
    """The life of a conversion event; see docs/delivery.md."""

    PENDING = "pending", gettext_lazy("Pending")
    SENDING = "sending", gettext_lazy("Sending")
    ACCEPTED = "accepted", gettext_lazy("Accepted")
    HELD = "held", gettext_lazy("Held")
    SKIPPED = "skipped", gettext_lazy("Skipped")
    REJECTED = "rejected", gettext_lazy("Rejected")
    EXPIRED = "expired", gettext_lazy("Expired")
    CANCELLED = "cancelled", gettext_lazy("Cancelled")


class Holder(models.TextChoices):
    """What holds a held event."""

    CONNECTION = "connection", gettext_lazy("Connection")
    RULE = "rule", gettext_lazy("Rule")
    APP = "app", gettext_lazy("API version")
    LEAD = "lead", gettext_lazy("Lead")


class Lane(models.IntegerChoices):
    """Live events go before what happened long ago."""

    LIVE = 0, gettext_lazy("Live")
    BACKFILL = 1, gettext_lazy("Backfill")


WAITING = (Status.PENDING, Status.HELD)
RESENDABLE = (Status.PENDING, Status.HELD, Status.SKIPPED, Status.REJECTED)


class ConversionEventQuerySet(TenantQuerySet["ConversionEvent"]):
    """Conversion events of the company whose scope is open."""

    def update(self, **columns: Any) -> int:
        """As Django's. Every change of a status passes here, so webhooks that want to know of it are told here."""
        event = telling.EVENTS.get(columns.get("status", ""))
        if event is None or not webhooks.is_wanted(event):
            return super().update(**columns)
        with transaction.atomic():
            changing = self.filter(is_test=False).exclude(status=columns["status"])
            # Ids are all that is told; a hold may cover very many.
            rows = list(changing.only("company", "lead").select_for_update(of=("self",)))
            count = super().update(**columns)
            telling.tell(event, rows)
        return count

    def waiting(self) -> ConversionEventQuerySet:
        return self.filter(status__in=WAITING)

    def due(self, now: datetime) -> ConversionEventQuerySet:
        """To be sent now, live before backfill, oldest first. Never about somebody who was erased."""
        return self.filter(status=Status.PENDING, next_attempt_at__lte=now, erasure=None).order_by(
            "lane", "next_attempt_at", "id"
        )

    def real(self) -> ConversionEventQuerySet:
        """Without test events, which no statistic counts."""
        return self.filter(is_test=False)

    def for_log(self) -> ConversionEventQuerySet:
        return self.select_related("rule", "lead__organization", "deal", "told_lead").prefetch_related(
            "lead__emails", "told_lead__emails"
        )


class ConversionEvent(TenantModel):
    """One thing LinkedIn must be told by one rule: outbox row and log row in one.

    Facts (conversion id, event id, time, value) are frozen when it is recorded. The element is built at the first
    send and kept as text, so that every retry sends the same bytes.
    """

    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="events")
    event = models.CharField(max_length=16, choices=CrmEvent.choices)
    conversion_id = models.CharField(max_length=20)
    event_id = models.CharField(max_length=64)
    lead = models.ForeignKey("crm.Lead", on_delete=models.SET_NULL, null=True, related_name="conversions")
    deal = models.ForeignKey("crm.Deal", on_delete=models.SET_NULL, null=True, related_name="conversions")
    occurrence = models.PositiveIntegerField(default=1)
    happened_at = models.DateTimeField()
    value = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    currency = models.CharField(max_length=3, blank=True)
    is_test = models.BooleanField(default=False)
    lane = models.PositiveSmallIntegerField(choices=Lane.choices, default=Lane.LIVE)

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    held_by = models.CharField(max_length=10, choices=Holder.choices, blank=True)
    reason = models.CharField(max_length=40, blank=True)
    message = models.CharField(max_length=500, blank=True)
    settles_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)

    element = models.TextField(blank=True, help_text="The exact JSON text that is sent.")
    identifiers = models.JSONField(default=list)
    told_lead = models.ForeignKey(
        "crm.Lead",
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="Who LinkedIn was told about: the primary lead, or the first linked one with an identifier.",
    )

    erasure = models.ForeignKey(
        "crm.Erasure",
        on_delete=models.SET_NULL,
        null=True,
        db_index=False,
        related_name="+",
        help_text="The person was erased: never sent again, and without anything that says who it was.",
    )

    attempts = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(
        default=0, help_text="Failures of its own; an outage charges none."
    )
    unknown_outcomes = models.PositiveIntegerField(default=0)
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    # Events with the same key are sent together and apart from others: halves of a refused batch, rules resent apart.
    batch_key = models.UUIDField(null=True)
    is_suspect = models.BooleanField(default=False, help_text="Its batch failed while others went through.")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[ConversionEventQuerySet] = scoped(ConversionEventQuerySet)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=("company", "conversion_id", "event_id"), name="event_recorded_once"
            ),
            models.CheckConstraint(
                condition=Q(status="sending", lease__isnull=False, lease_until__isnull=False)
                | (~Q(status="sending") & Q(lease=None, lease_until=None)),
                name="only_sending_is_leased",
            ),
            models.CheckConstraint(
                condition=Q(status="held") & ~Q(held_by="") | ~Q(status="held") & Q(held_by=""),
                name="only_held_has_a_holder",
            ),
            models.CheckConstraint(
                condition=Q(status="accepted", accepted_at__isnull=False)
                | (~Q(status="accepted") & Q(accepted_at=None)),
                name="only_accepted_has_its_time",
            ),
        ]
        indexes = [
            models.Index(
                "company", "lane", "next_attempt_at", "id", condition=Q(status="pending"), name="event_due"
            ),
            models.Index(
                *("company", "lane", "next_attempt_at", "id"),
                condition=Q(status="pending", is_test=True),
                name="event_test_due",
            ),
            models.Index("company", "lease_until", condition=Q(status="sending"), name="event_leased"),
            models.Index(
                "company", "expires_at", condition=Q(status__in=("pending", "held")), name="event_fuse"
            ),
            models.Index("erasure", condition=Q(erasure__isnull=False), name="event_of_erased"),
            models.Index("company", condition=Q(unknown_outcomes__gt=0), name="event_maybe_twice"),
            models.Index(F("company"), F("created_at").desc(), F("id").desc(), name="event_log"),
            models.Index(
                F("company"), F("status"), F("created_at").desc(), F("id").desc(), name="event_log_by_status"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_event_display()} → {self.conversion_id}"

    @property
    def is_settling(self) -> bool:
        """Waiting only so that a slip can be undone."""
        return self.status == Status.PENDING and bool(self.settles_at) and not self.attempts

    @property
    def possible_duplicate(self) -> bool:
        """Whether LinkedIn may have stored it more than once: after any unknown outcome, for ever."""
        return self.unknown_outcomes > 0


class Recorded(TenantModel):
    """How many conversion events were recorded, counted apart from them by the database itself (`capi.counter`).

    The rows of a company are added up to what it ever recorded; `capi.accounting` compares that with what is there.
    """

    count = models.BigIntegerField()
    at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[TenantQuerySet[Recorded]] = scoped(TenantQuerySet)

    def __str__(self) -> str:
        return f"{self.count} by {self.at:%Y-%m-%d}"


class Worker(models.Model):
    """When a machine last asked for work. An idle worker asks as often as a busy one; one that is deaf does not."""

    name = models.CharField(max_length=120, primary_key=True, help_text="Of the machine it runs on.")
    asked_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class AlarmKind(models.TextChoices):
    """What somebody must know before they look."""

    TOKEN = "token", gettext_lazy("Token")
    PERMISSION = "permission", gettext_lazy("Permission")
    RULE = "rule", gettext_lazy("Rule")
    VERSION = "version", gettext_lazy("API version")
    SILENCE = "silence", gettext_lazy("Silence")
    VOLUME = "volume", gettext_lazy("Volume")
    FUSE = "fuse", gettext_lazy("Running out of time")
    ACCOUNTS = "accounts", gettext_lazy("Accounts")


class Alarm(TenantModel):
    """Something that is wrong, told once for as long as it lasts. `key` says what exactly; one is open at a time."""

    kind = models.CharField(max_length=10, choices=AlarmKind.choices)
    key = models.CharField(max_length=120)
    text = models.CharField(max_length=500)
    raised_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[TenantQuerySet[Alarm]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("-raised_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=("company", "key"), condition=Q(ended_at=None), name="alarm_open_once"
            )
        ]

    def __str__(self) -> str:
        return self.text


class AttemptOutcome(models.TextChoices):
    """What came of a request, or of one event in it."""

    UNANSWERED = "unanswered", gettext_lazy("Sent, no answer yet")
    ACCEPTED = "accepted", gettext_lazy("Accepted")
    REJECTED = "rejected", gettext_lazy("Rejected")
    EXPIRED = "expired", gettext_lazy("Too old")
    NOT_STORED = "not_stored", gettext_lazy("Not stored, sent again")
    HELD = "held", gettext_lazy("Held")
    RETRY = "retry", gettext_lazy("To be tried again")
    UNKNOWN = "unknown", gettext_lazy("Outcome unknown")
    NOT_SENT = "not_sent", gettext_lazy("Did not reach LinkedIn")


class Attempt(TenantModel):
    """One request to LinkedIn and its answer. Its id is the lease of the events it carries.

    Written before the request leaves: a crash in between leaves it unanswered, and that is the trace.
    """

    at = models.DateTimeField(default=timezone.now)
    answered_at = models.DateTimeField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    outcome = models.CharField(
        max_length=12, choices=AttemptOutcome.choices, default=AttemptOutcome.UNANSWERED
    )
    message = models.CharField(max_length=500, blank=True)
    request_id = models.CharField(max_length=80, blank=True)
    duration_ms = models.PositiveIntegerField(null=True)
    size = models.PositiveIntegerField(default=0, help_text="How many events the request carried.")

    objects: ClassVar[TenantQuerySet[Attempt]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("at", "id")
        indexes = [models.Index("company", "at", name="attempt_by_time")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.get_outcome_display()}"


class Delivery(models.Model):
    """One event's part in an attempt. Outcome and message are empty where they are the attempt's own.

    Needs no scope: it is only ever reached through its event or attempt, which do. The company is here for the
    database, which holds all three together.
    """

    company = models.ForeignKey("crm.Company", on_delete=models.CASCADE, db_index=False, related_name="+")
    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(ConversionEvent, on_delete=models.CASCADE, related_name="deliveries")
    outcome = models.CharField(max_length=12, choices=AttemptOutcome.choices, blank=True)
    message = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return f"{self.event} in {self.attempt}"


class LeadForms(TenantModel):
    """Where the company's Lead Gen Forms come from: its own developer app and ad account. One row a company.

    `hook_key` makes the address that LinkedIn notifies; what comes there must be signed with the app's secret.
    """

    SECRET_FIELD = "lead_forms.secret"  # noqa: S105  what it is bound to
    TOKEN_FIELD = "lead_forms.token"  # noqa: S105  what it is bound to

    account = models.CharField(max_length=20, help_text="The number of the ad account.")
    hook_key = models.CharField(max_length=64, unique=True, editable=False)
    secret_sealed = models.TextField(editable=False)
    token_sealed = models.TextField(editable=False)
    mapping = models.JSONField(
        default=dict, help_text="By LinkedIn's name of a question: where its answer goes."
    )
    subscription = models.CharField(max_length=40, blank=True, editable=False)
    pulled_until = models.DateTimeField(null=True, editable=False)
    waits_until = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    message = models.CharField(max_length=500, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[TenantQuerySet[LeadForms]] = scoped(TenantQuerySet)

    class Meta:
        verbose_name_plural = "lead forms"
        constraints = [models.UniqueConstraint(fields=("company",), name="one_lead_forms_per_company")]

    def __str__(self) -> str:
        return self.account

    def seal(self, *, secret: str, token: str) -> None:
        self.secret_sealed = vault.encrypt(secret, self.company_id, self.SECRET_FIELD)
        self.token_sealed = vault.encrypt(token, self.company_id, self.TOKEN_FIELD)

    def secret(self) -> str:
        """The app's client secret in clear. Raises VaultError."""
        return vault.decrypt(self.secret_sealed, self.company_id, self.SECRET_FIELD)

    def token(self) -> str:
        """The token in clear. Raises VaultError."""
        return vault.decrypt(self.token_sealed, self.company_id, self.TOKEN_FIELD)


class FormStatus(models.TextChoices):
    """What became of a form that somebody sent, or whose deletion LinkedIn asked for."""

    PENDING = "pending", gettext_lazy("To be fetched")
    DONE = "done", gettext_lazy("Done")
    FAILED = "failed", gettext_lazy("Failed")


class LeadFormNotice(TenantModel):
    """That a response is there, or is gone. The row is the queue; each response and action is done once.

    The id of a response is forgotten with the person; its digest keeps them from coming in again.
    """

    response = models.CharField(max_length=80, blank=True)
    digest = models.CharField(max_length=64)
    action = models.CharField(max_length=8)
    at = models.DateTimeField()
    status = models.CharField(max_length=8, choices=FormStatus.choices, default=FormStatus.PENDING)
    message = models.CharField(max_length=500, blank=True)
    lead = models.ForeignKey("crm.Lead", on_delete=models.SET_NULL, null=True, related_name="+")
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[TenantQuerySet[LeadFormNotice]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = [
            models.UniqueConstraint(fields=("company", "digest", "action"), name="form_notice_once"),
        ]
        indexes = [
            models.Index("company", "next_attempt_at", condition=Q(status="pending"), name="form_notice_due")
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.response}"
