"""The company: its name, money and time, and what a new lead starts with."""

from __future__ import annotations

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from crm import languages
from crm.access import Ability
from crm.actions import companies
from crm.currencies import CURRENCIES
from crm.errors import Conflict
from crm.forms import MemberField, SentenceForm, members, show_refusal
from crm.models import Company, LeadStatus
from crm.texts import gettext_lazy
from crm.views.page import PageRequest, actor_of, done, status_of
from crm.views.settings.page import render_settings, settings_page


@cache
def time_zones() -> list[tuple[str, str]]:
    """Every time zone that is a place, and UTC; read from disk once."""
    places = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    return [(zone, zone.replace("_", " ")) for zone in ("UTC", *places)]


class CompanyForm(SentenceForm):
    """The settings that are not about privacy."""

    name = forms.CharField(max_length=120)
    currency = forms.ChoiceField(
        choices=[(code, code) for code in sorted(CURRENCIES)],
        help_text=gettext_lazy("Comes first in every sum."),
    )
    time_zone = forms.ChoiceField(help_text=gettext_lazy("Decides what today is, and every time shown."))
    language = forms.ChoiceField(
        choices=languages.choices(),
        required=False,
        help_text=gettext_lazy("For everybody who has not chosen another one for themselves."),
    )
    default_status = forms.ModelChoiceField(
        LeadStatus.objects.none(), label=gettext_lazy("Status of new leads"), empty_label=None
    )
    default_source = forms.CharField(
        label=gettext_lazy("Source of new leads"),
        required=False,
        max_length=80,
        help_text=gettext_lazy("Where nobody says how they came."),
    )
    fallback_owner = MemberField(help_text=gettext_lazy("Gets leads that nobody is named for."))
    settle_minutes = forms.IntegerField(
        label=gettext_lazy("Wait before LinkedIn is told of won and lost"),
        min_value=0,
        max_value=15,
        widget=forms.NumberInput(attrs={"min": 0, "max": 15}),
        help_text=gettext_lazy("Minutes, 0 to 15. A slip that is undone in time is never sent."),
        error_messages={
            "min_value": gettext_lazy("Give 0 to 15 minutes."),
            "max_value": gettext_lazy("Give 0 to 15 minutes."),
        },
    )

    def __init__(self, data: QueryDict | None = None, *, company: Company) -> None:
        initial = {name: getattr(company, name) for name in self.base_fields}
        super().__init__(data, initial=initial)
        self.company = company
        fields: Any = self.fields
        known = time_zones()
        is_known = any(zone == company.time_zone for zone, _ in known)
        fields["time_zone"].choices = known if is_known else [(company.time_zone, company.time_zone), *known]
        fields["default_status"].queryset = LeadStatus.objects.all()
        fields["fallback_owner"].queryset = members()

    def clean_language(self) -> str:
        """As it was, where none was sent."""
        return str(self.cleaned_data["language"] or self.company.language)


@settings_page(Ability.MANAGE, "GET", "HEAD", "POST")
def company_settings(request: PageRequest) -> HttpResponse:
    """The page; a POST changes the settings."""
    company = request.principal.company
    if request.method != "POST":
        return render_settings(request, "crm/settings/company.html", {"form": CompanyForm(company=company)})
    form = CompanyForm(request.POST, company=company)
    status = 422
    if form.is_valid():
        changes = companies.CompanySettings(**form.cleaned_data)  # type: ignore[typeddict-item]
        try:
            companies.update_company(company, changes, actor_of(request))
        except (ValidationError, Conflict) as refusal:
            show_refusal(form, refusal)
            status = status_of(refusal)
        else:
            return done(request, _("Saved."), reverse("settings_company"))
    return render_settings(request, "crm/settings/company.html", {"form": form}, status=status)
