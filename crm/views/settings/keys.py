"""API keys: made, rotated and revoked. A key is shown on the page that answers, and never again."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.access import Ability
from crm.actions import people
from crm.errors import Conflict
from crm.forms import SentenceForm, show_refusal
from crm.models import ApiKey
from crm.views.page import PageRequest, actor_of, done, refused, status_of
from crm.views.settings.page import render_settings, settings_page

KEYS: Final = "settings_keys"
SCOPES: Final = (
    ("read", gettext_lazy("Read"), gettext_lazy("see leads, deals and everything else")),
    ("write", gettext_lazy("Write"), gettext_lazy("add and change leads, deals, tasks and notes")),
    ("capture", gettext_lazy("Capture"), gettext_lazy("send what web forms take in, nothing else")),
    ("admin", gettext_lazy("Admin"), gettext_lazy("change settings, people and LinkedIn")),
)
GRACES: Final = {
    "0": (gettext_lazy("at once"), dt.timedelta(0)),
    "1": (gettext_lazy("in an hour"), dt.timedelta(hours=1)),
    "24": (gettext_lazy("in a day"), dt.timedelta(days=1)),
    "168": (gettext_lazy("in a week"), dt.timedelta(days=7)),
}
USUAL_GRACE: Final = "24"


class KeyForm(SentenceForm):
    """What a new key is for, and what it may do."""

    name = forms.CharField(
        label=gettext_lazy("What is it for?"),
        max_length=60,
        widget=forms.TextInput(attrs={"placeholder": gettext_lazy("Web shop"), "autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("It may"),
        choices=[(name, label) for name, label, _text in SCOPES],
        initial=["read", "write"],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Choose at least one.")},
    )
    expires_on = forms.DateField(
        label=gettext_lazy("Last day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("Empty: until it is revoked."),
    )

    def clean_expires_on(self) -> dt.date | None:
        day: dt.date | None = self.cleaned_data["expires_on"]
        if day is not None and day < timezone.now().date():
            raise ValidationError(_("This day is over."))
        return day


@settings_page(Ability.MANAGE, "GET", "HEAD", "POST")
def api_keys(request: PageRequest) -> HttpResponse:
    """The keys of the company, and the form that makes one."""
    if request.method != "POST":
        return _page(request, KeyForm())
    form = KeyForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    filled = form.cleaned_data
    company = request.principal.company
    try:
        made = people.create_api_key(
            company,
            filled["name"],
            filled["scopes"],
            user=request.principal.user,
            expires_at=_end_of(filled["expires_on"], ZoneInfo(company.time_zone)),
            actor=actor_of(request),
        )
    except (ValidationError, Conflict) as refusal:
        show_refusal(form, refusal)
        return _page(request, form, status=status_of(refusal))
    return _page(request, KeyForm(), made=made)


@settings_page(Ability.MANAGE, "POST")
def api_key_rotate(request: PageRequest, pk: UUID) -> HttpResponse:
    """Another secret for a key; the one before ends when it was said."""
    key = get_object_or_404(ApiKey, pk=pk)
    _label, grace = GRACES.get(request.POST.get("grace", ""), GRACES[USUAL_GRACE])
    try:
        made = people.rotate_api_key(key, actor_of(request), grace)
    except Conflict as refusal:
        return refused(request, refusal, reverse(KEYS))
    return _page(request, KeyForm(), made=made)


@settings_page(Ability.MANAGE, "POST")
def api_key_revoke(request: PageRequest, pk: UUID) -> HttpResponse:
    """Refuse the key from the next request on."""
    key = get_object_or_404(ApiKey, pk=pk)
    people.revoke_api_key(key, actor_of(request))
    text = _("%(key)s is refused from now on.") % {"key": key.name}
    return done(request, text, reverse(KEYS))


def _end_of(day: dt.date | None, zone: dt.tzinfo) -> dt.datetime | None:
    """The end of the day by the company's clock."""
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), zone) if day else None


def _page(
    request: PageRequest, form: KeyForm, *, made: people.NewKey | None = None, status: int = 200
) -> HttpResponse:
    keys = list(ApiKey.objects.select_related("created_by"))
    asked = next((key for key in keys if key.is_live and str(key.pk) == request.GET.get("key")), None)
    context: dict[str, Any] = {
        "live": [key for key in keys if key.is_live],
        "ended": [key for key in keys if not key.is_live],
        "form": form,
        "made": made,
        "asked": asked,
        "scopes": SCOPES,
        "graces": [(value, label) for value, (label, _grace) in GRACES.items()],
        "usual_grace": USUAL_GRACE,
    }
    response = render_settings(request, "crm/settings/keys.html", context, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response
