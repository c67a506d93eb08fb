"""Webhooks: who is told what happens, and the log of what was said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from crm.access import Ability
from crm.actions import webhooks as actions
from crm.errors import Conflict
from crm.forms import SentenceForm, show_refusal
from crm.models import Webhook, WebhookDelivery, WebhookEvent, WebhookStatus
from crm.pretty_json import pretty_json
from crm.views.leads import page_links
from crm.views.page import PageRequest, actor_of, done, refused, status_of
from crm.views.settings.page import settings_page

LIST: Final = "settings_webhooks"
ONE: Final = "settings_webhook"
MESSAGE: Final = "settings_webhook_message"
PAGE_ROWS: Final = 50
# What "failed since" offers, in hours.
SINCE: Final = {
    "24": gettext_lazy("a day ago"),
    "72": gettext_lazy("three days ago"),
    "720": gettext_lazy("a month ago"),
}


class WebhookForm(SentenceForm):
    """Where to, and what."""

    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=500,
        widget=forms.URLInput(attrs={"autocomplete": "off", "placeholder": "https://"}),
        help_text=gettext_lazy("https, a public host, port 443, 8443 or 9443."),
    )
    description = forms.CharField(label=gettext_lazy("Name"), max_length=120, required=False)
    events = forms.MultipleChoiceField(
        label=gettext_lazy("Tell it of"), choices=WebhookEvent.choices, widget=forms.CheckboxSelectMultiple
    )

    def changes(self) -> actions.WebhookChanges:
        filled = self.cleaned_data
        return actions.WebhookChanges(
            url=filled["url"], description=filled["description"], events=filled["events"]
        )


@settings_page(Ability.MANAGE, "GET", "HEAD", "POST")
def webhooks(request: PageRequest) -> HttpResponse:
    """The list; a POST adds one, and the page that answers shows its secret."""
    form = WebhookForm(request.POST if request.method == "POST" else None)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            made = actions.add_webhook(request.principal.company, form.changes(), actor_of(request))
        except (ValidationError, Conflict) as refusal:
            show_refusal(form, refusal)
            status = status_of(refusal)
        else:
            return _one(request, made.hook, secret=made.secret, title=_("The webhook is added."))
    failed = Count("deliveries", filter=Q(deliveries__status=WebhookStatus.FAILED))
    rows = Webhook.objects.annotate(failed=failed).order_by("created_at", "id")
    return render(request, "crm/settings/webhooks.html", {"hooks": list(rows), "form": form}, status=status)


@settings_page(Ability.MANAGE, "GET", "HEAD", "POST")
def webhook(request: PageRequest, pk: UUID) -> HttpResponse:
    """One webhook with its log; a POST changes it."""
    hook = get_object_or_404(Webhook, pk=pk)
    if request.method != "POST":
        return _one(request, hook)
    form = WebhookForm(request.POST)
    status = 422
    if form.is_valid():
        try:
            actions.change_webhook(hook, form.changes(), actor_of(request))
        except (ValidationError, Conflict) as refusal:
            show_refusal(form, refusal)
            status = status_of(refusal)
        else:
            return done(request, _("The webhook is saved."), reverse(ONE, args=[pk]))
    return _one(request, hook, form=form, status=status)


@settings_page(Ability.MANAGE, "POST")
def webhook_switch(request: PageRequest, pk: UUID) -> HttpResponse:
    """On or off."""
    hook = get_object_or_404(Webhook, pk=pk)
    wanted = request.POST.get("active") == "yes"
    actions.change_webhook(hook, {"is_active": wanted}, actor_of(request))
    text = (
        _("The webhook is on.") if wanted else _("The webhook is off. What waited can be sent again later.")
    )
    return done(request, text, reverse(ONE, args=[pk]))


@settings_page(Ability.MANAGE, "POST")
def webhook_rotate(request: PageRequest, pk: UUID) -> HttpResponse:
    """A new secret, shown on the page that answers."""
    made = actions.rotate_secret(get_object_or_404(Webhook, pk=pk), actor_of(request))
    title = _("There is a new secret.")
    return _one(request, made.hook, secret=made.secret, title=title, is_rotated=True)


@settings_page(Ability.MANAGE, "POST")
def webhook_test(request: PageRequest, pk: UUID) -> HttpResponse:
    """Send a message that says nothing."""
    hook = get_object_or_404(Webhook, pk=pk)
    try:
        actions.send_test(hook)
    except Conflict as refusal:
        return refused(request, refusal, reverse(ONE, args=[pk]))
    return done(request, _("A test is on its way. It appears in the log."), reverse(ONE, args=[pk]))


@settings_page(Ability.MANAGE, "POST")
def webhook_replay(request: PageRequest, pk: UUID) -> HttpResponse:
    """Send again what has failed since."""
    hook = get_object_or_404(Webhook, pk=pk)
    hours = request.POST.get("since", "")
    since = timezone.now() - timedelta(hours=int(hours) if hours in SINCE else 72)
    try:
        count = actions.replay_failed(hook, since, actor_of(request))
    except Conflict as refusal:
        return refused(request, refusal, reverse(ONE, args=[pk]))
    text = ngettext("%(count)s message is sent again.", "%(count)s messages are sent again.", count)
    return done(request, text % {"count": count}, reverse(ONE, args=[pk]))


@settings_page(Ability.MANAGE, "GET", "HEAD", "POST")
def webhook_delete(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask, then delete it with its log."""
    hook = get_object_or_404(Webhook, pk=pk)
    if request.method != "POST":
        return _one(request, hook, is_asked=True)
    actions.delete_webhook(hook, actor_of(request))
    return done(request, _("So is its log."), reverse(LIST), lead=_("The webhook is gone."))


