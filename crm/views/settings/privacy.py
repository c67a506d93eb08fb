"""What the company asks consent for, what it tells LinkedIn, how long it keeps things, and who was erased."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from crm.access import Ability
from crm.actions import companies, retention
from crm.errors import Conflict
from crm.forms import SentenceForm, show_refusal
from crm.models import Company, ConsentPolicy, Erasure
from crm.texts import gettext_lazy
from crm.views.page import PageRequest, actor_of, done
from crm.views.settings.page import render_settings, settings_page

MOST_SHOWN: Final = 50


class PrivacyForm(SentenceForm):
    """Consent, matching and the company's own addresses."""

    consent_policy = forms.ChoiceField(
        label=gettext_lazy("When nobody knows whether a person agreed"),
        choices=[
            (ConsentPolicy.SEND, gettext_lazy("Report them to LinkedIn")),
            (ConsentPolicy.HOLD_EUROPE, gettext_lazy("Wait for consent in the EEA, the UK and Switzerland")),
            (ConsentPolicy.HOLD, gettext_lazy("Wait for consent everywhere")),
        ],
        help_text=gettext_lazy(
            "Whoever said no is never reported. A country that is not known counts as European."
        ),
    )
    enhanced_matching = forms.BooleanField(
        label=gettext_lazy("Enhanced matching"),
        required=False,
        help_text=(
            gettext_lazy(
                "Also tell LinkedIn first and last name, title, firm and country, so that it recognises more people. "
                "Off, nothing leaves but a click id, a form response and a hash of the e-mail address."
            )
        ),
    )
    internal_domains = forms.CharField(
        label=gettext_lazy("Your own e-mail domains"),
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "placeholder": "example.com"}),
        help_text=gettext_lazy("One a line. Leads with such an address are never reported."),
    )


class RetentionForm(SentenceForm):
    """How long things are kept."""

    archived_lead_days = forms.IntegerField(
        label=gettext_lazy("Erase archived leads after"),
        required=False,
        widget=forms.NumberInput(attrs={"min": 1, "max": retention.LONGEST_DAYS}),
        help_text=gettext_lazy("Days. Empty keeps them."),
    )
    conversion_days = forms.IntegerField(
        label=gettext_lazy("Forget what LinkedIn was told after"),
        widget=forms.NumberInput(
            attrs={"min": retention.SHORTEST_CONVERSION_DAYS, "max": retention.LONGEST_DAYS}
        ),
        help_text=gettext_lazy("Days, 90 or more. The event stays as a count."),
    )


@settings_page(Ability.MANAGE, "GET", "HEAD", "POST")
def privacy(request: PageRequest) -> HttpResponse:
    """The page; a POST changes consent and matching."""
    if request.method != "POST":
        return _page(request)
    form = PrivacyForm(request.POST)
    if form.is_valid():
        changes = companies.CompanySettings(
            consent_policy=form.cleaned_data["consent_policy"],
            enhanced_matching=form.cleaned_data["enhanced_matching"],
            internal_domains=form.cleaned_data["internal_domains"].split(),
        )
        try:
            companies.update_company(request.principal.company, changes, actor_of(request))
        except (ValidationError, Conflict) as refusal:
            show_refusal(form, refusal)
        else:
            return done(request, _("Saved."), reverse("settings_privacy"))
    return _page(request, form=form)


@settings_page(Ability.MANAGE, "POST")
@transaction.atomic
def privacy_retention(request: PageRequest) -> HttpResponse:
    """Change how long things are kept."""
    form = RetentionForm(request.POST)
    if form.is_valid():
        try:
            retention.update_retention(
                request.principal.company,
                archived_lead_days=form.cleaned_data["archived_lead_days"],
                conversion_days=form.cleaned_data["conversion_days"],
                actor=actor_of(request),
            )
        except (ValidationError, Conflict) as refusal:
            show_refusal(form, refusal)
        else:
            return done(request, _("Saved."), reverse("settings_privacy"))
    return _page(request, kept=form)


def _page(
    request: PageRequest, form: PrivacyForm | None = None, kept: RetentionForm | None = None
) -> HttpResponse:
    company = request.principal.company
    rules = retention.retention_of(company)
    erasures = Erasure.objects.select_related("actor")
    context: dict[str, Any] = {
        "form": form or PrivacyForm(initial=_initial(company)),
        "kept": kept
        or RetentionForm(
            initial={
                "archived_lead_days": rules.archived_lead_days,
                "conversion_days": rules.conversion_days,
            }
        ),
        "outlived": retention.apply_retention(company, dry_run=True),
        "erasures": list(erasures[:MOST_SHOWN]),
        "total": erasures.count(),
        "unfinished": erasures.unfinished().count(),
    }
    is_refused = any(bound and bound.errors for bound in (form, kept))
    return render_settings(request, "crm/settings/privacy.html", context, status=422 if is_refused else 200)


def _initial(company: Company) -> dict[str, Any]:
    return {
        "consent_policy": company.consent_policy,
        "enhanced_matching": company.enhanced_matching,
        "internal_domains": "\n".join(company.internal_domains),
    }
