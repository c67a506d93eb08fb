"""LinkedIn's Lead Gen Forms: the page that connects them, and the address that LinkedIn notifies."""

from __future__ import annotations

from typing import Any

from django import forms as django_forms
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from capi import lead_forms as actions
from capi import leadgen
from capi.log import Summary
from capi.models import FormStatus, LeadFormNotice, LeadForms
from capi.views.door import linkedin_page, tabs
from crm import vault
from crm.access import Ability
from crm.forms import SentenceForm, show_refusal
from crm.tenancy import company_scope
from crm.views.page import PageRequest, actor_of, done, refused

LATEST = 20
_WORDS = {
    "first_name": gettext_lazy("First name"),
    "last_name": gettext_lazy("Last name"),
    "email": gettext_lazy("E-mail"),
    "work_email": gettext_lazy("Second e-mail"),
    "phone": gettext_lazy("Phone"),
    "work_phone": gettext_lazy("Second phone"),
    "organization": gettext_lazy("Organization"),
    "title": gettext_lazy("Title"),
    "website": gettext_lazy("Web site"),
    actions.NOTE: gettext_lazy("Note on the timeline"),
}


class ConnectForm(SentenceForm):
    """The company's own developer app. What was saved is never shown again."""

    account = django_forms.CharField(label=gettext_lazy("Ad account"), max_length=60)
    secret = django_forms.CharField(
        label=gettext_lazy("Client secret"),
        max_length=200,
        widget=django_forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    token = django_forms.CharField(
        label=gettext_lazy("Access token"),
        max_length=2000,
        widget=django_forms.PasswordInput(attrs={"autocomplete": "off"}),
    )


class MappingForm(SentenceForm):
    """Where the answer to each question goes."""

    def __init__(self, forms: LeadForms, data: Any = None) -> None:
        super().__init__(data)
        own = actions.targets_of_own_fields()
        choices = [*((each, _WORDS[each]) for each in actions.TARGETS), *own.items()]
        for question in actions.QUESTIONS:
            now = forms.mapping.get(question, actions.NOTE)
            label = question.replace("_", " ").capitalize()
            self.fields[question] = django_forms.ChoiceField(label=label, choices=choices, initial=now)


@sensitive_post_parameters("secret", "token")
@linkedin_page(Ability.SEE_LINKEDIN, "GET", "HEAD", "POST")
def lead_forms(request: PageRequest) -> HttpResponse:
    """What is connected, and what came in; a POST connects, by who may change the company's integrations."""
    may_change = request.principal.can(Ability.MANAGE)
    if request.method == "POST" and not may_change:
        raise PermissionDenied
    form = ConnectForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            actions.save(request.principal.company, actor=actor_of(request), **form.cleaned_data)
        except ValidationError as refusal:
            show_refusal(form, refusal)
        else:
            return done(request, _("Lead forms are connected."), reverse("linkedin_forms"))
    forms = LeadForms.objects.first()
    context = {
        "forms": forms,
        "form": form,
        "mapping": MappingForm(forms) if forms else None,
        "hook_url": actions.hook_url(forms) if forms else "",
        "latest": list(LeadFormNotice.objects.select_related("lead")[:LATEST]),
        "failed": LeadFormNotice.objects.filter(status=FormStatus.FAILED).count(),
        "tabs": tabs("forms", Summary.now()),
        "may_change": may_change,
    }
    return render(request, "capi/lead_forms.html", context, status=422 if form.errors else 200)


@linkedin_page(Ability.MANAGE, "POST")
def mapping(request: PageRequest) -> HttpResponse:
    """Say where answers go."""
    forms = _connected()
    form = MappingForm(forms, request.POST)
    if not form.is_valid():
        refusal = ValidationError(_("Choose where each answer goes."))
        return refused(request, refusal, reverse("linkedin_forms"))
    actions.change_mapping(forms, form.cleaned_data, actor_of(request))
    return done(request, _("New answers go there from now on."), reverse("linkedin_forms"))


@linkedin_page(Ability.MANAGE, "POST")
def subscribe(request: PageRequest) -> HttpResponse:
    """Have LinkedIn notify us."""
    try:
        actions.subscribe(_connected())
    except ValidationError as refusal:
        return refused(request, refusal, reverse("linkedin_forms"))
    return done(request, _("LinkedIn notifies us of each form from now on."), reverse("linkedin_forms"))


@linkedin_page(Ability.MANAGE, "POST")
def delete(request: PageRequest) -> HttpResponse:
    """Disconnect."""
    actions.delete(_connected(), actor_of(request))
    return done(request, _("Lead forms are disconnected. Their leads stay."), reverse("linkedin_forms"))


# LinkedIn posts here without a session; its signature over the body is looked at instead.
@csrf_exempt  # nosemgrep: request-without-its-token
@login_not_required
@require_http_methods(["GET", "POST"])
def hook(request: HttpRequest, key: str) -> HttpResponse:
    """LinkedIn's challenge, and its notices. Whatever is wrong with the address is the same 404."""
    forms = actions.find(key) if key.isascii() and key.isprintable() else None
    if forms is None:
        raise Http404
    try:
        secret = forms.secret()
    except vault.VaultError:
        return JsonResponse({"error": "not_ready"}, status=503)
    if request.method == "GET":
        code = request.GET.get("challengeCode", "")
        response = leadgen.challenge_response(code, secret)
        if response is None:
            return JsonResponse({"error": "challenge_code_missing"}, status=400)
        return JsonResponse({"challengeCode": code, "challengeResponse": response})
    if not leadgen.is_signed(request.body, request.headers.get("X-LI-Signature", ""), secret):
        return JsonResponse({"error": "bad_signature"}, status=401)
    notice = leadgen.read_notice(request.body)
    if notice:
        with company_scope(forms.company):
            actions.take(forms, [notice])
    return HttpResponse(status=204)


def _connected() -> LeadForms:
    forms = LeadForms.objects.first()
    if forms is None:
        raise Http404
    return forms