@settings_page(Ability.MANAGE)
def webhook_message(request: PageRequest, pk: UUID) -> HttpResponse:
    """One message: what it said, and each try."""
    message = get_object_or_404(WebhookDelivery.objects.select_related("hook"), pk=pk)
    context = {
        "message": message,
        "tries": list(message.attempts_log.all()),
        "html": pretty_json(message.body),
    }
    return render(request, "crm/settings/webhook_message.html", context)


@settings_page(Ability.MANAGE, "POST")
def webhook_message_replay(request: PageRequest, pk: UUID) -> HttpResponse:
    """Send one message again."""
    message = get_object_or_404(WebhookDelivery.objects.select_related("hook"), pk=pk)
    url = reverse(MESSAGE, args=[pk])
    try:
        actions.replay(message, actor_of(request))
    except Conflict as refusal:
        return refused(request, refusal, url)
    return done(request, _("It is sent again, with the id it had."), url)


def _one(
    request: PageRequest,
    hook: Webhook,
    *,
    form: WebhookForm | None = None,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    only = request.GET.get("status", "")
    log = WebhookDelivery.objects.filter(hook=hook)
    counts = dict(log.order_by().values_list("status").annotate(Count("pk")))
    if only in WebhookStatus.values:
        log = log.filter(status=only)
    page = Paginator(log.order_by("-created_at", "-id"), PAGE_ROWS).get_page(request.GET.get("page"))
    initial = {"url": hook.url, "description": hook.description, "events": hook.events}
    context = {
        "hook": hook,
        "form": form or WebhookForm(initial=initial),
        "rows": page.object_list,
        "page": page,
        "only": only,
        "statuses": [
            {"key": key, "label": label, "count": counts.get(key, 0)} for key, label in WebhookStatus.choices
        ],
        "total": sum(counts.values()),
        "failed": counts.get(WebhookStatus.FAILED, 0),
        "since": SINCE.items(),
        **page_links(page, request.GET),
        **more,
    }
    return render(request, "crm/settings/webhook.html", context, status=status)
