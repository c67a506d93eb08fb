"""The admin panel's pages for the LinkedIn side. No secret is ever shown; every verb is one of `capi.operations`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters

from capi import operations
from capi.models import (
    AppHold,
    Connection,
    ConnectionKind,
    ConversionEvent,
    ConversionEventQuerySet,
    Delivery,
    Holder,
    Rule,
    Status,
)
from crm.actor import Actor
from crm.administration import (
    ActionForm,
    ModelAdmin,
    ReadOnlyAdmin,
    Rows,
    TenantAdmin,
    actor_of,
    by_company,
    is_operator,
)
from crm.errors import Conflict
from crm.models import Company
from crm.pretty_json import pretty_json


class ConnectionForm(ActionForm):
    """The token goes in and never comes out: not even what was just typed is sent back with an error."""

    new_token = forms.CharField(
        max_length=8000,
        strip=False,
        help_text="Paste the access token from Campaign Manager. It is stored encrypted, and no page shows it again.",
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"}),
    )
    aliases = {"token": "new_token"}


@admin.register(Connection)
class ConnectionAdmin(TenantAdmin):
    """A company's line to LinkedIn."""

    form = ConnectionForm
    operator_may_add = members_may_add = True
    list_display = ("__str__", "kind", "state", "saved_at", "saved_by", "last_accepted_at")
    list_filter = ("kind",)
    list_select_related = ("saved_by",)
    fields = (
        "new_token",
        "kind",
        "state",
        "held_message",
        "saved_at",
        "saved_by",
        "last_accepted_at",
        "wait_message",
    )
    actions = ("pause", "release", "forget_token")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = [field for field in self.fields if field != "new_token"]
        return [*super().get_readonly_fields(request, obj), *shown]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fields(request, obj) if obj else self._adding(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A company has one."""
        return super().has_add_permission(request) and (
            is_operator(request) or not Connection.objects.exists()
        )

    @method_decorator(sensitive_post_parameters("new_token"))
    def changeform_view(self, *args: Any, **kwargs: Any) -> Any:
        return super().changeform_view(*args, **kwargs)

    @admin.display(description="State")
    def state(self, connection: Connection) -> str:
        return {"none": "No token", "paused": "Paused", "active": "Active"}[connection.state]

    def write(self, request: HttpRequest, company: Company, obj: Any, form: ActionForm) -> Connection:
        kind = obj.kind if obj else ConnectionKind.DIRECT
        return operations.save_token(company, form.cleaned_data["new_token"], actor_of(request), kind=kind)

    @admin.action(description="Pause")
    def pause(self, request: HttpRequest, selected: Rows) -> None:
        _for_each(self, request, selected, operations.pause_connection, "{} connections were paused.")

    @admin.action(description="Release")
    def release(self, request: HttpRequest, selected: Rows) -> None:
        _for_each(self, request, selected, operations.release_connection, "{} connections were released.")

    @admin.action(description="Forget the token")
    def forget_token(self, request: HttpRequest, selected: Rows) -> None:
        _for_each(self, request, selected, operations.delete_token, "{} tokens were forgotten.")

    def _adding(self, request: HttpRequest) -> list[str]:
        return ["company", "new_token"] if is_operator(request) else ["new_token"]


class RuleForm(ActionForm):
    """A rule as the operation takes it: the conversion by number or URN, the amount as it is written."""

    conversion_id = forms.CharField(
        label="Conversion", max_length=120, help_text="The number or the URN from Campaign Manager."
    )
    fixed_amount = forms.CharField(max_length=30, required=False, help_text="A plain number such as 50.00.")


@admin.register(Rule)
class RuleAdmin(TenantAdmin):
    """Which event of the CRM is which conversion of LinkedIn's."""

    form = RuleForm
    operator_may_add = members_may_add = True
    list_display = ("name", "event", "conversion_id", "is_active", "value", "state", "held_message")
    list_filter = ("event", "is_active", "held_reason")
    search_fields = ("name", "conversion_id")
    fields = (
        "name",
        "event",
        "conversion_id",
        "is_active",
        ("value", "fixed_amount", "fixed_currency"),
        "repeat",
        "conditions",
        "state",
        "held_message",
    )
    readonly_fields = ("state", "held_message")
    actions = ("send_test", "release", "delete_rules")

    def get_queryset(self, request: HttpRequest) -> Rows:
        return super().get_queryset(request).filter(deleted_at=None)

    @admin.display(description="State")
    def state(self, rule: Rule) -> str:
        return rule.state.capitalize()

    def write(self, request: HttpRequest, company: Company, obj: Any, form: ActionForm) -> Rule:
        changes = cast("operations.RuleChanges", form.changes)
        if obj is None:
            return operations.create_rule(company, changes, actor_of(request))
        return operations.update_rule(obj, changes, actor_of(request))

    @admin.action(description="Send test event")
    def send_test(self, request: HttpRequest, selected: Rows) -> None:
        for rules in by_company(selected):
            for rule in rules:
                self._send_one_test(request, rule)

    @admin.action(description="Release")
    def release(self, request: HttpRequest, selected: Rows) -> None:
        _for_each(self, request, selected, operations.release_rule, "{} rules were released.")

    @admin.action(description="Delete selected rules; their log stays")
    def delete_rules(self, request: HttpRequest, selected: Rows) -> None:
        _for_each(self, request, selected, operations.delete_rule, "{} rules were deleted.")

    def _send_one_test(self, request: HttpRequest, rule: Rule) -> None:
        try:
            event = operations.send_test(rule, actor_of(request))
        except Conflict as refusal:
            self.message_user(request, f"{rule}: {refusal.message}", messages.ERROR)
            return
        where = reverse("admin:capi_conversionevent_change", args=[event.pk])
        text = format_html(
            '{}: the test event is on its way. <a href="{}">See what comes of it</a>', rule.name, where
        )
        self.message_user(request, text, messages.SUCCESS)


class DeliveryInline(admin.TabularInline):  # type: ignore[type-arg]  # generic for the type checker only
    """The attempts of an event, as they were written down."""

    model = Delivery
    verbose_name, verbose_name_plural = "attempt", "attempts"
    fields = readonly_fields = ("at", "status_code", "result", "sentence", "request_id", "duration")
    extra = 0

    def get_queryset(self, request: HttpRequest) -> Rows:
        return super().get_queryset(request).select_related("attempt").order_by("attempt__at", "pk")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True  # whoever sees the event sees its attempts

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def at(self, delivery: Delivery) -> str:
        return f"{timezone.localtime(delivery.attempt.at):%Y-%m-%d %H:%M:%S}"

    @admin.display(description="Status")
    def status_code(self, delivery: Delivery) -> int | None:
        return delivery.attempt.status_code

    def result(self, delivery: Delivery) -> str:
        """The event's own, where it differs from that of the request."""
        return delivery.get_outcome_display() if delivery.outcome else delivery.attempt.get_outcome_display()

    def sentence(self, delivery: Delivery) -> str:
        return delivery.message or delivery.attempt.message

    @admin.display(description="LinkedIn request id")
    def request_id(self, delivery: Delivery) -> str:
        return delivery.attempt.request_id

    def duration(self, delivery: Delivery) -> str:
        milliseconds = delivery.attempt.duration_ms
        return "" if milliseconds is None else f"{milliseconds} ms"


class ReasonFilter(admin.SimpleListFilter):
    """Why events were not accepted: only the reasons there are."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        reasons = model_admin.get_queryset(request).exclude(reason="").order_by("reason")
        return [
            (reason, reason.replace("_", " "))
            for reason in reasons.values_list("reason", flat=True).distinct()
        ]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(ConversionEvent)
class ConversionEventAdmin(ReadOnlyAdmin):
    """The log. Nobody edits it; three verbs act on it."""

    list_display = ("created_at", "event", "lead", "status", "sentence", "value_text", "rule", "attempts")
    list_filter = ("status", "event", "held_by", ReasonFilter, "is_test")
    list_select_related = ("rule", "lead", "deal", "told_lead")
    search_fields = ("event_id", "conversion_id")
    search_help_text = "Event id or conversion id"
    fields = (
        ("event", "rule", "conversion_id"),
        "event_id",
        ("lead", "deal", "told_lead"),
        ("status", "held_by", "reason"),
        "message",
        ("happened_at", "created_at", "accepted_at"),
        ("settles_at", "next_attempt_at", "expires_at"),
        ("value", "currency"),
        ("attempts", "failures", "unknown_outcomes"),
        "is_test",
        "element_pretty",
    )
    inlines = (DeliveryInline,)
    actions = ("resend", "release", "cancel")

    def get_queryset(self, request: HttpRequest) -> Rows:
        return super().get_queryset(request).prefetch_related("lead__emails")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        nested = self.get_fields(request, obj)
        return [name for entry in nested for name in (entry if isinstance(entry, tuple) else (entry,))]

    @admin.display(description="Value")
    def value_text(self, event: ConversionEvent) -> str:
        return (
            f"{event.value.normalize():f} {event.currency}" if event.value else self.get_empty_value_display()
        )

    @admin.display(description="Why")
    def sentence(self, event: ConversionEvent) -> str:
        return event.message or ("Settling" if event.is_settling else "")

    @admin.display(description="What is sent")
    def element_pretty(self, event: ConversionEvent) -> SafeString | str:
        if not event.element:
            return "Not built yet: it is built at the first send."
        return format_html('<pre class="element">{}</pre>', pretty_json(event.element))

    @admin.action(description="Resend")
    def resend(self, request: HttpRequest, selected: ConversionEventQuerySet) -> None:
        actor, chosen = actor_of(request), selected.count()
        count = sum(
            operations.resend_all(cast("ConversionEventQuerySet", events), actor)
            for events in by_company(selected)
        )
        self.message_user(request, f"{count} events are sent again.", messages.SUCCESS)
        if count < chosen:
            text = f"{chosen - count} were left alone: accepted, cancelled, expired, on their way, or tests."
            self.message_user(request, text, messages.WARNING)

    @admin.action(description="Release what holds them")
    def release(self, request: HttpRequest, selected: ConversionEventQuerySet) -> None:
        released = 0
        for events in by_company(selected.filter(status=Status.HELD)):
            released += self._release_in_company(request, cast("ConversionEventQuerySet", events))
        if released:
            self.message_user(
                request, f"{released} holds were ended; what waited is tried now.", messages.SUCCESS
            )
        else:
            self.message_user(
                request, "None of these waits for something that can be released.", messages.WARNING
            )

    @admin.action(description="Cancel")
    def cancel(self, request: HttpRequest, selected: ConversionEventQuerySet) -> None:
        _for_each(self, request, selected, operations.cancel, "{} events were cancelled.")

    def _release_in_company(self, request: HttpRequest, events: ConversionEventQuerySet) -> int:
        """End the holds these events wait for. The API version is the operator's, consent the person's own."""
        actor, holders = actor_of(request), set(events.order_by().values_list("held_by", flat=True))
        released = 0
        if Holder.CONNECTION in holders and (
            connection := Connection.objects.exclude(token_sealed="").first()
        ):
            operations.release_connection(connection, actor)
            released += 1
        for rule in Rule.objects.filter(pk__in=events.filter(held_by=Holder.RULE).values("rule")):
            operations.release_rule(rule, actor)
            released += 1
        if Holder.APP in holders and is_operator(request) and (connection := Connection.objects.first()):
            operations.release_app(connection.endpoint, actor)
            released += 1
        if Holder.LEAD in holders:
            text = "Some wait for the consent of the person: record it on the lead, and they are sent by themselves."
            self.message_user(request, text, messages.WARNING)
        return released


@admin.register(AppHold)
class AppHoldAdmin(ModelAdmin):
    """What is held for every company because LinkedIn refuses our API version. The operator's alone."""

    list_display = ("endpoint", "linkedin_version", "is_held", "held_message", "held_since")
    fields = readonly_fields = ("endpoint", "linkedin_version", "held_message", "held_since", "probe_at")
    actions = ("release",)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_operator(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="Held", boolean=True)
    def is_held(self, hold: AppHold) -> bool:
        return hold.is_held

    @admin.action(description="Release")
    def release(self, request: HttpRequest, selected: Rows) -> None:
        for hold in selected:
            operations.release_app(hold.endpoint, actor_of(request))
        self.message_user(request, "Released. What waited is tried with the next sweep.", messages.SUCCESS)


def _for_each(
    page: admin.ModelAdmin[Any],
    request: HttpRequest,
    selected: Rows,
    operation: Callable[[Any, Actor], object],
    done: str,
) -> None:
    """Do it to each selected row in its company's scope; say how many, and why not for the others."""
    actor, count, refusals = actor_of(request), 0, set[str]()
    for rows in by_company(selected):
        for row in rows:
            try:
                operation(row, actor)
            except Conflict as refusal:
                refusals.add(refusal.message)
            except ValidationError as refusal:
                refusals.update(refusal.messages)
            else:
                count += 1
    if count:
        page.message_user(request, done.format(count), messages.SUCCESS)
    for sentence in sorted(refusals):
        page.message_user(request, sentence, messages.WARNING)
