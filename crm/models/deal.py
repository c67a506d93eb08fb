"""Deals: what a lead might buy, for how much, and how far along it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from crm.models.pipeline import StageKind
from crm.tenancy import TenantModel, TenantQuerySet, scoped

if TYPE_CHECKING:
    from crm.models.lead import Lead
    from crm.models.person import User


class DealQuerySet(TenantQuerySet["Deal"]):
    """Deals of the company whose scope is open."""

    def current(self) -> DealQuerySet:
        """Not archived."""
        return self.filter(archived_at=None)

    def archived(self) -> DealQuerySet:
        """In the recycle bin."""
        return self.exclude(archived_at=None)

    def owned_by(self, user: User) -> DealQuerySet:
        return self.filter(owner=user)

    def with_person(self, lead: Lead) -> DealQuerySet:
        """Where this lead is the primary one or one of the further people."""
        # Not an OR over the two: that looks at every deal of the company.
        named = Deal.objects.filter(lead=lead).order_by().values("pk")
        beside = DealPerson.objects.filter(lead=lead).order_by().values("deal_id")
        return self.filter(pk__in=named.union(beside, all=True))

    def open(self) -> DealQuerySet:
        return self.filter(status=StageKind.OPEN)

    def sold(self) -> DealQuerySet:
        """Won, with somebody, in a pipeline that counts as sales."""
        return self.filter(status=StageKind.WON, pipeline__counts_as_sales=True, lead__isnull=False)

    def for_list(self) -> DealQuerySet:
        """With everything a card or list row shows, in a fixed number of queries."""
        return self.select_related("stage", "pipeline", "owner", "organization", "lead")


class Deal(TenantModel):
    """A sale in the making. `status` follows the kind of its stage."""

    title = models.CharField(max_length=160)
    lead = models.ForeignKey(
        "crm.Lead",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="deals",
        help_text="The primary lead: the person LinkedIn is told about.",
    )
    organization = models.ForeignKey(
        "crm.Organization", on_delete=models.SET_NULL, null=True, blank=True, related_name="deals"
    )
    amount = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    pipeline = models.ForeignKey("crm.Pipeline", on_delete=models.PROTECT, related_name="deals")
    stage = models.ForeignKey("crm.Stage", on_delete=models.PROTECT, related_name="deals")
    status = models.CharField(max_length=5, choices=StageKind.choices, default=StageKind.OPEN)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="deals"
    )
    expected_close = models.DateField(null=True, blank=True)
    next_step = models.CharField(max_length=160, blank=True)
    next_step_on = models.DateField(null=True, blank=True)
    close_reason = models.CharField(max_length=300, blank=True)
    external_id = models.CharField(max_length=190, blank=True)
    custom = models.JSONField(default=dict, blank=True, help_text="Values of custom fields, by key.")
    won_at = models.DateTimeField(null=True, blank=True, editable=False)
    lost_at = models.DateTimeField(null=True, blank=True, editable=False)
    stage_since = models.DateTimeField(default=timezone.now, editable=False)
    origin = models.CharField(max_length=12, default="web", editable=False)
    occurred_at = models.DateTimeField(default=timezone.now, editable=False)
    is_sample = models.BooleanField(default=False, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[DealQuerySet] = scoped(DealQuerySet)

    class Meta:
        ordering = ("-stage_since", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=("company", "external_id"),
                condition=~Q(external_id=""),
                name="deal_external_id_once",
            ),
            models.CheckConstraint(
                condition=Q(amount=None) | Q(amount__gte=0), name="deal_amount_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(amount=None) | ~Q(currency=""), name="deal_amount_has_currency"
            ),
            models.CheckConstraint(
                condition=Q(status="won", won_at__isnull=False, lost_at=None)
                | Q(status="lost", lost_at__isnull=False, won_at=None)
                | Q(status="open", won_at=None, lost_at=None),
                name="deal_outcome_has_its_time",
            ),
        ]
        indexes = [
            models.Index(fields=("company", "stage", "-stage_since"), name="deal_by_stage"),
            models.Index(fields=("company", "owner", "status"), name="deal_by_owner"),
            models.Index(fields=("company", "-created_at", "-id"), name="deal_by_creation"),
            models.Index(
                fields=("company", "pipeline", "-stage_since", "-id"),
                condition=Q(archived_at=None),
                name="deal_by_last_move",
            ),
            models.Index(
                fields=("company", "pipeline", "next_step_on"),
                condition=Q(status="open"),
                name="deal_by_next_step",
            ),
            models.Index(
                fields=("company", "pipeline", "won_at"),
                condition=Q(won_at__isnull=False),
                name="deal_by_winning",
            ),
            models.Index(
                fields=("company", "pipeline", "lost_at"),
                condition=Q(lost_at__isnull=False),
                name="deal_by_loss",
            ),
            models.Index(
                fields=("company", "-archived_at", "-id"),
                condition=Q(archived_at__isnull=False),
                name="deal_by_archiving",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class DealPerson(TenantModel):
    """A further lead on a deal, with their role in the buying."""

    deal = models.ForeignKey(Deal, on_delete=models.CASCADE, related_name="people")
    lead = models.ForeignKey("crm.Lead", on_delete=models.CASCADE, related_name="deal_roles")
    role = models.CharField(max_length=60, blank=True)
    position = models.PositiveSmallIntegerField(default=0)

    objects: ClassVar[TenantQuerySet[DealPerson]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("position", "id")
        constraints = [models.UniqueConstraint(fields=("deal", "lead"), name="person_once_per_deal")]

    def __str__(self) -> str:
        return f"{self.lead} ({self.role})" if self.role else str(self.lead)


class DealStageChange(TenantModel):
    """A row for every change of stage: ageing, backfill, and the occurrence of won and lost events."""

    deal = models.ForeignKey(Deal, on_delete=models.CASCADE, related_name="stage_changes")
    from_stage = models.ForeignKey("crm.Stage", on_delete=models.SET_NULL, null=True, related_name="+")
    to_stage = models.ForeignKey("crm.Stage", on_delete=models.SET_NULL, null=True, related_name="+")
    from_kind = models.CharField(max_length=5, choices=StageKind.choices, blank=True)
    to_kind = models.CharField(max_length=5, choices=StageKind.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    at = models.DateTimeField()

    objects: ClassVar[TenantQuerySet[DealStageChange]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("at", "id")
        indexes = [models.Index(fields=("deal", "at"), name="stage_history")]

    def __str__(self) -> str:
        return f"{self.from_stage} → {self.to_stage}"
